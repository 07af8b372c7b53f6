//! The image effect suite.

use std::ffi::{c_char, c_int, c_void};
use std::sync::{Arc, Mutex};
use std::thread;

use super::{a_clip, answer, bad_handle, call, effect, give, needed, null};
use crate::host::context::{self, Frame, Picture};
use crate::host::core::lock;
use crate::host::image::hash;
use crate::host::object::{Clip, Effect, Fetched, Stage, describe_image};
use crate::host::property::{PropertySet, SetKind};
use crate::host::registry::{self, Handle, Kind, Missing, Object};
use crate::host::request::ClipPreference;
use crate::host::resource::{Block, ImageMemory};
use crate::host::violations::rule;
use crate::sys::{
    self, OfxImageClipHandle, OfxImageEffectHandle, OfxImageEffectSuiteV1, OfxImageMemoryHandle,
    OfxParamSetHandle, OfxPropertySetHandle, OfxStatus,
};
use crate::types::{RectD, Status};

pub(super) static SUITE: OfxImageEffectSuiteV1 = OfxImageEffectSuiteV1 {
    getPropertySet: Some(get_property_set),
    getParamSet: Some(get_param_set),
    clipDefine: Some(clip_define),
    clipGetHandle: Some(clip_get_handle),
    clipGetPropertySet: Some(clip_get_property_set),
    clipGetImage: Some(clip_get_image),
    clipReleaseImage: Some(clip_release_image),
    clipGetRegionOfDefinition: Some(clip_get_region),
    abort: Some(abort),
    imageMemoryAlloc: Some(memory_alloc),
    imageMemoryFree: Some(memory_free),
    imageMemoryLock: Some(memory_lock),
    imageMemoryUnlock: Some(memory_unlock),
};

unsafe extern "C" fn get_property_set(
    handle: OfxImageEffectHandle,
    out: *mut OfxPropertySetHandle,
) -> OfxStatus {
    answer("getPropertySet", || {
        let found = effect(handle, "getPropertySet")?;
        let id = found.handle(|handles| &handles.props);
        // SAFETY: the plug-in vouches for the place.
        unsafe {
            give(
                handle.cast_const().cast(),
                "getPropertySet",
                out,
                registry::pointer(id),
            )
        }
    })
}

unsafe extern "C" fn get_param_set(
    handle: OfxImageEffectHandle,
    out: *mut OfxParamSetHandle,
) -> OfxStatus {
    answer("getParamSet", || {
        let found = effect(handle, "getParamSet")?;
        let id = found.handle(|handles| &handles.params);
        // SAFETY: the plug-in vouches for the place.
        unsafe {
            give(
                handle.cast_const().cast(),
                "getParamSet",
                out,
                registry::pointer(id),
            )
        }
    })
}

unsafe extern "C" fn clip_define(
    handle: OfxImageEffectHandle,
    name: *const c_char,
    out: *mut OfxPropertySetHandle,
) -> OfxStatus {
    answer("clipDefine", || {
        let effect = effect(handle, "clipDefine")?;
        let from = handle.cast_const().cast();
        // SAFETY: the plug-in vouches for its string.
        let name = unsafe { needed(from, "clipDefine", name) }?.to_string_lossy();
        if !matches!(effect.stage, Stage::InContext(_)) {
            effect.host.violate(
                rule::DEFINE_OUTSIDE,
                format!("clip {name} was defined outside DescribeInContext"),
            );
            return Err(Status::ERR_BAD_HANDLE);
        }
        if name.is_empty() || effect.clip(&name).is_some() {
            effect.host.violate(
                rule::DEFINE_TWICE,
                format!("clip \"{name}\" was defined twice, or has no name"),
            );
            return Err(Status::ERR_EXISTS);
        }
        let props = effect.new_set(SetKind::ClipDescriptor, format!("clip {name}"));
        let clip = effect.add_clip(&name, props);
        clip.props.put_str(sys::kOfxPropLabel, &name);
        if out.is_null() {
            return Ok(());
        }
        // SAFETY: not null; the plug-in vouches for the place.
        unsafe {
            give(
                from,
                "clipDefine",
                out,
                registry::pointer(clip.props_handle.id()),
            )
        }
    })
}

