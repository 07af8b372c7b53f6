//! Everything that environment variables can say to the network, read once into one value.
//!
//! They are read and never written: a plug-in that changed its host's environment would race
//! every other thread that reads it. Numbers that cannot be read are errors, not defaults,
//! because a farm's typing mistake should be seen.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use super::error::{Error, Result};

/// Bytes in a megabyte, as the variables and the messages count.
pub const MB: u64 = 1 << 20;

/// What the environment says.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// `CORRIDORKEY_ORT_DYLIB`: the ONNX Runtime library to use, and no other.
    pub library: Option<PathBuf>,
    /// `ORT_DISABLE_TELEMETRY` is set: the user has switched the vendor's telemetry off, so that a
    /// library that carries some may be loaded.
    pub telemetry_disabled: bool,
    /// `CORRIDORKEY_MODELS`: folders of models, looked into before any other.
    pub models: Vec<PathBuf>,
    /// `CORRIDORKEY_FORCE_DEVICE`: over every project's own choice.
    pub force_device: Option<String>,
    /// `CORRIDORKEY_DEVICE`: where nothing else says anything.
    pub device: Option<String>,
    /// `CORRIDORKEY_BACKEND`: known from the original program.
    pub backend: Option<String>,
    /// How NVIDIA's GPUs are used.
    pub cuda: Cuda,
    /// `CORRIDORKEY_THREADS`: processor threads; default the number of cores.
    pub threads: Option<usize>,
    /// `CORRIDORKEY_CACHE_MB`: bytes of predictions to keep; default 1 GiB; 0 keeps none.
    pub cache_bytes: u64,
    /// `CORRIDORKEY_SESSION_MB`: bytes that the kept sessions may need together, and one session
    /// at most; default three quarters of the memory of this process.
    pub session_bytes: u64,
    /// Bytes that the pictures around the network may need for one frame: three quarters of the
    /// memory of this process.
    pub picture_bytes: u64,
    /// `CORRIDORKEY_SESSIONS`: sessions kept at most; default 4.
    pub sessions: usize,
    /// `CORRIDORKEY_IDLE_SECONDS`: after how long an unused session is released; default 120.
    pub idle: Duration,
    /// `CORRIDORKEY_FRAMES`: frames worked on at the same time; default 2.
    pub frames: usize,
}

/// How NVIDIA's GPUs are used.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cuda {
    /// `CORRIDORKEY_CUDA_LIBRARIES`: folders with the libraries of CUDA and cuDNN, looked into
    /// before the system's own places.
    pub libraries: Vec<PathBuf>,
    /// `CORRIDORKEY_CUDA_DEVICE`: which GPU, as CUDA counts them; default 0.
    pub device: i32,
    /// `CORRIDORKEY_CUDA_MB`: bytes of its memory that one session may take; default no limit but
    /// the GPU's own.
    pub memory: Option<u64>,
}

impl Options {
    /// Reads the process's environment.
    ///
    /// # Errors
    /// [`Error::Setting`] for a value that cannot be understood.
    pub fn from_environment() -> Result<Self> {
        Self::read(&|name| std::env::var_os(name))
    }

