//! The entry point, driven by a small fake host through what `export!` exports.

#![cfg(any(
    target_arch = "x86_64",
    all(target_arch = "aarch64", not(target_vendor = "apple"))
))]
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod fake;
mod instance;
mod plugin;
mod suites;

use std::ffi::{CStr, c_int, c_void};
use std::ptr;

use openfx::sys::generic::core::*;
use openfx::sys::image_effect_v1::image_effect::*;
use openfx::sys::image_effect_v1::param::*;

use crate::fake::*;

unsafe extern "C" {
    fn OfxGetNumberOfPlugins() -> c_int;
    #[allow(clashing_extern_declarations)]
    fn OfxGetPlugin(index: c_int) -> *const OfxPlugin;
    fn OfxSetHost(host: *const c_void) -> c_int;
}

fn plugin(index: c_int) -> &'static OfxPlugin {
    // SAFETY: exported above; the record is a constant.
    unsafe { OfxGetPlugin(index).as_ref() }.unwrap()
}

/// A loaded host with every suite, and an instance with a Source and an Output.
fn ready(index: c_int) -> (Fake, Box<FakeEffect>) {
    let fake = Fake::new(plugin(index), &[MESSAGE_1, MESSAGE_2, PROGRESS]).load();
    (fake, instance())
}

fn instance() -> Box<FakeEffect> {
    let mut effect = Box::new(FakeEffect::default());
    effect.props.put(c"TestMode", own(c"ok"));
    effect.clips.insert("Source".into(), Box::default());
    effect.clips.insert("Output".into(), Box::default());
    effect
}

fn render(fake: &Fake, effect: &mut FakeEffect, mode: &CStr) -> OfxStatus {
    effect.props.put(c"TestMode", own(mode));
    let mut args = render_args([0, 0, 4, 2]);
    fake.call(
        kOfxImageEffectActionRender,
        effect.handle(),
        Some(&mut args),
        None,
    )
}

#[test]
fn the_record_tells_the_plug_in() {
    // SAFETY: exported above.
    unsafe {
        assert_eq!(OfxGetNumberOfPlugins(), 12);
        assert!(OfxGetPlugin(-1).is_null() && OfxGetPlugin(12).is_null());
        assert_eq!(OfxSetHost(ptr::null()), kOfxStatFailed);
        assert_eq!(OfxSetHost(ptr::dangling()), kOfxStatOK);
    }
    let record = plugin(0);
    // SAFETY: constants.
    unsafe {
        assert_eq!(CStr::from_ptr(record.pluginApi), c"OfxImageEffectPluginAPI");
        assert_eq!(CStr::from_ptr(record.pluginIdentifier), c"org.example.test");
    }
    assert_eq!(record.apiVersion, 1);
    assert_eq!(
        (record.pluginVersionMajor, record.pluginVersionMinor),
        (3, 14)
    );
}

#[test]
fn suites_are_fetched_at_load_and_only_those_in_use() {
    let fake = Fake::new(plugin(1), &[MESSAGE_1, MESSAGE_2, PROGRESS]);
    assert!(fake.props.fetched.is_empty(), "fetched in setHost");
    let fake = fake.load();
    let fetched: Vec<(&str, c_int)> = fake
        .props
        .fetched
        .iter()
        .map(|(name, version)| (name.as_str(), *version))
        .collect();
    assert_eq!(
        fetched,
        [
            ("OfxPropertySuite", 1),
            ("OfxImageEffectSuite", 1),
            ("OfxParameterSuite", 1),
            // Once more for its edit blocks, which poor hosts do not have.
            ("OfxParameterSuite", 1),
            ("OfxMessageSuite", 2),
            ("OfxProgressSuite", 1),
        ]
    );
}

