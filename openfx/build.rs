//! Compiles the C shim of the headless host.
fn main() {}
