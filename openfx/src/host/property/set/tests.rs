//! What a property set takes, what it refuses, and by which rule.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::*;
use crate::host::value::ParamType;

fn set(kind: SetKind) -> PropertySet {
    PropertySet::new(kind, "the thing".into(), &Arc::new(HostOptions::strict()))
}

fn text(value: &str) -> CString {
    CString::new(value).unwrap()
}

type Str = *mut c_char;

fn rule_of<T>(result: Result<T, Refusal>) -> (Status, Option<&'static str>) {
    let refusal = result.err().unwrap();
    (refusal.status, refusal.rule)
}

#[test]
fn values_are_kept_by_type_and_dimension() {
    let effect = set(SetKind::EffectDescriptor);
    effect
        .set::<Str>(sys::kOfxPropLabel, 0, text("Name"))
        .unwrap();
    effect
        .set_n::<Str>(
            sys::kOfxImageEffectPropSupportedPixelDepths,
            2,
            vec![text("OfxBitDepthByte"), text("OfxBitDepthFloat")],
        )
        .unwrap();
    assert_eq!(effect.string(sys::kOfxPropLabel).unwrap(), "Name");
    assert_eq!(
        effect.dimension(sys::kOfxImageEffectPropSupportedPixelDepths),
        Ok(2)
    );
    effect
        .set::<Str>(
            sys::kOfxImageEffectPropSupportedPixelDepths,
            2,
            text("OfxBitDepthHalf"),
        )
        .unwrap();
    let at = effect
        .get::<Str>(sys::kOfxImageEffectPropSupportedPixelDepths, 2)
        .unwrap();
    // SAFETY: the set lives and keeps its texts.
    assert_eq!(unsafe { CStr::from_ptr(at) }, c"OfxBitDepthHalf");
    effect
        .reset(sys::kOfxImageEffectPropSupportedPixelDepths)
        .unwrap();
    // SAFETY: a text stays where it was even after it was replaced.
    assert_eq!(unsafe { CStr::from_ptr(at) }, c"OfxBitDepthHalf");
    assert_eq!(
        effect.dimension(sys::kOfxImageEffectPropSupportedPixelDepths),
        Ok(0)
    );
}

#[test]
fn unknown_and_misplaced_names() {
    let effect = set(SetKind::EffectDescriptor);
    let unknown = (Status::ERR_UNKNOWN, Some(rule::PROPERTY_UNKNOWN));
    let misplaced = (Status::ERR_UNKNOWN, Some(rule::PROPERTY_MISPLACED));
    assert_eq!(rule_of(effect.get::<c_int>(c"OfxPropNonsense", 0)), unknown);
    assert_eq!(
        rule_of(effect.set::<Str>(c"OfxPropNonsense", 0, text("x"))),
        unknown
    );
    assert_eq!(
        rule_of(effect.get::<f64>(sys::kOfxParamPropDefault, 0)),
        misplaced
    );
    assert_eq!(
        rule_of(effect.dimension(c"OfxImageClipPropRoI_Source")),
        misplaced
    );
    assert_eq!(rule_of(effect.reset(c"OfxInteractPropHasAlpha")), misplaced);
    let vendor = (Status::ERR_UNKNOWN, None);
    assert_eq!(rule_of(effect.get::<c_int>(c"com.vendor.Prop", 0)), vendor);
    let boolean = set(SetKind::Param(ParamType::Boolean));
    assert_eq!(
        rule_of(boolean.get::<c_int>(sys::kOfxParamPropMin, 0)),
        misplaced
    );
}

#[test]
fn types_dimensions_access_and_values() {
    let param = set(SetKind::Param(ParamType::Double));
    let rule = |result| rule_of(result).1.unwrap();
    assert_eq!(
        rule_of(param.set::<c_int>(sys::kOfxParamPropDefault, 0, 1)),
        (Status::ERR_UNKNOWN, Some(rule::PROPERTY_TYPE))
    );
    assert_eq!(
        rule_of(param.set::<f64>(sys::kOfxParamPropDefault, 1, 1.0)),
        (Status::ERR_BAD_INDEX, Some(rule::PROPERTY_DIMENSION))
    );
    assert_eq!(
        rule(param.set_n::<f64>(sys::kOfxParamPropDefault, 2, vec![1.0, 2.0])),
        rule::PROPERTY_DIMENSION
    );
    assert_eq!(
        rule(param.get::<f64>(sys::kOfxParamPropDefault, -1).map(drop)),
        rule::PROPERTY_DIMENSION
    );
    assert_eq!(
        rule_of(param.set::<Str>(sys::kOfxPropName, 0, text("x"))),
        (Status::ERR_VALUE, Some(rule::PROPERTY_READ_ONLY))
    );
    assert_eq!(
        rule(param.set::<c_int>(sys::kOfxParamPropSecret, 0, 2)),
        rule::PROPERTY_VALUE
    );
    assert_eq!(
        rule(param.set::<f64>(sys::kOfxParamPropMin, 0, f64::NAN)),
        rule::PROPERTY_VALUE
    );
    let invalid = param.set::<Str>(sys::kOfxParamPropCacheInvalidation, 0, text("sometimes"));
    assert_eq!(rule(invalid), rule::PROPERTY_VALUE);
    let not_text = CString::new(vec![0xff, 0xfe]).unwrap();
    assert_eq!(
        rule(param.set::<Str>(sys::kOfxPropLabel, 0, not_text)),
        rule::PROPERTY_VALUE
    );
    let (values, refusal) = param.get_n::<f64>(sys::kOfxParamPropDefault, 3);
    assert_eq!(values.len(), 1);
    assert_eq!(refusal.unwrap().rule, Some(rule::PROPERTY_DIMENSION));
}

