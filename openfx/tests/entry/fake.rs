//! A host small enough to be read at a glance, and as unhelpful as hosts are: it keeps the pointers
//! of strings that it is given instead of copying them, and its own strings are gone after the
//! next call.
//!
//! Functions with variable arguments cannot be written in Rust; here they are functions with as
//! many arguments as the plug-in side passes, which the calling conventions of the platforms that
//! run this test allow.

use std::collections::HashMap;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::ptr;

use openfx::sys::generic::core::*;
use openfx::sys::generic::property::kOfxPropertySuite;
use openfx::sys::image_effect_v1::image_effect::*;
use openfx::sys::image_effect_v1::message::kOfxMessageSuite;
use openfx::sys::image_effect_v1::param::kOfxParameterSuite;
use openfx::sys::image_effect_v1::progress::kOfxProgressSuite;

use crate::suites::fetch_suite;

/// One value of a property.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    Int(i32),
    Double(f64),
    Pointer(*mut c_void),
    /// The host's own string.
    Own(String),
    /// The plug-in's string, of which only the pointer was kept.
    Kept(*const c_char),
}

impl Value {
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Own(text) => text.clone(),
            // SAFETY: that it still points to a string is what the test is about.
            Self::Kept(text) => unsafe { CStr::from_ptr(*text) }
                .to_str()
                .unwrap()
                .to_owned(),
            other => panic!("{other:?} is no text"),
        }
    }
}

/// A property set.
#[derive(Default)]
pub(crate) struct Set {
    pub(crate) values: HashMap<String, Vec<Value>>,
    /// Whether properties that are not there are unknown, instead of made by setting them.
    pub(crate) strict: bool,
    /// Names of properties that were read.
    pub(crate) read: Vec<String>,
    /// The last string handed out.
    pub(crate) scratch: CString,
    /// For the host's set: suites on offer, and suites asked for.
    pub(crate) offered: Vec<(&'static CStr, c_int)>,
    pub(crate) fetched: Vec<(String, c_int)>,
    /// For an image's set: how often it was released.
    pub(crate) released: usize,
}

impl Set {
    pub(crate) fn with(mut self, name: &CStr, values: Vec<Value>) -> Self {
        self.put(name, values);
        self
    }

    pub(crate) fn put(&mut self, name: &CStr, values: Vec<Value>) {
        self.values.insert(name.to_str().unwrap().into(), values);
    }

    pub(crate) fn ints(&self, name: &CStr) -> Vec<i32> {
        self.get(name)
            .iter()
            .map(|value| match value {
                Value::Int(value) => *value,
                other => panic!("{other:?} is no int"),
            })
            .collect()
    }

    pub(crate) fn doubles(&self, name: &CStr) -> Vec<f64> {
        self.get(name)
            .iter()
            .map(|value| match value {
                Value::Double(value) => *value,
                other => panic!("{other:?} is no double"),
            })
            .collect()
    }

    pub(crate) fn texts(&self, name: &CStr) -> Vec<String> {
        self.get(name).iter().map(Value::text).collect()
    }

    fn get(&self, name: &CStr) -> &[Value] {
        self.values
            .get(name.to_str().unwrap())
            .map_or(&[], Vec::as_slice)
    }

