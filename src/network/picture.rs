//! What a network is to see, written where the network wants it.
//!
//! A GPU fetches its picture from page-locked memory, which belongs to a session: so a picture that
//! is written there needs no copy, but can only be written once the session is there, and once more
//! where another session has to answer in the end. Whoever asks for a prediction therefore hands over
//! what can write the picture, and not the picture.

use std::fmt;

use super::error::Result;
use crate::keyer::{NetworkInput, Size};

/// A network's picture: four planes, as [`NetworkInput`] has them.
pub trait Picture: fmt::Debug {
    /// The network's size.
    fn size(&self) -> Size;

    /// The values, where they lie in memory already.
    fn values(&self) -> Option<&[f32]> {
        None
    }

    /// Writes all values, `4 * size().area()` of them: the same ones each time.
    ///
    /// # Errors
    /// When there are no threads to work with.
    fn write(&self, to: &mut [f32]) -> Result<()>;
}

impl Picture for NetworkInput {
    fn size(&self) -> Size {
        Size::new(self.width, self.height)
    }

    fn values(&self) -> Option<&[f32]> {
        Some(&self.data)
    }

    fn write(&self, to: &mut [f32]) -> Result<()> {
        to.copy_from_slice(&self.data);
        Ok(())
    }
}
