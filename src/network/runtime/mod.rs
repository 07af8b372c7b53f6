//! Finds ONNX Runtime and loads it, once for the life of the process.
//!
//! The library is opened at run time from the plug-in's own bundle; [`library`] finds and examines
//! it. Nothing here changes the process: no environment variable, no global thread pool, no
//! logger, and the runtime's own messages go to [`log`] instead of the host's console.
//!
//! This is the one place of the crate that calls C functions by hand.

#![allow(unsafe_code)]

mod cuda;
pub mod library;

use std::ffi::{CStr, c_char};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, OnceLock};

use ort::ep::{self, ExecutionProvider as _};
use ort::logging::LogLevel;
use ort::memory::{AllocationDevice, Allocator, AllocatorType, MemoryInfo, MemoryType};
use ort::session::builder::SessionBuilder;
use ort::session::{RunOptions, Session};
use ort::value::{Tensor, TensorRef, TensorRefMut};
use ort::{AsPointer as _, environment::Environment};
use parking_lot::Mutex;

use self::library::{Examined, candidates, chain, one_line};
use super::device::{Bench, Device, DeviceChoice};
use super::error::{Error, Result};
use super::options::{Cuda, Options};
use super::probes::Probes;
use super::staging::Room;
use super::{Control, POLL, check};

/// What a graph's convolutions are like, as far as CUDA has to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Convolutions {
    /// In 32 bits.
    Exact,
    /// In 16 bits.
    Half,
    /// In 16 bits, and made for channels last.
    ChannelsLast,
}

/// The loaded library.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Library {
    /// The file; a bare name if the user asked for one.
    pub path: PathBuf,
    /// Its version, such as `1.28.0`.
    pub version: String,
    /// What it says about how it was built.
    pub build: String,
}

/// ONNX Runtime, ready to use.
#[derive(Debug)]
pub struct Runtime {
    environment: Environment,
    library: Library,
    cuda: Cuda,
    probes: Probes,
    /// Held while a device is tried out, which can take seconds; what is known can be read meanwhile.
    probing: Mutex<()>,
}

static RUNTIME: OnceLock<Runtime> = OnceLock::new();
static LOADING: Mutex<()> = Mutex::new(());

/// The runtime, if it has been loaded.
pub fn loaded() -> Option<&'static Runtime> {
    RUNTIME.get()
}

/// The runtime, loaded at the first call. A failure is not kept: the next call looks again.
///
/// # Errors
/// [`Error::Library`] with every place that was tried, [`Error::LibraryStart`].
pub fn load(options: &Options, module: Option<&Path>) -> Result<&'static Runtime> {
    if let Some(runtime) = RUNTIME.get() {
        return Ok(runtime);
    }
    let _turn = LOADING.lock();
    if let Some(runtime) = RUNTIME.get() {
        return Ok(runtime);
    }
    let mut tried = Vec::new();
    for candidate in candidates(options, module) {
        let examined =
            candidate.and_then(
                |path| match library::examine(&path, options.telemetry_disabled) {
                    Ok(examined) => Ok((path, examined)),
                    Err(reason) => Err((path, reason)),
                },
            );
        match examined {
            Ok((path, examined)) => {
                let runtime = start(&path, examined, options.cuda.clone())?;
                log::info!(
                    "ONNX Runtime {} from {}: {}",
                    runtime.library.version,
                    path.display(),
                    runtime.library.build
                );
                return Ok(RUNTIME.get_or_init(|| runtime));
            }
            Err(failure) => tried.push(failure),
        }
    }
    Err(Error::Library { tried })
}

/// Initialises an examined library.
fn start(path: &Path, examined: Examined, cuda: Cuda) -> Result<Runtime> {
    let fail = |reason: String| Error::LibraryStart {
        path: path.into(),
        reason,
    };
    let builder = ort::init_from(path).map_err(|error| fail(chain(&error)))?;
    // From here on the library stays loaded: the binding keeps it, and its threads run in it.
    std::mem::forget(examined.library);
    let environment = builder
        .with_name("CorridorKey")
        .with_telemetry(false)
        .with_logger(Arc::new(|level, category, _, location, message| {
            // Which part of the graph a device took is only told among the finest messages.
            let level = match message.contains("placed on [") {
                true => log::Level::Debug,
                false => severity(level),
            };
            log::log!(target: "onnxruntime", level, "{category}: {message} ({location})");
        }))
        .build()
        .map_err(|error| fail(error.to_string()))?;
    environment.set_log_level(LogLevel::Warning);
    let library = Library {
        path: path.into(),
        version: examined.version,
        build: ort::info().to_owned(),
    };
    Ok(Runtime {
        environment,
        library,
        cuda,
        probes: Probes::default(),
        probing: Mutex::default(),
    })
}

