//! One object's properties, guarded by a lock.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ffi::{CStr, CString, c_char, c_int};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::store::{Store, Values};
use super::tables::{self, Access, CLIP_ROWS, Initial, Row, Type};
use super::{Action, SetKind};
use crate::host::description::{Properties, PropertyValue};
use crate::host::options::HostOptions;
use crate::host::violations::rule;
use crate::sys;
use crate::types::Status;

/// An access that is refused: what the plug-in is told, and the rule that it broke, if any.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: Status,
    pub(crate) rule: Option<&'static str>,
    pub(crate) detail: String,
}

#[derive(Debug, Clone)]
struct Property {
    ty: Type,
    dimension: usize,
    access: Access,
    values: Values,
    initial: Values,
}

#[derive(Debug, Default)]
struct State {
    properties: BTreeMap<Cow<'static, CStr>, Property>,
    retired: Vec<CString>,
}

/// All properties of one object.
#[derive(Debug)]
pub(crate) struct PropertySet {
    kind: SetKind,
    owner: String,
    options: Arc<HostOptions>,
    /// Set once the object is no longer being described.
    sealed: AtomicBool,
    state: Mutex<State>,
}

/// Whether a host with these options lacks a property that OpenFX gives to such an object.
fn is_absent(options: &HostOptions, kind: SetKind, name: &CStr) -> bool {
    let quirks = &options.quirks;
    let project = [
        sys::kOfxImageEffectPropProjectSize,
        sys::kOfxImageEffectPropProjectOffset,
        sys::kOfxImageEffectPropProjectExtent,
        sys::kOfxImageEffectPropProjectPixelAspectRatio,
        sys::kOfxImageEffectPropFrameRate,
        sys::kOfxImageEffectInstancePropEffectDuration,
    ];
    quirks
        .missing_properties
        .iter()
        .any(|missing| missing.as_bytes() == name.to_bytes())
        || (quirks.no_connected
            && kind == SetKind::ClipInstance
            && name == sys::kOfxImageClipPropConnected)
        || (quirks.no_project && kind == SetKind::EffectInstance && project.contains(&name))
        || (options.api_version < (1, 5) && tables::is_recent(kind, name))
}

impl PropertySet {
    /// The set of a kind's table, as such a host has it. `owner` names the object in sentences.
    pub(crate) fn new(kind: SetKind, owner: String, options: &Arc<HostOptions>) -> Self {
        let mut state = State::default();
        for row in tables::rows(kind) {
            if !is_absent(options, kind, row.name) {
                let initial = Values::initial(&row);
                state.properties.insert(
                    Cow::Borrowed(row.name),
                    Property {
                        ty: row.ty,
                        dimension: row.dimension,
                        access: row.access,
                        values: initial.clone(),
                        initial,
                    },
                );
            }
        }
        Self {
            kind,
            owner,
            options: Arc::clone(options),
            sealed: AtomicBool::new(false),
            state: Mutex::new(state),
        }
    }

