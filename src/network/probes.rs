//! What trying the devices has shown, and for how long that counts.
//!
//! Two things are tried: whether a device works at all ([`Probes`]), and whether it can run a model
//! ([`Unfit`]). Either takes seconds, so that no frame does it again without need; and either may
//! fail for a reason that is gone a minute later.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::device::{Bench, Device, DeviceChoice, Selection, Wish, select};
use super::error::{Error, Result};

/// Does something on the device of a wish. Where automatic choice may choose and the model cannot be
/// prepared on its device, or the device is lost in the middle of the work, the next one is tried;
/// `unfit` remembers that for the frames to come.
///
/// # Errors
/// Those of [`select`] and of `attempt`.
pub fn on_device<T>(
    wish: &Wish,
    bench: &dyn Bench,
    unfit: &Unfit,
    model: &str,
    mut attempt: impl FnMut(&Selection) -> Result<T>,
) -> Result<T> {
    // A device that somebody named stays the one, and fails in its own words.
    let automatic = wish.choice == DeviceChoice::Auto;
    let mut passed_over = if automatic {
        unfit.of(model)
    } else {
        Vec::new()
    };
    loop {
        let selection = select(wish, bench, &passed_over)?;
        let device = selection.device;
        match attempt(&selection) {
            Err(Error::Session {
                reason, model: id, ..
            }) if automatic && device != Device::Cpu => {
                log::warn!("{} cannot run the model {id}: {reason}", device.name());
                let told = format!("it cannot run this model ({reason})");
                if !is_passing(&reason) {
                    unfit.note(model, device, told.clone());
                }
                passed_over.push((device, told));
            }
            // A lost device does not come back to a process that had it.
            Err(Error::Run { reason, .. })
                if automatic && device != Device::Cpu && is_loss(&reason) =>
            {
                log::warn!("{} was lost: {reason}", device.name());
                let told = format!("it was lost while it worked ({reason})");
                unfit.note(model, device, told.clone());
                passed_over.push((device, told));
            }
            other => return other,
        }
    }
}

/// Which devices cannot run which models: trying that out takes seconds, and must not be done for
/// every frame.
#[derive(Debug, Default)]
pub struct Unfit(Mutex<HashMap<(String, Device), String>>);

impl Unfit {
    /// The devices that cannot run the model of this checksum, and why.
    fn of(&self, model: &str) -> Vec<(Device, String)> {
        let known = self.0.lock();
        let reason = |device: Device| known.get(&(model.to_owned(), device)).cloned();
        Device::ALL
            .into_iter()
            .filter_map(|device| Some((device, reason(device)?)))
            .collect()
    }

    fn note(&self, model: &str, device: Device, reason: String) {
        self.0.lock().insert((model.to_owned(), device), reason);
    }

    /// Forgets everything.
    pub fn clear(&self) {
        self.0.lock().clear();
    }
}

/// How long a device stays out of use whose failure may pass.
const RETRY: Duration = Duration::from_secs(30);

/// What is known about the devices of this process. A device that works, or cannot work, is tried
/// once. One that was busy is tried again after a while: the farm's other job ends, and the night is
/// long.
#[derive(Debug)]
pub struct Probes {
    known: Mutex<HashMap<Device, Probe>>,
    retry: Duration,
}

#[derive(Debug)]
struct Probe {
    result: std::result::Result<(), String>,
    /// When it is worth another attempt.
    again: Option<Instant>,
}

impl Default for Probes {
    fn default() -> Self {
        Self {
            known: Mutex::default(),
            retry: RETRY,
        }
    }
}

impl Probes {
    /// What is known about a device; nothing if it is to be tried.
    pub fn known(&self, device: Device) -> Option<std::result::Result<(), String>> {
        let known = self.known.lock();
        let probe = known.get(&device)?;
        let over = probe.again.is_some_and(|again| Instant::now() >= again);
        (!over).then(|| probe.result.clone())
    }

    /// Remembers what trying a device out has shown.
    pub fn keep(&self, device: Device, result: std::result::Result<(), String>) {
        let passing = result.as_ref().is_err_and(|reason| is_passing(reason));
        let again = passing.then(|| Instant::now() + self.retry);
        self.known.lock().insert(device, Probe { result, again });
    }

    /// Every device is tried anew that did not work.
    pub fn forget_failures(&self) {
        self.known.lock().retain(|_, probe| probe.result.is_ok());
    }

