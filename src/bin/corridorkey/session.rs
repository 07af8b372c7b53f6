//! The plug-in's instance, told what the command line and each frame say.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use corridorkey::error::{Error, Result};
use corridorkey::keyer::{Encoding, Output, OutputColour};
use corridorkey::network::DeviceChoice;
use corridorkey::plugin;
use indicatif::ProgressBar;
use ofx::host::{Bundle, HostImage, Instance, Layout, Project, RenderRequest, Value};

use crate::args::KeyArguments;
use crate::colour::{Recipe, space_of};
use crate::effect::{Effect, Feed, from_host, from_render};
use crate::interrupt;
use crate::load::Loaded;
use crate::picture::{Kind, Placement};
use crate::report::{Failure, bar_position};

/// The plug-in's instance and what it has been told so far.
pub(crate) struct Session {
    instance: Instance,
    source: Arc<Feed>,
    hint: Arc<Feed>,
    /// What the user said about the source's colour; else it goes by the file.
    colour: Option<Encoding>,
    told_colour: Option<Encoding>,
    /// Whether the plug-in was told to write linear light, whatever it reads.
    linear: bool,
    told_output: Option<Output>,
    /// The number of the frame in hand, counted from 0.
    rendering: Arc<AtomicUsize>,
    // Dropped after the instance that comes from it.
    _effect: Arc<Effect>,
}

/// What `inputColor` was set to: none for `auto`, which is this command's own rule.
fn said_colour(instance: &Instance) -> Result<Option<Encoding>> {
    let Value::Choice(index) = instance.get("inputColor").map_err(from_host)? else {
        return Ok(None);
    };
    let choices = instance
        .description()
        .param("inputColor")
        .map(|param| param.choices.as_slice());
    let choice = choices.and_then(|choices| choices.get(usize::try_from(index).ok()?));
    match choice.and_then(|choice| choice.id.as_deref()) {
        None | Some("auto") => Ok(None),
        Some(id) => Ok(Some(Encoding::from_id(id)?)),
    }
}

impl Session {
    /// The plug-in, loaded for pictures of this placement.
    pub(crate) fn load(
        bundle: &Bundle,
        placement: &Placement,
        range: (f64, f64),
    ) -> Result<Arc<Effect>> {
        let width = placement.display.width as f64 * placement.pixel_aspect;
        let size = (width, placement.display.height as f64);
        let project = Project {
            size,
            extent: size,
            pixel_aspect: placement.pixel_aspect,
            range,
            ..Project::default()
        };
        Ok(Arc::new(Effect::load(bundle, project)?))
    }

    /// An instance of its own, told what the command line says.
    pub(crate) fn open(arguments: &KeyArguments, effect: Arc<Effect>) -> Result<Self> {
        let instance = effect.create()?;
        // "mps" and "mlx" mean CoreML here as they do in the environment variables.
        let device = arguments.device.as_deref();
        let device = device.map(|name| match DeviceChoice::parse(name) {
            Some(known) => known.id(),
            None => name,
        });
        let flags = [
            ("model", arguments.model.as_deref()),
            ("device", device),
            ("resolution", arguments.resolution.as_deref()),
        ];
        let mut settings: Vec<(&str, &str)> = flags
            .iter()
            .filter_map(|&(id, value)| Some((id, value?)))
            .collect();
        for (id, value) in &arguments.set {
            if id == "output" {
                return Err(Error::Usage(
                    "`--set output` is said by --output; leave it out".into(),
                ));
            }
            if settings.iter().any(|(known, _)| known == id) {
                return Err(Error::Usage(format!("{id} is set twice; leave one out")));
            }
            settings.push((id, value));
        }
        let mut colour = None;
        for (id, value) in settings {
            instance.set_str(id, value).map_err(from_host)?;
            if id == "inputColor" {
                colour = said_colour(&instance)?;
            }
        }
        let linear = instance.get("outputColor").map_err(from_host)?
            == Value::Choice(OutputColour::Linear.index());
        let stop = instance.abort_handle();
        interrupt::on_stop(move || stop.abort());
        Ok(Self {
            instance,
            source: Arc::default(),
            hint: Arc::default(),
            colour,
            told_colour: None,
            linear,
            told_output: None,
            rendering: Arc::default(),
            _effect: effect,
        })
    }

    /// Moves a progress bar while frames render.
    pub(crate) fn watch(&self, bar: ProgressBar) {
        let rendering = Arc::clone(&self.rendering);
        self.instance.on_progress(Box::new(move |fraction| {
            let index = rendering.load(Ordering::Relaxed);
            // Every output of a frame counts from 0 again; the bar does not go back.
            bar.set_position(bar.position().max(bar_position(index, fraction)));
        }));
    }

    /// How a source of this kind is read.
    pub(crate) fn space(&self, kind: Kind) -> Encoding {
        self.colour.unwrap_or(space_of(kind))
    }

    /// How the plug-in writes when it reads its source like this.
    pub(crate) fn written(&self, space: Encoding) -> Encoding {
        if self.linear { Encoding::Linear } else { space }
    }

    /// Puts a frame's pictures into the clips, and what there is of the frames `beside` it. `index`
    /// counts frames from 0.
    pub(crate) fn feed(
        &mut self,
        index: usize,
        frame: i64,
        range: (f64, f64),
        loaded: &Loaded,
        beside: &[(i64, &Loaded)],
    ) -> std::result::Result<(), Failure> {
        self.rendering.store(index, Ordering::Relaxed);
        let time = frame as f64;
        let failed = |error| Failure::from(from_host(error));
        let plates = beside
            .iter()
            .map(|(frame, loaded)| (*frame as f64, Arc::clone(&loaded.source)));
        let source = Arc::clone(&loaded.source);
        if self.source.put(time, range, source, plates.collect()) {
            let feed = Arc::clone(&self.source);
            self.instance
                .connect(plugin::SOURCE, feed)
                .map_err(failed)?;
        }
        let hints = beside
            .iter()
            .filter_map(|(frame, loaded)| Some((*frame as f64, Arc::clone(loaded.hint.as_ref()?))));
        if let Some(image) = &loaded.hint
            && self
                .hint
                .put(time, range, Arc::clone(image), hints.collect())
        {
            let feed = Arc::clone(&self.hint);
            self.instance.connect(plugin::HINT, feed).map_err(failed)?;
        }
        Ok(())
    }

    /// Renders what the recipes ask for, each once, by output index.
    pub(crate) fn render_all(
        &mut self,
        frame: i64,
        space: Encoding,
        recipes: &[Recipe],
        depth: ofx::Depth,
    ) -> std::result::Result<BTreeMap<i32, Arc<HostImage>>, Failure> {
        let failed = |error| Failure::from(from_host(error));
        if self.told_colour != Some(space) {
            self.instance
                .set_str("inputColor", space.id())
                .map_err(failed)?;
            self.told_colour = Some(space);
        }
        let mut images = BTreeMap::new();
        for recipe in recipes {
            let output = recipe.render;
            if images.contains_key(&output.index()) {
                continue;
            }
            if self.told_output != Some(output) {
                self.instance
                    .set_str("output", output.id())
                    .map_err(failed)?;
                self.told_output = Some(output);
            }
            let layout = Layout {
                depth,
                components: ofx::Components::Rgba,
                flipped: true,
                padding: 0,
            };
            let request = RenderRequest {
                output: layout,
                ..RenderRequest::at(frame as f64)
            };
            let image = self
                .instance
                .render(&request)
                .map_err(|failure| from_render(&self.instance, &failure))?;
            images.insert(output.index(), Arc::new(image));
        }
        Ok(images)
    }
}
