//! The bundle command.
fn main() {}
