//! What goes on between an instance and its host: questions, parameters, clips, images.

use std::ffi::CStr;
use std::ptr;

use openfx::sys::generic::core::*;
use openfx::sys::image_effect_v1::image_effect::*;
use openfx::sys::image_effect_v1::param::*;

use crate::fake::*;
use crate::{ready, render};

#[test]
fn questions_are_answered() {
    let (fake, mut effect) = ready(9);
    let effect = effect.as_mut();
    let ask = |effect: &mut FakeEffect, mode: &CStr, action: &CStr| {
        effect.props.put(c"TestMode", own(mode));
        let mut args = render_args([0, 0, 4, 4]).with(
            kOfxImageEffectPropRegionOfInterest,
            doubles(&[1.0, 2.0, 3.0, 4.0]),
        );
        let mut out = Set::default();
        let status = fake.call(action, effect.handle(), Some(&mut args), Some(&mut out));
        (status, out)
    };
    let preferences = kOfxImageEffectActionGetClipPreferences;
    let (status, out) = ask(effect, c"ok", preferences);
    assert_eq!(status, kOfxStatOK);
    assert_eq!(
        out.texts(c"OfxImageClipPropComponents_Output"),
        ["OfxImageComponentRGBA"]
    );
    assert_eq!(
        out.texts(kOfxImageEffectPropPreMultiplication),
        ["OfxImageAlphaUnPremultiplied"]
    );
    // Hosts accept no failure here.
    assert_eq!(ask(effect, c"fail", preferences).0, kOfxStatReplyDefault);

    let region = kOfxImageEffectActionGetRegionOfDefinition;
    let (status, out) = ask(effect, c"ok", region);
    assert_eq!(status, kOfxStatOK);
    assert_eq!(
        out.doubles(kOfxImageEffectPropRegionOfDefinition),
        [7.0, 0.5, 100.0, 50.0]
    );
    assert_eq!(ask(effect, c"default", region).0, kOfxStatReplyDefault);
    let (status, out) = ask(effect, c"endless", region);
    assert_eq!(status, kOfxStatFailed);
    assert!(out.values.is_empty());

    assert_eq!(ask(effect, c"panic", region).0, kOfxStatFailed);
    let [_, id, text] = effect.message.clone().unwrap();
    assert_eq!(id, "plugin.panic");
    assert!(text.contains("GetRegionOfDefinition") && text.contains("no region"));

    let (status, out) = ask(effect, c"ok", kOfxImageEffectActionGetRegionsOfInterest);
    assert_eq!(status, kOfxStatOK);
    assert_eq!(
        out.doubles(c"OfxImageClipPropRoI_Source"),
        [1.0, 2.0, 3.0, 4.0]
    );
    assert_eq!(out.values.len(), 1);

    let identity = kOfxImageEffectActionIsIdentity;
    let (status, out) = ask(effect, c"ok", identity);
    assert_eq!(status, kOfxStatOK);
    assert_eq!(out.texts(kOfxPropName), ["Source"]);
    assert_eq!(out.doubles(kOfxPropTime), [8.0]);
    assert_eq!(ask(effect, c"default", identity).0, kOfxStatReplyDefault);
    let (status, out) = ask(effect, c"nowhere", identity);
    assert_eq!(status, kOfxStatReplyDefault);
    assert!(out.values.is_empty());

    assert_eq!(
        ask(effect, c"ok", kOfxImageEffectActionGetTimeDomain).0,
        kOfxStatReplyDefault
    );
}