unsafe extern "C" fn clip_get_handle(
    handle: OfxImageEffectHandle,
    name: *const c_char,
    clip: *mut OfxImageClipHandle,
    properties: *mut OfxPropertySetHandle,
) -> OfxStatus {
    answer("clipGetHandle", || {
        let effect = effect(handle, "clipGetHandle")?;
        let from = handle.cast_const().cast();
        // SAFETY: the plug-in vouches for its string.
        let name = unsafe { needed(from, "clipGetHandle", name) }?.to_string_lossy();
        let found = effect
            .clip(&name)
            .filter(|_| matches!(effect.stage, Stage::Instance(_)));
        let Some(found) = found else {
            effect.host.violate(
                rule::NAME_UNKNOWN,
                format!("clip \"{name}\" was asked for, which this effect does not have"),
            );
            return Err(Status::ERR_BAD_HANDLE);
        };
        // SAFETY: the plug-in vouches for both places; the second may be null.
        unsafe {
            if !properties.is_null() {
                properties.write(registry::pointer(found.props_handle.id()));
            }
            give(
                from,
                "clipGetHandle",
                clip,
                registry::pointer(found.handle.id()),
            )
        }
    })
}

unsafe extern "C" fn clip_get_property_set(
    clip: OfxImageClipHandle,
    out: *mut OfxPropertySetHandle,
) -> OfxStatus {
    answer("clipGetPropertySet", || {
        let found = a_clip(clip, "clipGetPropertySet")?;
        // SAFETY: the plug-in vouches for the place.
        unsafe {
            give(
                clip.cast_const().cast(),
                "clipGetPropertySet",
                out,
                registry::pointer(found.props_handle.id()),
            )
        }
    })
}

unsafe extern "C" fn clip_get_image(
    clip: OfxImageClipHandle,
    time: f64,
    region: *const sys::OfxRectD,
    out: *mut OfxPropertySetHandle,
) -> OfxStatus {
    answer("clipGetImage", || {
        let from = clip.cast_const().cast();
        let clip = a_clip(clip, "clipGetImage")?;
        if out.is_null() {
            return Err(null(from, "clipGetImage"));
        }
        let effect = clip.effect.upgrade().ok_or(Status::ERR_BAD_HANDLE)?;
        if !region.is_null() {
            // SAFETY: not null; the plug-in vouches for its rectangle.
            let region = unsafe { region.read() };
            let region = RectD::new(region.x1, region.y1, region.x2, region.y2);
            if !region.is_finite() || region.is_empty() {
                effect.host.violate(
                    rule::REGION_OF_INTEREST,
                    format!("an image of clip {} was asked for in {region}", clip.name),
                );
            }
        }
        let (frame, picture) = allowed(&effect, &clip)?;
        let fetched = if clip.is_output() {
            output(&effect, &clip, time, &frame, &picture)?
        } else {
            input(&effect, &clip, time, &frame, &picture)?
        };
        let id = effect.hand_out(fetched);
        // SAFETY: the plug-in vouches for the place.
        unsafe { give(from, "clipGetImage", out, registry::pointer(id)) }
    })
}

/// The action that an image may be fetched in.
fn allowed(effect: &Arc<Effect>, clip: &Clip) -> Result<(Arc<Frame>, Picture), Status> {
    let refuse = |when: &str| {
        effect.host.violate(
            rule::IMAGE_OUTSIDE_ACTION,
            format!("an image of clip {} was fetched {when}", clip.name),
        );
        Status::FAILED
    };
    let frame = effect.frame().ok_or_else(|| refuse("outside any action"))?;
    if !frame.action.may_fetch_images() {
        return Err(refuse("in an action that has no images"));
    }
    if frame.thread != thread::current().id() {
        effect.host.violate(
            rule::IMAGE_THREAD,
            format!(
                "an image of clip {} was fetched on another thread than the action's",
                clip.name
            ),
        );
    }
    let picture = frame
        .picture
        .clone()
        // Clip preferences failed, which has been reported.
        .ok_or(Status::FAILED)?;
    Ok((frame, picture))
}

