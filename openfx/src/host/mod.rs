//! A strict headless OpenFX host.
