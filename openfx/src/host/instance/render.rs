//! Rendering, in the order of real hosts: clip preferences, region of definition, regions of
//! interest, frames needed, identity, and then begin, render, end.

use std::ffi::c_int;
use std::sync::Arc;

use super::{Inner, Instance};
use crate::host::context::Picture;
use crate::host::core::lock;
use crate::host::error::{HostError, RenderFailure, Result};
use crate::host::image::{HostImage, Layout, Watch};
use crate::host::plugin::Arguments;
use crate::host::property::{Action, PropertySet};
use crate::host::request::{Identity, Preferences, RenderRequest, Sequence};
use crate::sys;
use crate::types::{Field, RectD, RectI, Status};

impl Instance {
    /// Renders a picture. Its bounds are the window asked for, or the region of definition.
    ///
    /// # Errors
    /// [`RenderFailure`] with the plug-in's answer and message when it fails or is stopped, or
    /// with the host's reason when it does not come to the render.
    pub fn render(&self, request: &RenderRequest) -> Result<HostImage, RenderFailure> {
        let _look = self.shared();
        self.0.render(request)
    }

    /// Opens a run of frames: BeginSequenceRender is sent now, and no longer by each render.
    ///
    /// # Errors
    /// [`HostError::Request`] when one is open, [`HostError::Action`] when the plug-in fails.
    pub fn begin_sequence(&self, sequence: &Sequence) -> Result<()> {
        let _look = self.shared();
        let mut open = lock(&self.0.sequence);
        if open.is_some() {
            return Err(HostError::Request(
                "a run of frames is open; close it with end_sequence first".into(),
            ));
        }
        self.0
            .sequence_action(Action::BeginSequenceRender, sequence)?;
        *open = Some(*sequence);
        Ok(())
    }

    /// Closes a run of frames.
    ///
    /// # Errors
    /// [`HostError::Request`] when none is open, [`HostError::Action`] when the plug-in fails.
    pub fn end_sequence(&self) -> Result<()> {
        let _look = self.shared();
        let Some(sequence) = lock(&self.0.sequence).take() else {
            return Err(HostError::Request("no run of frames is open".into()));
        };
        self.0.sequence_action(Action::EndSequenceRender, &sequence)
    }
}

impl Inner {
    fn render(&self, request: &RenderRequest) -> Result<HostImage, RenderFailure> {
        if !request.scale.is_valid() || !request.time.is_finite() {
            return Err(HostError::Request(format!(
                "a picture cannot be rendered at time {} and scale {} x {}",
                request.time, request.scale.x, request.scale.y
            ))
            .into());
        }
        let preferences = self.preferences()?;
        let region = self.region_of_definition(request.time, request.scale)?;
        let whole = region.to_pixels(request.scale, preferences.pixel_aspect);
        let window = request.window.unwrap_or(whole);
        if window.is_empty() || !whole.contains_rect(&window) {
            return Err(HostError::Request(format!(
                "the render window {window} is not inside the picture, which covers {whole} at \
                 this scale"
            ))
            .into());
        }
        let wanted = RectD::from_pixels(window, request.scale, preferences.pixel_aspect);
        self.regions_of_interest(request.time, request.scale, wanted)?;
        if self
            .effect
            .declares(sys::kOfxImageEffectPropTemporalClipAccess)
        {
            self.frames_needed(request.time)?;
        }
        let options = &self.host().options;
        if options.identity
            && !options.quirks.no_identity
            && let Some(identity) = self.identity(request, window)
            && let Some(image) = self.pass_on(&identity, request, window)?
        {
            return Ok(image);
        }
        // An effect that cannot render tiles is always given the whole picture to write to.
        let tiles = self.effect.declares(sys::kOfxImageEffectPropSupportsTiles);
        let bounds = if tiles { window } else { whole };
        self.render_into(request, &preferences, bounds, window)
    }

    /// An effect that fails to say whether it changes anything is rendered, as hosts do.
    fn identity(&self, request: &RenderRequest, window: RectI) -> Option<Identity> {
        self.is_identity(request, window).unwrap_or_else(|error| {
            log::warn!("{error}");
            None
        })
    }

    /// The input that the effect is identical to; `None` when it has no picture then.
    fn pass_on(
        &self,
        identity: &Identity,
        request: &RenderRequest,
        window: RectI,
    ) -> Result<Option<HostImage>> {
        let source = self
            .effect
            .clip(&identity.clip)
            .and_then(|clip| clip.source());
        let image = source.and_then(|source| source.image(identity.time, request.scale));
        image
            .map(|image| image.converted(window, request.output))
            .transpose()
    }