    /// Reads from anything that answers like an environment. Empty values count as unset.
    ///
    /// # Errors
    /// [`Error::Setting`] for a value that cannot be understood.
    pub fn read(variable: &dyn Fn(&str) -> Option<OsString>) -> Result<Self> {
        let get = |name: &str| variable(name).filter(|value| !value.is_empty());
        let text = |name: &str| get(name).map(|value| value.to_string_lossy().trim().to_owned());
        let number = |name: &'static str, least: u64, most: u64| -> Result<Option<u64>> {
            let Some(value) = text(name) else {
                return Ok(None);
            };
            match value.parse::<u64>() {
                Ok(number) if (least..=most).contains(&number) => Ok(Some(number)),
                _ => Err(Error::Setting {
                    name,
                    value,
                    expected: format!("it must be a whole number from {least} to {most}"),
                }),
            }
        };
        let count = |name: &'static str, most: u64| -> Result<Option<usize>> {
            Ok(number(name, 1, most)?.and_then(|value| usize::try_from(value).ok()))
        };
        let folders = |name: &str| -> Vec<PathBuf> {
            get(name).map_or_else(Vec::new, |value| {
                std::env::split_paths(&value)
                    .filter(|path| !path.as_os_str().is_empty())
                    .collect()
            })
        };
        Ok(Self {
            library: get("CORRIDORKEY_ORT_DYLIB").map(PathBuf::from),
            telemetry_disabled: text("ORT_DISABLE_TELEMETRY").is_some_and(|value| value != "0"),
            models: folders("CORRIDORKEY_MODELS"),
            force_device: text("CORRIDORKEY_FORCE_DEVICE"),
            device: text("CORRIDORKEY_DEVICE"),
            backend: text("CORRIDORKEY_BACKEND"),
            cuda: Cuda {
                libraries: folders("CORRIDORKEY_CUDA_LIBRARIES"),
                device: number("CORRIDORKEY_CUDA_DEVICE", 0, 1023)?
                    .and_then(|index| i32::try_from(index).ok())
                    .unwrap_or(0),
                memory: number("CORRIDORKEY_CUDA_MB", 1, 1 << 24)?.map(|megabytes| megabytes * MB),
            },
            threads: count("CORRIDORKEY_THREADS", 1024)?,
            cache_bytes: number("CORRIDORKEY_CACHE_MB", 0, 1 << 24)?.unwrap_or(1024) * MB,
            session_bytes: match number("CORRIDORKEY_SESSION_MB", 1, 1 << 24)? {
                Some(megabytes) => megabytes * MB,
                None => process_memory() / 4 * 3,
            },
            picture_bytes: process_memory() / 4 * 3,
            sessions: count("CORRIDORKEY_SESSIONS", 1024)?.unwrap_or(4),
            idle: Duration::from_secs(
                number("CORRIDORKEY_IDLE_SECONDS", 1, 1 << 24)?.unwrap_or(120),
            ),
            frames: count("CORRIDORKEY_FRAMES", 1024)?.unwrap_or(2),
        })
    }

    /// Threads for one run of the network: as many as there are physical cores that this process
    /// may use, since two threads of one core fight over its arithmetic units.
    pub fn network_threads(&self) -> usize {
        self.threads
            .unwrap_or_else(|| physical_cores().min(available()))
    }

    /// Threads for the picture around the network.
    pub fn picture_threads(&self) -> usize {
        self.threads.unwrap_or_else(available)
    }
}

impl Default for Options {
    /// What an empty environment says.
    fn default() -> Self {
        Self::read(&|_| None)
            .unwrap_or_else(|_| unreachable!("an empty environment has no wrong value"))
    }
}

fn available() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get)
}

/// Distinct cores by Linux's own numbering; elsewhere every processor counts as a core (on Apple's
/// chips that is so).
fn physical_cores() -> usize {
    let mut cores = std::collections::HashSet::new();
    if let Ok(entries) = std::fs::read_dir("/sys/devices/system/cpu") {
        for entry in entries.flatten() {
            let topology = entry.path().join("topology");
            let read = |name: &str| std::fs::read_to_string(topology.join(name)).ok();
            if let (Some(package), Some(core)) = (read("physical_package_id"), read("core_id")) {
                cores.insert((package, core));
            }
        }
    }
    if cores.is_empty() {
        available()
    } else {
        cores.len()
    }
}

/// Memory that this process can hope for: the machine's, or its container's limit if that is
/// less. 16 GiB where the system does not tell through files.
fn process_memory() -> u64 {
    let total = std::fs::read_to_string("/proc/meminfo")
        .ok()
        .and_then(|text| memory_total(&text));
    let limit = [
        "/sys/fs/cgroup/memory.max",
        "/sys/fs/cgroup/memory/memory.limit_in_bytes",
    ]
    .iter()
    .filter_map(|path| {
        std::fs::read_to_string(path)
            .ok()?
            .trim()
            .parse::<u64>()
            .ok()
    })
    .min();
    match (total, limit) {
        (Some(total), Some(limit)) => total.min(limit),
        (Some(bytes), None) | (None, Some(bytes)) => bytes,
        (None, None) => 16 << 30,
    }
}

