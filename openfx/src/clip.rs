//! Clips and their images, seen by the plug-in during one action.

use std::ptr::{self, NonNull};

use crate::error::{Error, Result};
use crate::pixels::{ImageView, ImageViewMut, Layout};
use crate::props::Props;
use crate::suites::{Suites, check};
use crate::sys::{self, OfxImageClipStruct, OfxPropertySetStruct, OfxRectD};
use crate::types::{Components, Depth, Field, Premultiplication, RectD, RectI, Scale, Status};

/// Name of the main input clip.
pub const SOURCE: &str = "Source";
/// Name of the output clip.
pub const OUTPUT: &str = "Output";

/// A clip of an instance: a small handle, valid during the action that gave it.
#[derive(Clone, Copy)]
pub struct Clip<'a> {
    suites: &'static Suites,
    handle: NonNull<OfxImageClipStruct>,
    props: Props<'a>,
    name: &'static str,
}

impl<'a> Clip<'a> {
    /// # Safety
    /// `handle` and `props` are a clip of the host of `suites` and null or the clip's properties,
    /// valid for `'a`.
    pub(crate) unsafe fn new(
        suites: &'static Suites,
        handle: *mut OfxImageClipStruct,
        mut props: *mut OfxPropertySetStruct,
        name: &'static str,
    ) -> Result<Self> {
        let handle = NonNull::new(handle).ok_or(Error::NullHandle { what: "clip" })?;
        if props.is_null() {
            // SAFETY: a valid clip and a place for one handle.
            check(unsafe { (suites.effect.clip_get_property_set)(handle.as_ptr(), &mut props) })
                .map_err(|status| Error::Call {
                    function: "clipGetPropertySet",
                    status,
                })?;
        }
        Ok(Self {
            suites,
            handle,
            // SAFETY: the host's own answer, valid as long as the clip.
            props: unsafe { Props::new(suites, props, "property set of a clip")? },
            name,
        })
    }

