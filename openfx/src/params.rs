//! Describing parameters.
//!
//! A description is a chain of setters on a [`ParamDescriptor`]. What makes a parameter what it is
//! (its default, the options of a choice) must be taken by the host; what only makes it nicer is
//! skipped by hosts that do not know it.

use std::ffi::CStr;
use std::marker::PhantomData;
use std::ptr::{self, NonNull};

use crate::error::{Error, Result};
use crate::param::ParamKind;
use crate::props::Props;
use crate::suites::{Suites, check};
use crate::sys::{self, OfxParamSetStruct};
use crate::text;
use crate::types::named;

named! {
    /// How a String parameter is shown.
    pub enum StringMode {
        /// One line to edit.
        Single = sys::kOfxParamStringIsSingleLine,
        /// Several lines to edit.
        Multi = sys::kOfxParamStringIsMultiLine,
        /// A text to read.
        Label = sys::kOfxParamStringIsLabel,
        /// The path of a file.
        FilePath = sys::kOfxParamStringIsFilePath,
        /// The path of a folder.
        DirectoryPath = sys::kOfxParamStringIsDirectoryPath,
    }
}

named! {
    /// Which cached frames a change of the parameter makes stale.
    pub enum CacheInvalidation {
        /// Those at which the value changed.
        ValueChange = sys::kOfxParamInvalidateValueChange,
        /// Those from the first change to the end.
        ValueChangeToEnd = sys::kOfxParamInvalidateValueChangeToEnd,
        /// All.
        All = sys::kOfxParamInvalidateAll,
    }
}

named! {
    /// What a Double parameter measures.
    pub enum DoubleType {
        /// A plain number.
        Plain = sys::kOfxParamDoubleTypePlain,
        /// A factor, 1 being "as it is".
        Scale = sys::kOfxParamDoubleTypeScale,
        /// An angle in degrees.
        Angle = sys::kOfxParamDoubleTypeAngle,
    }
}

/// The parameters of an effect that is being described.
#[derive(Clone, Copy)]
pub struct ParamSetDescriptor<'a> {
    suites: &'static Suites,
    handle: NonNull<OfxParamSetStruct>,
    _action: PhantomData<&'a ()>,
}

impl<'a> ParamSetDescriptor<'a> {
    /// # Safety
    /// `handle` is null or a parameter set of the host of `suites` that stays valid for `'a`.
    pub(crate) unsafe fn new(
        suites: &'static Suites,
        handle: *mut OfxParamSetStruct,
    ) -> Result<Self> {
        Ok(Self {
            suites,
            handle: NonNull::new(handle).ok_or(Error::NullHandle {
                what: "parameter set",
            })?,
            _action: PhantomData,
        })
    }

    /// Defines a parameter. The id is what projects store: it never changes.
    ///
    /// # Errors
    /// `parameter.unknown` when the host does not take it, as hosts do that lack parameters of
    /// this kind; [`Error::is_absent`] then tells whether to go on without it.
    pub fn define(&self, kind: ParamKind, id: &str) -> Result<ParamDescriptor<'a>> {
        let (id, c_id) = text::lasting(id)?;
        let mut props = ptr::null_mut();
        // SAFETY: a valid set, terminated names, and a place for one handle.
        check(unsafe {
            (self.suites.parameter.define)(
                self.handle.as_ptr(),
                kind.ofx_name().as_ptr(),
                c_id.as_ptr(),
                &mut props,
            )
        })
        .map_err(|status| Error::UnknownParameter {
            id: id.to_owned(),
            status,
        })?;
        self.suites.remember_kind(id, kind);
        Ok(ParamDescriptor {
            // SAFETY: the host's own answer, valid during the description.
            props: unsafe { Props::new(self.suites, props, "property set of a parameter")? },
            id,
            kind,
        })
    }
}

impl std::fmt::Debug for ParamSetDescriptor<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ParamSetDescriptor").finish_non_exhaustive()
    }
}

/// A parameter that is being described.
#[derive(Debug, Clone, Copy)]
pub struct ParamDescriptor<'a> {
    props: Props<'a>,
    id: &'static str,
    kind: ParamKind,
}

/// # Errors
///
/// Every setter fails with `host.property` when the host does not take the value, and with
/// `host.text` for a text with a NUL inside.
impl<'a> ParamDescriptor<'a> {
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

