//! Has a plug-in describe itself, and looks for what no description may lack.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::core::Host;
use super::description::{Choice, ClipDescription, Description, ParamDescription};
use super::error::{HostError, Result};
use super::object::{Effect, Param, Stage, default_value};
use super::plugin::{Arguments, Plugin};
use super::property::{Action, PropertySet, SetKind};
use super::value::{ParamType, Value};
use super::violations::rule;
use crate::sys;
use crate::types::{Components, Context, Depth, Status};

/// Sends Describe.
pub(crate) fn describe(host: &Arc<Host>, plugin: &Arc<Plugin>) -> Result<Arc<Effect>> {
    let owner = || format!("the effect {}", plugin.identifier);
    let props = PropertySet::new(SetKind::EffectDescriptor, owner(), &host.options);
    let param_set = PropertySet::new(SetKind::ParamSet, owner(), &host.options);
    let effect = Effect::new(host, plugin, Stage::Described, None, props, param_set);
    let done = plugin.tell(host, Some(&effect), Action::Describe);
    if done.status != Status::OK {
        let error = done.check(Action::Describe, Some(&effect)).err();
        effect.close();
        return Err(error.unwrap_or_else(|| HostError::Action {
            action: Action::Describe.name().to_string_lossy().into_owned(),
            status: done.status,
            message: None,
        }));
    }
    check_general(host, &effect);
    Ok(effect)
}

/// Sends DescribeInContext to a copy of the description.
pub(crate) fn in_context(
    host: &Arc<Host>,
    plugin: &Arc<Plugin>,
    general: &Arc<Effect>,
    context: Context,
) -> Result<Arc<Effect>> {
    let declared = general
        .props
        .strings(sys::kOfxImageEffectPropSupportedContexts);
    let name = context.ofx_name().to_string_lossy();
    if !declared.iter().any(|known| **known == *name) {
        return Err(HostError::UnsupportedContext {
            identifier: plugin.identifier.clone(),
            context: name.into_owned(),
            declared: declared.join(", "),
        });
    }
    let owner = general.props.owner().to_owned();
    let effect = Effect::new(
        host,
        plugin,
        Stage::InContext(context),
        Some(Arc::clone(general)),
        general
            .props
            .derived(SetKind::EffectDescriptor, owner.clone()),
        general.param_set.derived(SetKind::ParamSet, owner),
    );
    let incoming = PropertySet::new(
        SetKind::In(Action::DescribeInContext),
        "the arguments of DescribeInContext".into(),
        &host.options,
    );
    incoming.put_str(sys::kOfxImageEffectPropContext, &name);
    let done = plugin.perform(
        host,
        Some(&effect),
        Action::DescribeInContext,
        Arguments {
            incoming: Some(incoming),
            ..Arguments::default()
        },
    );
    if let Err(error) = done.check(Action::DescribeInContext, Some(&effect)) {
        effect.close();
        return Err(error);
    }
    effect.seal();
    check_context(host, &effect, context);
    Ok(effect)
}

fn check_general(host: &Host, effect: &Effect) {
    let complain = |what: &str| host.violate(rule::DESCRIBE, what);
    let props = &effect.props;
    if props
        .string(sys::kOfxPropLabel)
        .unwrap_or_default()
        .is_empty()
    {
        complain("the effect has no label");
    }
    if props
        .strings(sys::kOfxImageEffectPropSupportedContexts)
        .is_empty()
    {
        complain("the effect supports no context");
    }
    if props
        .strings(sys::kOfxImageEffectPropSupportedPixelDepths)
        .is_empty()
    {
        complain("the effect supports no pixel depth");
    }
}

