//! The values of properties, and the four types in which they cross the property suite.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::ptr::null_mut;

use super::tables::{self, Initial, Row, Type};

/// An address that a plug-in left here. Nobody on this side follows it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Address(pub(crate) *mut c_void);

// SAFETY: an address is only kept and given back, never followed.
unsafe impl Send for Address {}
// SAFETY: as above.
unsafe impl Sync for Address {}

/// The values of one property.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Values {
    Int(Vec<i32>),
    Double(Vec<f64>),
    String(Vec<CString>),
    Pointer(Vec<Address>),
}

impl Values {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Int(v) => v.len(),
            Self::Double(v) => v.len(),
            Self::String(v) => v.len(),
            Self::Pointer(v) => v.len(),
        }
    }

    pub(super) fn initial(row: &Row) -> Self {
        let n = row.dimension;
        match (row.ty, row.initial) {
            (Type::Int | Type::Flag, Initial::Int(v)) => Self::Int(vec![v; n]),
            (Type::Int | Type::Flag, _) => Self::Int(vec![0; n]),
            (Type::Double, Initial::Double(v)) => Self::Double(vec![v; n]),
            (Type::Double, _) => Self::Double(vec![0.0; n]),
            (Type::String, Initial::String(v)) => Self::String(vec![v.to_owned(); n]),
            (Type::String, _) => Self::String(vec![CString::default(); n]),
            (Type::Pointer, _) => Self::Pointer(vec![Address(null_mut()); n]),
        }
    }
}

/// A type of value that crosses the property suite: the four that it has functions for.
pub(crate) trait Store: Sized {
    /// What is kept.
    type Kept: Clone + PartialEq;
    /// The type's name in sentences.
    const WORD: &'static str;
    /// The list inside, if it is one of this type.
    fn list(values: &Values) -> Option<&Vec<Self::Kept>>;
    /// As `list`, to change.
    fn list_mut(values: &mut Values) -> Option<&mut Vec<Self::Kept>>;
    /// What fills gaps.
    fn zero() -> Self::Kept;
    /// What is given out. A text's address stays good as long as the property set.
    fn out(kept: &Self::Kept) -> Self;
    /// Why a property of this name cannot have the value.
    fn refuse(_name: &CStr, _ty: Type, _kept: &Self::Kept) -> Option<String> {
        None
    }
    /// Keeps a replaced value alive where its address may have been given out.
    fn retire(_old: Self::Kept, _retired: &mut Vec<CString>) {}
}

impl Store for c_int {
    type Kept = Self;
    const WORD: &'static str = "int";
    fn list(values: &Values) -> Option<&Vec<Self>> {
        match values {
            Values::Int(v) => Some(v),
            _ => None,
        }
    }
    fn list_mut(values: &mut Values) -> Option<&mut Vec<Self>> {
        match values {
            Values::Int(v) => Some(v),
            _ => None,
        }
    }
    fn zero() -> Self {
        0
    }
    fn out(kept: &Self) -> Self {
        *kept
    }
    fn refuse(_name: &CStr, ty: Type, kept: &Self) -> Option<String> {
        (ty == Type::Flag && !matches!(kept, 0 | 1)).then(|| format!("{kept}, but only 0 or 1"))
    }
}

impl Store for f64 {
    type Kept = Self;
    const WORD: &'static str = "double";
    fn list(values: &Values) -> Option<&Vec<Self>> {
        match values {
            Values::Double(v) => Some(v),
            _ => None,
        }
    }
    fn list_mut(values: &mut Values) -> Option<&mut Vec<Self>> {
        match values {
            Values::Double(v) => Some(v),
            _ => None,
        }
    }
    fn zero() -> Self {
        0.0
    }
    fn out(kept: &Self) -> Self {
        *kept
    }
    fn refuse(_name: &CStr, _ty: Type, kept: &Self) -> Option<String> {
        kept.is_nan().then(|| "NaN".into())
    }
}

impl Store for *mut c_char {
    type Kept = CString;
    const WORD: &'static str = "string";
    fn list(values: &Values) -> Option<&Vec<CString>> {
        match values {
            Values::String(v) => Some(v),
            _ => None,
        }
    }
    fn list_mut(values: &mut Values) -> Option<&mut Vec<CString>> {
        match values {
            Values::String(v) => Some(v),
            _ => None,
        }
    }
    fn zero() -> CString {
        CString::default()
    }
    fn out(kept: &CString) -> Self {
        kept.as_ptr().cast_mut()
    }
    fn refuse(name: &CStr, _ty: Type, kept: &CString) -> Option<String> {
        if kept.to_str().is_err() {
            return Some(format!("{kept:?}, which is not UTF-8"));
        }
        let allowed = tables::allowed(name)?;
        // Names with a vendor's prefix are extensions, which any host may ignore.
        let own = kept.to_bytes().starts_with(b"Ofx") || !kept.to_bytes().contains(&b'.');
        (own && !allowed.contains(&kept.as_c_str())).then(|| format!("{kept:?}"))
    }
    fn retire(old: CString, retired: &mut Vec<CString>) {
        retired.push(old);
    }
}

impl Store for *mut c_void {
    type Kept = Address;
    const WORD: &'static str = "pointer";
    fn list(values: &Values) -> Option<&Vec<Address>> {
        match values {
            Values::Pointer(v) => Some(v),
            _ => None,
        }
    }
    fn list_mut(values: &mut Values) -> Option<&mut Vec<Address>> {
        match values {
            Values::Pointer(v) => Some(v),
            _ => None,
        }
    }
    fn zero() -> Address {
        Address(null_mut())
    }
    fn out(kept: &Address) -> Self {
        kept.0
    }
}