#[test]
fn only_live_properties_change_after_describing() {
    let param = set(SetKind::Param(ParamType::String));
    param
        .set::<Str>(sys::kOfxParamPropParent, 0, text("group"))
        .unwrap();
    param.seal();
    let refused = param.set::<Str>(sys::kOfxParamPropParent, 0, text("other"));
    assert_eq!(rule_of(refused).1, Some(rule::PROPERTY_READ_ONLY));
    param.set::<c_int>(sys::kOfxParamPropSecret, 0, 1).unwrap();
}

#[test]
fn a_host_that_lacks_a_property_says_so_and_blames_nobody() {
    let mut options = HostOptions::strict();
    options.api_version = (1, 4);
    options.quirks.missing_properties = vec!["OfxPropIcon".into()];
    options.quirks.no_connected = true;
    options.quirks.lenient_dimension = true;
    let options = Arc::new(options);
    let make = |kind| PropertySet::new(kind, "it".into(), &options);
    let nobody = (Status::ERR_UNKNOWN, None);
    let choice = make(SetKind::Param(ParamType::Choice));
    let set = choice.set::<Str>(sys::kOfxParamPropChoiceEnum, 0, text("a"));
    assert_eq!(rule_of(set), nobody);
    let set = choice.set::<Str>(sys::kOfxPropIcon, 0, text("a"));
    assert_eq!(rule_of(set), nobody);
    let clip = make(SetKind::ClipInstance);
    let connected = clip.get::<c_int>(sys::kOfxImageClipPropConnected, 0);
    assert_eq!(rule_of(connected), nobody);
    assert_eq!(clip.dimension(c"OfxPropNonsense"), Ok(0));
}

#[test]
fn a_host_may_have_its_own_word_for_what_is_missing() {
    let mut options = HostOptions::strict();
    options.quirks.missing_is_bad_index = true;
    let clip = PropertySet::new(SetKind::ClipInstance, "clip".into(), &Arc::new(options));
    let read = clip.get::<c_int>(c"OfxPropNonsense", 0);
    assert_eq!(
        rule_of(read),
        (Status::ERR_BAD_INDEX, Some(rule::PROPERTY_UNKNOWN))
    );
}

#[test]
fn clips_lend_their_names_to_out_arguments() {
    let options = Arc::new(HostOptions::strict());
    let names = ["Source", "Output"];
    let out = PropertySet::for_clips(Action::GetClipPreferences, names.into_iter(), &options);
    out.set::<Str>(c"OfxImageClipPropDepth_Output", 0, text("OfxBitDepthFloat"))
        .unwrap();
    let bad = out.set::<Str>(c"OfxImageClipPropDepth_Source", 0, text("OfxBitDepthTen"));
    assert_eq!(rule_of(bad).1, Some(rule::PROPERTY_VALUE));
    let nobody = out.set::<Str>(c"OfxImageClipPropDepth_Mask", 0, text("OfxBitDepthByte"));
    assert_eq!(rule_of(nobody).1, Some(rule::PROPERTY_MISPLACED));
    out.clear_all();
    let unset = out.get::<f64>(c"OfxImageClipPropPAR_Source", 0);
    assert_eq!(rule_of(unset), (Status::ERR_BAD_INDEX, None));
}

#[test]
fn an_instance_takes_over_what_its_descriptor_said() {
    let descriptor = set(SetKind::ClipDescriptor);
    descriptor
        .set::<c_int>(sys::kOfxImageClipPropOptional, 0, 1)
        .unwrap();
    let instance = descriptor.derived(SetKind::ClipInstance, "clip".into());
    assert_eq!(instance.int(sys::kOfxImageClipPropOptional), Some(1));
    assert_eq!(instance.int(sys::kOfxImageClipPropConnected), Some(0));
}
