//! The `corridorkey` command: a headless host for the plug-in, and what one wants to know about it.
//!
//! `key` keys files through the very bundle that compositing programs load. `doctor`, `models`,
//! `benchmark` and `params` say what there is on this machine and how fast it is. Everything that is asked for goes to standard
//! output; everything else (progress, errors) to standard error.

mod args;
mod benchmark;
mod colour;
mod doctor;
mod download;
mod effect;
mod exr_file;
mod files;
mod font;
mod frames;
mod hint;
mod import;
mod interrupt;
mod key;
mod ledger;
mod load;
mod models;
mod ordered;
mod params;
mod picture;
mod plan;
mod png_file;
mod reel;
mod report;
mod scene;
mod session;
mod sheet;
mod whole;

use std::process::ExitCode;

use clap::Parser;
use serde_json::json;

use crate::args::{Arguments, Command};
use crate::report::Failure;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let result = match &arguments.command {
        Command::Key(arguments) => key::run(arguments),
        Command::Params(arguments) => params::run(arguments),
        Command::Doctor(arguments) => doctor::run(arguments),
        Command::Models(arguments) => models::run(arguments),
        Command::Benchmark(arguments) => benchmark::run(arguments),
        Command::Sheet(arguments) => sheet::run(arguments),
    };
    match result {
        Ok(code) => code.into(),
        Err(error) => {
            let failure = Failure::from(&error);
            if !error.is_abort() {
                report::print_error(&failure.message);
            }
            if arguments.command.json() {
                report::print_json(&json!({
                    "type": "summary",
                    "status": "failed",
                    "error": failure.json(),
                    "exit": failure.exit,
                }));
            }
            failure.exit.into()
        }
    }
}
