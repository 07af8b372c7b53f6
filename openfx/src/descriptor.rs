//! Describing an effect and its clips.

use std::ffi::CStr;
use std::marker::PhantomData;
use std::ptr::{self, NonNull};

use crate::error::{Error, Result};
use crate::host_info::HostInfo;
use crate::params::ParamSetDescriptor;
use crate::props::Props;
use crate::suites::{Suites, check};
use crate::sys::{self, OfxImageEffectStruct};
use crate::text;
use crate::types::{ColourStyle, Components, Context, Depth, named};

named! {
    /// How many renders may go on at a time.
    pub enum ThreadSafety {
        /// One in the whole plug-in.
        Unsafe = sys::kOfxImageEffectRenderUnsafe,
        /// One in each instance.
        InstanceSafe = sys::kOfxImageEffectRenderInstanceSafe,
        /// Any number.
        FullySafe = sys::kOfxImageEffectRenderFullySafe,
    }
}

named! {
    /// How a clip hands out the fields of interlaced material.
    pub enum FieldExtraction {
        /// Both fields in one frame.
        Both = sys::kOfxImageFieldBoth,
        /// One field, half as high.
        Single = sys::kOfxImageFieldSingle,
        /// One field, with its lines doubled.
        Doubled = sys::kOfxImageFieldDoubled,
    }
}

/// An effect that is being described.
#[derive(Clone, Copy)]
pub struct EffectDescriptor<'a> {
    suites: &'static Suites,
    handle: NonNull<OfxImageEffectStruct>,
    props: Props<'a>,
    _action: PhantomData<&'a ()>,
}

/// # Errors
///
/// Every setter fails with `host.property` when the host does not take the value, and with
/// `host.text` for a text with a NUL inside. Only a label, contexts and depths are demanded of a
/// host; the others may be unknown to it.
impl<'a> EffectDescriptor<'a> {
    /// # Safety
    /// `handle` is null or an effect descriptor of the host of `suites` that stays valid for `'a`.
    pub(crate) unsafe fn new(
        suites: &'static Suites,
        handle: *mut OfxImageEffectStruct,
    ) -> Result<Self> {
        let handle = NonNull::new(handle).ok_or(Error::NullHandle {
            what: "effect descriptor",
        })?;
        let mut props = ptr::null_mut();
        // SAFETY: a valid descriptor and a place for one handle.
        check(unsafe { (suites.effect.get_property_set)(handle.as_ptr(), &mut props) }).map_err(
            |status| Error::Call {
                function: "getPropertySet",
                status,
            },
        )?;
        Ok(Self {
            suites,
            handle,
            // SAFETY: the host's own answer, valid as long as the descriptor.
            props: unsafe { Props::new(suites, props, "property set of an effect descriptor")? },
            _action: PhantomData,
        })
    }

