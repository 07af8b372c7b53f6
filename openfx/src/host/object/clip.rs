//! A clip of a descriptor or an instance, and the images fetched from it.

use std::ffi::{c_char, c_int, c_void};
use std::sync::{Arc, Mutex, PoisonError, RwLock, Weak};

use super::Effect;
use crate::host::clip::ClipSource;
use crate::host::core::lock;
use crate::host::error::Result;
use crate::host::image::{HostImage, Layout};
use crate::host::property::{Address, PropertySet};
use crate::host::registry::Handle;
use crate::host::request::ClipPreference;
use crate::sys;
use crate::types::{Components, RectI};

/// A picture in another format.
struct Converted {
    from: Weak<HostImage>,
    to: Arc<HostImage>,
    layout: Layout,
}

/// A clip.
pub(crate) struct Clip {
    pub(crate) name: String,
    pub(crate) props: Arc<PropertySet>,
    pub(crate) effect: Weak<Effect>,
    pub(crate) handle: Handle,
    pub(crate) props_handle: Handle,
    source: RwLock<Option<Arc<dyn ClipSource>>>,
    /// The picture converted last, from which one, so that a picture fetched twice is converted
    /// once.
    converted: Mutex<Option<Converted>>,
}

impl Clip {
    pub(crate) fn new(
        name: String,
        props: Arc<PropertySet>,
        effect: Weak<Effect>,
        handle: Handle,
        props_handle: Handle,
    ) -> Self {
        Self {
            name,
            props,
            effect,
            handle,
            props_handle,
            source: RwLock::new(None),
            converted: Mutex::new(None),
        }
    }

    pub(crate) fn is_output(&self) -> bool {
        self.name == "Output"
    }

    pub(crate) fn source(&self) -> Option<Arc<dyn ClipSource>> {
        self.source
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(crate) fn set_source(&self, source: Option<Arc<dyn ClipSource>>) {
        *self.source.write().unwrap_or_else(PoisonError::into_inner) = source;
        *lock(&self.converted) = None;
    }

    /// The components that the plug-in takes on this clip.
    pub(crate) fn supported(&self) -> Vec<Components> {
        self.props
            .strings(sys::kOfxImageEffectPropSupportedComponents)
            .iter()
            .filter_map(|name| Components::from_ofx_str(name))
            .collect()
    }

    /// The picture in the format agreed on: itself, without a copy, where it has that format.
    pub(crate) fn served(
        &self,
        image: &Arc<HostImage>,
        preference: ClipPreference,
    ) -> Result<Arc<HostImage>> {
        if image.depth() == preference.depth && image.components() == preference.components {
            return Ok(Arc::clone(image));
        }
        let layout = Layout {
            depth: preference.depth,
            components: preference.components,
            ..image.layout()
        };
        // The lock is held meanwhile, so that two renders do not do the same work.
        let mut converted = lock(&self.converted);
        if let Some(known) = &*converted
            && known.layout == layout
            && std::ptr::eq(known.from.as_ptr(), Arc::as_ptr(image))
        {
            return Ok(Arc::clone(&known.to));
        }
        let to = Arc::new(image.converted(image.bounds(), layout)?);
        *converted = Some(Converted {
            // A weak reference keeps the address from being used again.
            from: Arc::downgrade(image),
            to: Arc::clone(&to),
            layout,
        });
        Ok(to)
    }
}

impl std::fmt::Debug for Clip {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Clip")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// An image that a plug-in has in its hands.
pub(crate) struct Fetched {
    pub(crate) props: Arc<PropertySet>,
    pub(crate) clip: String,
    pub(crate) effect: Weak<Effect>,
    /// The action that it was fetched in.
    pub(crate) frame: u64,
    /// `None` for an image without data.
    pub(crate) image: Option<Arc<HostImage>>,
    /// The digest of an input's pixels when it was fetched, in a strict host.
    pub(crate) digest: Option<u64>,
}

/// Describes a picture to the plug-in. `region` is its region of definition in pixels.
pub(crate) fn describe_image(props: &PropertySet, image: &HostImage, region: RectI, id: &str) {
    let rect = |r: RectI| vec![r.x1, r.y1, r.x2, r.y2];
    let name = |name: &std::ffi::CStr| vec![name.to_owned()];
    props.put::<*mut c_char>(
        sys::kOfxImageEffectPropPixelDepth,
        name(image.depth().ofx_name()),
    );
    props.put::<*mut c_char>(
        sys::kOfxImageEffectPropComponents,
        name(image.components().ofx_name()),
    );
    props.put::<*mut c_char>(
        sys::kOfxImageEffectPropPreMultiplication,
        name(image.premultiplication.ofx_name()),
    );
    props.put::<f64>(
        sys::kOfxImageEffectPropRenderScale,
        vec![image.scale.x, image.scale.y],
    );
    props.put::<f64>(sys::kOfxImagePropPixelAspectRatio, vec![image.pixel_aspect]);
    props.put::<*mut c_void>(sys::kOfxImagePropData, vec![Address(image.data().cast())]);
    props.put::<c_int>(sys::kOfxImagePropBounds, rect(image.bounds()));
    props.put::<c_int>(sys::kOfxImagePropRegionOfDefinition, rect(region));
    props.put::<c_int>(
        sys::kOfxImagePropRowBytes,
        vec![c_int::try_from(image.row_bytes()).unwrap_or(0)],
    );
    props.put::<*mut c_char>(sys::kOfxImagePropField, name(image.field.ofx_name()));
    props.put_str(sys::kOfxImagePropUniqueIdentifier, id);
}
