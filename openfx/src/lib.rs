//! OpenFX for Rust.
