//! A small well-behaved plug-in: a picture times a gain, perhaps only where a mask is.

use std::ffi::CStr;
use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use ofx::{
    ActionError, Channel, ClipPreferences, Components, Context, Depth, Effect, EffectDescriptor,
    Handled, Identity, InstanceChanged, MessageKind, ParamKind, Plugin, Premultiplication, RectD,
    RegionsOfInterest, RenderArgs, Rendered, Scale, Status, StringMode, ThreadSafety,
};

pub(crate) const GAIN: &str = "org.example.gain";
pub(crate) const SAFE: &str = "org.example.gain.instance-safe";

/// Every action that was handled, in order, since [`take_log`].
static LOG: Mutex<Vec<String>> = Mutex::new(Vec::new());

fn log(what: impl Into<String>) {
    LOG.lock().unwrap().push(what.into());
}

pub(crate) fn take_log() -> Vec<String> {
    std::mem::take(&mut LOG.lock().unwrap())
}

/// How many renders are running, and how many were at most.
pub(crate) static RUNNING: AtomicU32 = AtomicU32::new(0);
pub(crate) static MOST: AtomicU32 = AtomicU32::new(0);

#[derive(Debug)]
pub(crate) enum Error {
    Interface(ofx::Error),
    Stopped,
    Asked,
}

impl From<ofx::Error> for Error {
    fn from(error: ofx::Error) -> Self {
        Self::Interface(error)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Interface(error) => error.fmt(f),
            Self::Stopped => f.write_str("stopped"),
            Self::Asked => f.write_str("it was asked to fail: 100 % of the time"),
        }
    }
}

impl ActionError for Error {
    fn status(&self) -> Status {
        match self {
            Self::Interface(error) => error.status(),
            _ => Status::FAILED,
        }
    }

    fn is_abort(&self) -> bool {
        matches!(self, Self::Stopped)
    }
}

/// The plug-in, in two degrees of thread safety.
pub(crate) struct Gain<const FULLY: bool>;

impl<const FULLY: bool> Plugin for Gain<FULLY> {
    const IDENTIFIER: &'static CStr = if FULLY {
        c"org.example.gain"
    } else {
        c"org.example.gain.instance-safe"
    };
    const VERSION: (u32, u32) = (1, 2);
    type Error = Error;

    fn describe(effect: EffectDescriptor<'_>) -> Result<(), Error> {
        effect.set_label("Gain")?;
        effect.set_grouping("Test")?;
        effect.set_icon("", "gain.png")?;
        effect.set_contexts(Context::ALL)?;
        effect.set_depths(Depth::ALL)?;
        effect.set_multi_resolution(true)?;
        effect.set_tiles(false)?;
        effect.set_multiple_clip_depths(false)?;
        effect.set_host_frame_threading(false)?;
        effect.set_thread_safety(if FULLY {
            ThreadSafety::FullySafe
        } else {
            ThreadSafety::InstanceSafe
        })?;
        effect.set_clip_preference_parameters(&["straight"])?;
        Ok(())
    }

    fn describe_in_context(effect: EffectDescriptor<'_>, context: Context) -> Result<(), Error> {
        let components: &[Components] = match context {
            Context::Filter => &[Components::Rgba],
            Context::General => &[Components::Rgba, Components::Rgb],
        };
        effect.define_clip("Source")?.components(components)?;
        effect
            .define_clip("Mask")?
            .optional(true)?
            .components(Components::ALL)?;
        effect.define_clip("Output")?.components(components)?;
        let params = effect.params()?;
        params.define(ParamKind::Group, "main")?.label("Main")?;
        params
            .define(ParamKind::Double, "gain")?
            .label("Gain")?
            .hint("How much brighter")?
            .parent("main")?
            .default_f64(1.0)?
            .range_f64(0.0, 100.0)?
            .display_range_f64(0.0, 4.0)?;
        params
            .define(ParamKind::Choice, "mode")?
            .options(&[
                ("Multiply", "multiply"),
                ("Fail Always", "fail"),
                ("Slow", "slow"),
                ("Identity", "identity"),
            ])?
            .default_choice(0)?
            .animates(false)?;
        params
            .define(ParamKind::Boolean, "straight")?
            .default_bool(false)?
            .animates(false)?;
        params
            .define(ParamKind::Integer, "count")?
            .default_i32(3)?
            .range_i32(0, 9)?;
        params
            .define(ParamKind::Rgb, "tint")?
            .default_rgb([1.0, 1.0, 1.0])?;
        params.define(ParamKind::PushButton, "refresh")?;
        params
            .define(ParamKind::String, "note")?
            .string_mode(StringMode::Label)?
            .default_string("new")?
            .animates(false)?
            .evaluate_on_change(false)?
            .persistent(false)?
            .can_undo(false)?;
        Ok(())
    }

    fn create_instance(_effect: Effect<'_>) -> Result<(), Error> {
        log("create");
        Ok(())
    }

    fn destroy_instance(_effect: Effect<'_>) -> Result<(), Error> {
        log("destroy");
        Ok(())
    }

    fn instance_changed(effect: Effect<'_>, change: &InstanceChanged) -> Result<Handled, Error> {
        log(format!("changed {} {:?}", change.name, change.reason));
        let note = effect.param("note")?;
        match change.name.as_str() {
            "gain" => {
                let gain = effect.param("gain")?.get_f64()?;
                note.set_string(&format!("gain is {gain}"))?;
                effect.param("count")?.set_enabled(gain != 0.0)?;
            }
            "refresh" => {
                let source = effect.clip("Source")?.fetch(change.time, None)?;
                let size = source.map(|image| (image.bounds().width(), image.bounds().height()));
                note.set_string(&format!("{size:?}"))?;
            }
            _ => return Ok(Handled::Default),
        }
        Ok(Handled::Yes)
    }

    fn clip_preferences(
        effect: Effect<'_>,
        preferences: ClipPreferences<'_>,
    ) -> Result<Handled, Error> {
        log("preferences");
        if effect.clip("Output")?.components() == Some(Components::Rgb) {
            return Ok(Handled::Default);
        }
        let straight = effect.param("straight")?.get_bool()?;
        preferences.set_premultiplication(if straight {
            Premultiplication::Unpremultiplied
        } else {
            Premultiplication::Premultiplied
        })?;
        Ok(Handled::Yes)
    }

    fn region_of_definition(
        effect: Effect<'_>,
        time: f64,
        _scale: Scale,
    ) -> Result<Option<RectD>, Error> {
        log("region of definition");
        let source = effect.clip("Source")?;
        if !source.connected() {
            return Ok(None);
        }
        Ok(Some(source.region_of_definition(time)?))
    }

    fn regions_of_interest(
        effect: Effect<'_>,
        time: f64,
        _scale: Scale,
        _region: RectD,
        regions: RegionsOfInterest<'_>,
    ) -> Result<Handled, Error> {
        log("regions of interest");
        for name in ["Source", "Mask"] {
            let clip = effect.clip(name)?;
            if clip.connected() {
                regions.set(name, clip.region_of_definition(time)?)?;
            }
        }
        Ok(Handled::Yes)
    }

    fn is_identity(effect: Effect<'_>, args: &RenderArgs) -> Result<Option<Identity>, Error> {
        log("is identity");
        // A host without integers has the defaults.
        let mode = effect.param("mode").and_then(|mode| mode.get_choice());
        let identity = mode.unwrap_or(0) == 3;
        Ok(identity.then(|| Identity {
            clip: "Source".into(),
            time: args.time,
        }))
    }

    fn begin_sequence(_effect: Effect<'_>, _args: &ofx::SequenceArgs) -> Result<Handled, Error> {
        log("begin sequence");
        Ok(Handled::Default)
    }

    fn end_sequence(_effect: Effect<'_>, _args: &ofx::SequenceArgs) -> Result<Handled, Error> {
        log("end sequence");
        Ok(Handled::Default)
    }

    fn render(effect: Effect<'_>, args: &RenderArgs) -> Result<Rendered<Error>, Error> {
        log("render");
        MOST.fetch_max(RUNNING.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        let result = render(effect, args);
        RUNNING.fetch_sub(1, Ordering::SeqCst);
        result.map(|()| Rendered::AsAsked)
    }
}

