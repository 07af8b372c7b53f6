//! Assembles, checks and installs `CorridorKey.ofx.bundle`, and fetches ONNX Runtime.
//!
//! The `bundle` program is the front; tests of the plug-in use [`for_tests`] and [`onnx_runtime`].
//!
//! | module | its one job |
//! |---|---|
//! | `workspace` | names and places, in the source tree and in a bundle |
//! | `build` | compiling for studios (glibc 2.28, through zig) or for this machine |
//! | `runtime` | the pinned ONNX Runtime |
//! | `assemble` | putting the parts together, atomically |
//! | `check`, `elf`, `manifest` | the rules that a bundle is held to |
//! | `install` | where hosts look |
//! | `notices` | the licences of what is linked in |
//! | `demo` | the sample plates through the finished bundle |
//! | `testing` | the bundle that tests load |

mod assemble;
mod build;
mod check;
pub mod cli;
mod demo;
mod elf;
mod error;
mod files;
mod install;
mod manifest;
mod notices;
mod process;
mod runtime;
mod testing;
mod workspace;

pub use assemble::{Options, assemble};
pub use build::{Linking, Profile};
pub use check::{Rules, Summary, check};
pub use error::{Error, Result};
pub use install::install;
pub use runtime::{Flavour, onnx_runtime};
pub use testing::for_tests;
pub use workspace::{BUNDLE_NAME, Layout, PLUGIN_IDENTIFIER, SIZE_LIMIT, Workspace};
