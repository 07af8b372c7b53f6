//! Where the binary that holds this code lies: a plug-in finds its resources beside it, as hosts
//! do not always tell.

use std::ffi::c_void;
use std::io;
use std::path::PathBuf;

/// Path of the binary (plug-in, library or program) that this crate is linked into.
///
/// # Errors
/// When the system does not know it, or the path that it knows is gone.
pub fn module_path() -> io::Result<PathBuf> {
    system::path_of(module_path as *const c_void)
}

#[cfg(unix)]
mod system {
    use std::ffi::{CStr, OsStr, c_char, c_int, c_void};
    use std::io;
    use std::os::unix::ffi::OsStrExt;
    use std::path::{Path, PathBuf};
    use std::ptr;

    /// `Dl_info` of `<dlfcn.h>`.
    #[repr(C)]
    struct Info {
        file_name: *const c_char,
        base: *mut c_void,
        symbol_name: *const c_char,
        symbol: *mut c_void,
    }

    // In the C library, or in libdl, which the standard library links.
    unsafe extern "C" {
        fn dladdr(address: *const c_void, info: *mut Info) -> c_int;
    }

    pub(super) fn path_of(address: *const c_void) -> io::Result<PathBuf> {
        let mut info = Info {
            file_name: ptr::null(),
            base: ptr::null_mut(),
            symbol_name: ptr::null(),
            symbol: ptr::null_mut(),
        };
        // SAFETY: any address may be asked for, and there is a place for the answer.
        let found = unsafe { dladdr(address, &mut info) };
        if found == 0 || info.file_name.is_null() {
            return Err(io::Error::new(
                io::ErrorKind::NotFound,
                "the dynamic linker does not know the file that this code was loaded from",
            ));
        }
        // SAFETY: a terminated string that lives as long as the binary stays loaded.
        let name = unsafe { CStr::from_ptr(info.file_name) };
        let path = Path::new(OsStr::from_bytes(name.to_bytes()));
        if path.is_absolute() {
            Ok(path.to_owned())
        } else if path.components().count() == 1 {
            // A bare name is the zeroth argument of a program found through PATH.
            std::env::current_exe()
        } else {
            path.canonicalize()
        }
    }
}

#[cfg(windows)]
mod system {
    use std::ffi::{OsString, c_void};
    use std::io;
    use std::os::windows::ffi::OsStringExt;
    use std::path::PathBuf;
    use std::ptr;

    const FROM_ADDRESS: u32 = 0x4;
    const UNCHANGED_REFCOUNT: u32 = 0x2;
    /// Longest path that Windows knows, in 16-bit units.
    const LONGEST: usize = 32_768;

    #[link(name = "kernel32")]
    unsafe extern "system" {
        fn GetModuleHandleExW(flags: u32, address: *const u16, module: *mut *mut c_void) -> i32;
        fn GetModuleFileNameW(module: *mut c_void, name: *mut u16, size: u32) -> u32;
    }

    pub(super) fn path_of(address: *const c_void) -> io::Result<PathBuf> {
        let mut module = ptr::null_mut();
        // SAFETY: with these flags the second argument is an address; there is a place for the
        // answer.
        let found = unsafe {
            GetModuleHandleExW(
                FROM_ADDRESS | UNCHANGED_REFCOUNT,
                address.cast(),
                &mut module,
            )
        };
        if found == 0 {
            return Err(io::Error::last_os_error());
        }
        let mut name = vec![0_u16; LONGEST];
        // SAFETY: the buffer has the size that is told.
        let len = unsafe { GetModuleFileNameW(module, name.as_mut_ptr(), LONGEST as u32) };
        if len == 0 {
            return Err(io::Error::last_os_error());
        }
        name.truncate(len as usize);
        Ok(OsString::from_wide(&name).into())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    #[test]
    fn a_test_finds_its_own_program() {
        let path = super::module_path().unwrap();
        assert!(path.is_absolute());
        assert_eq!(
            path.canonicalize().unwrap(),
            std::env::current_exe().unwrap().canonicalize().unwrap()
        );
    }
}