impl Runtime {
    /// The library.
    pub fn library(&self) -> &Library {
        &self.library
    }

    /// What is known about a device, if it was tried.
    fn known(&self, device: Device) -> Option<std::result::Result<(), String>> {
        self.probes.known(device)
    }

    /// Tries out the devices that a choice may lead to, as far as they are not known yet. Loading a
    /// GPU's libraries can take seconds, so that it goes on in a thread of its own if `control`
    /// stops waiting for it.
    ///
    /// # Errors
    /// [`Error::Aborted`], [`Error::Thread`].
    pub fn prepare(&'static self, choice: DeviceChoice, control: &dyn Control) -> Result<()> {
        for device in Device::ALL {
            if choice != DeviceChoice::Auto && choice != device.into() {
                continue;
            }
            if self.known(device).is_none() {
                let (done, wait) = channel::<()>();
                let thread = std::thread::Builder::new().name("corridorkey-device".into());
                let trial = move || {
                    let _done = done;
                    let _ = self.probe(device);
                };
                thread.spawn(trial).map_err(|error| Error::Thread {
                    what: "no thread could be started to try out a device",
                    reason: error.to_string(),
                })?;
                while wait.recv_timeout(POLL) == Err(RecvTimeoutError::Timeout) {
                    check(control)?;
                }
                if self.known(device).is_none() {
                    return Err(Error::Internal {
                        what: "trying out a device",
                        reason: format!("{} gave no answer", device.name()),
                    });
                }
            }
            if self.known(device) == Some(Ok(())) {
                break;
            }
        }
        Ok(())
    }

    /// What is known about the devices so far: those that were tried, and why they do not work.
    pub fn probed(&self) -> Vec<(Device, std::result::Result<(), String>)> {
        self.probes.list()
    }

    /// Every device is tried anew that did not work.
    pub fn forget_failures(&self) {
        self.probes.forget_failures();
    }

    /// Settings for a new session, with `device` first and the processor behind it.
    ///
    /// # Errors
    /// What the runtime says.
    pub(super) fn builder(
        &self,
        device: Device,
        convolutions: Convolutions,
        threads: usize,
    ) -> ort::Result<SessionBuilder> {
        let told = match log::log_enabled!(target: "onnxruntime", log::Level::Debug) {
            true => LogLevel::Verbose,
            false => LogLevel::Warning,
        };
        let mut builder = Session::builder(&self.environment)?
            .with_no_environment_execution_providers()?
            // Sessions of one size would each keep the largest extent of all their tensors at
            // once: twice the memory, and slow first frames.
            .with_memory_pattern(false)?
            .with_parallel_execution(false)?
            .with_inter_threads(1)?
            .with_intra_threads(threads)?
            // Within a frame threads wait for the next operation awake: a tenth of the time of a
            // network of many small ones. Between frames they sleep, since that is the host's time.
            .with_intra_op_spinning(device == Device::Cpu)?
            .with_inter_op_spinning(false)?
            .with_config_entry("session.force_spinning_stop", "1")?
            .with_log_level(told)?;
        match device {
            Device::Cuda => {
                let mut cuda = ep::CUDA::default().with_device_id(self.cuda.device);
                if let Some(bytes) = self.cuda.memory {
                    cuda = cuda.with_memory_limit(usize::try_from(bytes).unwrap_or(usize::MAX));
                }
                // The default arena doubles; this one takes what is asked for and no more.
                cuda.with_arena_extend_strategy(ep::ArenaExtendStrategy::SameAsRequested)
                    .with_conv_algorithm_search(ep::cuda::ConvAlgorithmSearch::Heuristic)
                    // fp32 means fp32, on every machine alike. The same setting decides for fp16
                    // whether convolutions may use tensor cores at all.
                    .with_tf32(convolutions != Convolutions::Exact)
                    // Sums and their normalisation by one operator, with mean and variance in 32
                    // bits: in 16, its default, tokens lose their finer differences.
                    .with_skip_layer_norm_strict_mode(convolutions == Convolutions::ChannelsLast)
                    // Turning pictures round for every convolution takes longer than convolving.
                    .with_prefer_nhwc(convolutions == Convolutions::ChannelsLast)
                    // Else a convolution's bias is a pass of its own over the picture. With
                    // channels first this runtime's fused ones read memory that is given back.
                    .with_fuse_conv_bias(convolutions == Convolutions::ChannelsLast)
                    .register(&mut builder)?
            }
            Device::CoreMl => ep::CoreML::default()
                .with_model_format(ep::coreml::ModelFormat::MLProgram)
                .with_static_input_shapes(true)
                .register(&mut builder)?,
            // Without an arena every intermediate result is given back to the system and fetched
            // anew: a third more processor time for a frame. It is kept until the session goes.
            Device::Cpu => ep::CPU::default()
                .with_arena_allocator(true)
                .register(&mut builder)?,
        }
        Ok(builder)
    }

