//! The picture: plate + hint + settings → key.
//!
//! Everything in here is arithmetic on planes of `f32`. No OpenFX, no ONNX Runtime, no pointers,
//! no files: a reader who knows compositing finds every formula of the program in this folder, and
//! a test can run each of them on an array. The order of a frame is the order of the modules:
//!
//! | step | module |
//! |---|---|
//! | what a clip's numbers mean | [`colour`] |
//! | how large the network's picture is | [`geometry`] |
//! | which colour the screen has, and a hint made from it | [`screen`] |
//! | a hint read from a clip | [`hint`] |
//! | the hint as the artist shapes it, and masks on hint and matte | [`shape`] |
//! | plate and hint → the network's input | [`plate`] |
//! | alpha made steady by neighbouring frames | [`steady()`] |
//! | the network's output → plate size | [`restore`], [`guided`] |
//! | specks out of the matte and holes filled, its tone and shape | [`despeckle`], [`matte`] |
//! | spill out of the foreground | [`despill`] |
//! | the plate's own pixels back into it | [`source`], [`backing`] |
//! | both together, for the rows that are wanted | [`key`] |
//! | the picture the host asked for | [`output`], [`status`] |
//!
//! # Where values are limited, and where not
//!
//! Plates and keys carry values below 0 and above 1, and they stay. What limits them is listed
//! here and nowhere else; the list is the original engine's, checked against its outputs:
//!
//! * the transfer curves read everything below 0 as 0 ([`colour::srgb::Negative::Clamp`]) on the
//!   way into the network and out of it; never above; of the plate's own pixels that come back
//!   ([`source`]) they keep what is below 0;
//! * a matte whose tone or shape is changed is limited to 0..1 ([`matte`]);
//! * hints are limited to 0..1 when they are read or made ([`hint`], [`screen`]);
//! * [`plate::prepare`] reads a sample that is not finite as 0, and limits the others to ±65504
//!   (the range of a half float), so that the network always gets finite numbers;
//! * resampling limits nothing: Lanczos overshoot stays in alpha and foreground;
//! * despill and despeckle limit nothing.
//!
//! Rows are parallel with rayon inside the functions; the caller decides on which pool
//! (`ThreadPool::install`). No value depends on the number of threads, nor on the window.

pub mod backing;
pub mod colour;
pub mod despeckle;
pub mod despill;
pub mod error;
pub mod geometry;
pub mod guided;
pub mod hint;
pub mod image;
pub mod key;
pub mod matte;
pub mod output;
pub mod plate;
pub mod resample;
pub mod restore;
pub mod scratch;
pub mod screen;
pub mod settings;
pub mod shape;
pub mod source;
pub mod status;
pub mod steady;
pub mod survey;

pub use backing::Backing;
pub use colour::{Encoding, Light};
pub use despeckle::{Asked, Specks};
pub use error::{Error, Result};
pub use geometry::{Bounds, Fit, Geometry, SizeRule};
pub use guided::Guide;
pub use hint::{HintRead, hint_from_clip};
pub use image::{Planes, Size, Window};
pub use key::{Enlarged, Key, finish, finish_with};
pub use output::{Composition, Layers};
pub use plate::{NetworkInput, Normalisation, Prepared, prepare};
pub use restore::{Predicted, Prediction};
pub use scratch::{Lease, Pool};
pub use screen::{Look, Overview, ScreenPlate, detect, hint_from_screen, screen_plate, typical};
pub use settings::{
    Association, DespeckleMethod, DespillMethod, Detail, FinishSettings, HintChannel, HintMissing,
    HintSource, MatteShape, OnFailure, Output, OutputColour, PixelScale, Resolution, Screen,
    ScreenColour, ScreenMeasure, Upsampling,
};
pub use shape::{HintShape, hold_to_masks};
pub use source::{Plate, PlateRows};
pub use steady::{Neighbour, Sight, steady};
pub use survey::Survey;