    /// The devices that were tried, and why they do not work.
    pub fn list(&self) -> Vec<(Device, std::result::Result<(), String>)> {
        let known = self.known.lock();
        Device::ALL
            .into_iter()
            .filter_map(|device| Some((device, known.get(&device)?.result.clone())))
            .collect()
    }
}

/// True for a failure that may be over in a minute: memory that another program has, a device that
/// it has for itself. The runtime has no code for either; the words are those of its allocators and
/// of CUDA, whose libraries call it "not initialised" when there is no memory to start them in.
fn is_passing(reason: &str) -> bool {
    let reason = reason.to_ascii_lowercase();
    memory_was_short(&reason)
        || [
            "busy or unavailable",
            "cublas_status_not_initialized",
            "cudnn_status_not_initialized",
        ]
        .iter()
        .any(|words| reason.contains(words))
}

/// True for a failure after which nothing works on the device any more, neither here nor with another
/// model: its driver was restarted, it fell off the bus, or a fault of the hardware has spoilt what
/// this process has on it. The words are CUDA's, those of its numbers the runtime's.
fn is_loss(reason: &str) -> bool {
    let reason = reason.to_ascii_lowercase();
    [
        "unspecified launch failure",
        "illegal memory access",
        "illegal instruction",
        "uncorrectable ecc",
        "hardware stack error",
        "launch timed out",
        "no cuda-capable device",
        "device(s) is/are busy or unavailable",
        "driver shutting down",
        "gpu is lost",
        "cuda failure 46:",
        "cuda failure 100:",
        "cuda failure 214:",
        "cuda failure 700:",
        "cuda failure 702:",
        "cuda failure 719:",
        "cuda failure 999:",
    ]
    .iter()
    .any(|words| reason.contains(words))
}