    /// The host.
    #[must_use]
    pub fn host(&self) -> &'static HostInfo {
        &self.suites.host
    }

    /// The descriptor's properties.
    #[must_use]
    pub fn props(&self) -> Props<'a> {
        self.props
    }

    /// The folder of the bundle, where the host tells it.
    #[must_use]
    pub fn file_path(&self) -> Option<String> {
        self.props
            .get_string_optional(sys::kOfxPluginPropFilePath, 0)
            .ok()?
            .filter(|path| !path.is_empty())
    }

    fn flag(&self, name: &CStr, value: bool) -> Result<()> {
        self.props.set_i32_optional(name, 0, i32::from(value))
    }

    fn text(&self, name: &CStr, value: &str) -> Result<()> {
        self.props.set_string_optional(name, 0, value)
    }

    /// The name that the user sees.
    pub fn set_label(&self, label: &str) -> Result<()> {
        self.props.set_string(sys::kOfxPropLabel, 0, label)?;
        self.text(sys::kOfxPropShortLabel, label)?;
        self.text(sys::kOfxPropLongLabel, label)
    }

    /// The menu in which the effect is found; `/` makes submenus.
    pub fn set_grouping(&self, grouping: &str) -> Result<()> {
        self.text(sys::kOfxImageEffectPluginPropGrouping, grouping)
    }

    /// What the effect does, in sentences.
    pub fn set_description(&self, description: &str) -> Result<()> {
        self.text(sys::kOfxPropPluginDescription, description)
    }

    /// Version, as numbers and for people.
    pub fn set_version(&self, version: &[i32], label: &str) -> Result<()> {
        for (index, &number) in version.iter().enumerate() {
            self.props
                .set_i32_optional(sys::kOfxPropVersion, index, number)?;
        }
        self.text(sys::kOfxPropVersionLabel, label)
    }

    /// File names of the icon in the bundle's resources: as SVG, and as PNG. An empty name is
    /// none.
    pub fn set_icon(&self, svg: &str, png: &str) -> Result<()> {
        for (index, name) in [svg, png].into_iter().enumerate() {
            self.props
                .set_string_optional(sys::kOfxPropIcon, index, name)?;
        }
        Ok(())
    }

    /// The contexts in which the effect works.
    pub fn set_contexts(&self, contexts: &[Context]) -> Result<()> {
        for (index, context) in contexts.iter().enumerate() {
            self.props.set_name(
                sys::kOfxImageEffectPropSupportedContexts,
                index,
                context.ofx_name(),
            )?;
        }
        Ok(())
    }

    /// The depths that the effect can read and write, best first.
    pub fn set_depths(&self, depths: &[Depth]) -> Result<()> {
        for (index, depth) in depths.iter().enumerate() {
            self.props.set_name(
                sys::kOfxImageEffectPropSupportedPixelDepths,
                index,
                depth.ofx_name(),
            )?;
        }
        Ok(())
    }

    /// How many renders may go on at a time.
    pub fn set_thread_safety(&self, safety: ThreadSafety) -> Result<()> {
        self.props.set_name_optional(
            sys::kOfxImageEffectPluginRenderThreadSafety,
            0,
            safety.ofx_name(),
        )
    }

    /// Whether the host may cut a frame into pieces and render them at a time.
    pub fn set_host_frame_threading(&self, allowed: bool) -> Result<()> {
        self.flag(sys::kOfxImageEffectPluginPropHostFrameThreading, allowed)
    }

    /// Whether only one instance may exist.
    pub fn set_single_instance(&self, single: bool) -> Result<()> {
        self.flag(sys::kOfxImageEffectPluginPropSingleInstance, single)
    }

    /// Whether clips may differ in size and origin.
    pub fn set_multi_resolution(&self, supported: bool) -> Result<()> {
        self.flag(sys::kOfxImageEffectPropSupportsMultiResolution, supported)
    }

    /// Whether images may be parts of the whole.
    pub fn set_tiles(&self, supported: bool) -> Result<()> {
        self.flag(sys::kOfxImageEffectPropSupportsTiles, supported)
    }

    /// Whether images of other frames than the rendered one are fetched.
    pub fn set_temporal_access(&self, needed: bool) -> Result<()> {
        self.flag(sys::kOfxImageEffectPropTemporalClipAccess, needed)
    }

    /// Whether clips may differ in depth.
    pub fn set_multiple_clip_depths(&self, supported: bool) -> Result<()> {
        self.flag(
            sys::kOfxImageEffectPropSupportsMultipleClipDepths,
            supported,
        )
    }

    /// Whether clips may differ in pixel aspect.
    pub fn set_multiple_clip_pixel_aspects(&self, supported: bool) -> Result<()> {
        self.flag(sys::kOfxImageEffectPropSupportsMultipleClipPARs, supported)
    }

    /// Whether interlaced material is rendered field by field even without animation.
    pub fn set_field_render_twice_always(&self, twice: bool) -> Result<()> {
        self.flag(sys::kOfxImageEffectPluginPropFieldRenderTwiceAlways, twice)
    }

    /// Whether a draft render is another picture than a final one.
    pub fn set_render_quality_draft(&self, differs: bool) -> Result<()> {
        self.flag(sys::kOfxImageEffectPropRenderQualityDraft, differs)
    }

    /// The parameters whose change calls for new clip preferences.
    pub fn set_clip_preference_parameters(&self, ids: &[&str]) -> Result<()> {
        for (index, id) in ids.iter().enumerate() {
            self.props.set_string_optional(
                sys::kOfxImageEffectPropClipPreferencesSlaveParam,
                index,
                id,
            )?;
        }
        Ok(())
    }

    /// How the effect can be told about colour at best, by which configurations. A host that does
    /// not know of it goes on without.
    pub fn set_colour_management(&self, style: ColourStyle, configurations: &[&str]) -> Result<()> {
        self.props.set_name_optional(
            sys::kOfxImageEffectPropColourManagementStyle,
            0,
            style.ofx_name(),
        )?;
        for (index, name) in configurations.iter().enumerate() {
            self.props.set_string_optional(
                sys::kOfxImageEffectPropColourManagementAvailableConfigs,
                index,
                name,
            )?;
        }
        Ok(())
    }

    /// Defines a clip.
    ///
    /// # Errors
    /// `clip.unknown` when the host does not take it.
    pub fn define_clip(&self, name: &str) -> Result<ClipDescriptor<'a>> {
        let (name, c_name) = text::lasting(name)?;
        let mut props = ptr::null_mut();
        // SAFETY: a valid descriptor, a terminated name, and a place for one handle.
        check(unsafe {
            (self.suites.effect.clip_define)(self.handle.as_ptr(), c_name.as_ptr(), &mut props)
        })
        .map_err(|status| Error::UnknownClip {
            name: name.to_owned(),
            status,
        })?;
        Ok(ClipDescriptor {
            // SAFETY: the host's own answer, valid during the description.
            props: unsafe { Props::new(self.suites, props, "property set of a clip")? },
        })
    }

    /// The effect's parameters.
    ///
    /// # Errors
    /// `host.call` when the host fails.
    pub fn params(&self) -> Result<ParamSetDescriptor<'a>> {
        let mut set = ptr::null_mut();
        // SAFETY: a valid descriptor and a place for one handle.
        check(unsafe { (self.suites.effect.get_param_set)(self.handle.as_ptr(), &mut set) })
            .map_err(|status| Error::Call {
                function: "getParamSet",
                status,
            })?;
        // SAFETY: the host's own answer, valid as long as the descriptor.
        unsafe { ParamSetDescriptor::new(self.suites, set) }
    }
}