fn check_context(host: &Host, effect: &Effect, context: Context) {
    let complain = |what: String| host.violate(rule::DESCRIBE, what);
    let must: &[&str] = match context {
        Context::Filter => &["Source", "Output"],
        Context::General => &["Output"],
    };
    for name in must {
        if effect.clip(name).is_none() {
            complain(format!(
                "the clip {name} is not defined, which {context} demands"
            ));
        }
    }
    for clip in effect.clips() {
        let flag = |name| clip.props.int(name) == Some(1);
        let optional = flag(sys::kOfxImageClipPropOptional);
        if clip.supported().is_empty() {
            complain(format!("clip {} takes no components", clip.name));
        }
        if context == Context::Filter && clip.name == "Source" && optional {
            complain("the Source clip of a filter is optional".into());
        }
        if context == Context::Filter && !must.contains(&clip.name.as_str()) && !optional {
            complain(format!("clip {} of a filter is not optional", clip.name));
        }
        let temporal = flag(sys::kOfxImageEffectPropTemporalClipAccess);
        if temporal && effect.props.int(sys::kOfxImageEffectPropTemporalClipAccess) != Some(1) {
            complain(format!(
                "clip {} declares temporal access and the effect does not",
                clip.name
            ));
        }
    }
    let params = effect.params();
    let groups: BTreeSet<&str> = params
        .iter()
        .filter(|param| param.kind == ParamType::Group)
        .map(|param| param.name.as_str())
        .collect();
    for param in &params {
        for what in check_param(param, &groups) {
            complain(format!("parameter {}: {what}", param.name));
        }
    }
    for page in params.iter().filter(|param| param.kind == ParamType::Page) {
        for child in page.props.strings(sys::kOfxParamPropPageChild) {
            let special = ["OfxParamPageSkipRow", "OfxParamPageSkipColumn"].contains(&&*child);
            if !special && effect.param(&child).is_none() {
                complain(format!(
                    "page {} lists {child}, which is no parameter",
                    page.name
                ));
            }
        }
    }
    for slave in effect
        .props
        .strings(sys::kOfxImageEffectPropClipPreferencesSlaveParam)
    {
        match effect.param(&slave) {
            None => complain(format!(
                "clip preferences depend on {slave}, which is no parameter"
            )),
            Some(param) if param.animates() => complain(format!(
                "clip preferences depend on {slave}, which animates; they are the same for all \
                 frames"
            )),
            Some(_) => {}
        }
    }
}

fn check_param(param: &Param, groups: &BTreeSet<&str>) -> Vec<String> {
    let mut wrong = Vec::new();
    let parent = param
        .props
        .string(sys::kOfxParamPropParent)
        .unwrap_or_default();
    if !parent.is_empty() && !groups.contains(parent.as_str()) {
        wrong.push(format!("its parent {parent} is no group"));
    }
    if parent == param.name {
        wrong.push("it is its own parent".into());
    }
    if let Some(default) = default_value(param.kind, &param.props)
        && let Some(reason) = param.refuse(&default)
    {
        wrong.push(format!("its default {default} is none: {reason}"));
    }
    if matches!(param.kind, ParamType::Choice | ParamType::StrChoice) {
        let options = param.props.strings(sys::kOfxParamPropChoiceOption);
        let ids = param.props.strings(sys::kOfxParamPropChoiceEnum);
        let distinct = |list: &[String]| list.iter().collect::<BTreeSet<_>>().len() == list.len();
        if options.is_empty() {
            wrong.push("it has no options".into());
        }
        if !distinct(&options) || !distinct(&ids) {
            wrong.push("two of its options have the same name".into());
        }
        if !ids.is_empty() && ids.len() != options.len() {
            wrong.push(format!(
                "it has {} options and {} names for them",
                options.len(),
                ids.len()
            ));
        }
    }
    wrong
}

/// The description as plain values.
pub(crate) fn description(effect: &Effect, context: Context) -> Description {
    let clips = effect
        .clips()
        .iter()
        .map(|clip| {
            let flag = |name| clip.props.int(name) == Some(1);
            ClipDescription {
                name: clip.name.clone(),
                label: clip.props.string(sys::kOfxPropLabel).unwrap_or_default(),
                components: clip.supported(),
                optional: flag(sys::kOfxImageClipPropOptional),
                mask: flag(sys::kOfxImageClipPropIsMask),
                temporal: flag(sys::kOfxImageEffectPropTemporalClipAccess),
                props: clip.props.snapshot(),
            }
        })
        .collect();
    Description {
        identifier: effect.plugin.identifier.clone(),
        context,
        props: effect.props.snapshot(),
        clips,
        params: effect
            .params()
            .iter()
            .map(|param| parameter(param))
            .collect(),
    }
}

fn parameter(param: &Param) -> ParamDescription {
    let props = &param.props;
    let text = |name| props.string(name).unwrap_or_default();
    let flag = |name| props.int(name) == Some(1);
    let pair = |low, high| {
        let number = |name| {
            props
                .int(name)
                .map(f64::from)
                .or_else(|| props.double(name))
        };
        Some((number(low)?, number(high)?))
    };
    let ids = props.strings(sys::kOfxParamPropChoiceEnum);
    let choices = props
        .strings(sys::kOfxParamPropChoiceOption)
        .into_iter()
        .enumerate()
        .map(|(index, label)| Choice {
            label,
            id: ids.get(index).filter(|id| !id.is_empty()).cloned(),
        })
        .collect();
    ParamDescription {
        id: param.name.clone(),
        kind: param.kind,
        label: text(sys::kOfxPropLabel),
        hint: text(sys::kOfxParamPropHint),
        default: default_value(param.kind, props),
        range: pair(sys::kOfxParamPropMin, sys::kOfxParamPropMax),
        display_range: pair(sys::kOfxParamPropDisplayMin, sys::kOfxParamPropDisplayMax),
        choices,
        parent: text(sys::kOfxParamPropParent),
        secret: flag(sys::kOfxParamPropSecret),
        enabled: flag(sys::kOfxParamPropEnabled),
        animates: flag(sys::kOfxParamPropAnimates),
        evaluate_on_change: flag(sys::kOfxParamPropEvaluateOnChange),
        persistent: flag(sys::kOfxParamPropPersistant),
        can_undo: flag(sys::kOfxParamPropCanUndo),
        string_mode: text(sys::kOfxParamPropStringMode),
        props: props.snapshot(),
    }
}