    fn flag(self, name: &CStr, value: bool) -> Result<Self> {
        self.props.set_i32_optional(name, 0, i32::from(value))?;
        Ok(self)
    }

    fn text(self, name: &CStr, value: &str) -> Result<Self> {
        self.props.set_string_optional(name, 0, value)?;
        Ok(self)
    }

    fn expect(&self, kind: ParamKind) -> Result<()> {
        self.kind.expect(kind, self.id)
    }

    /// The name that the user sees.
    pub fn label(self, label: &str) -> Result<Self> {
        self.text(sys::kOfxPropLabel, label)
    }

    /// What the parameter does, shown on hovering.
    pub fn hint(self, hint: &str) -> Result<Self> {
        self.text(sys::kOfxParamPropHint, hint)
    }

    /// The group that it belongs to.
    pub fn parent(self, group: &str) -> Result<Self> {
        self.text(sys::kOfxParamPropParent, group)
    }

    /// The name by which scripts call it, where that is not the id.
    pub fn script_name(self, name: &str) -> Result<Self> {
        self.text(sys::kOfxParamPropScriptName, name)
    }

    /// Whether it is hidden.
    pub fn secret(self, secret: bool) -> Result<Self> {
        self.flag(sys::kOfxParamPropSecret, secret)
    }

    /// Whether the user can change it.
    pub fn enabled(self, enabled: bool) -> Result<Self> {
        self.flag(sys::kOfxParamPropEnabled, enabled)
    }

    /// Whether its value may differ from frame to frame.
    pub fn animates(self, animates: bool) -> Result<Self> {
        self.flag(sys::kOfxParamPropAnimates, animates)
    }

    /// Whether a change makes the picture stale.
    pub fn evaluate_on_change(self, evaluate: bool) -> Result<Self> {
        self.flag(sys::kOfxParamPropEvaluateOnChange, evaluate)
    }

    /// Whether projects store it.
    pub fn persistent(self, persistent: bool) -> Result<Self> {
        self.flag(sys::kOfxParamPropPersistant, persistent)
    }

    /// Whether a change can be undone.
    pub fn can_undo(self, can_undo: bool) -> Result<Self> {
        self.flag(sys::kOfxParamPropCanUndo, can_undo)
    }

    /// Which cached frames a change makes stale.
    pub fn cache_invalidation(self, which: CacheInvalidation) -> Result<Self> {
        let name = sys::kOfxParamPropCacheInvalidation;
        self.props.set_name_optional(name, 0, which.ofx_name())?;
        Ok(self)
    }

    /// The value of a new Integer.
    pub fn default_i32(self, value: i32) -> Result<Self> {
        self.expect(ParamKind::Integer)?;
        self.props.set_i32(sys::kOfxParamPropDefault, 0, value)?;
        Ok(self)
    }

    /// The value of a new Double.
    pub fn default_f64(self, value: f64) -> Result<Self> {
        self.expect(ParamKind::Double)?;
        self.props.set_f64(sys::kOfxParamPropDefault, 0, value)?;
        Ok(self)
    }

    /// The value of a new Boolean.
    pub fn default_bool(self, value: bool) -> Result<Self> {
        self.expect(ParamKind::Boolean)?;
        self.props
            .set_i32(sys::kOfxParamPropDefault, 0, i32::from(value))?;
        Ok(self)
    }

    /// The index of the option of a new Choice.
    pub fn default_choice(self, index: i32) -> Result<Self> {
        self.expect(ParamKind::Choice)?;
        self.props.set_i32(sys::kOfxParamPropDefault, 0, index)?;
        Ok(self)
    }

    /// The text of a new String.
    pub fn default_string(self, value: &str) -> Result<Self> {
        self.expect(ParamKind::String)?;
        self.props.set_string(sys::kOfxParamPropDefault, 0, value)?;
        Ok(self)
    }

    /// The colour of a new Rgb.
    pub fn default_rgb(self, value: [f64; 3]) -> Result<Self> {
        self.expect(ParamKind::Rgb)?;
        for (index, channel) in value.into_iter().enumerate() {
            self.props
                .set_f64(sys::kOfxParamPropDefault, index, channel)?;
        }
        Ok(self)
    }

