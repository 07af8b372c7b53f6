//! Every handle that was ever given out.
//!
//! A handle is a number, not an address: nothing is ever followed because a plug-in said so. It
//! tells which host made it, what kind of thing it names, and a serial number that is never used
//! again, so that a handle of something gone is told from nonsense, and neither can crash.

use std::collections::{BTreeMap, HashMap};
use std::ffi::c_void;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, PoisonError, RwLock, Weak};

use super::core::Host;
use super::object::{Clip, Effect, Fetched, Param};
use super::options::HostOptions;
use super::property::PropertySet;
use super::resource::{ImageMemory, Lock};

/// What a handle names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    Properties = 1,
    Effect,
    ParamSet,
    Param,
    Clip,
    Image,
    Memory,
    Mutex,
}

impl Kind {
    const ALL: [Self; 8] = [
        Self::Properties,
        Self::Effect,
        Self::ParamSet,
        Self::Param,
        Self::Clip,
        Self::Image,
        Self::Memory,
        Self::Mutex,
    ];

    const fn word(self) -> &'static str {
        match self {
            Self::Properties => "property set",
            Self::Effect => "image effect",
            Self::ParamSet => "parameter set",
            Self::Param => "parameter",
            Self::Clip => "clip",
            Self::Image => "image",
            Self::Memory => "image memory",
            Self::Mutex => "mutex",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// The thing behind a handle.
#[derive(Clone)]
pub(crate) enum Object {
    Properties(Arc<PropertySet>),
    Effect(Arc<Effect>),
    /// The parameters of that effect.
    ParamSet(Arc<Effect>),
    Param(Arc<Param>),
    Clip(Arc<Clip>),
    Image(Arc<Fetched>),
    Memory(Arc<ImageMemory>),
    Mutex(Arc<Lock>),
}

/// Why a handle leads nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missing {
    Null,
    /// No host of this program ever made it.
    Never,
    /// It was good once.
    Dead(Kind),
}

// A handle's bits, from the lowest: four zeros, so that it looks aligned; 36 of serial number;
// 4 of kind; 15 of host number.
const SERIAL: u32 = 4;
const KIND: u32 = 40;
const HOST: u32 = 44;

static SERIALS: AtomicUsize = AtomicUsize::new(1);
static LIVE: LazyLock<RwLock<HashMap<usize, Object>>> = LazyLock::new(RwLock::default);
static HOSTS: RwLock<BTreeMap<u32, Known>> = RwLock::new(BTreeMap::new());

/// A host, for as long as it lives, and what it was like, for ever.
type Known = (Weak<Host>, Arc<HostOptions>);

/// A handle that is known here until it is dropped.
#[derive(Debug)]
pub(crate) struct Handle(usize);

impl Handle {
    /// A new number, before the thing that it names exists.
    pub(crate) fn reserve(host: u32, kind: Kind) -> Self {
        let serial = SERIALS.fetch_add(1, Ordering::Relaxed) & ((1 << (KIND - SERIAL)) - 1);
        Self((serial << SERIAL) | ((kind as usize) << KIND) | ((host as usize) << HOST))
    }

    /// From now on the handle leads to the object.
    pub(crate) fn open(&self, object: Object) {
        LIVE.write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(self.0, object);
    }

    /// Both at once.
    pub(crate) fn new(host: u32, kind: Kind, object: Object) -> Self {
        let handle = Self::reserve(host, kind);
        handle.open(object);
        handle
    }

    pub(crate) fn id(&self) -> usize {
        self.0
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        close(self.0);
    }
}

/// The handle leads nowhere from now on, though its owner still has it.
pub(crate) fn close(id: usize) {
    let gone = LIVE
        .write()
        .unwrap_or_else(PoisonError::into_inner)
        .remove(&id);
    // Outside the lock: what dies with it may hold handles itself.
    drop(gone);
}

/// The address by which a plug-in knows a handle.
pub(crate) fn pointer<T>(id: usize) -> *mut T {
    std::ptr::without_provenance_mut(id)
}

/// What the handle names.
pub(crate) fn find<T>(handle: *const T) -> Result<Object, Missing> {
    let id = handle.addr();
    if id == 0 {
        return Err(Missing::Null);
    }
    if let Some(object) = LIVE.read().unwrap_or_else(PoisonError::into_inner).get(&id) {
        return Ok(object.clone());
    }
    let serial = (id >> SERIAL) & ((1 << (KIND - SERIAL)) - 1);
    let made = id.is_multiple_of(1 << SERIAL)
        && serial > 0
        && serial < SERIALS.load(Ordering::Relaxed)
        && host_number(id).is_some();
    match Kind::ALL
        .into_iter()
        .find(|kind| *kind as usize == (id >> KIND) & 0xf)
    {
        Some(kind) if made => Err(Missing::Dead(kind)),
        _ => Err(Missing::Never),
    }
}

fn host_number(id: usize) -> Option<u32> {
    let number = u32::try_from(id >> HOST).ok()?;
    HOSTS
        .read()
        .unwrap_or_else(PoisonError::into_inner)
        .contains_key(&number)
        .then_some(number)
}

/// The host that made a handle, if it is still there.
pub(crate) fn host_of(handle: *const c_void) -> Option<Arc<Host>> {
    let number = u32::try_from(handle.addr() >> HOST).ok()?;
    HOSTS
        .read()
        .unwrap_or_else(PoisonError::into_inner)
        .get(&number)
        .and_then(|(host, _)| host.upgrade())
}

/// The options of the host that made a handle. They outlive the host, because a plug-in that
/// stays in memory may keep its host's handle.
pub(crate) fn options_of(handle: *const c_void) -> Option<Arc<HostOptions>> {
    let number = u32::try_from(handle.addr() >> HOST).ok()?;
    HOSTS
        .read()
        .unwrap_or_else(PoisonError::into_inner)
        .get(&number)
        .map(|(_, options)| Arc::clone(options))
}

/// Every host that is there.
pub(crate) fn hosts() -> Vec<Arc<Host>> {
    HOSTS
        .read()
        .unwrap_or_else(PoisonError::into_inner)
        .values()
        .filter_map(|(host, _)| host.upgrade())
        .collect()
}

/// A number for a new host. 0 is never given.
pub(crate) fn host_id() -> u32 {
    static NEXT: AtomicUsize = AtomicUsize::new(1);
    (NEXT.fetch_add(1, Ordering::Relaxed) % 0x7fff + 1) as u32
}

/// Makes a host known by its number.
pub(crate) fn enter_host(host: &Arc<Host>) {
    HOSTS
        .write()
        .unwrap_or_else(PoisonError::into_inner)
        .insert(host.id, (Arc::downgrade(host), Arc::clone(&host.options)));
}
