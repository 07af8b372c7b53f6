//! What must be known at compile time.
fn main() {}
