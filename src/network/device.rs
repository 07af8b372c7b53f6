//! Where the network runs: who may say so, and what is actually there.
//!
//! The order of say is `CORRIDORKEY_FORCE_DEVICE` (a farm's word, over every project), the
//! project's own setting, `CORRIDORKEY_DEVICE`, and then automatic choice: CUDA, CoreML, CPU.
//! Automatic choice remembers why each better device could not be had; a device asked for by name
//! is used or its absence is an error, never another device in silence.
//!
//! Nothing here knows the runtime library: what is there is asked through [`Bench`], so that every
//! rule is testable on a machine that has none of the devices.

use super::error::{Error, Result};
use super::options::Options;
use crate::keyer::settings::choice;

choice! {
    /// What can be asked for.
    #[derive(Default)]
    DeviceChoice, "device" {
        /// The best that works.
        #[default]
        Auto = "auto",
        /// An NVIDIA GPU.
        Cuda = "cuda",
        /// Apple's GPU and neural engine.
        CoreMl = "coreml",
        /// The processor.
        Cpu = "cpu",
    }
}

impl DeviceChoice {
    /// The choice of that name, whatever its case. `mps`, `mlx` and `metal`, the original's names
    /// for Apple's devices, are CoreML here; `gpu` is too vague to be one.
    pub fn parse(name: &str) -> Option<Self> {
        match name.trim().to_ascii_lowercase().as_str() {
            "mps" | "mlx" | "metal" => Some(Self::CoreMl),
            id => Self::from_id(id).ok(),
        }
    }
}

/// What the network runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Device {
    /// An NVIDIA GPU.
    Cuda,
    /// Apple's GPU and neural engine.
    CoreMl,
    /// The processor.
    Cpu,
}

impl Device {
    /// In the order that automatic choice tries them.
    pub const ALL: [Self; 3] = [Self::Cuda, Self::CoreMl, Self::Cpu];

    /// The stable name.
    pub fn id(self) -> &'static str {
        match self {
            Self::Cuda => "cuda",
            Self::CoreMl => "coreml",
            Self::Cpu => "cpu",
        }
    }

    /// The name for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cuda => "CUDA",
            Self::CoreMl => "CoreML",
            Self::Cpu => "CPU",
        }
    }
}

impl From<Device> for DeviceChoice {
    fn from(device: Device) -> Self {
        match device {
            Device::Cuda => Self::Cuda,
            Device::CoreMl => Self::CoreMl,
            Device::Cpu => Self::Cpu,
        }
    }
}

choice! {
    /// The arithmetic that can be asked for.
    #[derive(Default)]
    PrecisionChoice, "precision" {
        /// 32-bit floats on the CPU; elsewhere what the model prefers: the first that its manifest
        /// names, and 16 bits for an imported checkpoint.
        #[default]
        Auto = "auto",
        /// 16-bit floats where the model allows.
        Fp16 = "fp16",
        /// 32-bit floats throughout.
        Fp32 = "fp32",
    }
}

/// The arithmetic that a session uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Precision {
    /// 16-bit floats where the model allows.
    Fp16,
    /// 32-bit floats throughout.
    Fp32,
}

impl Precision {
    /// The stable name.
    pub fn id(self) -> &'static str {
        match self {
            Self::Fp16 => "fp16",
            Self::Fp32 => "fp32",
        }
    }
}

/// A choice and who made it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    /// The choice.
    pub choice: DeviceChoice,
    /// Who made it, as the subject of a sentence.
    pub by: &'static str,
}

/// Decides whose word counts. `setting` is the project's or the command line's own.
///
/// # Errors
/// [`Error::UnknownDevice`] when the variable that counts names no device; [`Error::Backend`] when
/// `CORRIDORKEY_BACKEND` names a framework that is not used here.
pub fn wish(setting: DeviceChoice, options: &Options) -> Result<Wish> {
    backend(options.backend.as_deref())?;
    let named = |by: &'static str, value: &str| match DeviceChoice::parse(value) {
        Some(choice) => Ok(Wish { choice, by }),
        None => Err(Error::UnknownDevice {
            source_name: by.into(),
            value: value.into(),
        }),
    };
    if let Some(value) = &options.force_device {
        return named("CORRIDORKEY_FORCE_DEVICE", value);
    }
    if setting != DeviceChoice::Auto {
        return Ok(Wish {
            choice: setting,
            by: "the device setting",
        });
    }
    match &options.device {
        Some(value) => named("CORRIDORKEY_DEVICE", value),
        None => Ok(Wish {
            choice: DeviceChoice::Auto,
            by: "automatic choice",
        }),
    }
}

