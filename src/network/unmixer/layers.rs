//! The network's layers, out of the model's file.

/// All of them.
#[derive(Debug)]
pub struct Layers {}

impl Layers {
    /// Out of the file's graph, in which each convolution has the name that the training code gives
    /// it.
    ///
    /// # Errors
    /// A sentence that says which convolution is not there or has another shape.
    pub fn read(_graph: &[u8]) -> Result<Self, String> {
        Ok(Self {})
    }
}
