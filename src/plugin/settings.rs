//! What the artist asked for, as one plain value.
//!
//! [`Settings`] is read once at the start of a render and passed down; nothing below it knows that
//! there are parameters, hosts or time.

use crate::keyer::{
    DespeckleMethod, DespillMethod, Detail, Encoding, FinishSettings, HintChannel, HintMissing,
    HintShape, HintSource, MatteShape, OnFailure, Output, OutputColour, PixelScale, Resolution,
    Screen, ScreenColour, ScreenMeasure, Upsampling,
};
use crate::network::{DeviceChoice, PrecisionChoice};

/// Every setting of one frame. Filled by the table in [`super::parameters`].
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Which picture is written.
    pub output: Output,
    /// Where the hint comes from.
    pub hint_source: HintSource,
    /// Which channel of the hint clip is the hint.
    pub hint_channel: HintChannel,
    /// What happens where a hint or mask has no image.
    pub hint_missing: HintMissing,
    /// Where the screen's colour is known from.
    pub measure: ScreenMeasure,
    /// The picked colour of the screen, as it is in the Source clip.
    pub pick: [f32; 3],
    /// What is done to the hint before the network sees it.
    pub shape: HintShape,
    /// Whether the masks hold the finished matte too.
    pub masks_on_matte: bool,
    /// What is written when a frame cannot be keyed.
    pub on_failure: OnFailure,
    /// The colour of the screen.
    pub screen: ScreenColour,
    /// How the Source clip is encoded; `None` where that is to be found out.
    pub input: Option<Encoding>,
    /// How what is written is encoded.
    pub output_colour: OutputColour,
    /// Model id, `id` or `id@version`; empty for the shipped one.
    pub model: String,
    /// Network size.
    pub resolution: Resolution,
    /// Where the network runs.
    pub device: DeviceChoice,
    /// Arithmetic of the network.
    pub precision: PrecisionChoice,
    /// Weight of the refiner, 0–3, for models that have one.
    pub refiner_strength: f32,
    /// Tone and shape of the matte.
    pub matte: MatteShape,
    /// Whether small islands of the matte are removed.
    pub despeckle: bool,
    /// Islands below this many full-scale pixels are removed.
    pub despeckle_size: u32,
    /// Which islands are.
    pub despeckle_method: DespeckleMethod,
    /// Holes below this many full-scale pixels are filled; 0 fills none.
    pub hole_size: u32,
    /// How the prediction comes to plate size.
    pub upsampling: Upsampling,
    /// How much the neighbouring frames count in the matte, 0 (off) to 1.
    pub stabilise: f32,
    /// What counts as spill.
    pub despill_method: DespillMethod,
    /// Despill, 0 (off) to 1.
    pub despill_strength: f32,
    /// Whether the plate's own pixels come back where the matte is solid.
    pub source_detail: bool,
    /// How far inside.
    pub detail: Detail,
    /// Whether the plate's light above 1 and below 0 comes back.
    pub restore_range: bool,
}

impl Settings {
    /// The picked colour of the screen, where it is asked for.
    pub fn picked(&self) -> Option<[f32; 3]> {
        (self.measure == ScreenMeasure::Picked).then_some(self.pick)
    }

    /// The part that shapes the finished picture but not what the network sees.
    pub fn finish(&self, screen: Screen, scale: PixelScale) -> FinishSettings {
        let colour = self.output.shows_foreground();
        FinishSettings {
            screen,
            despill_strength: self.despill_strength,
            despill_method: self.despill_method,
            despeckle: self.despeckle.then_some(self.despeckle_size),
            despeckle_method: self.despeckle_method,
            holes: (self.hole_size > 0).then_some(self.hole_size),
            shape: self.matte,
            upsampling: self.upsampling,
            // Only a picture with the foreground's colour shows them.
            detail: (colour && self.source_detail).then_some(self.detail),
            restore_range: colour && self.restore_range,
            scale,
        }
    }
}
