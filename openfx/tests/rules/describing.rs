//! Rules about descriptions.

use std::ffi::c_int;

use ofx::Context;
use ofx::host::{HostError, rule};

use crate::raw::*;
use crate::{breaks, decent, load, plugin, rules};

#[test]
fn defined_outside_the_context() {
    breaks(
        plugin!(|call| {
            if call.is(kOfxActionDescribe) {
                let (status, _) = call.define_param(kOfxParamTypeDouble, c"early");
                assert_eq!(status, kOfxStatErrBadHandle);
            }
            decent(call)
        }),
        rule::DEFINE_OUTSIDE,
    );
    breaks(
        plugin!(|call| {
            if call.is(kOfxActionCreateInstance) {
                assert!(call.define_clip(c"Late", &[]).is_null());
            }
            decent(call)
        }),
        rule::DEFINE_OUTSIDE,
    );
}

#[test]
fn defined_twice() {
    breaks(
        plugin!(|call| {
            let status = decent(call);
            if call.is(kOfxImageEffectActionDescribeInContext) {
                let (twice, _) = call.define_param(kOfxParamTypeDouble, c"amount");
                assert_eq!(twice, kOfxStatErrExists);
                assert!(call.define_clip(c"Output", &[]).is_null());
            }
            status
        }),
        rule::DEFINE_TWICE,
    );
}

#[test]
fn of_a_kind_that_does_not_exist() {
    breaks(
        plugin!(|call| {
            if call.is(kOfxImageEffectActionDescribeInContext) {
                let (status, _) = call.define_param(c"OfxParamTypeMood", c"mood");
                assert_eq!(status, kOfxStatErrUnsupported);
            }
            decent(call)
        }),
        rule::PARAM_KIND,
    );
}

/// Describes well, and one thing badly; the complaint must name it.
#[track_caller]
fn complains(entry: ofx::host::EntryPoints, about: &str) {
    let library = load(entry);
    let _ = library.create("test", Context::Filter);
    assert_eq!(
        rules(&library),
        [rule::DESCRIBE],
        "{:#?}",
        library.violations()
    );
    let violations = library.violations();
    assert!(
        violations.iter().any(|v| v.detail.contains(about)),
        "{violations:#?}"
    );
}

fn and(call: &Call, more: fn(&Call)) -> c_int {
    let status = decent(call);
    if call.is(kOfxImageEffectActionDescribeInContext) {
        more(call);
    }
    status
}

#[test]
fn incomplete_or_contradictory() {
    complains(
        plugin!(|call| {
            let status = decent(call);
            if call.is(kOfxActionDescribe) {
                call.set_str(call.props(), kOfxPropLabel, 0, c"");
            }
            status
        }),
        "no label",
    );
    complains(
        plugin!(|call| {
            if call.is(kOfxImageEffectActionDescribeInContext) {
                call.define_clip(c"Source", &[kOfxImageComponentRGBA]);
                return kOfxStatOK;
            }
            decent(call)
        }),
        "clip Output is not defined",
    );
    complains(
        plugin!(|call| and(call, |call| {
            let clip = call.define_clip(c"Empty", &[]);
            call.set_int(clip, kOfxImageClipPropOptional, 0, 1);
        })),
        "clip Empty takes no components",
    );
    complains(
        plugin!(|call| and(call, |call| {
            call.define_clip(c"Demanding", &[kOfxImageComponentRGBA]);
        })),
        "clip Demanding of a filter is not optional",
    );
    complains(
        plugin!(|call| and(call, |call| {
            let (_, choice) = call.define_param(kOfxParamTypeChoice, c"choice");
            call.set_str(choice, kOfxParamPropChoiceOption, 0, c"One");
            call.set_str(choice, kOfxParamPropChoiceOption, 1, c"One");
        })),
        "parameter choice: two of its options",
    );
    complains(
        plugin!(|call| and(call, |call| {
            let (_, choice) = call.define_param(kOfxParamTypeChoice, c"choice");
            call.set_str(choice, kOfxParamPropChoiceOption, 0, c"One");
            call.set_int(choice, kOfxParamPropDefault, 0, 1);
        })),
        "its default 1 is none",
    );
    complains(
        plugin!(|call| and(call, |call| {
            let (_, double) = call.define_param(kOfxParamTypeDouble, c"double");
            call.set_str(double, kOfxParamPropParent, 0, c"nowhere");
        })),
        "its parent nowhere is no group",
    );
    complains(
        plugin!(|call| and(call, |call| {
            let name = kOfxImageEffectPropClipPreferencesSlaveParam;
            call.set_str(call.props(), name, 0, c"amount");
        })),
        "amount, which animates",
    );
}

#[test]
fn refusals_are_errors_with_the_plugins_status() {
    let library = load(plugin!(|call| {
        if call.is(kOfxImageEffectActionDescribeInContext) {
            return kOfxStatErrMissingHostFeature;
        }
        decent(call)
    }));
    let error = library.create("test", Context::Filter).unwrap_err();
    assert_eq!(error.status().raw(), kOfxStatErrMissingHostFeature);
    assert!(matches!(error, HostError::Action { .. }));
    library.assert_clean();
    let library = load(plugin!(|call| {
        if call.is(kOfxActionDescribe) {
            let props = call.props();
            decent(call);
            call.set_str(
                props,
                kOfxImageEffectPropSupportedContexts,
                1,
                kOfxImageEffectContextPaint,
            );
            return kOfxStatOK;
        }
        decent(call)
    }));
    let error = library.create("test", Context::General).unwrap_err();
    assert!(matches!(error, HostError::UnsupportedContext { .. }));
    assert!(error.to_string().contains("OfxImageEffectContextPaint"));
}

#[test]
fn a_plugin_may_refuse_to_load_or_to_be_made() {
    let entry = plugin!(|call| {
        if call.is(kOfxActionLoad) {
            return kOfxStatFailed;
        }
        assert!(
            !call.is(kOfxActionUnload),
            "what is not loaded is not unloaded"
        );
        decent(call)
    });
    // SAFETY: the entry points are those of `plugin!`.
    let refused =
        unsafe { ofx::host::Library::from_entry_points(entry, ofx::host::HostOptions::strict()) };
    assert!(refused.unwrap_err().to_string().contains("OfxActionLoad"));
    let library = load(plugin!(|call| {
        if call.is(kOfxActionCreateInstance) {
            return kOfxStatFailed;
        }
        assert!(!call.is(kOfxActionDestroyInstance));
        decent(call)
    }));
    let error = library.create("test", Context::Filter).unwrap_err();
    assert!(error.to_string().contains("OfxActionCreateInstance"));
    library.assert_clean();
}