    /// Registers the device and lets it double a number: some devices register although they
    /// cannot compute.
    fn try_out(&self, device: Device) -> std::result::Result<(), String> {
        match device {
            Device::Cuda if cfg!(target_os = "macos") => {
                return Err("CUDA does not exist on macOS".into());
            }
            Device::Cuda => {
                self.another_runtime_in_the_way()?;
                cuda::prepare(&self.library.path, &self.cuda.libraries)?;
            }
            Device::CoreMl if !cfg!(target_os = "macos") => {
                return Err("CoreML exists on macOS only".into());
            }
            Device::CoreMl | Device::Cpu => {}
        }
        let run = || -> ort::Result<f32> {
            let mut builder = self.builder(device, Convolutions::Exact, 1)?;
            // CoreML is not held to this: it may rightly leave so small a graph to the processor.
            if device == Device::Cuda {
                builder = builder.with_disable_cpu_fallback()?;
            }
            let mut session = builder.commit_from_memory(PROBE)?;
            let input = [21.0f32];
            let outputs = session.run(ort::inputs![TensorRef::from_array_view((
                [1i64],
                &input[..]
            ))?])?;
            let (_, values) = outputs[0].try_extract_tensor::<f32>()?;
            Ok(values.first().copied().unwrap_or(f32::NAN))
        };
        match run() {
            Ok(42.0) => Ok(()),
            Ok(other) => Err(format!("it computes wrongly (21 + 21 = {other})")),
            Err(error) => Err(plainly(device, self.cuda.device, error.message())),
        }
    }

    /// The CUDA part of ONNX Runtime finds its way back to "its" runtime by a name that every
    /// version shares. If the host has opened that name for another copy, ours would be bound to
    /// the wrong one and crash. The one beside our library is ours, whoever opened it: a second
    /// copy of this plug-in in the process shares the library with this one.
    fn another_runtime_in_the_way(&self) -> std::result::Result<(), String> {
        if !provider_bridge_is_foreign(&self.library.path) {
            return Ok(());
        }
        Err("the host application has loaded the CUDA part of an ONNX Runtime of its own, and two of them cannot be told apart in one process".into())
    }
}

/// What the runtime says of a device, in plain words where they are known; `number` is that of the
/// CUDA device.
fn plainly(device: Device, number: i32, message: &str) -> String {
    if message.contains("not enabled in this build") {
        return format!("this ONNX Runtime was built without {}", device.name());
    }
    let says = |sign: &str| device == Device::Cuda && message.contains(sign);
    if says("invalid device ordinal") || says("Invalid device ID") {
        return format!(
            "there is no CUDA device number {number} (CORRIDORKEY_CUDA_DEVICE; the first is 0)"
        );
    }
    if says("no CUDA-capable device") {
        return "the NVIDIA driver shows no GPU to this process (`nvidia-smi` lists what there is; \
                CUDA_VISIBLE_DEVICES can hide it)"
            .into();
    }
    if says("driver version is insufficient") {
        return "the NVIDIA driver is too old for this CUDA; install a newer one".into();
    }
    one_line(message).trim_end_matches('.').to_owned()
}

/// True when the process has another bridge to CUDA open than the one beside `library`.
#[cfg(unix)]
fn provider_bridge_is_foreign(library: &Path) -> bool {
    use libloading::os::unix::{Library, RTLD_LAZY};

    /// `RTLD_NOLOAD` of `<dlfcn.h>`: opens only what is open already.
    const ONLY_IF_OPEN: i32 = if cfg!(target_os = "macos") { 0x10 } else { 4 };

    let bridge = |library: &Library| {
        // SAFETY: the symbol is only looked up, never used.
        unsafe { library.get::<*const ()>(b"Provider_GetHost\0") }
            .ok()
            .map(|symbol| symbol.as_raw_ptr())
    };
    let Some(open) = bridge(&Library::this()) else {
        return false;
    };
    // A bare name has nothing beside it.
    if !library.is_absolute() {
        return true;
    }
    let beside = library.with_file_name("libonnxruntime_providers_shared.so");
    // SAFETY: nothing is loaded, so that nothing of it runs.
    let ours = unsafe { Library::open(Some(beside), RTLD_LAZY | ONLY_IF_OPEN) };
    ours.ok().and_then(|ours| bridge(&ours)) != Some(open)
}

