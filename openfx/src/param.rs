//! Parameters of an instance: reading and setting values.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::marker::PhantomData;
use std::ptr::{self, NonNull};

use crate::error::{Error, Result};
use crate::props::Props;
use crate::suites::{Suites, check};
use crate::sys::{self, OfxParamSetStruct, OfxParamStruct};
use crate::text;
use crate::types::{Status, named};

named! {
    /// The kinds of parameters that this crate knows.
    pub enum ParamKind {
        /// A whole number.
        Integer = sys::kOfxParamTypeInteger,
        /// A real number.
        Double = sys::kOfxParamTypeDouble,
        /// On or off.
        Boolean = sys::kOfxParamTypeBoolean,
        /// One of a list of options, stored as its index.
        Choice = sys::kOfxParamTypeChoice,
        /// A text.
        String = sys::kOfxParamTypeString,
        /// A colour.
        Rgb = sys::kOfxParamTypeRGB,
        /// A button; it has no value.
        PushButton = sys::kOfxParamTypePushButton,
        /// A group of parameters; it has no value.
        Group = sys::kOfxParamTypeGroup,
        /// A page of parameters; it has no value.
        Page = sys::kOfxParamTypePage,
    }
}

impl ParamKind {
    /// `Ok` where the parameter of this id is of the kind that is wanted.
    pub(crate) fn expect(self, wanted: Self, id: &str) -> Result<()> {
        if self == wanted {
            return Ok(());
        }
        Err(Error::ParameterKind {
            id: id.to_owned(),
            expected: wanted.ofx_name().to_str().unwrap_or("another kind"),
            actual: self.to_string(),
        })
    }
}

/// A parameter of an instance: a small handle, valid during the action that gave it.
#[derive(Clone, Copy)]
pub struct Param<'a> {
    suites: &'static Suites,
    handle: NonNull<OfxParamStruct>,
    props: Props<'a>,
    id: &'static str,
    kind: ParamKind,
    _action: PhantomData<&'a ()>,
}

/// A place into which a host may write a value of any kind, whatever it takes the parameter for.
#[derive(Clone, Copy)]
#[repr(C, align(16))]
union Cell {
    room: [u64; 2],
    int: c_int,
    double: f64,
    text: *const c_char,
}

impl<'a> Param<'a> {
    /// # Safety
    /// `set` is null or a parameter set of the host of `suites` that stays valid for `'a`.
    pub(crate) unsafe fn find(
        suites: &'static Suites,
        set: *mut OfxParamSetStruct,
        id: &str,
    ) -> Result<Self> {
        if set.is_null() {
            return Err(Error::NullHandle {
                what: "parameter set",
            });
        }
        let (id, c_id) = text::lasting(id)?;
        let (mut handle, mut props) = (ptr::null_mut(), ptr::null_mut());
        let unknown = |status| Error::UnknownParameter {
            id: id.to_owned(),
            status,
        };
        // SAFETY: a valid set, a terminated id, and places for two handles.
        check(unsafe {
            (suites.parameter.get_handle)(set, c_id.as_ptr(), &mut handle, &mut props)
        })
        .map_err(unknown)?;
        let handle = NonNull::new(handle).ok_or_else(|| unknown(Status::ERR_UNKNOWN))?;
        if props.is_null() {
            // SAFETY: a valid parameter and a place for one handle.
            check(unsafe { (suites.parameter.get_property_set)(handle.as_ptr(), &mut props) })
                .map_err(|status| Error::Call {
                    function: "paramGetPropertySet",
                    status,
                })?;
        }
        // SAFETY: the host's own answer, valid as long as the parameter.
        let props = unsafe { Props::new(suites, props, "property set of a parameter")? };
        let kind = match props.get_string_optional(sys::kOfxParamPropType, 0)? {
            Some(name) => ParamKind::from_ofx_str(&name).ok_or(Error::ParameterKind {
                id: id.to_owned(),
                expected: "a kind that this plug-in uses",
                actual: name,
            })?,
            // Not every host tells it of an instance; then it is what the plug-in described.
            None => suites
                .known_kind(id)
                .ok_or_else(|| unknown(Status::ERR_UNKNOWN))?,
        };
        Ok(Self {
            suites,
            handle,
            props,
            id,
            kind,
            _action: PhantomData,
        })
    }