    fn render_into(
        &self,
        request: &RenderRequest,
        preferences: &Arc<Preferences>,
        bounds: RectI,
        window: RectI,
    ) -> Result<HostImage, RenderFailure> {
        let options = &self.host().options;
        let layout = Layout {
            depth: preferences.depth,
            components: preferences.components,
            flipped: request.output.flipped || options.quirks.top_down,
            padding: request.output.padding,
        };
        // What is not written to stays zero; most often all is.
        let whole = bounds == window && matches!(request.field, Field::None | Field::Both);
        let mut output = match whole {
            true => HostImage::unwritten(bounds, layout)?,
            false => HostImage::new(bounds, layout)?,
        };
        output.scale = request.scale;
        output.pixel_aspect = preferences.pixel_aspect;
        output.field = request.field;
        output.premultiplication = preferences.premultiplication;
        let watch = options.strict.then(|| Watch::arm(&mut output));
        let output = Arc::new(output);
        let picture = Picture {
            time: request.time,
            scale: request.scale,
            preferences: Arc::clone(preferences),
            output: Some(Arc::clone(&output)),
        };
        let open = *lock(&self.sequence);
        let sequence = open.unwrap_or(Sequence {
            range: (request.time, request.time),
            step: 1.0,
            scale: request.scale,
            interactive: request.interactive,
        });
        if open.is_none() {
            self.sequence_action(Action::BeginSequenceRender, &sequence)?;
        }
        let guard = self.render_guard();
        {
            let mut talk = lock(&self.effect.talk);
            if self.effect.active_count() == 0 {
                talk.progress.clear();
            }
        }
        let done = self.perform(
            Action::Render,
            Arguments {
                incoming: Some(self.render_arguments(request, window, open.is_some())),
                outgoing: None,
                picture: Some(picture),
            },
        );
        drop(guard);
        if open.is_none()
            && let Err(error) = self.sequence_action(Action::EndSequenceRender, &sequence)
        {
            log::warn!("{error}");
        }
        let rendered = done.status == Status::OK;
        if let Some(watch) = watch {
            // A field is every other row, so that not every row is written.
            let complete = rendered && matches!(request.field, Field::None | Field::Both);
            for (rule, what) in watch.check(&output, window, complete) {
                self.host().violate(rule, what);
            }
        }
        if !rendered {
            let message = self.effect.message_of(done.frame);
            let stopped = self.effect.abort.is_aborted();
            return Err(RenderFailure {
                status: done.status,
                message: message.filter(|_| !stopped),
            });
        }
        // Every image has been taken back by the end of the action.
        let output = Arc::try_unwrap(output).map_err(|_| {
            HostError::Request("the output image is still in use after the render".into())
        })?;
        if output.bounds() == window && output.layout() == wanted_layout(&output, request.output) {
            return Ok(output);
        }
        let image = output.converted(window, request.output)?;
        Ok(image)
    }

    /// What an action is told of the picture that it is about: when, where, at which scale.
    pub(super) fn picture_arguments(
        &self,
        action: Action,
        request: &RenderRequest,
        window: RectI,
    ) -> PropertySet {
        let incoming = self.arguments(action);
        incoming.put::<f64>(sys::kOfxPropTime, vec![request.time]);
        incoming.put_str(
            sys::kOfxImageEffectPropFieldToRender,
            &request.field.ofx_name().to_string_lossy(),
        );
        incoming.put::<c_int>(
            sys::kOfxImageEffectPropRenderWindow,
            vec![window.x1, window.y1, window.x2, window.y2],
        );
        incoming.put::<f64>(
            sys::kOfxImageEffectPropRenderScale,
            vec![request.scale.x, request.scale.y],
        );
        incoming
    }

    fn render_arguments(
        &self,
        request: &RenderRequest,
        window: RectI,
        sequential: bool,
    ) -> PropertySet {
        let incoming = self.picture_arguments(Action::Render, request, window);
        let flag = |name, on| incoming.put::<c_int>(name, vec![c_int::from(on)]);
        flag(sys::kOfxImageEffectPropSequentialRenderStatus, sequential);
        flag(
            sys::kOfxImageEffectPropInteractiveRenderStatus,
            request.interactive,
        );
        flag(sys::kOfxImageEffectPropRenderQualityDraft, request.draft);
        incoming
    }

    fn sequence_action(&self, action: Action, sequence: &Sequence) -> Result<()> {
        let incoming = self.arguments(action);
        incoming.put::<f64>(
            sys::kOfxImageEffectPropFrameRange,
            vec![sequence.range.0, sequence.range.1],
        );
        incoming.put::<f64>(sys::kOfxImageEffectPropFrameStep, vec![sequence.step]);
        incoming.put::<f64>(
            sys::kOfxImageEffectPropRenderScale,
            vec![sequence.scale.x, sequence.scale.y],
        );
        let flag = |name, on| incoming.put::<c_int>(name, vec![c_int::from(on)]);
        flag(sys::kOfxPropIsInteractive, sequence.interactive);
        flag(
            sys::kOfxImageEffectPropInteractiveRenderStatus,
            sequence.interactive,
        );
        flag(
            sys::kOfxImageEffectPropSequentialRenderStatus,
            sequence.range.0 != sequence.range.1,
        );
        self.perform(
            action,
            Arguments {
                incoming: Some(incoming),
                ..Arguments::default()
            },
        )
        .check(action, Some(&self.effect))
    }
}

/// The layout asked for, with its padding as images round it.
fn wanted_layout(image: &HostImage, asked: Layout) -> Layout {
    Layout {
        padding: asked.padding.next_multiple_of(image.layout().depth.bytes()),
        ..asked
    }
}