fn output(
    effect: &Arc<Effect>,
    clip: &Clip,
    time: f64,
    frame: &Arc<Frame>,
    picture: &Picture,
) -> Result<Fetched, Status> {
    let image = picture
        .output
        .as_ref()
        .filter(|_| time == picture.time)
        .ok_or_else(|| {
            effect.host.violate(
                rule::IMAGE_OUTSIDE_ACTION,
                format!("the output image was asked for at {time}, which is not being rendered"),
            );
            Status::FAILED
        })?;
    let props = PropertySet::new(
        SetKind::Image,
        "the output image".into(),
        &effect.host.options,
    );
    describe_image(
        &props,
        image,
        image.bounds(),
        &format!("output {}", frame.id),
    );
    Ok(Fetched {
        props: Arc::new(props),
        clip: clip.name.clone(),
        effect: effect.downgrade(),
        frame: frame.id,
        image: Some(Arc::clone(image)),
        digest: None,
    })
}

fn input(
    effect: &Arc<Effect>,
    clip: &Clip,
    time: f64,
    frame: &Arc<Frame>,
    picture: &Picture,
) -> Result<Fetched, Status> {
    let host = &effect.host;
    let temporal = clip.props.int(sys::kOfxImageEffectPropTemporalClipAccess) == Some(1)
        && effect.declares(sys::kOfxImageEffectPropTemporalClipAccess);
    if time != picture.time && !temporal {
        host.violate(
            rule::IMAGE_TEMPORAL,
            format!(
                "clip {} was asked for time {time} while {} is rendered, and has not declared \
                 temporal access",
                clip.name, picture.time
            ),
        );
    }
    let props = PropertySet::new(
        SetKind::Image,
        format!("an image of clip {}", clip.name),
        &host.options,
    );
    let Some(source) = clip.source() else {
        if !host.options.quirks.empty_images {
            return Err(Status::FAILED);
        }
        for name in [
            sys::kOfxImagePropData,
            sys::kOfxImagePropBounds,
            sys::kOfxImagePropRowBytes,
            sys::kOfxImagePropRegionOfDefinition,
        ] {
            props.remove(name);
        }
        return Ok(Fetched {
            props: Arc::new(props),
            clip: clip.name.clone(),
            effect: effect.downgrade(),
            frame: frame.id,
            image: None,
            digest: None,
        });
    };
    let preference = picture.preferences.clips.get(&clip.name).copied();
    let image = source
        .image(time, picture.scale)
        .filter(|image| !image.bounds().is_empty())
        .ok_or(Status::FAILED)?;
    let preference = preference.unwrap_or(ClipPreference {
        components: image.components(),
        depth: image.depth(),
        pixel_aspect: image.pixel_aspect,
    });
    let served = clip.served(&image, preference).map_err(|error| {
        log::error!("clip {}: {error}", clip.name);
        Status::ERR_MEMORY
    })?;
    let region = source
        .region_of_definition(time)
        .to_pixels(picture.scale, image.pixel_aspect);
    describe_image(&props, &served, region, &image.name());
    let digest = host.options.strict.then(|| hash(&served));
    Ok(Fetched {
        props: Arc::new(props),
        clip: clip.name.clone(),
        effect: effect.downgrade(),
        frame: frame.id,
        image: Some(served),
        digest,
    })
}

unsafe extern "C" fn clip_release_image(image: OfxPropertySetHandle) -> OfxStatus {
    answer("clipReleaseImage", || {
        let handle = image.cast_const().cast();
        let found = match registry::find(image) {
            Ok(Object::Image(found)) => found,
            Err(Missing::Dead(Kind::Image)) => {
                crate::host::core::blame(
                    handle,
                    rule::IMAGE_RELEASED_TWICE,
                    "an image was released that is gone",
                );
                return Err(Status::ERR_BAD_HANDLE);
            }
            other => return Err(bad_handle(handle, "clipReleaseImage", other)),
        };
        let effect = found.effect.upgrade().ok_or(Status::ERR_BAD_HANDLE)?;
        let taken = effect.take_back(handle).ok_or(Status::ERR_BAD_HANDLE)?;
        if let (Some(image), Some(digest)) = (&taken.image, taken.digest)
            && hash(image) != digest
        {
            effect.host.violate(
                rule::IMAGE_INPUT_WRITTEN,
                format!("the pixels of an image of clip {} were changed", taken.clip),
            );
        }
        Ok(())
    })
}

