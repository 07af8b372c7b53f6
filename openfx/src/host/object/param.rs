//! A parameter of a descriptor or an instance: its properties, its value, its keys.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::ffi::{CStr, CString};
use std::sync::{Arc, Mutex, Weak};

use super::Effect;
use crate::host::core::lock;
use crate::host::property::PropertySet;
use crate::host::registry::Handle;
use crate::host::value::{ParamType, Value};
use crate::sys;

/// A key's time, in order.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Time(f64);

impl Eq for Time {}

impl PartialOrd for Time {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Time {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

#[derive(Debug)]
struct Track {
    still: Option<Value>,
    keys: BTreeMap<Time, Value>,
    /// Texts whose addresses a plug-in may still hold.
    pinned: Vec<Arc<CStr>>,
}

/// A parameter.
#[derive(Debug)]
pub(crate) struct Param {
    pub(crate) name: String,
    pub(crate) kind: ParamType,
    pub(crate) props: Arc<PropertySet>,
    pub(crate) effect: Weak<Effect>,
    pub(crate) handle: Handle,
    pub(crate) props_handle: Handle,
    track: Mutex<Track>,
}

impl Param {
    pub(crate) fn new(
        name: String,
        kind: ParamType,
        props: Arc<PropertySet>,
        effect: Weak<Effect>,
        handle: Handle,
        props_handle: Handle,
    ) -> Self {
        let still = default_value(kind, &props);
        Self {
            name,
            kind,
            props,
            effect,
            handle,
            props_handle,
            track: Mutex::new(Track {
                still,
                keys: BTreeMap::new(),
                pinned: Vec::new(),
            }),
        }
    }

    pub(crate) fn animates(&self) -> bool {
        self.props.int(sys::kOfxParamPropAnimates) == Some(1)
    }

    /// The value at a time; at the first key, or the unanimated value, without one. `None` for a
    /// kind without value.
    pub(crate) fn value(&self, time: Option<f64>) -> Option<Value> {
        let track = lock(&self.track);
        let Some((first, first_value)) = track.keys.first_key_value() else {
            return track.still.clone();
        };
        let time = Time(time.unwrap_or(first.0));
        let before = track.keys.range(..=time).next_back();
        let after = track.keys.range(time..).next();
        Some(match (before, after) {
            (None, _) => first_value.clone(),
            (Some((_, value)), None) => value.clone(),
            (Some((t0, v0)), Some((t1, v1))) => {
                let span = t1.0 - t0.0;
                let part = if span > 0.0 {
                    (time.0 - t0.0) / span
                } else {
                    0.0
                };
                between(v0, v1, part)
            }
        })
    }

    /// Sets the unanimated value (and drops all keys), or one key. Says whether anything changed.
    pub(crate) fn set(&self, time: Option<f64>, value: Value) -> bool {
        let mut track = lock(&self.track);
        let changed = match time {
            Some(time) => track.keys.insert(Time(time), value.clone()).as_ref() != Some(&value),
            None => {
                let animated = !track.keys.is_empty();
                track.keys.clear();
                track.still.replace(value.clone()).as_ref() != Some(&value) || animated
            }
        };
        let animated = i32::from(!track.keys.is_empty());
        drop(track);
        self.props
            .put::<i32>(sys::kOfxParamPropIsAnimating, vec![animated]);
        changed
    }

    pub(crate) fn key_times(&self) -> Vec<f64> {
        lock(&self.track).keys.keys().map(|time| time.0).collect()
    }

    /// Removes one key, or all; the value at the first key stays. `false` when there is none there.
    pub(crate) fn delete_keys(&self, time: Option<f64>) -> bool {
        let mut track = lock(&self.track);
        let first = track.keys.first_key_value().map(|(_, v)| v.clone());
        let found = match time {
            Some(time) => track.keys.remove(&Time(time)).is_some(),
            None => {
                track.keys.clear();
                true
            }
        };
        if track.keys.is_empty() && first.is_some() {
            track.still = first;
        }
        let animated = i32::from(!track.keys.is_empty());
        drop(track);
        self.props
            .put::<i32>(sys::kOfxParamPropIsAnimating, vec![animated]);
        found
    }

    /// The value as a text whose address is good until the end of the action.
    pub(crate) fn pin(&self, text: &str) -> *const std::ffi::c_char {
        let end = text.find('\0').unwrap_or(text.len());
        let text: Arc<CStr> = CString::new(&text[..end]).unwrap_or_default().into();
        let mut track = lock(&self.track);
        let pinned = match track.pinned.iter().position(|known| *known == text) {
            Some(at) => &track.pinned[at],
            None => {
                track.pinned.push(text);
                &track.pinned[track.pinned.len() - 1]
            }
        };
        pinned.as_ptr()
    }

    /// No plug-in holds a text's address any more.
    pub(crate) fn unpin(&self) {
        lock(&self.track).pinned.clear();
    }