    /// The parameter's id.
    #[must_use]
    pub fn id(&self) -> &'static str {
        self.id
    }

    /// The parameter's kind.
    #[must_use]
    pub fn kind(&self) -> ParamKind {
        self.kind
    }

    /// The parameter's properties.
    #[must_use]
    pub fn props(&self) -> Props<'a> {
        self.props
    }

    fn expect(&self, kind: ParamKind) -> Result<()> {
        self.kind.expect(kind, self.id)
    }

    /// Reads the value at a frame, or the current one.
    fn read(&self, kind: ParamKind, time: Option<f64>) -> Result<[Cell; 4]> {
        self.expect(kind)?;
        let mut cells = [Cell { room: [0; 2] }; 4];
        let [a, b, c, d] = cells
            .each_mut()
            .map(|cell| ptr::from_mut(cell).cast::<c_void>());
        let (handle, table) = (self.handle.as_ptr(), &self.suites.parameter);
        // Four places for any kind: a function with variable arguments ignores those it does not
        // ask for, and no kind asks for more.
        let status = match time {
            // SAFETY: a valid parameter, and places with room for the largest value.
            Some(time) => unsafe { (table.get_value_at_time)(handle, time, a, b, c, d) },
            // SAFETY: as above.
            None => unsafe { (table.get_value)(handle, a, b, c, d) },
        };
        check(status).map_err(|status| Error::ParameterRead {
            id: self.id.to_owned(),
            status,
        })?;
        Ok(cells)
    }

    fn read_i32(&self, kind: ParamKind, time: Option<f64>) -> Result<i32> {
        let [cell, ..] = self.read(kind, time)?;
        // SAFETY: every bit pattern is an int.
        Ok(unsafe { cell.int })
    }

    fn read_f64(&self, time: Option<f64>) -> Result<f64> {
        let [cell, ..] = self.read(ParamKind::Double, time)?;
        // SAFETY: every bit pattern is a double.
        Ok(unsafe { cell.double })
    }

    fn read_string(&self, time: Option<f64>) -> Result<String> {
        let [cell, ..] = self.read(ParamKind::String, time)?;
        // SAFETY: the parameter is a string, for which the host wrote a pointer to a terminated
        // text (or left the null), valid until the next call into the host: copied before it.
        Ok(unsafe { text::copied(cell.text) }.unwrap_or_default())
    }

    fn read_rgb(&self, time: Option<f64>) -> Result<[f64; 3]> {
        let [r, g, b, _] = self.read(ParamKind::Rgb, time)?;
        // SAFETY: every bit pattern is a double.
        Ok([r, g, b].map(|cell| unsafe { cell.double }))
    }

    /// The value of an Integer at a frame.
    ///
    /// # Errors
    /// `parameter.kind` for another kind; `parameter.read` when the host does not tell it.
    pub fn get_i32_at(&self, time: f64) -> Result<i32> {
        self.read_i32(ParamKind::Integer, Some(time))
    }

    /// The current value of an Integer.
    ///
    /// # Errors
    /// As for [`Param::get_i32_at`].
    pub fn get_i32(&self) -> Result<i32> {
        self.read_i32(ParamKind::Integer, None)
    }

    /// The value of a Double at a frame.
    ///
    /// # Errors
    /// As for [`Param::get_i32_at`].
    pub fn get_f64_at(&self, time: f64) -> Result<f64> {
        self.read_f64(Some(time))
    }

    /// The current value of a Double.
    ///
    /// # Errors
    /// As for [`Param::get_i32_at`].
    pub fn get_f64(&self) -> Result<f64> {
        self.read_f64(None)
    }

    /// The value of a Boolean at a frame.
    ///
    /// # Errors
    /// As for [`Param::get_i32_at`].
    pub fn get_bool_at(&self, time: f64) -> Result<bool> {
        Ok(self.read_i32(ParamKind::Boolean, Some(time))? != 0)
    }

    /// The current value of a Boolean.
    ///
    /// # Errors
    /// As for [`Param::get_i32_at`].
    pub fn get_bool(&self) -> Result<bool> {
        Ok(self.read_i32(ParamKind::Boolean, None)? != 0)
    }

    /// The index of a Choice at a frame, as the host tells it: it may be out of range.
    ///
    /// # Errors
    /// As for [`Param::get_i32_at`].
    pub fn get_choice_at(&self, time: f64) -> Result<i32> {
        self.read_i32(ParamKind::Choice, Some(time))
    }

    /// The current index of a Choice, as the host tells it: it may be out of range.
    ///
    /// # Errors
    /// As for [`Param::get_i32_at`].
    pub fn get_choice(&self) -> Result<i32> {
        self.read_i32(ParamKind::Choice, None)
    }

    /// The value of a String at a frame. Bytes that are not UTF-8 become U+FFFD.
    ///
    /// # Errors
    /// As for [`Param::get_i32_at`].
    pub fn get_string_at(&self, time: f64) -> Result<String> {
        self.read_string(Some(time))
    }

    /// The current value of a String. Bytes that are not UTF-8 become U+FFFD.
    ///
    /// # Errors
    /// As for [`Param::get_i32_at`].
    pub fn get_string(&self) -> Result<String> {
        self.read_string(None)
    }

    /// The value of a colour at a frame: red, green, blue.
    ///
    /// # Errors
    /// As for [`Param::get_i32_at`].
    pub fn get_rgb_at(&self, time: f64) -> Result<[f64; 3]> {
        self.read_rgb(Some(time))
    }

    /// The current value of a colour: red, green, blue.
    ///
    /// # Errors
    /// As for [`Param::get_i32_at`].
    pub fn get_rgb(&self) -> Result<[f64; 3]> {
        self.read_rgb(None)
    }

    fn written(&self, status: c_int) -> Result<()> {
        check(status).map_err(|status| Error::ParameterWrite {
            id: self.id.to_owned(),
            status,
        })
    }

    /// Sets an Integer. OpenFX allows setting values only while an instance is created, changed
    /// or edited, never in a render.
    ///
    /// # Errors
    /// `parameter.kind` for another kind; `parameter.write` when the host does not take it.
    pub fn set_i32(&self, value: i32) -> Result<()> {
        self.expect(ParamKind::Integer)?;
        // SAFETY: a valid parameter of this kind, which takes one int.
        self.written(unsafe { (self.suites.parameter.set_value)(self.handle.as_ptr(), value) })
    }

    /// Sets a Double; see [`Param::set_i32`].
    ///
    /// # Errors
    /// As for [`Param::set_i32`].
    pub fn set_f64(&self, value: f64) -> Result<()> {
        self.expect(ParamKind::Double)?;
        // SAFETY: a valid parameter of this kind, which takes one double.
        self.written(unsafe { (self.suites.parameter.set_value)(self.handle.as_ptr(), value) })
    }

    /// Sets a Boolean; see [`Param::set_i32`].
    ///
    /// # Errors
    /// As for [`Param::set_i32`].
    pub fn set_bool(&self, value: bool) -> Result<()> {
        self.expect(ParamKind::Boolean)?;
        let value = c_int::from(value);
        // SAFETY: a valid parameter of this kind, which takes one int.
        self.written(unsafe { (self.suites.parameter.set_value)(self.handle.as_ptr(), value) })
    }

    /// Sets a Choice to the option at an index; see [`Param::set_i32`].
    ///
    /// # Errors
    /// As for [`Param::set_i32`].
    pub fn set_choice(&self, index: i32) -> Result<()> {
        self.expect(ParamKind::Choice)?;
        // SAFETY: a valid parameter of this kind, which takes one int.
        self.written(unsafe { (self.suites.parameter.set_value)(self.handle.as_ptr(), index) })
    }

    /// Sets a colour: red, green, blue; see [`Param::set_i32`].
    ///
    /// # Errors
    /// As for [`Param::set_i32`].
    pub fn set_rgb(&self, [red, green, blue]: [f64; 3]) -> Result<()> {
        self.expect(ParamKind::Rgb)?;
        let (handle, set) = (self.handle.as_ptr(), self.suites.parameter.set_value);
        // SAFETY: a valid parameter of this kind, which takes three doubles.
        self.written(unsafe { set(handle, red, green, blue) })
    }

    /// Sets a String; see [`Param::set_i32`].
    ///
    /// # Errors
    /// As for [`Param::set_i32`]; `host.text` for a text with a NUL inside.
    pub fn set_string(&self, value: &str) -> Result<()> {
        self.expect(ParamKind::String)?;
        let value = text::passing(value)?;
        let (handle, value) = (self.handle.as_ptr(), value.as_ptr());
        // SAFETY: a valid parameter of this kind, which takes one terminated text and copies it.
        self.written(unsafe { (self.suites.parameter.set_value)(handle, value) })
    }

    /// Makes the parameter editable or not. A host that cannot do that ignores it.
    ///
    /// # Errors
    /// `host.property` when the host fails.
    pub fn set_enabled(&self, enabled: bool) -> Result<()> {
        self.set_flag(sys::kOfxParamPropEnabled, enabled)
    }

    /// Hides the parameter or shows it. A host that cannot do that ignores it.
    ///
    /// # Errors
    /// `host.property` when the host fails.
    pub fn set_secret(&self, secret: bool) -> Result<()> {
        self.set_flag(sys::kOfxParamPropSecret, secret)
    }

    fn set_flag(&self, name: &CStr, value: bool) -> Result<()> {
        self.props.set_i32_optional(name, 0, i32::from(value))
    }
}

impl std::fmt::Debug for Param<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Param")
            .field("id", &self.id)
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}