unsafe extern "C" fn clip_get_region(
    clip: OfxImageClipHandle,
    time: f64,
    out: *mut sys::OfxRectD,
) -> OfxStatus {
    answer("clipGetRegionOfDefinition", || {
        let from = clip.cast_const().cast();
        let clip = a_clip(clip, "clipGetRegionOfDefinition")?;
        let effect = clip.effect.upgrade().ok_or(Status::ERR_BAD_HANDLE)?;
        let region = match clip.source() {
            Some(source) => source.region_of_definition(time),
            None if clip.is_output() => {
                let picture = effect.frame().and_then(|frame| frame.picture.clone());
                let output = picture.and_then(|picture| picture.output);
                let output = output.ok_or(Status::FAILED)?;
                RectD::from_pixels(output.bounds(), output.scale, output.pixel_aspect)
            }
            None => return Err(Status::FAILED),
        };
        let region = sys::OfxRectD {
            x1: region.x1,
            y1: region.y1,
            x2: region.x2,
            y2: region.y2,
        };
        // SAFETY: the plug-in vouches for the place.
        unsafe { give(from, "clipGetRegionOfDefinition", out, region) }
    })
}

unsafe extern "C" fn abort(handle: OfxImageEffectHandle) -> c_int {
    call("abort", 0, || match effect(handle, "abort") {
        Ok(effect) => c_int::from(effect.abort.0.poll()),
        Err(_) => 0,
    })
}

unsafe extern "C" fn memory_alloc(
    instance: OfxImageEffectHandle,
    bytes: usize,
    out: *mut OfxImageMemoryHandle,
) -> OfxStatus {
    answer("imageMemoryAlloc", || {
        let from: *const c_void = instance.cast_const().cast();
        let host = if instance.is_null() {
            context::current().map(|frame| frame.host.id)
        } else {
            Some(effect(instance, "imageMemoryAlloc")?.host.id)
        };
        if out.is_null() {
            return Err(null(from, "imageMemoryAlloc"));
        }
        let memory = ImageMemory {
            block: Block::new(bytes).ok_or(Status::ERR_MEMORY)?,
            locks: Mutex::new(0),
        };
        let handle = Handle::new(
            host.unwrap_or(0),
            Kind::Memory,
            Object::Memory(Arc::new(memory)),
        );
        // SAFETY: the plug-in vouches for the place.
        unsafe {
            give(
                from,
                "imageMemoryAlloc",
                out,
                registry::pointer(handle.id()),
            )
        }?;
        // The plug-in owns it until it frees it.
        std::mem::forget(handle);
        Ok(())
    })
}

fn memory(handle: OfxImageMemoryHandle, name: &str) -> Result<Arc<ImageMemory>, Status> {
    match registry::find(handle) {
        Ok(Object::Memory(memory)) => Ok(memory),
        other => Err(bad_handle(handle.cast_const().cast(), name, other)),
    }
}

unsafe extern "C" fn memory_free(handle: OfxImageMemoryHandle) -> OfxStatus {
    answer("imageMemoryFree", || {
        memory(handle, "imageMemoryFree")?;
        registry::close(handle.addr());
        Ok(())
    })
}

unsafe extern "C" fn memory_lock(handle: OfxImageMemoryHandle, out: *mut *mut c_void) -> OfxStatus {
    answer("imageMemoryLock", || {
        let memory = memory(handle, "imageMemoryLock")?;
        *lock(&memory.locks) += 1;
        // SAFETY: the plug-in vouches for the place.
        unsafe {
            give(
                handle.cast_const().cast(),
                "imageMemoryLock",
                out,
                memory.block.address().cast(),
            )
        }
    })
}

unsafe extern "C" fn memory_unlock(handle: OfxImageMemoryHandle) -> OfxStatus {
    answer("imageMemoryUnlock", || {
        let memory = memory(handle, "imageMemoryUnlock")?;
        let mut locks = lock(&memory.locks);
        if *locks == 0 {
            drop(locks);
            crate::host::core::blame(
                handle.cast_const().cast(),
                rule::MEMORY,
                "image memory was unlocked that was not locked",
            );
            return Err(Status::FAILED);
        }
        *locks -= 1;
        Ok(())
    })
}