/// Reads the original program's backend variable, of which only automatic choice (and the one
/// framework that is here) can be had.
fn backend(value: Option<&str>) -> Result<()> {
    let Some(value) = value else { return Ok(()) };
    let reason = match value.to_ascii_lowercase().as_str() {
        "auto" | "onnx" | "onnxruntime" | "ort" => return Ok(()),
        "torch" | "pytorch" => {
            "but this program has no PyTorch: it runs models with ONNX Runtime. Remove the variable, and set CORRIDORKEY_DEVICE to cuda or cpu if a device is meant"
        }
        "mlx" => {
            "but this program has no MLX: it runs models with ONNX Runtime. Remove the variable, and set CORRIDORKEY_DEVICE to coreml to use Apple's GPU"
        }
        _ => "which names no framework that is known here. Remove the variable, or set it to auto",
    };
    Err(Error::Backend {
        value: value.into(),
        reason: reason.into(),
    })
}

/// What can be asked whether a device works.
pub trait Bench {
    /// Tries `device` out.
    ///
    /// # Errors
    /// Why it does not work, as the middle of a sentence.
    fn probe(&self, device: Device) -> std::result::Result<(), String>;
}

/// A device, and why not a better one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    /// The device.
    pub device: Device,
    /// Who chose it, as the subject of a sentence.
    pub by: &'static str,
    /// The devices that automatic choice prefers but could not have, with the reasons.
    pub rejected: Vec<(Device, String)>,
}

impl Selection {
    /// One line for a panel: the device and why.
    pub fn explanation(&self) -> String {
        let mut text = format!("{} ({}", self.device.name(), self.by);
        for (device, reason) in &self.rejected {
            text.push_str(&format!("; no {}: {reason}", device.name()));
        }
        text.push(')');
        text
    }
}

