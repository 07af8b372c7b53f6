//! Renders of the real bundle in the watching host: where pixels come from, where they go, and
//! that nothing about window, depth, row order or scale changes what they are.

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../common/mod.rs"]
mod common;
mod hints;
mod hosts;
mod outputs;
mod pixels;
mod places;
mod proxy;
mod screens;

use std::sync::Arc;

use ofx::host::{HostImage, Layout};

const FLOAT: Layout = Layout::FLOAT_RGBA;

/// A clip's image at a time, if it has one.
type Still = Option<Arc<HostImage>>;