impl std::fmt::Debug for EffectDescriptor<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EffectDescriptor").finish_non_exhaustive()
    }
}

/// A clip that is being described.
#[derive(Debug, Clone, Copy)]
pub struct ClipDescriptor<'a> {
    props: Props<'a>,
}

/// # Errors
///
/// Every setter fails with `host.property` when the host does not take the value, and with
/// `host.text` for a text with a NUL inside.
impl<'a> ClipDescriptor<'a> {
    /// The clip's properties.
    #[must_use]
    pub fn props(&self) -> Props<'a> {
        self.props
    }

    fn flag(self, name: &CStr, value: bool) -> Result<Self> {
        self.props.set_i32_optional(name, 0, i32::from(value))?;
        Ok(self)
    }

    /// The components that the clip can have, best first.
    pub fn components(self, components: &[Components]) -> Result<Self> {
        for (index, components) in components.iter().enumerate() {
            self.props.set_name(
                sys::kOfxImageEffectPropSupportedComponents,
                index,
                components.ofx_name(),
            )?;
        }
        Ok(self)
    }

    /// The name that the user sees.
    pub fn label(self, label: &str) -> Result<Self> {
        self.props
            .set_string_optional(sys::kOfxPropLabel, 0, label)?;
        Ok(self)
    }

    /// Whether the effect works without it.
    pub fn optional(self, optional: bool) -> Result<Self> {
        self.flag(sys::kOfxImageClipPropOptional, optional)
    }

    /// Whether the host should treat it as a mask.
    pub fn mask(self, mask: bool) -> Result<Self> {
        self.flag(sys::kOfxImageClipPropIsMask, mask)
    }

    /// Whether its images may be parts of the whole.
    pub fn tiles(self, supported: bool) -> Result<Self> {
        self.flag(sys::kOfxImageEffectPropSupportsTiles, supported)
    }

    /// Whether its images are fetched at other frames than the rendered one.
    pub fn temporal_access(self, needed: bool) -> Result<Self> {
        self.flag(sys::kOfxImageEffectPropTemporalClipAccess, needed)
    }

    /// How it hands out the fields of interlaced material.
    pub fn field_extraction(self, fields: FieldExtraction) -> Result<Self> {
        self.props.set_name_optional(
            sys::kOfxImageClipPropFieldExtraction,
            0,
            fields.ofx_name(),
        )?;
        Ok(self)
    }
}
