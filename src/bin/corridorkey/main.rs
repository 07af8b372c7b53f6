//! The corridorkey command.
fn main() {}