    /// Why the parameter cannot have that value.
    pub(crate) fn refuse(&self, value: &Value) -> Option<String> {
        let fits = matches!(
            (self.kind, value),
            (ParamType::Integer, Value::Int(_))
                | (ParamType::Double, Value::Double(_))
                | (ParamType::Boolean, Value::Bool(_))
                | (ParamType::Choice, Value::Choice(_))
                | (
                    ParamType::String | ParamType::StrChoice | ParamType::Custom,
                    Value::Str(_)
                )
                | (ParamType::Rgb, Value::Rgb(_))
        ) || match value {
            Value::Ints(v) => {
                matches!(self.kind, ParamType::Integer2D | ParamType::Integer3D)
                    && v.len() == self.kind.arity()
            }
            Value::Doubles(v) => {
                matches!(
                    self.kind,
                    ParamType::Rgba | ParamType::Double2D | ParamType::Double3D
                ) && v.len() == self.kind.arity()
            }
            _ => false,
        };
        if !fits {
            return Some(format!(
                "it is of type {} with {} value(s)",
                self.kind.ofx_name(),
                self.kind.arity()
            ));
        }
        let range = |index: usize| {
            let bound = |name: &CStr| {
                let ints = self.props.all::<i32>(name);
                let doubles = self.props.all::<f64>(name);
                ints.get(index)
                    .map(|v| f64::from(*v))
                    .or_else(|| doubles.get(index).copied())
            };
            Some((bound(sys::kOfxParamPropMin)?, bound(sys::kOfxParamPropMax)?))
        };
        let outside = |index: usize, v: f64| {
            if !v.is_finite() {
                return Some("it must be a finite number".into());
            }
            let (low, high) = range(index)?;
            (v < low || v > high).then(|| format!("the range is {low} to {high}"))
        };
        match value {
            Value::Int(v) => outside(0, f64::from(*v)),
            Value::Double(v) => outside(0, *v),
            // Colours may be brighter than their display range.
            Value::Rgb(v) => v
                .iter()
                .any(|v| !v.is_finite())
                .then(|| "it must be finite numbers".into()),
            Value::Ints(v) => v
                .iter()
                .enumerate()
                .find_map(|(index, v)| outside(index, f64::from(*v))),
            Value::Doubles(v) if self.kind != ParamType::Rgba => v
                .iter()
                .enumerate()
                .find_map(|(index, v)| outside(index, *v)),
            Value::Doubles(v) => v
                .iter()
                .any(|v| !v.is_finite())
                .then(|| "it must be finite numbers".into()),
            Value::Choice(v) => {
                let options = self.props.strings(sys::kOfxParamPropChoiceOption).len();
                let inside = usize::try_from(*v).is_ok_and(|v| v < options);
                (!inside).then(|| format!("it has {options} options, counted from 0"))
            }
            Value::Str(v) if self.kind == ParamType::StrChoice => {
                let ids = self.props.strings(sys::kOfxParamPropChoiceEnum);
                (!ids.contains(v)).then(|| format!("it is one of {}", ids.join(", ")))
            }
            Value::Str(v) => v
                .contains('\0')
                .then(|| "a text with a NUL inside cannot cross the C interface".into()),
            Value::Bool(_) => None,
        }
    }
}

/// The value that the properties give a new parameter.
pub(crate) fn default_value(kind: ParamType, props: &PropertySet) -> Option<Value> {
    let name = sys::kOfxParamPropDefault;
    let n = kind.arity();
    if n == 0 {
        return None;
    }
    if kind.is_text() {
        return Some(Value::Str(props.string(name).unwrap_or_default()));
    }
    if kind.is_integral() {
        let mut v = props.all::<i32>(name);
        v.resize(n, 0);
        return Some(match kind {
            ParamType::Integer => Value::Int(v[0]),
            ParamType::Boolean => Value::Bool(v[0] != 0),
            ParamType::Choice => Value::Choice(v[0]),
            _ => Value::Ints(v),
        });
    }
    let mut v = props.all::<f64>(name);
    v.resize(n, 0.0);
    Some(match kind {
        ParamType::Double => Value::Double(v[0]),
        ParamType::Rgb => Value::Rgb([v[0], v[1], v[2]]),
        _ => Value::Doubles(v),
    })
}

/// The value `part` of the way from one key to the next: linear for numbers, the earlier one for
/// everything that has no in-between.
fn between(from: &Value, to: &Value, part: f64) -> Value {
    let mix = |a: f64, b: f64| a + (b - a) * part;
    let round = |a: i32, b: i32| mix(f64::from(a), f64::from(b)).round() as i32;
    match (from, to) {
        (Value::Int(a), Value::Int(b)) => Value::Int(round(*a, *b)),
        (Value::Double(a), Value::Double(b)) => Value::Double(mix(*a, *b)),
        (Value::Rgb(a), Value::Rgb(b)) => Value::Rgb(std::array::from_fn(|i| mix(a[i], b[i]))),
        (Value::Ints(a), Value::Ints(b)) => {
            Value::Ints(a.iter().zip(b).map(|(a, b)| round(*a, *b)).collect())
        }
        (Value::Doubles(a), Value::Doubles(b)) => {
            Value::Doubles(a.iter().zip(b).map(|(a, b)| mix(*a, *b)).collect())
        }
        _ if part >= 1.0 => to.clone(),
        _ => from.clone(),
    }
}