#[test]
fn a_missing_required_suite_is_told_and_nothing_breaks() {
    let mut effect = instance();
    // Nothing was loaded yet.
    let fake = Fake::offering(plugin(2), Vec::new());
    let describe = |fake: &Fake, effect: &mut FakeEffect| {
        fake.call(kOfxActionDescribe, effect.handle(), None, None)
    };
    assert_eq!(describe(&fake, &mut effect), kOfxStatFailed);
    for missing in 0..REQUIRED.len() {
        let mut offered = REQUIRED.to_vec();
        offered.remove(missing);
        let fake = Fake::offering(plugin(2), offered);
        assert_eq!(
            fake.call(kOfxActionLoad, ptr::null(), None, None),
            kOfxStatErrMissingHostFeature
        );
        assert_eq!(describe(&fake, &mut effect), kOfxStatFailed);
        assert_eq!(render(&fake, &mut effect, c"ok"), kOfxStatFailed);
        assert_eq!(
            fake.call(kOfxActionUnload, ptr::null(), None, None),
            kOfxStatOK
        );
    }
    // A better host may come.
    let fake = Fake::new(plugin(2), &[]).load();
    assert_eq!(describe(&fake, &mut effect), kOfxStatOK);
    // No host at all.
    // SAFETY: null is what the test is about.
    unsafe { plugin(2).setHost.unwrap()(ptr::null_mut()) };
    assert_eq!(
        fake.call(kOfxActionLoad, ptr::null(), None, None),
        kOfxStatFailed
    );
}

#[test]
fn load_and_describe_come_repeatedly_and_in_parallel() {
    struct Shared(Fake);
    // SAFETY: the host's own set is only read by the actions below, apart from its lists of
    // names, which is why the threads take turns at Load.
    unsafe impl Sync for Shared {}
    impl Shared {
        fn fake(&self) -> &Fake {
            &self.0
        }
    }
    let shared = Shared(Fake::new(plugin(3), &[MESSAGE_2]).load());
    let turn = std::sync::Mutex::new(());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let fake = shared.fake();
                for _ in 0..50 {
                    {
                        let _turn = turn.lock().unwrap();
                        let loaded = fake.call(kOfxActionLoad, ptr::null(), None, None);
                        assert_eq!(loaded, kOfxStatOK);
                    }
                    let mut effect = FakeEffect::default();
                    let described = fake.call(kOfxActionDescribe, effect.handle(), None, None);
                    assert_eq!(described, kOfxStatOK);
                    assert_eq!(effect.props.texts(kOfxPropLabel), ["Test label"]);
                    let unloaded = fake.call(kOfxActionUnload, ptr::null(), None, None);
                    assert_eq!(unloaded, kOfxStatOK);
                }
            });
        }
    });
    // Some hosts describe after they unloaded.
    let mut effect = FakeEffect::default();
    assert_eq!(
        shared
            .0
            .call(kOfxActionDescribe, effect.handle(), None, None),
        kOfxStatOK
    );
}

#[test]
fn a_description_reaches_the_host() {
    let fake = Fake::new(plugin(4), &[]).load();
    // A host that knows only what it must.
    let mut effect = FakeEffect::default();
    effect.props.strict = true;
    for name in [
        kOfxPropLabel,
        kOfxImageEffectPropSupportedContexts,
        kOfxImageEffectPropSupportedPixelDepths,
    ] {
        effect.props.put(name, Vec::new());
    }
    let status = fake.call(kOfxActionDescribe, effect.handle(), None, None);
    assert_eq!(status, kOfxStatOK);
    assert_eq!(effect.props.texts(kOfxPropLabel), ["Test label"]);
    assert_eq!(
        effect.props.texts(kOfxImageEffectPropSupportedPixelDepths),
        ["OfxBitDepthFloat", "OfxBitDepthHalf"]
    );
    // And one that lacks what it must have.
    effect.props.values.remove("OfxPropLabel");
    let status = fake.call(kOfxActionDescribe, effect.handle(), None, None);
    assert_eq!(status, kOfxStatFailed);

    let mut effect = FakeEffect::default();
    let mut args = Set::default().with(
        kOfxImageEffectPropContext,
        own(kOfxImageEffectContextGeneral),
    );
    let describe = |effect: &mut FakeEffect, args: Option<&mut Set>| {
        fake.call(
            kOfxImageEffectActionDescribeInContext,
            effect.handle(),
            args,
            None,
        )
    };
    assert_eq!(describe(&mut effect, Some(&mut args)), kOfxStatOK);
    let hint = &effect.clips["Hint"].props;
    assert_eq!(hint.ints(kOfxImageClipPropOptional), [1]);
    assert_eq!(
        hint.texts(kOfxImageEffectPropSupportedComponents),
        ["OfxImageComponentAlpha"]
    );
    let output = &effect.params["output"].props;
    assert_eq!(
        output.texts(kOfxParamPropChoiceOption),
        ["Processed", "Matte"]
    );
    assert_eq!(
        output.texts(kOfxParamPropChoiceEnum),
        ["processed", "matte"]
    );
    assert_eq!(output.ints(kOfxParamPropDefault), [1]);
    let strength = &effect.params["strength"].props;
    assert_eq!(strength.doubles(kOfxParamPropMax), [1.0]);
    assert_eq!(strength.doubles(kOfxParamPropDisplayMax), [0.5]);

    args.put(kOfxImageEffectPropContext, own(kOfxImageEffectContextPaint));
    assert_eq!(
        describe(&mut effect, Some(&mut args)),
        kOfxStatErrUnsupported
    );
    assert_eq!(describe(&mut effect, None), kOfxStatErrBadHandle);
}

