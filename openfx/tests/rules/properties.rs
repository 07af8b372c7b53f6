//! Rules about properties.

use ofx::host::rule;

use crate::raw::*;
use crate::{breaks, decent, live, load, plugin, rules};

#[test]
fn unknown() {
    breaks(
        plugin!(|call| {
            if call.is(kOfxActionDescribe) {
                let status = call.set_int(call.props(), c"OfxPropNonsense", 0, 1);
                assert_eq!(status, kOfxStatErrUnknown);
            }
            decent(call)
        }),
        rule::PROPERTY_UNKNOWN,
    );
}

#[test]
fn misplaced() {
    breaks(
        plugin!(|call| {
            if call.is(kOfxImageEffectActionRender) {
                let read = call.int(call.incoming, kOfxImagePropRowBytes, 0);
                assert_eq!(read, Err(kOfxStatErrUnknown));
            }
            decent(call)
        }),
        rule::PROPERTY_MISPLACED,
    );
}

#[test]
fn of_a_wrong_type() {
    breaks(
        plugin!(|call| {
            if call.is(kOfxImageEffectActionRender) {
                let read = call.int(call.incoming, kOfxPropTime, 0);
                assert_eq!(read, Err(kOfxStatErrUnknown));
            }
            decent(call)
        }),
        rule::PROPERTY_TYPE,
    );
}

#[test]
fn of_a_wrong_dimension() {
    breaks(
        plugin!(|call| {
            if call.is(kOfxImageEffectActionRender) {
                let read = call.double(call.incoming, kOfxImageEffectPropRenderScale, 2);
                assert_eq!(read, Err(kOfxStatErrBadIndex));
            }
            decent(call)
        }),
        rule::PROPERTY_DIMENSION,
    );
    breaks(
        plugin!(|call| {
            if call.is(kOfxImageEffectActionRender) {
                let mut rect = [0; 5];
                // SAFETY: a C string and room for five numbers.
                let status = unsafe {
                    call.property().propGetIntN.unwrap()(
                        call.incoming,
                        kOfxImageEffectPropRenderWindow.as_ptr(),
                        5,
                        rect.as_mut_ptr(),
                    )
                };
                assert_eq!(status, kOfxStatErrBadIndex);
                assert_eq!(rect, [0, 0, 16, 9, 0]);
            }
            decent(call)
        }),
        rule::PROPERTY_DIMENSION,
    );
}

#[test]
fn reading_a_list_to_its_end_is_fine() {
    let library = load(plugin!(|call| {
        if call.is(kOfxImageEffectActionDescribeInContext) {
            let mut host = 0;
            // SAFETY: the host's structure outlives everything.
            let props = unsafe { (*call.host).host };
            while call.int(props, kOfxPropAPIVersion, host).is_ok() {
                host += 1;
            }
            assert_eq!(host, 2);
        }
        decent(call)
    }));
    live(&library);
    library.assert_clean();
}

#[test]
fn for_the_host_only() {
    breaks(
        plugin!(|call| {
            if call.is(kOfxActionDescribe) {
                let status = call.set_str(call.props(), kOfxPropType, 0, c"mine");
                assert_eq!(status, kOfxStatErrValue);
            }
            decent(call)
        }),
        rule::PROPERTY_READ_ONLY,
    );
}

#[test]
fn for_descriptions_only() {
    breaks(
        plugin!(|call| {
            if call.is(kOfxActionCreateInstance) {
                let mut set = std::ptr::null_mut();
                let param = call.param_handle(c"amount");
                // SAFETY: a handle that the host looks up, and a place for the answer.
                unsafe { call.param().paramGetPropertySet.unwrap()(param, &raw mut set) };
                call.set_int(set, kOfxParamPropAnimates, 0, 0);
            }
            decent(call)
        }),
        rule::PROPERTY_READ_ONLY,
    );
}

#[test]
fn with_values_that_cannot_be() {
    breaks(
        plugin!(|call| {
            if call.is(kOfxActionDescribe) {
                let props = call.props();
                let status = call.set_int(props, kOfxImageEffectPropSupportsTiles, 0, 7);
                assert_eq!(status, kOfxStatErrValue);
                call.set_str(
                    props,
                    kOfxImageEffectPluginRenderThreadSafety,
                    0,
                    c"QuiteSafe",
                );
            }
            decent(call)
        }),
        rule::PROPERTY_VALUE,
    );
}