    /// The clip's name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The clip's properties.
    #[must_use]
    pub fn props(&self) -> Props<'a> {
        self.props
    }

    /// Whether something is connected. A host that does not tell has nothing connected, except to
    /// the clips without which there is no effect: Source and Output.
    #[must_use]
    pub fn connected(&self) -> bool {
        match self
            .props
            .get_i32_optional(sys::kOfxImageClipPropConnected, 0)
        {
            Ok(Some(value)) => value != 0,
            Ok(None) => matches!(self.name, SOURCE | OUTPUT),
            Err(error) => {
                log::warn!("taking the clip {} for disconnected: {error}", self.name);
                false
            }
        }
    }

    /// The region of definition at a frame, in canonical coordinates.
    ///
    /// # Errors
    /// `host.call` when the host does not tell it, or tells one that is not made of numbers;
    /// hosts do so for clips that are not connected.
    pub fn region_of_definition(&self, time: f64) -> Result<RectD> {
        let failed = |status| Error::Call {
            function: "clipGetRegionOfDefinition",
            status,
        };
        // Some hosts say OK and leave the rectangle as it was.
        let mut region = OfxRectD {
            x1: f64::NAN,
            y1: f64::NAN,
            x2: f64::NAN,
            y2: f64::NAN,
        };
        // SAFETY: a valid clip and a place for one rectangle.
        check(unsafe {
            (self.suites.effect.clip_get_region_of_definition)(
                self.handle.as_ptr(),
                time,
                &mut region,
            )
        })
        .map_err(failed)?;
        let region = RectD::new(region.x1, region.y1, region.x2, region.y2);
        if [region.x1, region.y1, region.x2, region.y2]
            .iter()
            .any(|edge| edge.is_nan())
        {
            return Err(failed(Status::ERR_VALUE));
        }
        Ok(region)
    }

    /// Width of a pixel divided by its height; 1 when the host does not tell.
    #[must_use]
    pub fn pixel_aspect(&self) -> f64 {
        pixel_aspect(&self.props).unwrap_or(1.0)
    }

    /// Depth of the clip's images; `None` when the host does not tell, as for disconnected clips.
    #[must_use]
    pub fn depth(&self) -> Option<Depth> {
        Depth::from_ofx_str(&named(&self.props, sys::kOfxImageEffectPropPixelDepth)?)
    }

    /// Components of the clip's images; `None` when the host does not tell.
    #[must_use]
    pub fn components(&self) -> Option<Components> {
        Components::from_ofx_str(&named(&self.props, sys::kOfxImageEffectPropComponents)?)
    }

    /// Components of what is connected, before the host maps them to what the effect declared.
    #[must_use]
    pub fn unmapped_components(&self) -> Option<Components> {
        let name = named(&self.props, sys::kOfxImageClipPropUnmappedComponents)?;
        Components::from_ofx_str(&name)
    }

    /// Depth of what is connected, before the host maps it to what the effect declared.
    #[must_use]
    pub fn unmapped_depth(&self) -> Option<Depth> {
        Depth::from_ofx_str(&named(
            &self.props,
            sys::kOfxImageClipPropUnmappedPixelDepth,
        )?)
    }

    /// Premultiplication of the clip's images; `None` when the host does not tell.
    #[must_use]
    pub fn premultiplication(&self) -> Option<Premultiplication> {
        premultiplication(&self.props)
    }

    /// The colour space of the clip's images, by the name that the negotiated style has for it;
    /// `None` when the host does not tell, and for masks, whose colour is not managed.
    #[must_use]
    pub fn colourspace(&self) -> Option<String> {
        named(&self.props, sys::kOfxImageClipPropColourspace).filter(|name| !name.is_empty())
    }

    /// Field order of the material; `None` when the host does not tell.
    #[must_use]
    pub fn field_order(&self) -> Option<Field> {
        Field::from_ofx_str(&named(&self.props, sys::kOfxImageClipPropFieldOrder)?)
    }

    /// First and last frame; `None` when the host does not tell.
    #[must_use]
    pub fn frame_range(&self) -> Option<(f64, f64)> {
        self.props
            .get_pair_optional(sys::kOfxImageEffectPropFrameRange)
            .ok()?
    }

    /// Frames a second; `None` when the host does not tell.
    #[must_use]
    pub fn frame_rate(&self) -> Option<f64> {
        self.props
            .get_f64_optional(sys::kOfxImageEffectPropFrameRate, 0)
            .ok()?
            .filter(|rate| rate.is_finite() && *rate > 0.0)
    }

    /// The image at a frame, or `None` where the clip has none. `region` is the area wanted, in
    /// canonical coordinates; without it the host gives what it deems right.
    ///
    /// Images are to be fetched on the thread of the render action.
    ///
    /// # Errors
    /// `host.call` when the host fails; `image.format` when what it gives cannot be read.
    pub fn fetch(&self, time: f64, region: Option<RectD>) -> Result<Option<Image<'a>>> {
        Ok(self.get(time, region)?.map(|image| Image { image }))
    }

    /// The image to write at a frame. To be fetched once in a render: two of them would be the same
    /// pixels.
    ///
    /// # Errors
    /// `clip.no-image` when the host gives none, as it may once it has aborted the render; the
    /// errors of [`Clip::fetch`].
    pub fn fetch_output(&self, time: f64) -> Result<OutputImage<'a>> {
        match self.get(time, None)? {
            Some(image) => Ok(OutputImage { image }),
            None => Err(Error::NoImage {
                clip: self.name.to_owned(),
                time,
            }),
        }
    }

    fn get(&self, time: f64, region: Option<RectD>) -> Result<Option<Fetched<'a>>> {
        let region = region.map(|region| OfxRectD {
            x1: region.x1,
            y1: region.y1,
            x2: region.x2,
            y2: region.y2,
        });
        let region = region.as_ref().map_or(ptr::null(), ptr::from_ref);
        let mut handle = ptr::null_mut();
        // SAFETY: a valid clip, null or a rectangle, and a place for one handle.
        let status = Status::from_raw(unsafe {
            (self.suites.effect.clip_get_image)(self.handle.as_ptr(), time, region, &mut handle)
        });
        match status {
            Status::OK if handle.is_null() => return Ok(None),
            Status::OK => {}
            // "The image does not exist": to be taken as black and transparent.
            Status::FAILED => return Ok(None),
            status => {
                return Err(Error::Call {
                    function: "clipGetImage",
                    status,
                });
            }
        }
        // SAFETY: an image of this host, ours until it is released; from here on by the guard.
        let image = unsafe { Release::new(self.suites, handle)? };
        Fetched::describe(image, self.name)
    }
}

impl std::fmt::Debug for Clip<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Clip")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

fn named(props: &Props<'_>, name: &std::ffi::CStr) -> Option<String> {
    props.get_string_optional(name, 0).ok()?
}

fn premultiplication(props: &Props<'_>) -> Option<Premultiplication> {
    Premultiplication::from_ofx_str(&named(props, sys::kOfxImageEffectPropPreMultiplication)?)
}

fn pixel_aspect(props: &Props<'_>) -> Option<f64> {
    props
        .get_f64_optional(sys::kOfxImagePropPixelAspectRatio, 0)
        .ok()?
        .filter(|aspect| aspect.is_finite() && *aspect > 0.0)
}

/// Releases an image when it goes.
struct Release<'a> {
    suites: &'static Suites,
    props: Props<'a>,
}

impl Release<'_> {
    /// # Safety
    /// `handle` is an image of the host of `suites` that has not been released.
    unsafe fn new(suites: &'static Suites, handle: *mut OfxPropertySetStruct) -> Result<Self> {
        Ok(Self {
            suites,
            // SAFETY: valid until it is released, which happens when this value goes.
            props: unsafe { Props::new(suites, handle, "image")? },
        })
    }
}

impl Drop for Release<'_> {
    fn drop(&mut self) {
        // SAFETY: an image that has not been released; the guard is neither Copy nor Clone.
        let released = unsafe { (self.suites.effect.clip_release_image)(self.props.handle()) };
        if let Err(status) = check(released) {
            log::warn!("the host could not release an image ({status})");
        }
    }
}