#[test]
fn failures_post_a_message_and_success_clears_it() {
    let (fake, mut effect) = ready(5);
    let effect = effect.as_mut();
    assert_eq!(render(&fake, effect, c"ok"), kOfxStatOK);
    assert_eq!((effect.posted, effect.cleared), (0, 0));

    assert_eq!(render(&fake, effect, c"fail"), kOfxStatFailed);
    assert_eq!(
        effect.message.clone().unwrap(),
        ["OfxMessageError", "test.failed", "only 50 % of it: %s %n"]
    );
    assert_eq!(render(&fake, effect, c"abort"), kOfxStatFailed);
    assert_eq!(effect.posted, 1);
    assert_eq!(render(&fake, effect, c"ok"), kOfxStatOK);
    assert_eq!((effect.message.clone(), effect.cleared), (None, 1));
    assert_eq!(render(&fake, effect, c"ok"), kOfxStatOK);
    assert_eq!(effect.cleared, 1);

    // Another picture than the one asked for is a success, and the reason stays on show.
    assert_eq!(render(&fake, effect, c"instead"), kOfxStatOK);
    assert_eq!(effect.message.clone().unwrap()[2], "wrong");
    assert_eq!(effect.posted, 2);
    assert_eq!(render(&fake, effect, c"ok"), kOfxStatOK);
    assert_eq!((effect.message.clone(), effect.cleared), (None, 2));

    // A failure while the host is stopping is no failure to tell of.
    effect.aborted = true;
    assert_eq!(render(&fake, effect, c"fail"), kOfxStatFailed);
    assert_eq!(effect.message, None);
    effect.aborted = false;

    assert_eq!(render(&fake, effect, c"wrong"), kOfxStatFailed);
    assert_eq!(effect.message.clone().unwrap()[2], "wrong");
    // A new instance at the same address starts afresh.
    let create =
        |action: &CStr, effect: &mut FakeEffect| fake.call(action, effect.handle(), None, None);
    assert_eq!(create(kOfxActionDestroyInstance, effect), kOfxStatOK);
    assert_eq!(create(kOfxActionCreateInstance, effect), kOfxStatOK);
    let cleared = effect.cleared;
    assert_eq!(render(&fake, effect, c"ok"), kOfxStatOK);
    assert_eq!(effect.cleared, cleared);
}

#[test]
fn panics_are_caught_and_told() {
    let (fake, mut effect) = ready(6);
    let effect = effect.as_mut();
    for (mode, reason) in [(c"panic", "this was expected"), (c"payload", "no reason")] {
        assert_eq!(render(&fake, effect, mode), kOfxStatFailed);
        let [_, id, text] = effect.message.clone().unwrap();
        assert_eq!(id, "plugin.panic");
        assert!(text.contains(reason), "{text}");
        assert_eq!(render(&fake, effect, c"ok"), kOfxStatOK);
        assert_eq!(effect.message, None);
    }
}