    pub(crate) fn handle(&mut self) -> OfxPropertySetHandle {
        ptr::from_mut(self).cast()
    }
}

pub(crate) fn own(text: &CStr) -> Vec<Value> {
    vec![Value::Own(text.to_str().unwrap().into())]
}

pub(crate) fn ints(values: &[i32]) -> Vec<Value> {
    values.iter().copied().map(Value::Int).collect()
}

pub(crate) fn doubles(values: &[f64]) -> Vec<Value> {
    values.iter().copied().map(Value::Double).collect()
}

/// A clip; its image, if it has one, is a property set.
#[derive(Default)]
pub(crate) struct FakeClip {
    pub(crate) props: Set,
    pub(crate) image: Option<Box<Set>>,
    pub(crate) status: OfxStatus,
    pub(crate) region: Option<OfxRectD>,
}

/// A parameter; the values are what the plug-in reads or sets.
#[derive(Default)]
pub(crate) struct FakeParam {
    pub(crate) props: Set,
    pub(crate) kind: String,
    pub(crate) status: OfxStatus,
    pub(crate) values: Vec<Value>,
    pub(crate) scratch: CString,
}

/// An effect: a descriptor or an instance.
#[derive(Default)]
pub(crate) struct FakeEffect {
    pub(crate) props: Set,
    pub(crate) clips: HashMap<String, Box<FakeClip>>,
    pub(crate) params: HashMap<String, Box<FakeParam>>,
    pub(crate) aborted: bool,
    /// Persistent message on show: kind, id, text.
    pub(crate) message: Option<[String; 3]>,
    pub(crate) posted: usize,
    pub(crate) cleared: usize,
    pub(crate) progress: Vec<f64>,
    pub(crate) bars: (usize, usize),
    pub(crate) cancelled: bool,
}

impl FakeEffect {
    pub(crate) fn handle(&mut self) -> *const c_void {
        ptr::from_mut(self).cast::<c_void>().cast_const()
    }
}

pub(crate) const REQUIRED: [(&CStr, c_int); 3] = [
    (kOfxPropertySuite, 1),
    (kOfxImageEffectSuite, 1),
    (kOfxParameterSuite, 1),
];
pub(crate) const MESSAGE_1: (&CStr, c_int) = (kOfxMessageSuite, 1);
pub(crate) const MESSAGE_2: (&CStr, c_int) = (kOfxMessageSuite, 2);
pub(crate) const PROGRESS: (&CStr, c_int) = (kOfxProgressSuite, 1);

/// A host with a plug-in of this binary.
pub(crate) struct Fake {
    pub(crate) props: Box<Set>,
    /// Alive as long as the plug-in may ask it.
    _host: Box<OfxHost>,
    plugin: &'static OfxPlugin,
}

impl Fake {
    /// Sets a host that offers these suites on the plug-in; loads nothing yet.
    pub(crate) fn new(plugin: &'static OfxPlugin, optional: &[(&'static CStr, c_int)]) -> Self {
        let offers: Vec<_> = REQUIRED.iter().chain(optional).copied().collect();
        Self::offering(plugin, offers)
    }

    pub(crate) fn offering(
        plugin: &'static OfxPlugin,
        offered: Vec<(&'static CStr, c_int)>,
    ) -> Self {
        let mut props = Box::new(Set {
            offered,
            ..Set::default()
        });
        props.put(kOfxPropName, own(c"org.example.fake"));
        props.put(kOfxPropAPIVersion, ints(&[1, 4]));
        props.put(
            kOfxImageEffectPropSupportedPixelDepths,
            [kOfxBitDepthFloat, kOfxBitDepthNone, kOfxBitDepthByte]
                .map(own)
                .concat(),
        );
        let mut host = Box::new(OfxHost {
            host: props.handle(),
            fetchSuite: Some(fetch_suite),
        });
        // SAFETY: the host outlives its use by this value.
        unsafe { plugin.setHost.unwrap()(host.as_mut()) };
        Self {
            props,
            _host: host,
            plugin,
        }
    }

    pub(crate) fn call(
        &self,
        action: &CStr,
        handle: *const c_void,
        in_args: Option<&mut Set>,
        out_args: Option<&mut Set>,
    ) -> OfxStatus {
        let raw = |args: Option<&mut Set>| args.map_or(ptr::null_mut(), Set::handle);
        // SAFETY: an action with its handle and arguments, or null ones.
        unsafe {
            self.plugin.mainEntry.unwrap()(action.as_ptr(), handle, raw(in_args), raw(out_args))
        }
    }

    pub(crate) fn load(self) -> Self {
        assert_eq!(
            self.call(kOfxActionLoad, ptr::null(), None, None),
            kOfxStatOK
        );
        self
    }
}

/// Arguments of a render.
pub(crate) fn render_args(window: [i32; 4]) -> Set {
    Set::default()
        .with(kOfxPropTime, doubles(&[7.0]))
        .with(kOfxImageEffectPropRenderWindow, ints(&window))
        .with(kOfxImageEffectPropRenderScale, doubles(&[0.5, 0.25]))
        .with(kOfxImageEffectPropFieldToRender, own(kOfxImageFieldBoth))
}
