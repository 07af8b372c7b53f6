//! Rules about images.

use std::ffi::c_int;
use std::sync::Arc;
use std::thread;

use ofx::host::{HostImage, HostOptions, Layout, Quirks, RenderRequest, StillClip, rule};
use ofx::{RectI, Status};

use crate::raw::*;
use crate::{breaks, decent, live, load, load_as, plugin, ready, rules};

#[test]
fn leaked() {
    breaks(
        plugin!(|call| {
            if call.is(kOfxImageEffectActionRender) {
                call.image(c"Source", call.time()).unwrap();
            }
            decent(call)
        }),
        rule::IMAGE_LEAKED,
    );
}

#[test]
fn leaked_output() {
    let library = load(plugin!(|call| {
        if call.is(kOfxImageEffectActionRender) {
            call.image(c"Output", call.time()).unwrap();
        }
        decent(call)
    }));
    let image = ready(&library).render(&RenderRequest::at(1.0));
    assert!(image.is_ok(), "the picture is taken back all the same");
    assert_eq!(rules(&library), [rule::IMAGE_LEAKED]);
}

#[test]
fn released_twice() {
    breaks(
        plugin!(|call| {
            if call.is(kOfxImageEffectActionRender) {
                let image = call.image(c"Source", call.time()).unwrap();
                assert_eq!(call.release(image), kOfxStatOK);
                assert_eq!(call.release(image), kOfxStatErrBadHandle);
            }
            decent(call)
        }),
        rule::IMAGE_RELEASED_TWICE,
    );
}

#[test]
fn used_after_release() {
    breaks(
        plugin!(|call| {
            if call.is(kOfxImageEffectActionRender) {
                let image = call.image(c"Source", call.time()).unwrap();
                call.release(image);
                let read = call.int(image, kOfxImagePropRowBytes, 0);
                assert_eq!(read, Err(kOfxStatErrBadHandle));
            }
            decent(call)
        }),
        rule::HANDLE_DEAD,
    );
}

#[test]
fn fetched_in_an_action_without_images() {
    breaks(
        plugin!(|call| {
            if call.is(kOfxImageEffectActionGetRegionsOfInterest) {
                let image = call.image(c"Source", call.time());
                assert_eq!(image, Err(kOfxStatFailed));
            }
            decent(call)
        }),
        rule::IMAGE_OUTSIDE_ACTION,
    );
}

#[test]
fn output_fetched_at_another_time() {
    breaks(
        plugin!(|call| {
            if call.is(kOfxImageEffectActionRender) {
                let image = call.image(c"Output", call.time() + 1.0);
                assert_eq!(image, Err(kOfxStatFailed));
            }
            decent(call)
        }),
        rule::IMAGE_OUTSIDE_ACTION,
    );
}

#[test]
fn fetched_on_another_thread() {
    breaks(
        plugin!(|call| {
            if call.is(kOfxImageEffectActionRender) {
                let call = *call;
                let time = call.time();
                thread::scope(|scope| {
                    scope.spawn(|| {
                        let image = call.image(c"Source", time).unwrap();
                        call.release(image);
                    });
                });
            }
            decent(call)
        }),
        rule::IMAGE_THREAD,
    );
}

#[test]
fn fetched_from_another_time_without_saying_so() {
    breaks(
        plugin!(|call| {
            if call.is(kOfxImageEffectActionRender) {
                let image = call.image(c"Source", call.time() - 1.0).unwrap();
                call.release(image);
            }
            decent(call)
        }),
        rule::IMAGE_TEMPORAL,
    );
    let library = load(plugin!(|call| {
        if call.is(kOfxActionDescribe) {
            call.set_int(call.props(), kOfxImageEffectPropTemporalClipAccess, 0, 1);
        }
        let status = decent(call);
        if call.is(kOfxImageEffectActionDescribeInContext) {
            let clip = call.define_clip(c"Before", &[kOfxImageComponentRGBA]);
            call.set_int(clip, kOfxImageClipPropOptional, 0, 1);
            call.set_int(clip, kOfxImageEffectPropTemporalClipAccess, 0, 1);
        }
        if call.is(kOfxImageEffectActionRender) {
            let image = call.image(c"Before", call.time() - 1.0).unwrap();
            call.release(image);
        }
        status
    }));
    let instance = ready(&library);
    let plate = HostImage::new(RectI::new(0, 0, 4, 4), Layout::default()).unwrap();
    let clip = Arc::new(StillClip::new(plate));
    instance.connect("Before", clip).unwrap();
    instance.render(&RenderRequest::at(1.0)).unwrap();
    drop(instance);
    library.assert_clean();
}