fn memory_total(meminfo: &str) -> Option<u64> {
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Options> {
        Options::read(&|name| {
            pairs
                .iter()
                .find(|(n, _)| *n == name)
                .map(|(_, value)| OsString::from(value))
        })
    }

    #[test]
    fn an_empty_environment_gives_the_documented_defaults() {
        let options = Options::default();
        assert_eq!(options.cache_bytes, 1 << 30);
        assert_eq!((options.sessions, options.frames), (4, 2));
        assert_eq!(options.idle, Duration::from_secs(120));
        assert!(!options.telemetry_disabled && options.models.is_empty());
        assert!(
            options.session_bytes > 256 * MB,
            "{}",
            options.session_bytes
        );
        assert!(
            options.network_threads() >= 1
                && options.network_threads() <= options.picture_threads()
        );
    }

    #[test]
    fn empty_values_are_no_values_and_zero_switches_telemetry_on() {
        let options =
            read(&[("CORRIDORKEY_CACHE_MB", ""), ("ORT_DISABLE_TELEMETRY", "0")]).unwrap();
        assert_eq!(options, Options::default());
        assert!(
            read(&[("ORT_DISABLE_TELEMETRY", "1")])
                .unwrap()
                .telemetry_disabled
        );
    }

    #[test]
    fn numbers_are_read_in_their_units() {
        let options = read(&[
            ("CORRIDORKEY_CACHE_MB", "0"),
            ("CORRIDORKEY_SESSION_MB", " 2048 "),
            ("CORRIDORKEY_THREADS", "3"),
            ("CORRIDORKEY_IDLE_SECONDS", "7"),
        ])
        .unwrap();
        assert_eq!((options.cache_bytes, options.session_bytes), (0, 2 << 30));
        assert_eq!(
            (options.network_threads(), options.picture_threads()),
            (3, 3)
        );
        assert_eq!(options.idle, Duration::from_secs(7));
    }

    #[test]
    fn a_number_that_is_none_is_an_error_that_names_the_variable() {
        for (name, value) in [
            ("CORRIDORKEY_THREADS", "0"),
            ("CORRIDORKEY_THREADS", "many"),
            ("CORRIDORKEY_CACHE_MB", "-1"),
        ] {
            let error = read(&[(name, value)]).unwrap_err();
            assert_eq!(error.code(), "setting.value");
            let text = error.to_string();
            assert!(text.contains(name) && text.contains(value), "{text}");
        }
    }

    #[test]
    fn what_is_said_of_the_gpu_is_read() {
        let cuda = read(&[
            ("CORRIDORKEY_CUDA_DEVICE", "1"),
            ("CORRIDORKEY_CUDA_MB", "4096"),
            ("CORRIDORKEY_CUDA_LIBRARIES", "/opt/cuda/lib64"),
        ])
        .unwrap()
        .cuda;
        assert_eq!((cuda.device, cuda.memory), (1, Some(4 << 30)));
        assert_eq!(cuda.libraries, [PathBuf::from("/opt/cuda/lib64")]);
        assert_eq!(Options::default().cuda, Cuda::default());
        let error = read(&[("CORRIDORKEY_CUDA_DEVICE", "first")]).unwrap_err();
        assert!(error.to_string().contains("CORRIDORKEY_CUDA_DEVICE"));
    }

    #[test]
    fn model_folders_are_a_path_list() {
        let list = std::env::join_paths(["/a", "/b c"]).unwrap();
        let options =
            Options::read(&|name| (name == "CORRIDORKEY_MODELS").then(|| list.clone())).unwrap();
        assert_eq!(options.models, [PathBuf::from("/a"), PathBuf::from("/b c")]);
    }

    #[test]
    fn the_memory_of_the_machine_is_read_from_its_own_table() {
        assert_eq!(
            memory_total("MemFree: 1 kB\nMemTotal:       24600000 kB\n"),
            Some(24_600_000 * 1024)
        );
        assert_eq!(memory_total("nonsense"), None);
    }
}
