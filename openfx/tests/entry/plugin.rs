//! The plug-in under test.

use std::ffi::CStr;
use std::fmt;

use ofx::{
    ActionError, ChangeReason, ClipPreferences, Components, Context, Effect, EffectDescriptor,
    Handled, Identity, InstanceChanged, ParamKind, Plugin, Premultiplication, RectD,
    RegionsOfInterest, RenderArgs, Rendered, Scale, Status,
};

/// A plug-in that does what the property `TestMode` of the instance says, and writes what it saw
/// into `TestSaw`. Every test has one of its own, so that their hosts do not meet.
pub(crate) struct Test<const N: usize>;

#[derive(Debug)]
pub(crate) enum TestError {
    Interface(ofx::Error),
    Aborted,
    Said(&'static str),
    Wrong,
}

impl From<ofx::Error> for TestError {
    fn from(error: ofx::Error) -> Self {
        Self::Interface(error)
    }
}

impl fmt::Display for TestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Interface(error) => error.fmt(f),
            Self::Aborted => f.write_str("stopped"),
            Self::Said(text) => f.write_str(text),
            Self::Wrong => f.write_str("wrong"),
        }
    }
}

impl ActionError for TestError {
    fn status(&self) -> Status {
        match self {
            Self::Interface(error) => error.status(),
            // An error that claims to be none.
            Self::Wrong => Status::OK,
            _ => Status::FAILED,
        }
    }

    fn is_abort(&self) -> bool {
        matches!(self, Self::Aborted)
    }

    fn code(&self) -> &'static str {
        "test.failed"
    }
}

fn mode(effect: Effect<'_>) -> Result<String, ofx::Error> {
    effect.props()?.get_string(c"TestMode")
}

fn saw(effect: Effect<'_>, what: String) -> Result<(), ofx::Error> {
    effect.props()?.set_string(c"TestSaw", 0, &what)
}

impl<const N: usize> Plugin for Test<N> {
    const IDENTIFIER: &'static CStr = c"org.example.test";
    const VERSION: (u32, u32) = (3, 14);
    type Error = TestError;

    fn load(host: &ofx::HostInfo) -> Result<(), TestError> {
        assert_eq!(host.name, "org.example.fake");
        assert_eq!(host.api_version, (1, 4));
        assert_eq!(host.depths, [ofx::Depth::Float, ofx::Depth::Byte]);
        Ok(())
    }

    fn describe(effect: EffectDescriptor<'_>) -> Result<(), TestError> {
        effect.set_label(&String::from("Test label"))?;
        effect.set_contexts(&[Context::Filter, Context::General])?;
        effect.set_depths(&[ofx::Depth::Float, ofx::Depth::Half])?;
        effect.set_icon("", "org.example.test.png")?;
        effect.set_tiles(false)?;
        effect.set_thread_safety(ofx::ThreadSafety::FullySafe)?;
        effect.set_render_quality_draft(true)?;
        Ok(effect.set_clip_preference_parameters(&["output"])?)
    }

    fn describe_in_context(
        effect: EffectDescriptor<'_>,
        context: Context,
    ) -> Result<(), TestError> {
        effect
            .define_clip("Source")?
            .components(&[Components::Rgba, Components::Rgb])?;
        if context == Context::General {
            effect
                .define_clip("Hint")?
                .components(&[Components::Alpha])?
                .optional(true)?;
        }
        let params = effect.params()?;
        params
            .define(ParamKind::Choice, "output")?
            .label("Output")?
            .options(&[("Processed", "processed"), ("Matte", "matte")])?
            .default_choice(1)?
            .animates(false)?;
        params
            .define(ParamKind::Double, "strength")?
            .default_f64(0.5)?
            .range_f64(0.0, 1.0)?
            .display_range_f64(0.0, 0.5)?;
        params
            .define(ParamKind::String, "model")?
            .string_mode(ofx::StringMode::Label)?
            .default_string("")?;
        let page = params.define(ParamKind::Page, "page").unwrap_err();
        assert!(page.is_absent());
        let wrong = params
            .define(ParamKind::Integer, "count")?
            .default_f64(1.0)
            .unwrap_err();
        assert_eq!(wrong.code(), "parameter.kind");
        Ok(())
    }

    fn destroy_instance(effect: Effect<'_>) -> Result<(), TestError> {
        assert_eq!(effect.project_size(), None);
        assert_eq!(effect.frame_rate(), None);
        Ok(())
    }

    fn instance_changed(
        effect: Effect<'_>,
        change: &InstanceChanged,
    ) -> Result<Handled, TestError> {
        saw(effect, format!("{change:?}"))?;
        if change.name == "model" {
            effect.param("model")?.set_string("new text")?;
            effect.param("output")?.set_choice(1)?;
            return Ok(Handled::Yes);
        }
        Ok(Handled::Default)
    }

    fn end_instance_changed(
        effect: Effect<'_>,
        reason: ChangeReason,
    ) -> Result<Handled, TestError> {
        saw(effect, format!("{reason:?}"))?;
        Ok(Handled::Default)
    }

    fn clip_preferences(
        effect: Effect<'_>,
        preferences: ClipPreferences<'_>,
    ) -> Result<Handled, TestError> {
        if mode(effect)? == "fail" {
            return Err(TestError::Said("no preferences"));
        }
        preferences.set_components("Output", Components::Rgba)?;
        preferences.set_premultiplication(Premultiplication::Unpremultiplied)?;
        assert_eq!(
            preferences
                .set_pixel_aspect("Output", 0.0)
                .unwrap_err()
                .code(),
            "action.answer"
        );
        Ok(Handled::Yes)
    }

