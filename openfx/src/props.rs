//! Property sets: the typed bags of values that hang on every OpenFX object.
//!
//! Hosts differ in what they put into them. A property that a rule does not guarantee is read with
//! an `*_optional` getter, where a missing one is `Ok(None)`, and set with a `*_optional` setter,
//! where a host that does not know it is no error.

use std::ffi::{CStr, c_int, c_void};
use std::marker::PhantomData;
use std::ptr::{self, NonNull};

use crate::error::{Error, Result, is_absent};
use crate::suites::{PropertyTable, Suites, check};
use crate::sys::OfxPropertySetStruct;
use crate::text;
use crate::types::{RectD, RectI, Status};

/// A property set with the functions to read it: the one place that makes the calls.
#[derive(Clone, Copy)]
pub(crate) struct RawProps<'t> {
    table: &'t PropertyTable,
    handle: NonNull<OfxPropertySetStruct>,
}

impl<'t> RawProps<'t> {
    /// # Safety
    /// `handle` belongs to the host of `table` and stays valid as long as the value is used.
    pub(crate) unsafe fn new(
        table: &'t PropertyTable,
        handle: NonNull<OfxPropertySetStruct>,
    ) -> Self {
        Self { table, handle }
    }

    pub(crate) fn int(&self, name: &CStr, index: usize) -> std::result::Result<i32, Status> {
        let (index, mut value) = (c_index(index)?, 0);
        // SAFETY: a valid handle, a terminated name, and a place for one int.
        check(unsafe {
            (self.table.get_int)(self.handle.as_ptr(), name.as_ptr(), index, &mut value)
        })?;
        Ok(value)
    }

    pub(crate) fn double(&self, name: &CStr, index: usize) -> std::result::Result<f64, Status> {
        let (index, mut value) = (c_index(index)?, 0.0);
        // SAFETY: a valid handle, a terminated name, and a place for one double.
        check(unsafe {
            (self.table.get_double)(self.handle.as_ptr(), name.as_ptr(), index, &mut value)
        })?;
        Ok(value)
    }

    pub(crate) fn string(&self, name: &CStr, index: usize) -> std::result::Result<String, Status> {
        let (index, mut value) = (c_index(index)?, ptr::null_mut());
        // SAFETY: a valid handle, a terminated name, and a place for one pointer.
        check(unsafe {
            (self.table.get_string)(self.handle.as_ptr(), name.as_ptr(), index, &mut value)
        })?;
        // SAFETY: the host's string, valid until the next call into the host: copied before it.
        unsafe { text::copied(value) }.ok_or(Status::ERR_VALUE)
    }

    pub(crate) fn pointer(
        &self,
        name: &CStr,
        index: usize,
    ) -> std::result::Result<*mut c_void, Status> {
        let (index, mut value) = (c_index(index)?, ptr::null_mut());
        // SAFETY: a valid handle, a terminated name, and a place for one pointer.
        check(unsafe {
            (self.table.get_pointer)(self.handle.as_ptr(), name.as_ptr(), index, &mut value)
        })?;
        Ok(value)
    }

    pub(crate) fn dimension(&self, name: &CStr) -> std::result::Result<usize, Status> {
        let mut count = 0;
        // SAFETY: a valid handle, a terminated name, and a place for one int.
        check(unsafe {
            (self.table.get_dimension)(self.handle.as_ptr(), name.as_ptr(), &mut count)
        })?;
        Ok(usize::try_from(count).unwrap_or(0))
    }

    fn set_int(&self, name: &CStr, index: usize, value: i32) -> std::result::Result<(), Status> {
        let index = c_index(index)?;
        // SAFETY: a valid handle and a terminated name.
        check(unsafe { (self.table.set_int)(self.handle.as_ptr(), name.as_ptr(), index, value) })
    }

    fn set_double(&self, name: &CStr, index: usize, value: f64) -> std::result::Result<(), Status> {
        let index = c_index(index)?;
        // SAFETY: a valid handle and a terminated name.
        check(unsafe { (self.table.set_double)(self.handle.as_ptr(), name.as_ptr(), index, value) })
    }

    fn set_string(
        &self,
        name: &CStr,
        index: usize,
        value: &'static CStr,
    ) -> std::result::Result<(), Status> {
        let index = c_index(index)?;
        // SAFETY: a valid handle, a terminated name, and a terminated value that lives for ever,
        // whether the host copies it or not.
        check(unsafe {
            (self.table.set_string)(self.handle.as_ptr(), name.as_ptr(), index, value.as_ptr())
        })
    }
}