fn render(effect: Effect<'_>, args: &RenderArgs) -> Result<(), Error> {
    let mode = effect.param("mode").and_then(|mode| mode.get_choice());
    match mode.unwrap_or(0) {
        1 => return Err(Error::Asked),
        2 => thread::sleep(Duration::from_millis(30)),
        _ => {}
    }
    let gain = effect.param("gain")?.get_f64_at(args.time)? as f32;
    let tint = effect.param("tint")?.get_rgb_at(args.time)?;
    let source = effect.clip("Source")?.fetch(args.time, None)?;
    if let Some(name) = source
        .as_ref()
        .and_then(|source| source.unique_identifier())
    {
        log(format!("source {name}"));
    }
    let mask = match effect.clip_optional("Mask")? {
        Some(mask) if mask.connected() => mask.fetch(args.time, None)?,
        _ => None,
    };
    let mut output = effect.clip("Output")?.fetch_output(args.time)?;
    let progress = effect.progress("Gain")?;
    let rows = f64::from(args.window.height());
    for (done, mut row) in output
        .view_mut()
        .rows_mut(args.window)
        .into_iter()
        .enumerate()
    {
        if effect.aborted() {
            return Err(Error::Stopped);
        }
        let mut planes = vec![vec![0.0f32; row.width()]; 5];
        let mut all: Vec<&mut [f32]> = planes.iter_mut().map(Vec::as_mut_slice).collect();
        let (colour, alpha) = all.split_at_mut(4);
        if let Some(source) = &source {
            source
                .view()
                .read_row(row.y(), row.x1(), &Channel::RGBA, colour);
        }
        match &mask {
            Some(mask) => mask
                .view()
                .read_row(row.y(), row.x1(), &[Channel::Alpha], alpha),
            None => alpha[0].fill(1.0),
        }
        let (colour, alpha) = planes.split_at_mut(4);
        for (plane, tint) in colour.iter_mut().zip(tint) {
            for (value, mask) in plane.iter_mut().zip(&alpha[0]) {
                *value *= 1.0 + (gain * tint as f32 - 1.0) * mask;
            }
        }
        row.write(&[&planes[0], &planes[1], &planes[2], &planes[3]]);
        progress.update((done + 1) as f64 / rows);
    }
    if gain > 50.0 {
        effect.set_persistent_message(MessageKind::Warning, "bright", "that is very bright")?;
    }
    Ok(())
}

ofx::export!(Gain<true>, Gain<false>);