    /// The least and greatest value of an Integer.
    pub fn range_i32(self, least: i32, greatest: i32) -> Result<Self> {
        self.span_i32(
            sys::kOfxParamPropMin,
            sys::kOfxParamPropMax,
            least,
            greatest,
        )
    }

    /// The ends of an Integer's slider.
    pub fn display_range_i32(self, least: i32, greatest: i32) -> Result<Self> {
        let (low, high) = (sys::kOfxParamPropDisplayMin, sys::kOfxParamPropDisplayMax);
        self.span_i32(low, high, least, greatest)
    }

    fn span_i32(self, low: &CStr, high: &CStr, least: i32, greatest: i32) -> Result<Self> {
        self.expect(ParamKind::Integer)?;
        self.props.set_i32_optional(low, 0, least)?;
        self.props.set_i32_optional(high, 0, greatest)?;
        Ok(self)
    }

    /// The least and greatest value of a Double.
    pub fn range_f64(self, least: f64, greatest: f64) -> Result<Self> {
        self.span_f64(
            sys::kOfxParamPropMin,
            sys::kOfxParamPropMax,
            least,
            greatest,
        )
    }

    /// The ends of a Double's slider.
    pub fn display_range_f64(self, least: f64, greatest: f64) -> Result<Self> {
        let (low, high) = (sys::kOfxParamPropDisplayMin, sys::kOfxParamPropDisplayMax);
        self.span_f64(low, high, least, greatest)
    }

    fn span_f64(self, low: &CStr, high: &CStr, least: f64, greatest: f64) -> Result<Self> {
        self.expect(ParamKind::Double)?;
        self.props.set_f64_optional(low, 0, least)?;
        self.props.set_f64_optional(high, 0, greatest)?;
        Ok(self)
    }

    /// The step of a Double's slider.
    pub fn increment(self, step: f64) -> Result<Self> {
        self.expect(ParamKind::Double)?;
        self.props
            .set_f64_optional(sys::kOfxParamPropIncrement, 0, step)?;
        Ok(self)
    }

    /// How many digits of a Double are shown after the point.
    pub fn digits(self, digits: i32) -> Result<Self> {
        self.expect(ParamKind::Double)?;
        self.props
            .set_i32_optional(sys::kOfxParamPropDigits, 0, digits)?;
        Ok(self)
    }

    /// What a Double measures.
    pub fn double_type(self, measure: DoubleType) -> Result<Self> {
        self.expect(ParamKind::Double)?;
        self.props
            .set_name_optional(sys::kOfxParamPropDoubleType, 0, measure.ofx_name())?;
        Ok(self)
    }

    /// The options of a Choice: each a label and an id that never changes. The ids go to hosts
    /// that can store them instead of the index (`kOfxParamPropChoiceEnum`).
    pub fn options(self, options: &[(&str, &str)]) -> Result<Self> {
        self.expect(ParamKind::Choice)?;
        for (index, (label, _)) in options.iter().enumerate() {
            self.props
                .set_string(sys::kOfxParamPropChoiceOption, index, label)?;
        }
        for (index, (_, id)) in options.iter().enumerate() {
            self.props
                .set_string_optional(sys::kOfxParamPropChoiceEnum, index, id)?;
        }
        Ok(self)
    }

    /// How a String is shown.
    pub fn string_mode(self, mode: StringMode) -> Result<Self> {
        self.expect(ParamKind::String)?;
        self.props
            .set_name_optional(sys::kOfxParamPropStringMode, 0, mode.ofx_name())?;
        Ok(self)
    }

    /// Whether a file path has to exist already.
    pub fn path_exists(self, exists: bool) -> Result<Self> {
        self.expect(ParamKind::String)?;
        self.flag(sys::kOfxParamPropStringFilePathExists, exists)
    }

    /// Whether a Group is shown unfolded.
    pub fn open(self, open: bool) -> Result<Self> {
        self.expect(ParamKind::Group)?;
        self.flag(sys::kOfxParamPropGroupOpen, open)
    }

    /// The parameters on a Page, in order.
    pub fn children(self, ids: &[&str]) -> Result<Self> {
        self.expect(ParamKind::Page)?;
        for (index, id) in ids.iter().enumerate() {
            self.props
                .set_string_optional(sys::kOfxParamPropPageChild, index, id)?;
        }
        Ok(self)
    }
}
