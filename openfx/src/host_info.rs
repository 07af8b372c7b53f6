//! Who the host says it is, and what it says it can do.

use std::ffi::CStr;
use std::ptr::NonNull;

use crate::props::RawProps;
use crate::suites::PropertyTable;
use crate::sys::{self, OfxPropertySetStruct};
use crate::types::{ColourStyle, Components, Context, Depth};

/// What a host tells about itself. Hosts leave out much of it: what is not told is empty or `None`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct HostInfo {
    /// Unique name, e.g. `uk.co.thefoundry.nuke`.
    pub name: String,
    /// Name for people.
    pub label: String,
    /// Version, most significant number first.
    pub version: Vec<i32>,
    /// Version for people.
    pub version_label: String,
    /// Version of OpenFX, (major, minor); (1, 0) when it is not told.
    pub api_version: (i32, i32),
    /// Whether it runs without a screen, as a render farm does.
    pub is_background: bool,
    /// Contexts that it offers, of those that this crate knows.
    pub contexts: Vec<Context>,
    /// Pixel depths that it offers.
    pub depths: Vec<Depth>,
    /// Components that it offers.
    pub components: Vec<Components>,
    /// Whether images of one effect may differ in size.
    pub multi_resolution: Option<bool>,
    /// Whether it renders in tiles.
    pub tiles: Option<bool>,
    /// Whether it gives images of other frames than the one that is rendered.
    pub temporal_access: Option<bool>,
    /// How it tells of colour at best.
    pub colour_style: Option<ColourStyle>,
    /// Most parameters that an effect may have; `None` for no limit.
    pub max_parameters: Option<i32>,
}

impl HostInfo {
    /// # Safety
    /// `handle` is the property set of the host that `table` belongs to.
    pub(crate) unsafe fn read(
        table: &PropertyTable,
        handle: NonNull<OfxPropertySetStruct>,
    ) -> Self {
        // SAFETY: as the caller promises.
        let props = unsafe { RawProps::new(table, handle) };
        let text = |name: &CStr| props.string(name, 0).unwrap_or_default();
        let flag = |name: &CStr| props.int(name, 0).ok().map(|value| value != 0);
        let ints = |name: &CStr| -> Vec<i32> {
            (0..props.dimension(name).unwrap_or(0))
                .map_while(|index| props.int(name, index).ok())
                .collect()
        };
        let names = |name: &CStr| -> Vec<String> {
            (0..props.dimension(name).unwrap_or(0))
                .map_while(|index| props.string(name, index).ok())
                .collect()
        };
        let api = ints(sys::kOfxPropAPIVersion);
        Self {
            name: text(sys::kOfxPropName),
            label: text(sys::kOfxPropLabel),
            version: ints(sys::kOfxPropVersion),
            version_label: text(sys::kOfxPropVersionLabel),
            api_version: (
                api.first().copied().unwrap_or(1),
                api.get(1).copied().unwrap_or(0),
            ),
            is_background: flag(sys::kOfxImageEffectHostPropIsBackground).unwrap_or(false),
            contexts: names(sys::kOfxImageEffectPropSupportedContexts)
                .iter()
                .filter_map(|name| Context::from_ofx_str(name))
                .collect(),
            depths: names(sys::kOfxImageEffectPropSupportedPixelDepths)
                .iter()
                .filter_map(|name| Depth::from_ofx_str(name))
                .collect(),
            components: names(sys::kOfxImageEffectPropSupportedComponents)
                .iter()
                .filter_map(|name| Components::from_ofx_str(name))
                .collect(),
            multi_resolution: flag(sys::kOfxImageEffectPropSupportsMultiResolution),
            tiles: flag(sys::kOfxImageEffectPropSupportsTiles),
            temporal_access: flag(sys::kOfxImageEffectPropTemporalClipAccess),
            colour_style: props
                .string(sys::kOfxImageEffectPropColourManagementStyle, 0)
                .ok()
                .and_then(|name| ColourStyle::from_ofx_str(&name)),
            max_parameters: props
                .int(sys::kOfxParamHostPropMaxParameters, 0)
                .ok()
                .filter(|&count| count > 0),
        }
    }
}
