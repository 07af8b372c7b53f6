//! An instance of an effect, seen by the plug-in during one action.

use std::marker::PhantomData;
use std::ptr::{self, NonNull};

use crate::clip::Clip;
use crate::error::{Error, Result};
use crate::host_info::HostInfo;
use crate::param::Param;
use crate::props::Props;
use crate::suites::{EditTable, Suites, check};
use crate::sys::{self, OfxImageEffectStruct, OfxParamSetStruct};
use crate::text;
use crate::types::{ColourStyle, Context, Status};

/// An instance of an effect: a small handle, valid during the action that gave it.
///
/// It stays on the thread of the action, as some hosts know by the thread which render is calling.
#[derive(Clone, Copy)]
pub struct Effect<'a> {
    suites: &'static Suites,
    handle: NonNull<OfxImageEffectStruct>,
    /// Whether the instance is being destroyed, when some hosts have thrown away the rest.
    leaving: bool,
    _action: PhantomData<&'a ()>,
}

impl<'a> Effect<'a> {
    /// # Safety
    /// `handle` is null or an instance of the host of `suites` that stays valid for `'a`.
    pub(crate) unsafe fn new(
        suites: &'static Suites,
        handle: *mut OfxImageEffectStruct,
        leaving: bool,
    ) -> Result<Self> {
        Ok(Self {
            suites,
            handle: NonNull::new(handle).ok_or(Error::NullHandle {
                what: "effect instance",
            })?,
            leaving,
            _action: PhantomData,
        })
    }