    fn region_of_definition(
        effect: Effect<'_>,
        time: f64,
        scale: Scale,
    ) -> Result<Option<RectD>, TestError> {
        Ok(match mode(effect)?.as_str() {
            "panic" => panic!("no region"),
            "default" => None,
            "endless" => Some(RectD::new(0.0, 0.0, f64::INFINITY, 1.0)),
            _ => Some(RectD::new(time, scale.x, 100.0, 50.0)),
        })
    }

    fn regions_of_interest(
        _effect: Effect<'_>,
        _time: f64,
        _scale: Scale,
        region: RectD,
        regions: RegionsOfInterest<'_>,
    ) -> Result<Handled, TestError> {
        regions.set("Source", region)?;
        let endless = RectD::new(0.0, f64::NEG_INFINITY, 1.0, 1.0);
        assert_eq!(
            regions.set("Hint", endless).unwrap_err().code(),
            "action.answer"
        );
        Ok(Handled::Yes)
    }

    fn is_identity(effect: Effect<'_>, args: &RenderArgs) -> Result<Option<Identity>, TestError> {
        let clip = match mode(effect)?.as_str() {
            "default" => return Ok(None),
            "nowhere" => "Nowhere",
            _ => "Source",
        };
        Ok(Some(Identity {
            clip: clip.into(),
            time: args.time + 1.0,
        }))
    }

    fn render(effect: Effect<'_>, args: &RenderArgs) -> Result<Rendered<TestError>, TestError> {
        let done: Result<(), TestError> = match mode(effect)?.as_str() {
            "panic" => panic!("this was {}", "expected"),
            "payload" => std::panic::panic_any(5_u8),
            "fail" => Err(TestError::Said("only 50 % of it: %s %n")),
            "abort" => Err(TestError::Aborted),
            "wrong" => Err(TestError::Wrong),
            "args" => Ok(saw(effect, format!("{args:?}"))?),
            "clips" => clips(effect),
            "params" => params(effect),
            "progress" => progress(effect),
            "picture" => picture(effect, args),
            "instead" => return Ok(Rendered::InPlace(TestError::Wrong)),
            _ => Ok(()),
        };
        done.map(|()| Rendered::AsAsked)
    }
}

fn clips(effect: Effect<'_>) -> Result<(), TestError> {
    assert_eq!(effect.project_size(), Some((640.0, 480.0)));
    assert_eq!(effect.project_offset(), None);
    let source = effect.clip("Source")?;
    assert!(source.connected());
    assert_eq!(source.pixel_aspect(), 1.0);
    assert_eq!(source.components(), None);
    assert_eq!(source.frame_range(), Some((1.0, 25.0)));
    assert_eq!(
        source.region_of_definition(1.0)?,
        RectD::new(-1.0, 2.0, 3.0, 4.0)
    );
    let hint = effect.clip("Hint")?;
    assert!(!hint.connected());
    // The host says OK and gives no rectangle.
    assert_eq!(
        hint.region_of_definition(1.0).unwrap_err().code(),
        "host.call"
    );
    assert!(hint.fetch(1.0, None)?.is_none());
    assert_eq!(effect.clip("Nowhere").unwrap_err().code(), "clip.unknown");
    assert!(effect.clip_optional("Nowhere")?.is_none());
    let error = effect.clip("Hint")?.fetch_output(3.0).unwrap_err();
    assert_eq!(error.code(), "clip.no-image");
    assert!(!effect.aborted());
    Ok(())
}

fn params(effect: Effect<'_>) -> Result<(), TestError> {
    let strength = effect.param("strength")?;
    assert_eq!(strength.get_f64()?, 0.75);
    assert_eq!(strength.get_f64_at(4.0)?, 4.75);
    assert_eq!(strength.get_i32().unwrap_err().code(), "parameter.kind");
    assert_eq!(
        strength.get_string_at(0.0).unwrap_err().code(),
        "parameter.kind"
    );
    let model = effect.param("model")?;
    let text = model.get_string()?;
    assert_eq!(model.get_string_at(1.0)?, text);
    assert_eq!(text, "a model");
    assert_eq!(effect.param("output")?.get_choice_at(1.0)?, 1);
    assert_eq!(effect.param("colour")?.get_rgb()?, [0.25, 0.5, 1.0]);
    let lost = effect.param("lost")?.get_i32_at(0.0).unwrap_err();
    assert!(lost.is_absent());
    assert_eq!(lost.code(), "parameter.read");
    assert!(effect.param("none").unwrap_err().is_absent());
    Ok(())
}

fn progress(effect: Effect<'_>) -> Result<(), TestError> {
    let bar = effect.progress("Keying")?;
    if bar.update(0.25) && bar.update(7.0) && bar.update(f64::NAN) {
        return Ok(());
    }
    Err(TestError::Aborted)
}

fn picture(effect: Effect<'_>, args: &RenderArgs) -> Result<(), TestError> {
    let Some(image) = effect.clip("Source")?.fetch(args.time, None)? else {
        return Err(TestError::Said("no image"));
    };
    let mut output = effect.clip("Output")?.fetch_output(args.time)?;
    assert_eq!(image.unique_identifier().as_deref(), Some("frame 7"));
    assert_eq!(image.render_scale(), Scale::ONE);
    for mut row in output.view_mut().rows_mut(args.window) {
        let mut plane = vec![0.0; row.width()];
        let mut planes = [plane.as_mut_slice()];
        image
            .view()
            .read_row(row.y(), row.x1(), &[ofx::Channel::Alpha], &mut planes);
        row.write(&[&plane; 4]);
    }
    Ok(())
}

ofx::export!(
    Test<0>,
    Test<1>,
    Test<2>,
    Test<3>,
    Test<4>,
    Test<5>,
    Test<6>,
    Test<7>,
    Test<8>,
    Test<9>,
    Test<10>,
    Test<11>,
);