fn c_index(index: usize) -> std::result::Result<c_int, Status> {
    c_int::try_from(index).map_err(|_| Status::ERR_BAD_INDEX)
}

/// The property set of an OpenFX object: a small handle, valid during the action that gave it.
#[derive(Clone, Copy)]
pub struct Props<'a> {
    suites: &'static Suites,
    handle: NonNull<OfxPropertySetStruct>,
    _action: PhantomData<&'a ()>,
}

impl<'a> Props<'a> {
    /// # Safety
    /// `handle` is null or a property set of the host of `suites` that stays valid for `'a`.
    pub(crate) unsafe fn new(
        suites: &'static Suites,
        handle: *mut OfxPropertySetStruct,
        what: &'static str,
    ) -> Result<Self> {
        let handle = NonNull::new(handle).ok_or(Error::NullHandle { what })?;
        Ok(Self {
            suites,
            handle,
            _action: PhantomData,
        })
    }

    pub(crate) fn handle(&self) -> *mut OfxPropertySetStruct {
        self.handle.as_ptr()
    }

    fn raw(&self) -> RawProps<'static> {
        // SAFETY: the handle belongs to this host and is valid for 'a, which outlives the call.
        unsafe { RawProps::new(&self.suites.property, self.handle) }
    }

    /// The first value of an integer property.
    ///
    /// # Errors
    /// `host.property` when the host does not tell it.
    pub fn get_i32(&self, name: &CStr) -> Result<i32> {
        self.get_i32_at(name, 0)
    }

    /// One value of an integer property.
    ///
    /// # Errors
    /// `host.property` when the host does not tell it.
    pub fn get_i32_at(&self, name: &CStr, index: usize) -> Result<i32> {
        self.raw().int(name, index).map_err(unread(name))
    }

    /// One value of an integer property; `None` when the host does not have it.
    ///
    /// # Errors
    /// `host.property` when the host fails in any other way.
    pub fn get_i32_optional(&self, name: &CStr, index: usize) -> Result<Option<i32>> {
        optional(self.get_i32_at(name, index))
    }

    /// The first value of a real property.
    ///
    /// # Errors
    /// `host.property` when the host does not tell it.
    pub fn get_f64(&self, name: &CStr) -> Result<f64> {
        self.get_f64_at(name, 0)
    }

    /// One value of a real property.
    ///
    /// # Errors
    /// `host.property` when the host does not tell it.
    pub fn get_f64_at(&self, name: &CStr, index: usize) -> Result<f64> {
        self.raw().double(name, index).map_err(unread(name))
    }

    /// One value of a real property; `None` when the host does not have it.
    ///
    /// # Errors
    /// `host.property` when the host fails in any other way.
    pub fn get_f64_optional(&self, name: &CStr, index: usize) -> Result<Option<f64>> {
        optional(self.get_f64_at(name, index))
    }

    /// The first value of a string property. Bytes that are not UTF-8 become U+FFFD.
    ///
    /// # Errors
    /// `host.property` when the host does not tell it.
    pub fn get_string(&self, name: &CStr) -> Result<String> {
        self.get_string_at(name, 0)
    }

    /// One value of a string property. Bytes that are not UTF-8 become U+FFFD.
    ///
    /// # Errors
    /// `host.property` when the host does not tell it.
    pub fn get_string_at(&self, name: &CStr, index: usize) -> Result<String> {
        self.raw().string(name, index).map_err(unread(name))
    }

    /// One value of a string property; `None` when the host does not have it.
    ///
    /// # Errors
    /// `host.property` when the host fails in any other way.
    pub fn get_string_optional(&self, name: &CStr, index: usize) -> Result<Option<String>> {
        optional(self.get_string_at(name, index))
    }

    /// One value of a pointer property; `None` when the host does not have it or it is null.
    pub(crate) fn get_pointer_optional(&self, name: &CStr) -> Result<Option<NonNull<c_void>>> {
        let pointer = optional(self.raw().pointer(name, 0).map_err(unread(name)))?;
        Ok(pointer.and_then(NonNull::new))
    }

    /// How many values a property has; some hosts answer 0 for one that they do not have.
    ///
    /// # Errors
    /// `host.property` when the host does not tell it.
    pub fn dimension(&self, name: &CStr) -> Result<usize> {
        self.raw().dimension(name).map_err(unread(name))
    }

    /// Four integers.
    pub(crate) fn get_rect_i32(&self, name: &CStr) -> Result<RectI> {
        Ok(RectI {
            x1: self.get_i32_at(name, 0)?,
            y1: self.get_i32_at(name, 1)?,
            x2: self.get_i32_at(name, 2)?,
            y2: self.get_i32_at(name, 3)?,
        })
    }

    /// Four reals.
    pub(crate) fn get_rect_f64(&self, name: &CStr) -> Result<RectD> {
        Ok(RectD {
            x1: self.get_f64_at(name, 0)?,
            y1: self.get_f64_at(name, 1)?,
            x2: self.get_f64_at(name, 2)?,
            y2: self.get_f64_at(name, 3)?,
        })
    }

    /// Two reals; `None` when the host lacks either.
    pub(crate) fn get_pair_optional(&self, name: &CStr) -> Result<Option<(f64, f64)>> {
        Ok(self
            .get_f64_optional(name, 0)?
            .zip(self.get_f64_optional(name, 1)?))
    }

    /// Sets one value of an integer property.
    ///
    /// # Errors
    /// `host.property` when the host does not take it.
    pub fn set_i32(&self, name: &CStr, index: usize, value: i32) -> Result<()> {
        self.raw()
            .set_int(name, index, value)
            .map_err(unwritten(name))
    }

    /// Sets one value of an integer property that a host may lack.
    ///
    /// # Errors
    /// `host.property` when the host fails in any other way.
    pub fn set_i32_optional(&self, name: &CStr, index: usize, value: i32) -> Result<()> {
        tolerated(self.set_i32(name, index, value))
    }

    /// Sets one value of a real property.
    ///
    /// # Errors
    /// `host.property` when the host does not take it.
    pub fn set_f64(&self, name: &CStr, index: usize, value: f64) -> Result<()> {
        self.raw()
            .set_double(name, index, value)
            .map_err(unwritten(name))
    }

    /// Sets one value of a real property that a host may lack.
    ///
    /// # Errors
    /// `host.property` when the host fails in any other way.
    pub fn set_f64_optional(&self, name: &CStr, index: usize, value: f64) -> Result<()> {
        tolerated(self.set_f64(name, index, value))
    }

    /// Sets one value of a string property.
    ///
    /// The text is kept for the life of the process, as some hosts keep the pointer: for names and
    /// labels, not for running text.
    ///
    /// # Errors
    /// `host.text` for a text with a NUL inside; `host.property` when the host does not take it.
    pub fn set_string(&self, name: &CStr, index: usize, value: &str) -> Result<()> {
        self.set_name(name, index, text::lasting(value)?.1)
    }

    /// Sets one value of a string property that a host may lack; see [`Props::set_string`].
    ///
    /// # Errors
    /// `host.text` for a text with a NUL inside; `host.property` when the host fails in any other
    /// way than not knowing the property.
    pub fn set_string_optional(&self, name: &CStr, index: usize, value: &str) -> Result<()> {
        tolerated(self.set_string(name, index, value))
    }

    /// Sets one value of a string property to a constant.
    pub(crate) fn set_name(&self, name: &CStr, index: usize, value: &'static CStr) -> Result<()> {
        self.raw()
            .set_string(name, index, value)
            .map_err(unwritten(name))
    }

    /// Sets one value of a string property that a host may lack to a constant.
    pub(crate) fn set_name_optional(
        &self,
        name: &CStr,
        index: usize,
        value: &'static CStr,
    ) -> Result<()> {
        tolerated(self.set_name(name, index, value))
    }

    /// Sets four reals.
    pub(crate) fn set_rect_f64(&self, name: &CStr, value: RectD) -> Result<()> {
        let edges = [value.x1, value.y1, value.x2, value.y2];
        for (index, edge) in edges.into_iter().enumerate() {
            self.set_f64(name, index, edge)?;
        }
        Ok(())
    }
}

impl std::fmt::Debug for Props<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Props").finish_non_exhaustive()
    }
}

fn unread(name: &CStr) -> impl Fn(Status) -> Error {
    move |status| Error::PropertyRead {
        name: name.to_string_lossy().into_owned(),
        status,
    }
}

fn unwritten(name: &CStr) -> impl Fn(Status) -> Error {
    move |status| Error::PropertyWrite {
        name: name.to_string_lossy().into_owned(),
        status,
    }
}

/// A property that the host does not have is `None`.
fn optional<T>(read: Result<T>) -> Result<Option<T>> {
    match read {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.is_absent() => Ok(None),
        Err(error) => Err(error),
    }
}

/// A property that the host does not have is left alone.
fn tolerated(written: Result<()>) -> Result<()> {
    match written {
        Err(Error::PropertyWrite { name, status }) if is_absent(status) => {
            log::debug!("the host does without {name} ({status})");
            Ok(())
        }
        other => other,
    }
}