/// The same. Windows knows loaded libraries by file name, whatever their folder, unless it is told
/// one.
#[cfg(windows)]
fn provider_bridge_is_foreign(library: &Path) -> bool {
    use libloading::os::windows::Library;

    const BRIDGE: &str = "onnxruntime_providers_shared.dll";
    Library::open_already_loaded(BRIDGE).is_ok()
        && Library::open_already_loaded(library.with_file_name(BRIDGE)).is_err()
}

impl Bench for Runtime {
    fn probe(&self, device: Device) -> std::result::Result<(), String> {
        if let Some(known) = self.known(device) {
            return known;
        }
        // One at a time, so that a device is tried once even when many frames begin together.
        let _turn = self.probing.lock();
        if let Some(known) = self.known(device) {
            return known;
        }
        let found = self.try_out(device);
        self.probes.keep(device, found.clone());
        found
    }
}

/// A graph of one addition, `y = x + x`, on one 32-bit float. The tests have its making.
const PROBE: &[u8] = b"\x08\x08:8Z\x0f\x0a\x01x\x12\x0a\x0a\x08\x08\x01\x12\x04\x0a\x02\x08\x01b\x0f\x0a\x01y\x12\x0a\x0a\x08\x08\x01\x12\x04\x0a\x02\x08\x01\x0a\x0e\x0a\x01x\x0a\x01x\x12\x01y\x22\x03Add\x12\x04testB\x04\x0a\x00\x10\x0d";

/// Memory that a CUDA device reads and writes by itself, as a list of numbers.
#[derive(Debug)]
pub(super) struct Pinned {
    tensor: Tensor<f32>,
    length: usize,
}

impl Pinned {
    /// So many numbers, from the allocator of [`pinned`].
    ///
    /// # Errors
    /// What the runtime says.
    pub(super) fn new(allocator: &Allocator, length: usize) -> ort::Result<Self> {
        let tensor = Tensor::new(allocator, [length])?;
        if tensor.data_ptr().is_null() {
            return Err(ort::Error::new(
                "failed to allocate memory that is page-locked",
            ));
        }
        let mut pinned = Self { tensor, length };
        // What is new is not read before it is written.
        pinned.values_mut().fill(0.0);
        Ok(pinned)
    }
}

impl Room for Pinned {
    fn values(&self) -> &[f32] {
        // SAFETY: the tensor is of so many floats, which were all written when it was made. The
        // processor may read page-locked memory as any other, though the binding, which goes by the
        // name of the device, does not know. The device uses it within a run alone.
        unsafe { std::slice::from_raw_parts(self.tensor.data_ptr().cast(), self.length) }
    }

    fn values_mut(&mut self) -> &mut [f32] {
        // SAFETY: as above, and borrowed exclusively.
        unsafe { std::slice::from_raw_parts_mut(self.tensor.data_ptr_mut().cast(), self.length) }
    }
}

/// Where to get [`Pinned`] memory beside a session on a CUDA device.
///
/// # Errors
/// What the runtime says.
pub(super) fn pinned(session: &Session) -> ort::Result<Allocator> {
    let info = MemoryInfo::new(
        AllocationDevice::CUDA_PINNED,
        0,
        AllocatorType::Device,
        MemoryType::CPUOutput,
    )?;
    Allocator::new(session, info)
}

impl Runtime {
    /// Has a session on CUDA take so many bytes from the device in one piece and keep them.
    ///
    /// Its arena takes what the network asks for, piece by piece, and cannot join what lies apart:
    /// pieces that served the encoder are too small for the refiner, which gets new ones. Out of
    /// one large piece both are served. Where the device does not have so much left nothing is
    /// taken, and the network's own run tells what is missing.
    pub(super) fn make_room(&self, session: &Session, bytes: u64) {
        let made = || -> ort::Result<()> {
            let info = MemoryInfo::new(
                AllocationDevice::CUDA,
                self.cuda.device,
                AllocatorType::Device,
                MemoryType::Default,
            )?;
            let allocator = Allocator::new(session, info)?;
            let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
            // Taken and given back: the arena keeps it.
            Tensor::<u8>::new(&allocator, [bytes]).map(drop)
        };
        if let Err(error) = made() {
            log::debug!("CUDA: {bytes} bytes are not to be had in one piece: {error}");
        }
    }
}

