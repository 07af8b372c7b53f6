//! Showing a file or folder to the user, in whatever program the desktop has for it.

use std::io;
use std::path::Path;

/// Opens a file or folder with the desktop's own program for it, and does not wait for that.
///
/// # Errors
/// `NotFound` for a path that is not absolute or not there, `Unsupported` where there is no desktop
/// or no way to ask it; otherwise what the system says.
pub fn show(path: &Path) -> io::Result<()> {
    if !path.is_absolute() || !path.exists() {
        return Err(io::Error::new(
            io::ErrorKind::NotFound,
            "there is no such file or folder",
        ));
    }
    system::show(path)
}

/// The standard library's way to start programs links `socketpair`, and a plug-in that has no code
/// for networks shall not look as if it had. So this is `posix_spawn`.
#[cfg(unix)]
mod system {
    use std::ffi::{CStr, CString, OsStr, c_char, c_int};
    use std::io;
    use std::os::unix::ffi::OsStrExt;
    use std::path::{Path, PathBuf};
    use std::ptr;

    unsafe extern "C" {
        fn posix_spawn(
            pid: *mut c_int,
            path: *const c_char,
            file_actions: *const std::ffi::c_void,
            attributes: *const std::ffi::c_void,
            arguments: *const *mut c_char,
            environment: *const *mut c_char,
        ) -> c_int;
        fn waitpid(pid: c_int, status: *mut c_int, options: c_int) -> c_int;
    }

    const SHELL: &CStr = c"/bin/sh";
    /// Starts its arguments in the background and ends. The program then belongs to the system's
    /// first process, which takes note of its end whenever that comes: no zombie is left in the
    /// host, and nobody in the host has to wait. Path and program are arguments and never part of
    /// the script, so that no character in them means anything.
    const SCRIPT: &CStr = c"\"$@\" </dev/null >/dev/null 2>&1 &";

    pub(super) fn show(path: &Path) -> io::Result<()> {
        let opener = opener()?;
        let text = |text: &OsStr| {
            CString::new(text.as_bytes()).map_err(|_| {
                io::Error::new(io::ErrorKind::InvalidInput, "the path has a zero in it")
            })
        };
        let (opener, path) = (text(opener.as_os_str())?, text(path.as_os_str())?);
        let arguments = [SHELL, c"-c", SCRIPT, c"sh", &opener, &path];
        let environment: Vec<CString> = std::env::vars_os()
            // Hosts point the linker to libraries of their own, with which other programs break.
            .filter(|(name, _)| name != "LD_LIBRARY_PATH" && name != "DYLD_LIBRARY_PATH")
            .filter_map(|(mut name, value)| {
                name.push("=");
                name.push(value);
                text(&name).ok()
            })
            .collect();
        let list = |all: &[&CStr]| -> Vec<*mut c_char> {
            let pointers = all.iter().map(|one| one.as_ptr().cast_mut());
            pointers.chain([ptr::null_mut()]).collect()
        };
        let arguments = list(&arguments);
        let environment: Vec<&CStr> = environment.iter().map(CString::as_c_str).collect();
        let environment = list(&environment);
        let mut pid = 0;
        // SAFETY: a place for the number; terminated strings in terminated lists that outlive the
        // call, which does not write to them; null where nothing out of the ordinary is wanted.
        let failed = unsafe {
            posix_spawn(
                &mut pid,
                SHELL.as_ptr(),
                ptr::null(),
                ptr::null(),
                arguments.as_ptr(),
                environment.as_ptr(),
            )
        };
        if failed != 0 {
            return Err(io::Error::from_raw_os_error(failed));
        }
        loop {
            // The shell ends at once. SAFETY: a child of ours, and null for a status nobody reads.
            let ended = unsafe { waitpid(pid, ptr::null_mut(), 0) };
            // A host that waits for all children may have been quicker, which is as good.
            let again =
                ended < 0 && io::Error::last_os_error().kind() == io::ErrorKind::Interrupted;
            if !again {
                return Ok(());
            }
        }
    }

    /// The desktop's own opener.
    fn opener() -> io::Result<PathBuf> {
        let missing = |words| io::Error::new(io::ErrorKind::Unsupported, words);
        if cfg!(target_os = "macos") {
            return Ok("/usr/bin/open".into());
        }
        let told = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        if !told("DISPLAY") && !told("WAYLAND_DISPLAY") {
            return Err(missing("there is no desktop to show it on"));
        }
        let folders = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&folders)
            .map(|folder| folder.join("xdg-open"))
            .find(|program| program.is_absolute() && program.is_file())
            .ok_or_else(|| missing("xdg-open is not installed"))
    }
}

#[cfg(not(unix))]
mod system {
    use std::io;
    use std::path::Path;

    pub(super) fn show(_path: &Path) -> io::Result<()> {
        Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "it cannot be opened from here on this system",
        ))
    }
}