    /// The out arguments of an action, with the properties named after clips.
    pub(crate) fn for_clips<'a>(
        action: Action,
        clips: impl Iterator<Item = &'a str>,
        options: &Arc<HostOptions>,
    ) -> Self {
        let name = action.name().to_string_lossy();
        let set = Self::new(
            SetKind::Out(action),
            format!("the out arguments of {name}"),
            options,
        );
        let mut state = set.lock();
        for clip in clips {
            for (prefix, of, ty, dimension) in CLIP_ROWS {
                if *of != action {
                    continue;
                }
                let mut full = prefix.to_bytes().to_vec();
                full.extend_from_slice(clip.as_bytes());
                let Ok(full) = CString::new(full) else {
                    continue;
                };
                let row = Row {
                    name: prefix,
                    ty: *ty,
                    dimension: *dimension,
                    access: Access::Live,
                    initial: Initial::Zero,
                    recent: false,
                };
                let initial = Values::initial(&row);
                state.properties.insert(
                    Cow::Owned(full),
                    Property {
                        ty: *ty,
                        dimension: *dimension,
                        access: Access::Live,
                        values: initial.clone(),
                        initial,
                    },
                );
            }
        }
        drop(state);
        set
    }

    /// A set of another (or the same) kind that takes over the values of the properties that both
    /// have, as an instance does from its descriptor.
    pub(crate) fn derived(&self, kind: SetKind, owner: String) -> Self {
        let set = Self::new(kind, owner, &self.options);
        let from = self.lock();
        let mut to = set.lock();
        for (name, property) in &mut to.properties {
            if let Some(source) = from.properties.get(name)
                && **name != *sys::kOfxPropType
            {
                property.values = source.values.clone();
                property.initial = source.initial.clone();
            }
        }
        drop((from, to));
        set
    }

    /// From now on only live properties may be set by the plug-in.
    pub(crate) fn seal(&self) {
        self.sealed.store(true, Ordering::Release);
    }

    /// What the properties belong to.
    pub(crate) fn kind(&self) -> SetKind {
        self.kind
    }

    /// The object's name in sentences.
    pub(crate) fn owner(&self) -> &str {
        &self.owner
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    // ---- what the host does ----

    /// Sets all values of a property; nothing happens where the host lacks it.
    pub(crate) fn put<T: Store>(&self, name: &CStr, values: Vec<T::Kept>) {
        let mut state = self.lock();
        let State {
            properties,
            retired,
        } = &mut *state;
        if let Some(list) = properties
            .get_mut(name)
            .and_then(|property| T::list_mut(&mut property.values))
            && *list != values
        {
            for old in std::mem::replace(list, values) {
                T::retire(old, retired);
            }
        }
    }

    /// Sets a text. A text with a NUL inside is cut there.
    pub(crate) fn put_str(&self, name: &CStr, text: &str) {
        let end = text.find('\0').unwrap_or(text.len());
        self.put::<*mut c_char>(name, vec![CString::new(&text[..end]).unwrap_or_default()]);
    }

    /// Takes every value of every property away, whatever its dimension.
    pub(crate) fn clear_all(&self) {
        for property in self.lock().properties.values_mut() {
            match &mut property.values {
                Values::Int(v) => v.clear(),
                Values::Double(v) => v.clear(),
                Values::String(v) => v.clear(),
                Values::Pointer(v) => v.clear(),
            }
        }
    }

    /// Takes a property away altogether.
    pub(crate) fn remove(&self, name: &CStr) {
        self.lock().properties.remove(name);
    }

    /// All values of a property; empty where there is none, or none of that type.
    pub(crate) fn all<T: Store>(&self, name: &CStr) -> Vec<T::Kept> {
        self.lock()
            .properties
            .get(name)
            .and_then(|property| T::list(&property.values))
            .cloned()
            .unwrap_or_default()
    }

    /// The first value of an integer property.
    pub(crate) fn int(&self, name: &CStr) -> Option<i32> {
        self.all::<c_int>(name).first().copied()
    }

    /// The first value of a double property.
    pub(crate) fn double(&self, name: &CStr) -> Option<f64> {
        self.all::<f64>(name).first().copied()
    }

    /// Every text of a string property.
    pub(crate) fn strings(&self, name: &CStr) -> Vec<String> {
        self.all::<*mut c_char>(name)
            .iter()
            .map(|text| text.to_string_lossy().into_owned())
            .collect()
    }

    /// The first text of a string property.
    pub(crate) fn string(&self, name: &CStr) -> Option<String> {
        self.strings(name).into_iter().next()
    }

    /// A copy of everything.
    pub(crate) fn snapshot(&self) -> Properties {
        let state = self.lock();
        Properties(
            state
                .properties
                .iter()
                .map(|(name, property)| {
                    let value = match &property.values {
                        Values::Int(v) => PropertyValue::Ints(v.clone()),
                        Values::Double(v) => PropertyValue::Doubles(v.clone()),
                        Values::String(v) => PropertyValue::Strings(
                            v.iter()
                                .map(|text| text.to_string_lossy().into_owned())
                                .collect(),
                        ),
                        Values::Pointer(v) => {
                            PropertyValue::Pointers(v.iter().map(|a| !a.0.is_null()).collect())
                        }
                    };
                    (name.to_string_lossy().into_owned(), value)
                })
                .collect(),
        )
    }

    // ---- what the plug-in does ----

    fn refusal(&self, status: Status, rule: &'static str, detail: String) -> Refusal {
        Refusal {
            status,
            rule: Some(rule),
            detail,
        }
    }

    fn missing(&self, name: &CStr) -> Refusal {
        let text = name.to_string_lossy();
        let vendor = !text.starts_with("Ofx") && !text.starts_with("kOfx");
        let rule = if vendor || tables::has(self.kind, name) {
            // An extension, or something that this host lacks: the plug-in may well ask.
            None
        } else if tables::is_known(name) {
            Some(rule::PROPERTY_MISPLACED)
        } else {
            Some(rule::PROPERTY_UNKNOWN)
        };
        Refusal {
            status: if self.options.quirks.missing_is_bad_index {
                Status::ERR_BAD_INDEX
            } else {
                Status::ERR_UNKNOWN
            },
            rule,
            detail: format!("{} has no property {text}", self.owner),
        }
    }

    fn wrong_type(&self, name: &CStr, property: &Property, word: &str) -> Refusal {
        self.refusal(
            Status::ERR_UNKNOWN,
            rule::PROPERTY_TYPE,
            format!(
                "{} of {} is a {} and was treated as a {word}",
                name.to_string_lossy(),
                self.owner,
                property.ty.word()
            ),
        )
    }

    fn wrong_index(&self, name: &CStr, property: &Property, index: i64) -> Refusal {
        self.refusal(
            Status::ERR_BAD_INDEX,
            rule::PROPERTY_DIMENSION,
            format!(
                "{} of {} has {} value(s), index or count {index} does not fit",
                name.to_string_lossy(),
                self.owner,
                property.values.len()
            ),
        )
    }

    /// One value.
    pub(crate) fn get<T: Store>(&self, name: &CStr, index: c_int) -> Result<T, Refusal> {
        let state = self.lock();
        let property = state
            .properties
            .get(name)
            .ok_or_else(|| self.missing(name))?;
        let list =
            T::list(&property.values).ok_or_else(|| self.wrong_type(name, property, T::WORD))?;
        let found = usize::try_from(index).ok().and_then(|at| list.get(at));
        found.map(T::out).ok_or_else(|| {
            let mut refusal = self.wrong_index(name, property, i64::from(index));
            // Asking until there is no more is a way to read a list.
            let end = usize::try_from(index) == Ok(list.len());
            if property.dimension == 0 && end || list.is_empty() {
                refusal.rule = None;
            }
            refusal
        })
    }

    /// The first `count` values. Fewer are returned with the refusal that says so.
    pub(crate) fn get_n<T: Store>(&self, name: &CStr, count: c_int) -> (Vec<T>, Option<Refusal>) {
        let state = self.lock();
        let Some(property) = state.properties.get(name) else {
            return (Vec::new(), Some(self.missing(name)));
        };
        let Some(list) = T::list(&property.values) else {
            return (Vec::new(), Some(self.wrong_type(name, property, T::WORD)));
        };
        let wanted = usize::try_from(count).unwrap_or(0);
        let values: Vec<T> = list.iter().take(wanted).map(T::out).collect();
        let refusal = (count < 0 || wanted > list.len())
            .then(|| self.wrong_index(name, property, i64::from(count)));
        (values, refusal)
    }

    /// How many values a property has.
    pub(crate) fn dimension(&self, name: &CStr) -> Result<c_int, Refusal> {
        let state = self.lock();
        match state.properties.get(name) {
            Some(property) => Ok(c_int::try_from(property.values.len()).unwrap_or(c_int::MAX)),
            None if self.options.quirks.lenient_dimension => Ok(0),
            None => Err(self.missing(name)),
        }
    }

    fn writable<'a, T: Store>(
        &self,
        properties: &'a mut BTreeMap<Cow<'static, CStr>, Property>,
        name: &CStr,
    ) -> Result<&'a mut Property, Refusal> {
        let property = properties.get_mut(name).ok_or_else(|| self.missing(name))?;
        if T::list(&property.values).is_none() {
            return Err(self.wrong_type(name, property, T::WORD));
        }
        let sealed = self.sealed.load(Ordering::Acquire);
        if property.access == Access::Host || (sealed && property.access == Access::Describe) {
            return Err(self.refusal(
                Status::ERR_VALUE,
                rule::PROPERTY_READ_ONLY,
                format!(
                    "{} of {} was set, which the plug-in may not do{}",
                    name.to_string_lossy(),
                    self.owner,
                    if property.access == Access::Host {
                        ""
                    } else {
                        " after describing"
                    }
                ),
            ));
        }
        Ok(property)
    }

    fn check<T: Store>(&self, name: &CStr, ty: Type, value: &T::Kept) -> Result<(), Refusal> {
        match T::refuse(name, ty, value) {
            None => Ok(()),
            Some(what) => Err(self.refusal(
                Status::ERR_VALUE,
                rule::PROPERTY_VALUE,
                format!(
                    "{} of {} was set to {what}",
                    name.to_string_lossy(),
                    self.owner
                ),
            )),
        }
    }

    /// Sets one value.
    pub(crate) fn set<T: Store>(
        &self,
        name: &CStr,
        index: c_int,
        value: T::Kept,
    ) -> Result<(), Refusal> {
        let mut state = self.lock();
        let State {
            properties,
            retired,
        } = &mut *state;
        let property = self.writable::<T>(properties, name)?;
        self.check::<T>(name, property.ty, &value)?;
        let limit = if property.dimension == 0 {
            // A list grows at its end.
            property.values.len() + 1
        } else {
            property.dimension
        };
        let at = usize::try_from(index)
            .ok()
            .filter(|at| *at < limit)
            .ok_or_else(|| self.wrong_index(name, property, i64::from(index)))?;
        if let Some(list) = T::list_mut(&mut property.values) {
            if at >= list.len() {
                list.resize(at + 1, T::zero());
            }
            if list[at] != value {
                T::retire(std::mem::replace(&mut list[at], value), retired);
            }
        }
        Ok(())
    }

    /// Sets the first values; a list becomes exactly these.
    pub(crate) fn set_n<T: Store>(
        &self,
        name: &CStr,
        count: c_int,
        values: Vec<T::Kept>,
    ) -> Result<(), Refusal> {
        let mut state = self.lock();
        let State {
            properties,
            retired,
        } = &mut *state;
        let property = self.writable::<T>(properties, name)?;
        for value in &values {
            self.check::<T>(name, property.ty, value)?;
        }
        if count < 0 || (property.dimension > 0 && values.len() > property.dimension) {
            return Err(self.wrong_index(name, property, i64::from(count)));
        }
        let dimension = property.dimension;
        if let Some(list) = T::list_mut(&mut property.values) {
            let mut new = values;
            if dimension > 0 {
                new.extend(list.iter().skip(new.len()).cloned());
                new.resize(dimension, T::zero());
            }
            if *list != new {
                for old in std::mem::replace(list, new) {
                    T::retire(old, retired);
                }
            }
        }
        Ok(())
    }

    /// Back to the value it began with.
    pub(crate) fn reset(&self, name: &CStr) -> Result<(), Refusal> {
        let mut state = self.lock();
        let State {
            properties,
            retired,
        } = &mut *state;
        let property = properties.get_mut(name).ok_or_else(|| self.missing(name))?;
        if property.access == Access::Host {
            return Err(self.refusal(
                Status::ERR_VALUE,
                rule::PROPERTY_READ_ONLY,
                format!("{} of {} was reset", name.to_string_lossy(), self.owner),
            ));
        }
        let old = std::mem::replace(&mut property.values, property.initial.clone());
        if let Values::String(old) = old {
            retired.extend(old);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