#[test]
fn without_a_name() {
    breaks(
        plugin!(|call| {
            if call.is(kOfxActionDescribe) {
                // SAFETY: null is what is tested.
                let status = unsafe {
                    call.property().propSetInt.unwrap()(call.props(), std::ptr::null(), 0, 1)
                };
                assert_eq!(status, kOfxStatErrValue);
            }
            decent(call)
        }),
        rule::NULL,
    );
}

#[test]
fn of_an_instance_that_is_being_destroyed() {
    breaks(
        plugin!(|call| {
            if call.is(kOfxActionDestroyInstance) {
                let props = call.props();
                call.pointer(props, kOfxPropInstanceData);
                call.double(props, kOfxImageEffectPropProjectSize, 0).ok();
            }
            decent(call)
        }),
        rule::DESTROY_READ,
    );
}

#[test]
fn answers_of_actions() {
    breaks(
        plugin!(|call| {
            if call.is(kOfxImageEffectActionGetRegionsOfInterest) {
                call.set_doubles(
                    call.outgoing,
                    c"OfxImageClipPropRoI_Source",
                    &[0.0, 0.0, f64::INFINITY, 9.0],
                );
                return kOfxStatOK;
            }
            decent(call)
        }),
        rule::REGION_OF_INTEREST,
    );
    breaks(
        plugin!(|call| {
            if call.is(kOfxImageEffectActionGetRegionOfDefinition) {
                call.set_doubles(
                    call.outgoing,
                    kOfxImageEffectPropRegionOfDefinition,
                    &[0.0, 9.0, 16.0, 0.0],
                );
                return kOfxStatOK;
            }
            decent(call)
        }),
        rule::REGION_OF_DEFINITION,
    );
    breaks(
        plugin!(|call| {
            if call.is(kOfxImageEffectActionIsIdentity) {
                call.set_str(call.outgoing, kOfxPropName, 0, c"Sauce");
                return kOfxStatOK;
            }
            decent(call)
        }),
        rule::IDENTITY,
    );
    breaks(
        plugin!(|call| {
            if call.is(kOfxImageEffectActionGetClipPreferences) {
                call.set_str(
                    call.outgoing,
                    c"OfxImageClipPropDepth_Output",
                    0,
                    kOfxBitDepthByte,
                );
                return kOfxStatOK;
            }
            decent(call)
        }),
        rule::PREFERENCES,
    );
    breaks(
        plugin!(|call| {
            if call.is(kOfxImageEffectActionGetClipPreferences) {
                call.set_double(call.outgoing, c"OfxImageClipPropPAR_Output", 0, -1.0);
                call.set_double(call.outgoing, kOfxImageEffectPropFrameRate, 0, 99.0);
                return kOfxStatOK;
            }
            decent(call)
        }),
        rule::PREFERENCES,
    );
}

#[test]
fn frames_needed() {
    breaks(
        plugin!(|call| {
            if call.is(kOfxActionDescribe) {
                call.set_int(call.props(), kOfxImageEffectPropTemporalClipAccess, 0, 1);
            }
            if call.is(kOfxImageEffectActionGetFramesNeeded) {
                call.set_doubles(
                    call.outgoing,
                    c"OfxImageClipPropFrameRange_Source",
                    &[3.0, 2.0],
                );
                return kOfxStatOK;
            }
            decent(call)
        }),
        rule::FRAMES_NEEDED,
    );
}

#[test]
fn statuses_that_an_action_does_not_allow() {
    breaks(
        plugin!(|call| {
            if call.is(kOfxImageEffectActionGetRegionsOfInterest) {
                return kOfxStatErrBadHandle;
            }
            decent(call)
        }),
        rule::STATUS,
    );
    let library = load(plugin!(|call| {
        if call.is(kOfxImageEffectActionRender) {
            return kOfxStatReplyDefault;
        }
        decent(call)
    }));
    live(&library);
    assert_eq!(rules(&library), [rule::STATUS]);
}