    pub(crate) fn suites(&self) -> &'static Suites {
        self.suites
    }

    pub(crate) fn raw(&self) -> *mut OfxImageEffectStruct {
        self.handle.as_ptr()
    }

    /// A number that no other living instance has.
    #[must_use]
    pub fn instance_id(&self) -> usize {
        self.handle.addr().get()
    }

    /// The host.
    #[must_use]
    pub fn host(&self) -> &'static HostInfo {
        &self.suites.host
    }

    /// The instance's properties.
    ///
    /// # Errors
    /// `host.call` when the host fails, `host.bad-handle` when it gives none.
    pub fn props(&self) -> Result<Props<'a>> {
        let mut handle = ptr::null_mut();
        // SAFETY: a valid instance and a place for one handle.
        check(unsafe { (self.suites.effect.get_property_set)(self.raw(), &mut handle) }).map_err(
            |status| Error::Call {
                function: "getPropertySet",
                status,
            },
        )?;
        // SAFETY: the host's own answer, valid as long as the instance.
        unsafe { Props::new(self.suites, handle, "property set of an effect instance") }
    }

    /// The context of the instance; `None` when the host does not tell it.
    #[must_use]
    pub fn context(&self) -> Option<Context> {
        let name = self
            .props()
            .ok()?
            .get_string(sys::kOfxImageEffectPropContext)
            .ok()?;
        Context::from_ofx_str(&name)
    }

    /// The style in which the host tells this instance about colour; [`ColourStyle::None`] when it
    /// does not.
    #[must_use]
    pub fn colour_style(&self) -> ColourStyle {
        // A host that offers nothing may still hand down what the effect itself declared.
        if self.host().colour_style.unwrap_or(ColourStyle::None) == ColourStyle::None {
            return ColourStyle::None;
        }
        self.props()
            .ok()
            .and_then(|props| {
                props
                    .get_string(sys::kOfxImageEffectPropColourManagementStyle)
                    .ok()
            })
            .and_then(|name| ColourStyle::from_ofx_str(&name))
            .unwrap_or(ColourStyle::None)
    }

    /// One of the clips that were described.
    ///
    /// # Errors
    /// `clip.unknown` when the host does not know it.
    pub fn clip(&self, name: &str) -> Result<Clip<'a>> {
        let (name, c_name) = text::lasting(name)?;
        let (mut handle, mut props) = (ptr::null_mut(), ptr::null_mut());
        // SAFETY: a valid instance, a terminated name, and places for two handles.
        let status = check(unsafe {
            (self.suites.effect.clip_get_handle)(
                self.raw(),
                c_name.as_ptr(),
                &mut handle,
                &mut props,
            )
        })
        .err()
        // Some hosts say OK and give nothing.
        .or(handle.is_null().then_some(Status::ERR_UNKNOWN));
        if let Some(status) = status {
            return Err(Error::UnknownClip {
                name: name.to_owned(),
                status,
            });
        }
        // SAFETY: the host's own answer, valid as long as the instance.
        unsafe { Clip::new(self.suites, handle, props, name) }
    }

    /// One of the clips that were described, or `None` when this context does not have it.
    ///
    /// # Errors
    /// When the host fails in any other way than not knowing the clip.
    pub fn clip_optional(&self, name: &str) -> Result<Option<Clip<'a>>> {
        match self.clip(name) {
            Ok(clip) => Ok(Some(clip)),
            // Hosts differ in how they say that there is no such clip.
            Err(Error::UnknownClip { status, .. })
                if crate::error::is_absent(status)
                    || matches!(status, Status::ERR_BAD_HANDLE | Status::FAILED) =>
            {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// One of the parameters that were described.
    ///
    /// # Errors
    /// `parameter.unknown` when the host does not know it, as happens in hosts that do not support
    /// parameters of its kind.
    pub fn param(&self, id: &str) -> Result<Param<'a>> {
        let set = self.param_set()?;
        // SAFETY: the host's own answer, valid as long as the instance.
        unsafe { Param::find(self.suites, set, id) }
    }

    fn param_set(&self) -> Result<*mut OfxParamSetStruct> {
        let mut set: *mut OfxParamSetStruct = ptr::null_mut();
        // SAFETY: a valid instance and a place for one handle.
        check(unsafe { (self.suites.effect.get_param_set)(self.raw(), &mut set) }).map_err(
            |status| Error::Call {
                function: "getParamSet",
                status,
            },
        )?;
        Ok(set)
    }

    /// Opens an edit: what is set until the returned guard goes is one step to undo, under this
    /// name. A host without such brackets makes a step of each.
    ///
    /// # Errors
    /// `host.call` when the host gives no parameters; `host.text` for a name with a NUL inside.
    pub fn edit(&self, name: &str) -> Result<Edit<'a>> {
        let set = self.param_set()?;
        let name = text::passing(name)?;
        let open = self.suites.edits.filter(|table| {
            // SAFETY: the host's own parameter set and a terminated name.
            check(unsafe { (table.begin)(set, name.as_ptr()) }).is_ok()
        });
        Ok(Edit {
            open,
            set,
            _action: PhantomData,
        })
    }

    /// Whether the host wants the current action to stop.
    #[must_use]
    pub fn aborted(&self) -> bool {
        // SAFETY: the instance is valid during 'a.
        unsafe { (self.suites.effect.abort)(self.raw()) != 0 }
    }

    /// Width and height of the project in canonical coordinates.
    #[must_use]
    pub fn project_size(&self) -> Option<(f64, f64)> {
        self.pair(sys::kOfxImageEffectPropProjectSize)
    }

    /// Lower left corner of the project in canonical coordinates.
    #[must_use]
    pub fn project_offset(&self) -> Option<(f64, f64)> {
        self.pair(sys::kOfxImageEffectPropProjectOffset)
    }

    /// Upper right corner of the largest picture of the project in canonical coordinates.
    #[must_use]
    pub fn project_extent(&self) -> Option<(f64, f64)> {
        self.pair(sys::kOfxImageEffectPropProjectExtent)
    }

    /// Pixel aspect of the project: width of a pixel divided by its height.
    #[must_use]
    pub fn project_pixel_aspect(&self) -> Option<f64> {
        self.number(sys::kOfxImageEffectPropProjectPixelAspectRatio)
    }

    /// Frames a second.
    #[must_use]
    pub fn frame_rate(&self) -> Option<f64> {
        self.number(sys::kOfxImageEffectPropFrameRate)
    }

    /// Length of the effect in frames.
    #[must_use]
    pub fn duration(&self) -> Option<f64> {
        self.number(sys::kOfxImageEffectInstancePropEffectDuration)
    }

    /// The properties of a living instance. Some hosts crash when a project's properties are read
    /// while the instance is being destroyed.
    fn living(&self) -> Option<Props<'a>> {
        if self.leaving {
            return None;
        }
        self.props().ok()
    }

    fn pair(&self, name: &std::ffi::CStr) -> Option<(f64, f64)> {
        self.living()?.get_pair_optional(name).ok()?
    }

    fn number(&self, name: &std::ffi::CStr) -> Option<f64> {
        self.living()?
            .get_f64_optional(name, 0)
            .ok()?
            .filter(|value| value.is_finite() && *value > 0.0)
    }
}

impl std::fmt::Debug for Effect<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Effect")
            .field("instance_id", &self.instance_id())
            .finish_non_exhaustive()
    }
}

/// An edit that is open; it is closed when this goes.
pub struct Edit<'a> {
    open: Option<EditTable>,
    set: *mut OfxParamSetStruct,
    _action: PhantomData<&'a ()>,
}

impl Drop for Edit<'_> {
    fn drop(&mut self) {
        if let Some(table) = &self.open {
            // SAFETY: the parameter set that the edit was opened in, valid during 'a.
            if let Err(status) = check(unsafe { (table.end)(self.set) }) {
                log::warn!("the host could not close an edit ({status})");
            }
        }
    }
}

impl std::fmt::Debug for Edit<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Edit").finish_non_exhaustive()
    }
}