/// A parameter's value from text, see [`Instance::set_str`](super::Instance::set_str).
pub(crate) fn parse(param: &Param, text: &str) -> std::result::Result<Value, String> {
    let words = || text.split([',', ' ']).filter(|word| !word.is_empty());
    let numbers = |expected: usize| {
        let values: Vec<f64> = words()
            .map(str::parse)
            .collect::<std::result::Result<_, _>>()
            .map_err(|_| format!("{expected} number(s) are expected, e.g. 0.5"))?;
        if values.len() == expected {
            Ok(values)
        } else {
            Err(format!(
                "{expected} number(s) are expected, not {}",
                values.len()
            ))
        }
    };
    let whole = |expected: usize| {
        let values: Vec<i32> = words()
            .map(str::parse)
            .collect::<std::result::Result<_, _>>()
            .map_err(|_| format!("{expected} whole number(s) are expected, e.g. 3"))?;
        if values.len() == expected {
            Ok(values)
        } else {
            Err(format!(
                "{expected} whole number(s) are expected, not {}",
                values.len()
            ))
        }
    };
    let n = param.kind.arity();
    match param.kind {
        ParamType::Integer => Ok(Value::Int(whole(1)?[0])),
        ParamType::Double => Ok(Value::Double(numbers(1)?[0])),
        ParamType::Boolean => match text.trim().to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" | "1" => Ok(Value::Bool(true)),
            "false" | "no" | "off" | "0" => Ok(Value::Bool(false)),
            _ => Err("true or false is expected".into()),
        },
        ParamType::Choice => {
            let labels = param.props.strings(sys::kOfxParamPropChoiceOption);
            let ids = param.props.strings(sys::kOfxParamPropChoiceEnum);
            let exact = |list: &[String]| list.iter().position(|known| known == text);
            let loose = |list: &[String]| {
                list.iter()
                    .position(|known| known.eq_ignore_ascii_case(text.trim()))
            };
            exact(&ids)
                .or_else(|| exact(&labels))
                .or_else(|| loose(&ids))
                .or_else(|| loose(&labels))
                .or_else(|| text.trim().parse().ok().filter(|v| *v < labels.len()))
                .and_then(|index| i32::try_from(index).ok())
                .map(Value::Choice)
                .ok_or_else(|| {
                    let known = if ids.is_empty() { labels } else { ids };
                    format!("it is one of: {}", known.join(", "))
                })
        }
        ParamType::String | ParamType::StrChoice | ParamType::Custom => {
            Ok(Value::Str(text.to_owned()))
        }
        ParamType::Rgb => {
            let v = numbers(3)?;
            Ok(Value::Rgb([v[0], v[1], v[2]]))
        }
        ParamType::Integer2D | ParamType::Integer3D => Ok(Value::Ints(whole(n)?)),
        ParamType::Rgba | ParamType::Double2D | ParamType::Double3D => {
            Ok(Value::Doubles(numbers(n)?))
        }
        ParamType::Group | ParamType::Page | ParamType::PushButton => Err("it has no value".into()),
    }
}

/// The depths that both sides take, shallowest first.
pub(crate) fn depths(host: &Host, effect: &Effect) -> Vec<Depth> {
    let declared = effect
        .props
        .strings(sys::kOfxImageEffectPropSupportedPixelDepths);
    Depth::ALL
        .iter()
        .copied()
        .filter(|depth| host.options.depths.contains(depth))
        .filter(|depth| {
            declared
                .iter()
                .any(|name| name.as_bytes() == depth.ofx_name().to_bytes())
        })
        .collect()
}

/// The components that both sides take on a clip of that name.
pub(crate) fn components(host: &Host, supported: &[Components]) -> Vec<Components> {
    supported
        .iter()
        .copied()
        .filter(|components| host.options.components.contains(components))
        .collect()
}