/// What a host tells about an image, checked.
struct Fetched<'a> {
    layout: Layout,
    image: Release<'a>,
}

impl<'a> Fetched<'a> {
    /// `None` for an image without data, which some hosts give for a clip that has no image.
    fn describe(image: Release<'a>, clip: &'static str) -> Result<Option<Self>> {
        let props = image.props;
        let Some(origin) = props.get_pointer_optional(sys::kOfxImagePropData)? else {
            return Ok(None);
        };
        let unusable = |reason: String| Error::ImageFormat {
            clip: clip.to_owned(),
            reason,
        };
        let depth = props.get_string(sys::kOfxImageEffectPropPixelDepth)?;
        let depth = Depth::from_ofx_str(&depth)
            .ok_or_else(|| unusable(format!("its depth is {depth}, which is not supported")))?;
        let components = props.get_string(sys::kOfxImageEffectPropComponents)?;
        let components = Components::from_ofx_str(&components).ok_or_else(|| {
            unusable(format!(
                "its components are {components}, which are not supported"
            ))
        })?;
        let bounds = props.get_rect_i32(sys::kOfxImagePropBounds)?;
        let row_bytes = props.get_i32(sys::kOfxImagePropRowBytes)? as isize;
        let layout = Layout::new(origin.as_ptr(), bounds, depth, components, row_bytes)
            .map_err(|error| unusable(error.to_string()))?;
        Ok(Some(Self { layout, image }))
    }

    fn scale(&self) -> Scale {
        match self
            .image
            .props
            .get_pair_optional(sys::kOfxImageEffectPropRenderScale)
        {
            Ok(Some((x, y))) if (Scale { x, y }).is_valid() => Scale { x, y },
            _ => Scale::ONE,
        }
    }

    fn field(&self) -> Field {
        named(&self.image.props, sys::kOfxImagePropField)
            .and_then(|name| Field::from_ofx_str(&name))
            .unwrap_or(Field::None)
    }
}

macro_rules! facts {
    ($type:ident) => {
        impl $type<'_> {
            /// The pixels that the image has.
            #[must_use]
            pub fn bounds(&self) -> RectI {
                self.image.layout.bounds
            }

            /// How each channel is stored.
            #[must_use]
            pub fn depth(&self) -> Depth {
                self.image.layout.depth
            }

            /// The channels of a pixel.
            #[must_use]
            pub fn components(&self) -> Components {
                self.image.layout.components
            }

            /// The scale at which the image was made; 1 when the host does not tell.
            #[must_use]
            pub fn render_scale(&self) -> Scale {
                self.image.scale()
            }

            /// The field that the image holds; whole frames when the host does not tell.
            #[must_use]
            pub fn field(&self) -> Field {
                self.image.field()
            }

            /// Width of a pixel divided by its height; `None` when the host does not tell.
            #[must_use]
            pub fn pixel_aspect(&self) -> Option<f64> {
                pixel_aspect(&self.image.image.props)
            }

            /// Premultiplication of the image; `None` when the host does not tell.
            #[must_use]
            pub fn premultiplication(&self) -> Option<Premultiplication> {
                premultiplication(&self.image.image.props)
            }

            /// The region of definition in pixels; `None` when the host does not tell.
            #[must_use]
            pub fn region_of_definition(&self) -> Option<RectI> {
                self.image
                    .image
                    .props
                    .get_rect_i32(sys::kOfxImagePropRegionOfDefinition)
                    .ok()
            }

            /// A text that is the same for images of the same content; `None` when the host does
            /// not tell.
            #[must_use]
            pub fn unique_identifier(&self) -> Option<String> {
                named(&self.image.image.props, sys::kOfxImagePropUniqueIdentifier)
                    .filter(|text| !text.is_empty())
            }
        }

        impl std::fmt::Debug for $type<'_> {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($type))
                    .field("bounds", &self.image.layout.bounds)
                    .field("depth", &self.image.layout.depth)
                    .field("components", &self.image.layout.components)
                    .field("row_bytes", &self.image.layout.row_bytes)
                    .finish_non_exhaustive()
            }
        }
    };
}

/// An image to read; it goes back to the host when it is dropped.
pub struct Image<'a> {
    image: Fetched<'a>,
}

facts!(Image);

impl Image<'_> {
    /// Its pixels.
    #[must_use]
    pub fn view(&self) -> ImageView<'_> {
        // SAFETY: the host keeps the pixels of an input image as they are until it is released,
        // which the view cannot outlive.
        unsafe { ImageView::of(self.image.layout) }
    }
}

/// An image to write; it goes back to the host when it is dropped.
pub struct OutputImage<'a> {
    image: Fetched<'a>,
}

facts!(OutputImage);

impl OutputImage<'_> {
    /// Its pixels.
    pub fn view_mut(&mut self) -> ImageViewMut<'_> {
        // SAFETY: the render window of the output is the plug-in's to write until the image is
        // released, which the exclusive borrow cannot outlive.
        unsafe { ImageViewMut::of(self.image.layout) }
    }
}
