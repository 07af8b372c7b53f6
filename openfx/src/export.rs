//! The functions that a host finds in a plug-in's binary.

use std::ffi::{c_char, c_int, c_uint, c_void};

use crate::dispatch::{Call, dispatch};
use crate::plugin::Plugin;
use crate::suites::HostState;
use crate::sys::{self, OfxHost, OfxPlugin, OfxPropertySetHandle, OfxStatus};
use crate::types::Status;

/// A plug-in with the static that remembers its host; [`export!`](crate::export) implements it.
#[doc(hidden)]
pub trait Exported: Plugin {
    /// The plug-in's host.
    fn host_state() -> &'static HostState;
}

/// What a host gets for a plug-in.
#[doc(hidden)]
#[repr(transparent)]
pub struct PluginRecord(OfxPlugin);

// SAFETY: a constant record of pointers to constants and functions.
unsafe impl Sync for PluginRecord {}

impl PluginRecord {
    /// The record of a plug-in.
    #[must_use]
    pub const fn of<P: Exported>() -> Self {
        let (major, minor) = P::VERSION;
        Self(OfxPlugin {
            pluginApi: sys::kOfxImageEffectPluginApi.as_ptr(),
            apiVersion: sys::kOfxImageEffectPluginApiVersion as c_int,
            pluginIdentifier: P::IDENTIFIER.as_ptr(),
            pluginVersionMajor: major as c_uint,
            pluginVersionMinor: minor as c_uint,
            setHost: Some(set_host::<P>),
            mainEntry: Some(main_entry::<P>),
        })
    }
}

/// Nothing may be fetched from the host here: it is only remembered.
unsafe extern "C" fn set_host<P: Exported>(host: *mut OfxHost) {
    P::host_state().set_host(host);
}

unsafe extern "C" fn main_entry<P: Exported>(
    action: *const c_char,
    handle: *const c_void,
    in_args: OfxPropertySetHandle,
    out_args: OfxPropertySetHandle,
) -> OfxStatus {
    let call = Call {
        action,
        handle,
        in_args,
        out_args,
    };
    // SAFETY: what the host passes, by the rules of OpenFX.
    unsafe { dispatch::<P>(P::host_state(), call) }.raw()
}

/// The record at an index of a list, or null outside it.
#[doc(hidden)]
#[must_use]
pub fn record_at(
    records: &'static [&'static PluginRecord],
    index: c_int,
) -> Option<&'static PluginRecord> {
    records.get(usize::try_from(index).ok()?).copied()
}

/// The answer to a host that introduces itself before anything else.
#[doc(hidden)]
#[must_use]
pub fn host_answer(host: *const c_void) -> c_int {
    if host.is_null() {
        Status::FAILED.raw()
    } else {
        Status::OK.raw()
    }
}

/// Makes plug-ins visible to hosts: emits `OfxGetNumberOfPlugins`, `OfxGetPlugin` and
/// `OfxSetHost`. To be used once in a binary.
///
/// ```
/// # use std::ffi::CStr;
/// struct Invert;
///
/// impl ofx::Plugin for Invert {
///     const IDENTIFIER: &'static CStr = c"org.example.invert";
///     const VERSION: (u32, u32) = (1, 0);
///     type Error = ofx::Error;
///
///     fn describe(effect: ofx::EffectDescriptor<'_>) -> ofx::Result<()> {
///         effect.set_label("Invert")?;
///         effect.set_contexts(&[ofx::Context::Filter])?;
///         effect.set_depths(&[ofx::Depth::Float])
///     }
///
///     fn describe_in_context(
///         effect: ofx::EffectDescriptor<'_>,
///         _context: ofx::Context,
///     ) -> ofx::Result<()> {
///         for clip in ["Source", "Output"] {
///             effect.define_clip(clip)?.components(&[ofx::Components::Rgba])?;
///         }
///         Ok(())
///     }
///
///     fn render(
///         effect: ofx::Effect<'_>,
///         args: &ofx::RenderArgs,
///     ) -> ofx::Result<ofx::Rendered<ofx::Error>> {
///         let source = effect.clip("Source")?.fetch(args.time, None)?;
///         let mut output = effect.clip("Output")?.fetch_output(args.time)?;
///         for mut row in output.view_mut().rows_mut(args.window) {
///             let mut planes = vec![vec![0.0; row.width()]; 4];
///             if let Some(source) = &source {
///                 let mut planes: Vec<&mut [f32]> =
///                     planes.iter_mut().map(Vec::as_mut_slice).collect();
///                 source.view().read_row(row.y(), row.x1(), &ofx::Channel::RGBA, &mut planes);
///             }
///             for value in planes[..3].iter_mut().flatten() {
///                 *value = 1.0 - *value;
///             }
///             row.write(&[&planes[0], &planes[1], &planes[2], &planes[3]]);
///         }
///         Ok(ofx::Rendered::AsAsked)
///     }
/// }
///
/// ofx::export!(Invert);
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! export {
    ($($plugin:ty),+ $(,)?) => {
        #[allow(unsafe_code)]
        const _: () = {
            $(
                impl $crate::__export::Exported for $plugin {
                    fn host_state() -> &'static $crate::__export::HostState {
                        static STATE: $crate::__export::HostState =
                            $crate::__export::HostState::new();
                        &STATE
                    }
                }
            )+

            static RECORDS: &[&$crate::__export::PluginRecord] =
                &[$( &$crate::__export::PluginRecord::of::<$plugin>() ),+];

            #[unsafe(no_mangle)]
            pub extern "C" fn OfxGetNumberOfPlugins() -> ::std::ffi::c_int {
                RECORDS.len() as ::std::ffi::c_int
            }

            #[unsafe(no_mangle)]
            pub extern "C" fn OfxGetPlugin(
                index: ::std::ffi::c_int,
            ) -> ::std::option::Option<&'static $crate::__export::PluginRecord> {
                $crate::__export::record_at(RECORDS, index)
            }

            #[unsafe(no_mangle)]
            pub extern "C" fn OfxSetHost(host: *const ::std::ffi::c_void) -> ::std::ffi::c_int {
                $crate::__export::host_answer(host)
            }
        };
    };
}