/// The runtime has no error code for it: every allocator words it in its own way.
pub(super) fn memory_was_short(reason: &str) -> bool {
    let reason = reason.to_ascii_lowercase();
    [
        "failed to allocate memory",
        "bad_alloc",
        "bad allocation",
        "out of memory",
        "out_of_memory",
        "memoryallocation",
        "alloc_failed",
        "is smaller than requested bytes",
        "cuda failure 2:",
    ]
    .iter()
    .any(|words| reason.contains(words))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::network::device::wish;
    use crate::network::options::Options;

    /// CUDA and the processor work.
    struct Machine;

    impl Bench for Machine {
        fn probe(&self, device: Device) -> std::result::Result<(), String> {
            match device {
                Device::CoreMl => Err("no CoreML here".into()),
                Device::Cuda | Device::Cpu => Ok(()),
            }
        }
    }

    fn session(reason: &str) -> Error {
        Error::Session {
            model: "m".into(),
            device: "CUDA",
            width: 64,
            height: 64,
            reason: reason.into(),
        }
    }

    #[test]
    fn a_device_that_cannot_run_a_model_is_not_asked_again_for_every_frame() {
        let auto = wish(DeviceChoice::Auto, &Options::default()).unwrap();
        let bench = Machine;
        let unfit = Unfit::default();
        let frame = |model: &str, reason: &str| {
            let mut tried = Vec::new();
            let found = on_device(&auto, &bench, &unfit, model, |selection| {
                tried.push(selection.device);
                match selection.device {
                    Device::Cpu => Ok(selection.clone()),
                    _ => Err(session(reason)),
                }
            });
            (tried, found.unwrap())
        };
        let missing = "an operator is missing";
        let (tried, first) = frame("a", missing);
        assert_eq!(tried, [Device::Cuda, Device::Cpu]);
        let (tried, second) = frame("a", missing);
        assert_eq!(tried, [Device::Cpu]);
        assert_eq!(first, second);
        assert!(second.explanation().contains(missing), "{second:?}");
        // Another model may well run on it.
        assert_eq!(frame("b", missing).0.len(), 2);
        // And a purge is a new start.
        unfit.clear();
        assert_eq!(frame("a", missing).0.len(), 2);
        // What may pass is not held against it.
        assert_eq!(frame("c", "CUDNN_STATUS_NOT_INITIALIZED").0.len(), 2);
        assert_eq!(frame("c", "CUDNN_STATUS_NOT_INITIALIZED").0.len(), 2);
    }

    #[test]
    fn a_named_device_fails_in_its_own_words_and_other_errors_choose_nothing_else() {
        let bench = Machine;
        let unfit = Unfit::default();
        let run = |choice, error: &Error| {
            let wish = wish(choice, &Options::default()).unwrap();
            on_device(&wish, &bench, &unfit, "a", |_| Err::<(), _>(error.clone())).unwrap_err()
        };
        let (no_session, aborted) = (session("an operator is missing"), Error::Aborted);
        // Automatic choice ends at the processor, which has nothing behind it.
        assert_eq!(run(DeviceChoice::Auto, &no_session), no_session);
        assert_eq!(run(DeviceChoice::Cuda, &no_session), no_session);
        assert_eq!(run(DeviceChoice::Auto, &aborted), aborted);
    }

    #[test]
    fn a_device_that_is_lost_between_frames_is_left_where_nobody_named_it() {
        let run = |reason: &str| Error::Run {
            model: "m".into(),
            device: "CUDA",
            width: 64,
            height: 64,
            reason: reason.into(),
        };
        let lost = run("CUDA failure 719: unspecified launch failure ; GPU=0");
        let other = run("an index is out of bounds");
        let unfit = Unfit::default();
        let frame = |choice, error: &Error| {
            let wish = wish(choice, &Options::default()).unwrap();
            let mut tried = Vec::new();
            let found = on_device(&wish, &Machine, &unfit, "a", |selection| {
                tried.push(selection.device);
                match selection.device {
                    Device::Cpu => Ok(selection.clone()),
                    _ => Err(error.clone()),
                }
            });
            (tried, found)
        };
        assert_eq!(frame(DeviceChoice::Cuda, &lost).1, Err(lost.clone()));
        let (tried, found) = frame(DeviceChoice::Auto, &lost);
        assert_eq!(tried, [Device::Cuda, Device::Cpu]);
        assert!(found.unwrap().explanation().contains("was lost"));
        assert_eq!(frame(DeviceChoice::Auto, &lost).0, [Device::Cpu]);
        // A run that fails for another reason says nothing about the device.
        unfit.clear();
        assert_eq!(frame(DeviceChoice::Auto, &other).1, Err(other.clone()));
    }

    #[test]
    fn a_device_that_was_busy_is_tried_again_and_one_that_cannot_work_is_not() {
        let busy = Err("CUDA failure 2: out of memory ; GPU=0".to_owned());
        let never = Err("this ONNX Runtime was built without CUDA".to_owned());
        let probes = |retry| Probes {
            retry,
            ..Probes::default()
        };
        let soon = probes(Duration::ZERO);
        soon.keep(Device::Cuda, busy.clone());
        assert_eq!(soon.known(Device::Cuda), None);
        assert_eq!(
            soon.list(),
            [(Device::Cuda, busy.clone())],
            "it is still told"
        );
        soon.keep(Device::Cuda, never.clone());
        assert_eq!(soon.known(Device::Cuda), Some(never.clone()));
        soon.keep(Device::Cuda, Ok(()));
        assert_eq!(soon.known(Device::Cuda), Some(Ok(())));

        let later = probes(Duration::from_secs(600));
        later.keep(Device::Cuda, busy.clone());
        later.keep(Device::CoreMl, never);
        later.keep(Device::Cpu, Ok(()));
        assert_eq!(later.known(Device::Cuda), Some(busy), "not for every frame");
        later.forget_failures();
        assert_eq!(later.list(), [(Device::Cpu, Ok(()))]);
    }

    #[test]
    fn allocators_are_understood_whatever_their_words() {
        for words in [
            "Failed to allocate memory for requested buffer of size 123",
            "std::bad_alloc",
            "CUDA failure 2: out of memory ; GPU=0",
            "CUBLAS failure 3: CUBLAS_STATUS_ALLOC_FAILED",
            "Available memory of 12 is smaller than requested bytes of 99",
        ] {
            assert!(memory_was_short(words) && is_passing(words), "{words}");
        }
        let words = "CUDA failure 46: all CUDA-capable devices are busy or unavailable";
        assert!(is_passing(words) && !memory_was_short(words));
        for words in [
            "Load model failed: unknown operator",
            "CUDA failure 100: no CUDA-capable device is detected",
        ] {
            assert!(!memory_was_short(words) && !is_passing(words), "{words}");
        }
    }
}
