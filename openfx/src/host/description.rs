//! What a plug-in says about itself in one context, as plain values.

use std::collections::BTreeMap;

use super::value::{ParamType, Value};
use crate::types::{Components, Context, Depth};

/// The value of one property: as many values as it has dimensions.
#[derive(Debug, Clone, PartialEq)]
pub enum PropertyValue {
    /// Whole numbers.
    Ints(Vec<i32>),
    /// Real numbers.
    Doubles(Vec<f64>),
    /// Texts.
    Strings(Vec<String>),
    /// Addresses; only whether there is one can be told.
    Pointers(Vec<bool>),
}

/// All properties of an object at one moment.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Properties(pub(crate) BTreeMap<String, PropertyValue>);

impl Properties {
    /// The whole property; `None` when the object does not have it.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&PropertyValue> {
        self.0.get(name)
    }

    /// The first number of an integer property.
    #[must_use]
    pub fn int(&self, name: &str) -> Option<i32> {
        match self.get(name)? {
            PropertyValue::Ints(values) => values.first().copied(),
            _ => None,
        }
    }

    /// The first number of a double property.
    #[must_use]
    pub fn double(&self, name: &str) -> Option<f64> {
        match self.get(name)? {
            PropertyValue::Doubles(values) => values.first().copied(),
            _ => None,
        }
    }

    /// The first text of a string property.
    #[must_use]
    pub fn string(&self, name: &str) -> Option<&str> {
        match self.get(name)? {
            PropertyValue::Strings(values) => values.first().map(String::as_str),
            _ => None,
        }
    }

    /// Every text of a string property; empty when there is no such property.
    #[must_use]
    pub fn strings(&self, name: &str) -> Vec<&str> {
        match self.get(name) {
            Some(PropertyValue::Strings(values)) => values.iter().map(String::as_str).collect(),
            _ => Vec::new(),
        }
    }

    /// Whether an integer property is there and not 0.
    #[must_use]
    pub fn flag(&self, name: &str) -> bool {
        self.int(name).is_some_and(|v| v != 0)
    }

    /// The names of all properties, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

/// What a plug-in says about itself in one context.
#[derive(Debug, Clone, PartialEq)]
pub struct Description {
    /// The plug-in's identifier.
    pub identifier: String,
    /// The context described.
    pub context: Context,
    /// The effect's own properties.
    pub props: Properties,
    /// The clips, in order of definition.
    pub clips: Vec<ClipDescription>,
    /// The parameters, in order of definition.
    pub params: Vec<ParamDescription>,
}

impl Description {
    /// The name that users see.
    #[must_use]
    pub fn label(&self) -> &str {
        self.props.string("OfxPropLabel").unwrap_or("")
    }

    /// The menu that the effect belongs to, e.g. `Keyer`.
    #[must_use]
    pub fn grouping(&self) -> &str {
        self.props
            .string("OfxImageEffectPluginPropGrouping")
            .unwrap_or("")
    }

    /// The contexts that it supports, those unknown to this host left out.
    #[must_use]
    pub fn contexts(&self) -> Vec<Context> {
        self.props
            .strings("OfxImageEffectPropSupportedContexts")
            .into_iter()
            .filter_map(Context::from_ofx_str)
            .collect()
    }

    /// The pixel depths that it supports.
    #[must_use]
    pub fn depths(&self) -> Vec<Depth> {
        self.props
            .strings("OfxImageEffectPropSupportedPixelDepths")
            .into_iter()
            .filter_map(Depth::from_ofx_str)
            .collect()
    }

    /// The parameter of that id.
    #[must_use]
    pub fn param(&self, id: &str) -> Option<&ParamDescription> {
        self.params.iter().find(|param| param.id == id)
    }

    /// The clip of that name.
    #[must_use]
    pub fn clip(&self, name: &str) -> Option<&ClipDescription> {
        self.clips.iter().find(|clip| clip.name == name)
    }
}

/// What a plug-in says about one of its clips.
#[derive(Debug, Clone, PartialEq)]
pub struct ClipDescription {
    /// The clip's name: `Source`, `Output` or the plug-in's own.
    pub name: String,
    /// The name that users see.
    pub label: String,
    /// The components that it takes.
    pub components: Vec<Components>,
    /// Whether it may stay unconnected.
    pub optional: bool,
    /// Whether hosts should treat it as a mask.
    pub mask: bool,
    /// Whether frames of other times are fetched from it.
    pub temporal: bool,
    /// Every property.
    pub props: Properties,
}

/// What a plug-in says about one of its parameters.
#[derive(Debug, Clone, PartialEq)]
pub struct ParamDescription {
    /// The id that projects store.
    pub id: String,
    /// The kind of value.
    pub kind: ParamType,
    /// The name that users see.
    pub label: String,
    /// The help text.
    pub hint: String,
    /// The value to begin with; `None` for a kind without value.
    pub default: Option<Value>,
    /// The smallest and the largest value of a number.
    pub range: Option<(f64, f64)>,
    /// The ends of its slider.
    pub display_range: Option<(f64, f64)>,
    /// The options of a choice.
    pub choices: Vec<Choice>,
    /// The id of the group it is in; empty = none.
    pub parent: String,
    /// Whether it is hidden.
    pub secret: bool,
    /// Whether it can be edited.
    pub enabled: bool,
    /// Whether it may vary over time.
    pub animates: bool,
    /// Whether a change of it changes the picture.
    pub evaluate_on_change: bool,
    /// Whether projects store it.
    pub persistent: bool,
    /// Whether a change of it can be undone.
    pub can_undo: bool,
    /// How a text is edited (`OfxParamStringIsSingleLine` …); empty for other kinds.
    pub string_mode: String,
    /// Every property.
    pub props: Properties,
}

/// One option of a choice parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// The text that users see.
    pub label: String,
    /// The stable name for scripts, where the plug-in gives one (OpenFX 1.5).
    pub id: Option<String>,
}