/// One named input tensor: its shape and values.
pub(super) struct Given<'a> {
    pub(super) name: &'a CStr,
    pub(super) shape: &'a [i64],
    pub(super) values: &'a [f32],
}

/// One named output tensor: its shape and the room for its values.
pub(super) struct Wanted<'a> {
    pub(super) name: &'a CStr,
    pub(super) shape: &'a [i64],
    pub(super) values: &'a mut [f32],
}

/// Runs a session on borrowed inputs straight into borrowed outputs. The binding's own ways copy
/// one or the other.
///
/// # Errors
/// What the runtime says, a wrong shape of an output included.
pub(super) fn run(
    session: &mut Session,
    options: &RunOptions,
    given: &[Given<'_>],
    wanted: &mut [Wanted<'_>],
) -> ort::Result<()> {
    let inputs = given
        .iter()
        .map(|input| TensorRef::from_array_view((input.shape.to_vec(), input.values)))
        .collect::<ort::Result<Vec<_>>>()?;
    let input_names: Vec<*const c_char> = given.iter().map(|input| input.name.as_ptr()).collect();
    let output_names: Vec<*const c_char> =
        wanted.iter().map(|output| output.name.as_ptr()).collect();
    let mut outputs = wanted
        .iter_mut()
        .map(|output| {
            TensorRefMut::from_array_view_mut((output.shape.to_vec(), &mut *output.values))
        })
        .collect::<ort::Result<Vec<_>>>()?;
    let input_values: Vec<*const ort::sys::OrtValue> =
        inputs.iter().map(|value| value.ptr()).collect();
    let mut output_values: Vec<*mut ort::sys::OrtValue> = outputs
        .iter_mut()
        .map(|value| value.ptr().cast_mut())
        .collect();
    // SAFETY: the session is borrowed exclusively, as Run requires. Names and values are as many
    // as their lengths say and outlive the call. Each output value already exists, which tells Run
    // to write into it: into memory of exactly its shape, borrowed mutably until the call ends.
    unsafe {
        ort::Error::result_from_status((ort::api().Run)(
            session.ptr().cast_mut(),
            options.ptr(),
            input_names.as_ptr(),
            input_values.as_ptr(),
            input_values.len(),
            output_names.as_ptr(),
            output_values.len(),
            output_values.as_mut_ptr(),
        ))
    }
}

/// A level of the runtime's messages among those of the log, one finer: what is news to it is none
/// to a user.
fn severity(level: LogLevel) -> log::Level {
    match level {
        LogLevel::Verbose => log::Level::Trace,
        LogLevel::Info => log::Level::Debug,
        LogLevel::Warning => log::Level::Warn,
        LogLevel::Error | LogLevel::Fatal => log::Level::Error,
    }
}

#[cfg(test)]
mod tests {
    use super::{PROBE, plainly};
    use crate::network::device::Device;
    use crate::network::test_graphs;

    /// What ONNX Runtime 1.28 said on a machine with one H200.
    #[test]
    fn what_cuda_says_is_put_into_plain_words() {
        let lead = "/onnxruntime_src/onnxruntime/core/providers/cuda/cuda_execution_provider_info.cc:62 static \
                    onnxruntime::CUDAExecutionProviderInfo onnxruntime::CUDAExecutionProviderInfo::\
                    FromProviderOptions(const onnxruntime::ProviderOptions&) [ONNXRuntimeError] : 1 : FAIL : \
                    provider_options_utils.h:187 Parse Failed to parse provider option \"device_id\": ";
        let cases = [
            (
                "cuda_execution_provider_info.cc:70 operator() Invalid device ID: 5, must be between 0 (inclusive) and 1 (exclusive).",
                "there is no CUDA device number 5",
            ),
            (
                "CUDA failure 100: no CUDA-capable device is detected ; GPU=-1 ; hostname=render ; expr=cudaGetDeviceCount(&num_devices);",
                "the NVIDIA driver shows no GPU",
            ),
        ];
        for (said, told) in cases {
            let sentence = plainly(Device::Cuda, 5, &format!("{lead}{said}"));
            assert!(sentence.starts_with(told), "{sentence}");
        }
        assert_eq!(plainly(Device::Cuda, 0, "a new\n word."), "a new word");
    }

    #[test]
    fn the_probe_is_the_smallest_graph() {
        assert_eq!(
            PROBE,
            test_graphs::doubling(),
            "PROBE should be {:?}",
            test_graphs::doubling()
        );
    }
}