/// Finds the device for a wish. `unfit` holds devices that were tried for this model and failed.
///
/// # Errors
/// [`Error::Device`] when a device named by somebody cannot be used, [`Error::NoDevice`] when
/// automatic choice finds none.
pub fn select(wish: &Wish, bench: &dyn Bench, unfit: &[(Device, String)]) -> Result<Selection> {
    let probe = |device: Device| match unfit.iter().find(|(other, _)| *other == device) {
        Some((_, reason)) => Err(reason.clone()),
        None => bench.probe(device),
    };
    let named = Device::ALL
        .into_iter()
        .find(|device| wish.choice == (*device).into());
    if let Some(device) = named {
        return match probe(device) {
            Ok(()) => Ok(Selection {
                device,
                by: wish.by,
                rejected: Vec::new(),
            }),
            Err(reason) => Err(Error::Device {
                device: device.id(),
                source_name: wish.by.into(),
                reason,
            }),
        };
    }
    let mut rejected = Vec::new();
    for device in Device::ALL {
        match probe(device) {
            Ok(()) => {
                return Ok(Selection {
                    device,
                    by: wish.by,
                    rejected,
                });
            }
            Err(reason) => rejected.push((device, reason)),
        }
    }
    let reasons = rejected
        .into_iter()
        .map(|(device, reason)| (device.id(), reason))
        .collect();
    Err(Error::NoDevice { reasons })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::cell::RefCell;

    /// A machine with exactly these devices, which notes what it is asked.
    struct Machine {
        has: &'static [Device],
        asked: RefCell<Vec<Device>>,
    }

    fn machine(has: &'static [Device]) -> Machine {
        Machine {
            has,
            asked: RefCell::default(),
        }
    }

    impl Bench for Machine {
        fn probe(&self, device: Device) -> std::result::Result<(), String> {
            self.asked.borrow_mut().push(device);
            if self.has.contains(&device) {
                Ok(())
            } else {
                Err(format!("no {} here", device.name()))
            }
        }
    }

    fn options(force: Option<&str>, device: Option<&str>, backend: Option<&str>) -> Options {
        Options {
            force_device: force.map(Into::into),
            device: device.map(Into::into),
            backend: backend.map(Into::into),
            ..Options::default()
        }
    }

    #[test]
    fn force_beats_the_setting_beats_the_variable_beats_auto() {
        let say = |setting, force, device| wish(setting, &options(force, device, None)).unwrap();
        let w = say(DeviceChoice::Cuda, Some("cpu"), Some("coreml"));
        assert_eq!(
            (w.choice, w.by),
            (DeviceChoice::Cpu, "CORRIDORKEY_FORCE_DEVICE")
        );
        let w = say(DeviceChoice::Cuda, None, Some("coreml"));
        assert_eq!((w.choice, w.by), (DeviceChoice::Cuda, "the device setting"));
        let w = say(DeviceChoice::Auto, None, Some("mps"));
        assert_eq!(
            (w.choice, w.by),
            (DeviceChoice::CoreMl, "CORRIDORKEY_DEVICE")
        );
        assert_eq!(
            say(DeviceChoice::Auto, None, None).choice,
            DeviceChoice::Auto
        );
        // A farm can also force automatic choice onto a project that names a device.
        assert_eq!(
            say(DeviceChoice::Cuda, Some("auto"), None).choice,
            DeviceChoice::Auto
        );
    }

    #[test]
    fn a_device_name_that_counts_must_be_one_and_one_that_does_not_count_is_not_read() {
        let error = wish(DeviceChoice::Auto, &options(None, Some("gpu"), None)).unwrap_err();
        assert_eq!(error.code(), "device.unknown");
        assert!(
            error.to_string().contains("CORRIDORKEY_DEVICE") && error.to_string().contains("gpu")
        );
        assert!(wish(DeviceChoice::Cpu, &options(None, Some("gpu"), None)).is_ok());
    }

    #[test]
    fn the_original_s_backends_get_a_sentence_that_says_what_to_use() {
        for value in ["auto", "AUTO", "onnxruntime"] {
            assert!(wish(DeviceChoice::Auto, &options(None, None, Some(value))).is_ok());
        }
        for (value, advice) in [("torch", "cuda or cpu"), ("MLX", "coreml"), ("jax", "auto")] {
            let error = wish(DeviceChoice::Auto, &options(None, None, Some(value))).unwrap_err();
            assert_eq!(error.code(), "device.backend");
            assert!(
                error.to_string().contains(value) && error.to_string().contains(advice),
                "{error}"
            );
        }
    }

    #[test]
    fn auto_takes_the_first_that_works_and_remembers_why_the_others_did_not() {
        let auto = Wish {
            choice: DeviceChoice::Auto,
            by: "automatic choice",
        };
        let bench = machine(&[Device::Cpu]);
        let found = select(&auto, &bench, &[]).unwrap();
        assert_eq!(found.device, Device::Cpu);
        assert_eq!(*bench.asked.borrow(), Device::ALL);
        assert_eq!(
            found.rejected,
            [
                (Device::Cuda, "no CUDA here".to_owned()),
                (Device::CoreMl, "no CoreML here".to_owned())
            ]
        );
        assert!(
            found.explanation().contains("no CUDA here"),
            "{}",
            found.explanation()
        );

        let bench = machine(&[Device::Cuda, Device::Cpu]);
        assert_eq!(select(&auto, &bench, &[]).unwrap().device, Device::Cuda);
        assert_eq!(*bench.asked.borrow(), [Device::Cuda]);

        // A device that failed for this very model is passed over, with its reason.
        let unfit = [(Device::Cuda, "an operator is missing".to_owned())];
        let found = select(&auto, &machine(&[Device::Cuda, Device::Cpu]), &unfit).unwrap();
        assert_eq!(found.device, Device::Cpu);
        assert_eq!(found.rejected[0], unfit[0]);
    }

    #[test]
    fn a_named_device_is_used_or_its_absence_is_an_error_with_the_cause() {
        let cuda = Wish {
            choice: DeviceChoice::Cuda,
            by: "the device setting",
        };
        assert_eq!(
            select(&cuda, &machine(&[Device::Cuda]), &[])
                .unwrap()
                .device,
            Device::Cuda
        );
        let bench = machine(&[Device::Cpu]);
        let error = select(&cuda, &bench, &[]).unwrap_err();
        assert_eq!(error.code(), "device.unavailable");
        assert!(error.to_string().contains("no CUDA here"), "{error}");
        assert_eq!(
            *bench.asked.borrow(),
            [Device::Cuda],
            "nothing else was even tried"
        );
    }

    #[test]
    fn with_no_device_at_all_every_reason_is_told() {
        let auto = Wish {
            choice: DeviceChoice::Auto,
            by: "automatic choice",
        };
        let error = select(&auto, &machine(&[]), &[]).unwrap_err();
        let text = error.to_string();
        assert!(
            ["CUDA", "CoreML", "CPU"]
                .iter()
                .all(|name| text.contains(&format!("no {name} here"))),
            "{text}"
        );
    }

    #[test]
    fn ids_and_stored_numbers_are_fixed() {
        for (index, id) in ["auto", "cuda", "coreml", "cpu"].into_iter().enumerate() {
            assert_eq!(DeviceChoice::ALL[index].id(), id);
        }
        for (index, id) in ["auto", "fp16", "fp32"].into_iter().enumerate() {
            assert_eq!(PrecisionChoice::ALL[index].id(), id);
        }
        assert_eq!(DeviceChoice::from_index(3), Ok(DeviceChoice::Cpu));
        assert!(DeviceChoice::from_index(4).is_err() && PrecisionChoice::from_index(3).is_err());
        for name in ["mps", "mlx", "Metal", "CoreML"] {
            assert_eq!(DeviceChoice::parse(name), Some(DeviceChoice::CoreMl));
        }
    }
}
