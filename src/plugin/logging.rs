//! The plug-in's log: a file in the platform's own place, bounded, silent until something is
//! worth writing.
//!
//! The `log` crate's state lives inside this library, so the host's own logger is not touched.
//! Nothing is created on disk before the first record: a render without trouble leaves no file.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Once;

use log::LevelFilter;
use simplelog::{ConfigBuilder, WriteLogger};

/// Environment variable that sets how much is written: `error`, `warn` (the default), `info`,
/// `debug`, `trace` or `off`.
pub const LEVEL_VARIABLE: &str = "CORRIDORKEY_LOG";

/// A log larger than this is set aside as `corridorkey.log.1`, and a new one begun.
const LARGEST: u64 = 1 << 20;

/// Where the log is, if the platform has a place for it.
pub fn path() -> Option<PathBuf> {
    let folders = directories::ProjectDirs::from("org", "CorridorKey", "CorridorKey OFX")?;
    let folder = match folders.state_dir() {
        Some(state) => state.to_path_buf(),
        None => folders.data_local_dir().join("logs"),
    };
    Some(folder.join("corridorkey.log"))
}

/// Starts logging; calls after the first do nothing.
pub fn start() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let level = std::env::var(LEVEL_VARIABLE)
            .ok()
            .and_then(|word| word.trim().parse().ok())
            .unwrap_or(LevelFilter::Warn);
        let config = ConfigBuilder::new().set_time_format_rfc3339().build();
        // Somebody (the command) may have installed a logger already: theirs stands.
        if WriteLogger::init(level, config, LazyFile { file: None }).is_ok() {
            log::info!("CorridorKey {}", crate::VERSION);
        }
    });
}

/// Opens the log at the first record.
struct LazyFile {
    file: Option<File>,
}

impl LazyFile {
    fn open(&mut self) -> io::Result<&mut File> {
        if self.file.is_none() {
            let path =
                path().ok_or_else(|| io::Error::other("this account has no folder for logs"))?;
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder)?;
            }
            if fs::metadata(&path).is_ok_and(|facts| facts.len() > LARGEST) {
                fs::rename(&path, path.with_extension("log.1"))?;
            }
            self.file = Some(OpenOptions::new().create(true).append(true).open(path)?);
        }
        self.file
            .as_mut()
            .ok_or_else(|| io::Error::other("no log file"))
    }
}

impl Write for LazyFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let file = self.open()?;
        let written = file.write(bytes)?;
        if file.metadata().is_ok_and(|facts| facts.len() > LARGEST) {
            // Closed here, set aside at the next record.
            self.file = None;
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.file {
            Some(file) => file.flush(),
            None => Ok(()),
        }
    }
}