#[test]
fn changes_parameters_clips_and_progress() {
    let (fake, mut effect) = ready(10);
    let effect = effect.as_mut();
    // Describing tells the kinds that this host does not tell again.
    let mut args = Set::default().with(
        kOfxImageEffectPropContext,
        own(kOfxImageEffectContextGeneral),
    );
    let mut described = FakeEffect::default();
    let status = fake.call(
        kOfxImageEffectActionDescribeInContext,
        described.handle(),
        Some(&mut args),
        None,
    );
    assert_eq!(status, kOfxStatOK);

    let mut param = |id: &str, kind: &CStr, tells: bool, status, values| {
        let mut param = FakeParam {
            kind: kind.to_str().unwrap().into(),
            status,
            values,
            ..FakeParam::default()
        };
        if tells {
            param.props.put(kOfxParamPropType, own(kind));
        }
        effect.params.insert(id.into(), Box::new(param));
    };
    param("strength", kOfxParamTypeDouble, false, 0, doubles(&[0.75]));
    param("model", kOfxParamTypeString, false, 0, own(c"a model"));
    param("output", kOfxParamTypeChoice, true, 0, ints(&[1]));
    let green = doubles(&[0.25, 0.5, 1.0]);
    param("colour", kOfxParamTypeRGB, true, 0, green);
    let missing = kOfxStatErrMissingHostFeature;
    param("lost", kOfxParamTypeInteger, true, missing, Vec::new());
    assert_eq!(render(&fake, effect, c"params"), kOfxStatOK);

    let mut args = Set::default()
        .with(kOfxPropType, own(kOfxTypeParameter))
        .with(kOfxPropName, own(c"model"))
        .with(kOfxPropChangeReason, own(kOfxChangePluginEdited))
        .with(kOfxPropTime, doubles(&[2.5]))
        .with(kOfxImageEffectPropRenderScale, doubles(&[1.0, 1.0]));
    let change = |effect: &mut FakeEffect, args: &mut Set| {
        fake.call(kOfxActionInstanceChanged, effect.handle(), Some(args), None)
    };
    assert_eq!(change(effect, &mut args), kOfxStatOK);
    assert_eq!(
        effect.props.texts(c"TestSaw"),
        [
            "InstanceChanged { kind: ParamChanged, name: \"model\", reason: PluginEdited, \
          time: 2.5, scale: Scale { x: 1.0, y: 1.0 } }"
        ]
    );
    assert_eq!(effect.params["model"].values[0].text(), "new text");
    assert!(matches!(
        effect.params["output"].values[..],
        [Value::Int(1)]
    ));
    // A host that tells little.
    let mut args = Set::default()
        .with(kOfxPropType, own(kOfxTypeClip))
        .with(kOfxPropName, own(c"Hint"));
    assert_eq!(change(effect, &mut args), kOfxStatReplyDefault);
    assert!(effect.props.texts(c"TestSaw")[0].contains("ClipChanged, name: \"Hint\""));
    args.put(kOfxPropType, own(c"OfxTypeOfTomorrow"));
    assert_eq!(change(effect, &mut args), kOfxStatErrValue);

    let hint = FakeClip {
        image: Some(Box::default()),
        ..FakeClip::default()
    };
    effect.clips.insert("Hint".into(), Box::new(hint));
    let source = effect.clips.get_mut("Source").unwrap();
    source.region = Some(OfxRectD {
        x1: -1.0,
        y1: 2.0,
        x2: 3.0,
        y2: 4.0,
    });
    source
        .props
        .put(kOfxImageEffectPropFrameRange, doubles(&[1.0, 25.0]));
    effect
        .props
        .put(kOfxImageEffectPropProjectSize, doubles(&[640.0, 480.0]));
    effect
        .props
        .put(kOfxImageEffectPropFrameRate, doubles(&[24.0]));
    assert_eq!(render(&fake, effect, c"clips"), kOfxStatOK);
    // Fetched twice without data, and given back both times.
    let hint = effect.clips["Hint"].image.as_ref().unwrap();
    assert_eq!(hint.released, 2);
    // What the project is must not be read from an instance that goes.
    effect.props.read.clear();
    let status = fake.call(kOfxActionDestroyInstance, effect.handle(), None, None);
    assert_eq!(status, kOfxStatOK);
    assert!(effect.props.read.is_empty());

    assert_eq!(render(&fake, effect, c"progress"), kOfxStatOK);
    assert_eq!(effect.progress, [0.25, 1.0, 0.0]);
    effect.cancelled = true;
    assert_eq!(render(&fake, effect, c"progress"), kOfxStatFailed);
    assert_eq!(effect.message, None);
    assert_eq!(effect.bars, (2, 2));

    assert_eq!(render(&fake, effect, c"args"), kOfxStatOK);
    assert_eq!(
        effect.props.texts(c"TestSaw"),
        [
            "RenderArgs { time: 7.0, window: RectI { x1: 0, y1: 0, x2: 4, y2: 2 }, \
          scale: Scale { x: 0.5, y: 0.25 }, field: Both, draft: false, thumbnail: false, \
          sequential: false, interactive: false }"
        ]
    );
}

