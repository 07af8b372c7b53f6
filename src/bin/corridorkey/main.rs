//! The `corridorkey` command.
#![allow(dead_code)]
mod exr_file;
mod files;
mod frames;
mod picture;
mod png_file;

fn main() {}