#[test]
fn hosts_with_fewer_suites_get_fewer_messages() {
    let mut effect = instance();
    let effect = effect.as_mut();
    let fake = Fake::new(plugin(7), &[MESSAGE_1]).load();
    // Shown once, however many frames fail for the same reason.
    for _ in 0..3 {
        assert_eq!(render(&fake, effect, c"fail"), kOfxStatFailed);
    }
    assert_eq!(effect.posted, 1);
    assert_eq!(render(&fake, effect, c"wrong"), kOfxStatFailed);
    assert_eq!(effect.posted, 2);
    assert_eq!(render(&fake, effect, c"ok"), kOfxStatOK);
    assert_eq!(render(&fake, effect, c"wrong"), kOfxStatFailed);
    assert_eq!(effect.posted, 3);
    assert_eq!(effect.cleared, 0);
    assert_eq!(render(&fake, effect, c"progress"), kOfxStatOK);

    let fake = Fake::new(plugin(7), &[]).load();
    assert_eq!(render(&fake, effect, c"fail"), kOfxStatFailed);
    assert_eq!(effect.posted, 3);
    assert_eq!(effect.bars, (0, 0));
}

#[test]
fn calls_without_what_they_need_are_refused() {
    let fake = Fake::new(plugin(8), &[MESSAGE_2]);
    // Before Load, as some hosts try out.
    assert_eq!(
        fake.call(c"OfxActionOfTomorrow", ptr::null(), None, None),
        kOfxStatReplyDefault
    );
    let fake = fake.load();
    let mut effect = instance();
    assert_eq!(
        fake.call(c"OfxActionOfTomorrow", effect.handle(), None, None),
        kOfxStatReplyDefault
    );
    let record = plugin(8);
    // SAFETY: null is what the test is about.
    let status = unsafe {
        record.mainEntry.unwrap()(ptr::null(), ptr::null(), ptr::null_mut(), ptr::null_mut())
    };
    assert_eq!(status, kOfxStatErrBadHandle);
    for action in [
        kOfxActionDescribe,
        kOfxActionCreateInstance,
        kOfxActionDestroyInstance,
        kOfxImageEffectActionRender,
        kOfxImageEffectActionGetRegionOfDefinition,
        kOfxActionInstanceChanged,
        kOfxActionPurgeCaches,
    ] {
        assert_eq!(
            fake.call(action, ptr::null(), None, None),
            kOfxStatErrBadHandle,
            "{action:?}"
        );
    }
    for action in [
        kOfxImageEffectActionRender,
        kOfxImageEffectActionGetRegionsOfInterest,
        kOfxActionInstanceChanged,
    ] {
        assert_eq!(
            fake.call(action, effect.handle(), None, None),
            kOfxStatErrBadHandle,
            "{action:?}"
        );
    }
    // Handled even though there is nothing to do, and without arguments.
    for action in [kOfxActionCreateInstance, kOfxActionDestroyInstance] {
        assert_eq!(fake.call(action, effect.handle(), None, None), kOfxStatOK);
    }
    for action in [
        kOfxImageEffectActionBeginSequenceRender,
        kOfxImageEffectActionEndSequenceRender,
        kOfxActionBeginInstanceChanged,
        kOfxActionEndInstanceChanged,
        kOfxActionBeginInstanceEdit,
        kOfxActionSyncPrivateData,
        kOfxActionPurgeCaches,
    ] {
        assert_eq!(
            fake.call(action, effect.handle(), None, None),
            kOfxStatReplyDefault,
            "{action:?}"
        );
    }
    let mut args =
        render_args([0, 0, 1, 1]).with(kOfxImageEffectPropRenderScale, doubles(&[0.0, f64::NAN]));
    let status = fake.call(
        kOfxImageEffectActionRender,
        effect.handle(),
        Some(&mut args),
        None,
    );
    assert_eq!(status, kOfxStatErrValue);
}