#[test]
fn images_are_read_written_and_given_back() {
    let (fake, mut effect) = ready(11);
    let effect = effect.as_mut();
    let picture = |pixels: &mut [f32], row_bytes: i32| {
        // A picture stored from the top has its lowest row last.
        let first = if row_bytes < 0 { 4 } else { 0 };
        let origin = ptr::from_mut(&mut pixels[first]).cast();
        Box::new(
            Set::default()
                .with(kOfxImagePropData, vec![Value::Pointer(origin)])
                .with(kOfxImagePropBounds, ints(&[0, 0, 4, 2]))
                .with(kOfxImagePropRowBytes, ints(&[row_bytes]))
                .with(kOfxImagePropUniqueIdentifier, own(c"frame 7"))
                .with(kOfxImageEffectPropPixelDepth, own(kOfxBitDepthFloat))
                .with(kOfxImageEffectPropComponents, own(kOfxImageComponentAlpha)),
        )
    };
    let mut source: Vec<f32> = (1..=8).map(|value| value as f32).collect();
    let mut output = vec![0.0; 8];
    let image = picture(&mut source, -16);
    effect.clips.get_mut("Source").unwrap().image = Some(image);
    let image = picture(&mut output, 16);
    effect.clips.get_mut("Output").unwrap().image = Some(image);
    assert_eq!(render(&fake, effect, c"picture"), kOfxStatOK);
    assert_eq!(output, [5.0, 6.0, 7.0, 8.0, 1.0, 2.0, 3.0, 4.0]);
    for clip in effect.clips.values() {
        assert_eq!(clip.image.as_ref().unwrap().released, 1);
    }

    // Descriptions that make no sense are told, and the image still goes back.
    let spoil = |effect: &mut FakeEffect, name: &CStr, values: Vec<Value>| {
        let image = effect
            .clips
            .get_mut("Source")
            .unwrap()
            .image
            .as_mut()
            .unwrap();
        let before = image.released;
        let good = image.values.insert(name.to_str().unwrap().into(), values);
        let status = render(&fake, effect, c"picture");
        let image = effect
            .clips
            .get_mut("Source")
            .unwrap()
            .image
            .as_mut()
            .unwrap();
        assert_eq!(image.released, before + 1);
        image
            .values
            .insert(name.to_str().unwrap().into(), good.unwrap());
        (status, effect.message.take().unwrap()[2].clone())
    };
    let (status, text) = spoil(effect, kOfxImagePropRowBytes, ints(&[8]));
    assert_eq!(status, kOfxStatErrImageFormat);
    assert!(
        text.contains("\"Source\"") && text.contains("row bytes (8)"),
        "{text}"
    );
    let (status, text) = spoil(
        effect,
        kOfxImageEffectPropPixelDepth,
        own(c"OfxBitDepthOdd"),
    );
    assert_eq!(status, kOfxStatErrImageFormat);
    assert!(text.contains("OfxBitDepthOdd"), "{text}");
    let (status, text) = spoil(effect, kOfxImagePropBounds, ints(&[0, 0, 4]));
    assert_eq!(status, kOfxStatFailed);
    assert!(text.contains("OfxImagePropBounds"), "{text}");
    let (_, text) = spoil(
        effect,
        kOfxImagePropData,
        vec![Value::Pointer(ptr::null_mut())],
    );
    assert_eq!(text, "no image");

    // "It does not exist" is no failure of the host; anything else is.
    effect.clips.get_mut("Source").unwrap().status = kOfxStatFailed;
    assert_eq!(render(&fake, effect, c"picture"), kOfxStatFailed);
    assert_eq!(effect.message.take().unwrap()[2], "no image");
    effect.clips.get_mut("Source").unwrap().status = kOfxStatErrMemory;
    assert_eq!(render(&fake, effect, c"picture"), kOfxStatErrMemory);
    assert!(effect.message.take().unwrap()[2].contains("clipGetImage"));
}