#[test]
fn input_written_to() {
    breaks(
        plugin!(|call| {
            if call.is(kOfxImageEffectActionRender) {
                let image = call.image(c"Source", call.time()).unwrap();
                // SAFETY: the pixel lies in the image, which is ours to spoil.
                unsafe { Pixels::of(call, image).at(3, 3).write([1.0; 4]) };
                call.release(image);
            }
            decent(call)
        }),
        rule::IMAGE_INPUT_WRITTEN,
    );
}

fn spoils(grow: fn([c_int; 4]) -> [c_int; 4], call: &Call) -> c_int {
    if call.is(kOfxImageEffectActionRender) {
        paint(call, grow(window(call)));
        return kOfxStatOK;
    }
    decent(call)
}

#[test]
fn written_outside_the_window() {
    let library = load(plugin!(|call| spoils(
        |[x1, y1, x2, y2]| [x1, y1, x2 + 1, y2],
        call
    )));
    for flipped in [false, true] {
        let request = RenderRequest {
            window: Some(RectI::new(2, 2, 9, 5)),
            output: Layout {
                flipped,
                ..Layout::default()
            },
            ..RenderRequest::at(1.0)
        };
        ready(&library).render(&request).unwrap();
        let violations = library.take_violations();
        assert_eq!(violations.len(), 1, "{violations:#?}");
        assert_eq!(violations[0].rule, rule::WRITE_OUTSIDE_WINDOW);
        assert!(violations[0].detail.contains("3 places"));
        assert!(violations[0].detail.contains("(9, 2)"));
    }
}

#[test]
fn written_outside_the_picture() {
    breaks(
        plugin!(|call| spoils(|[x1, y1, x2, y2]| [x1, y1 - 1, x2, y2], call)),
        rule::WRITE_OUTSIDE_BUFFER,
    );
    breaks(
        plugin!(|call| spoils(|[x1, y1, x2, y2]| [x1, y1, x2, y2 + 1], call)),
        rule::WRITE_OUTSIDE_BUFFER,
    );
}

#[test]
fn not_written_everywhere() {
    breaks(
        plugin!(|call| spoils(|[x1, y1, x2, y2]| [x1, y1 + 1, x2, y2], call)),
        rule::WRITE_MISSING,
    );
    // A render that failed owes nobody a picture.
    let library = load(plugin!(|call| {
        if call.is(kOfxImageEffectActionRender) {
            return kOfxStatFailed;
        }
        decent(call)
    }));
    let failure = ready(&library).render(&RenderRequest::at(1.0));
    assert_eq!(failure.unwrap_err().status, Status::FAILED);
    library.assert_clean();
}

#[test]
fn unconnected_clips_have_no_image_or_an_empty_one() {
    let entry = plugin!(|call| {
        if call.is(kOfxImageEffectActionRender) {
            match call.image(c"Hint", call.time()) {
                Err(status) => assert_eq!(status, kOfxStatFailed),
                Ok(image) => {
                    assert!(call.pointer(image, kOfxImagePropData).is_null());
                    let bounds = call.int(image, kOfxImagePropBounds, 0);
                    assert_eq!(bounds, Err(kOfxStatErrUnknown));
                    call.release(image);
                }
            }
        }
        decent(call)
    });
    let library = load(entry);
    live(&library);
    library.assert_clean();
    drop(library);
    let library = load_as(
        entry,
        HostOptions {
            quirks: Quirks {
                empty_images: true,
                ..Quirks::default()
            },
            ..HostOptions::strict()
        },
    );
    live(&library);
    library.assert_clean();
}

#[test]
fn a_production_host_does_not_look_at_pixels() {
    let library = load_as(
        plugin!(|call| spoils(|[x1, y1, x2, y2]| [x1, y1, x2 - 1, y2], call)),
        HostOptions::production(),
    );
    let image = ready(&library).render(&RenderRequest::at(1.0)).unwrap();
    assert_eq!(image.pixel(15, 0).unwrap(), [0.0; 4], "zero, not a pattern");
    library.assert_clean();
}
