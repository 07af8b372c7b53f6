//! Property sets: typed tables, one shape per kind of object.
//!
//! OpenFX properties look like a loose dictionary and are not: each kind of object has known names
//! with known types and dimensions. A set is made from its kind's table ([`tables`]), and whatever
//! does not fit the table is refused with the status of the reference host and a rule's name.

mod set;
mod store;
pub(crate) mod tables;

pub(crate) use set::{PropertySet, Refusal};
pub(crate) use store::{Address, Store};

use super::value::ParamType;
use crate::types::Status;

/// What a set of properties belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SetKind {
    Host,
    EffectDescriptor,
    EffectInstance,
    ClipDescriptor,
    ClipInstance,
    ParamSet,
    Param(ParamType),
    Image,
    In(Action),
    Out(Action),
}

/// The actions that this host sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Action {
    Load,
    Unload,
    Describe,
    DescribeInContext,
    CreateInstance,
    DestroyInstance,
    BeginInstanceChanged,
    InstanceChanged,
    EndInstanceChanged,
    BeginInstanceEdit,
    EndInstanceEdit,
    PurgeCaches,
    SyncPrivateData,
    GetClipPreferences,
    GetRegionOfDefinition,
    GetRegionsOfInterest,
    GetFramesNeeded,
    GetOutputColourspace,
    IsIdentity,
    BeginSequenceRender,
    Render,
    EndSequenceRender,
}

impl Action {
    /// The action's OpenFX name.
    pub(crate) const fn name(self) -> &'static std::ffi::CStr {
        use crate::sys::*;
        match self {
            Self::Load => kOfxActionLoad,
            Self::Unload => kOfxActionUnload,
            Self::Describe => kOfxActionDescribe,
            Self::DescribeInContext => kOfxImageEffectActionDescribeInContext,
            Self::CreateInstance => kOfxActionCreateInstance,
            Self::DestroyInstance => kOfxActionDestroyInstance,
            Self::BeginInstanceChanged => kOfxActionBeginInstanceChanged,
            Self::InstanceChanged => kOfxActionInstanceChanged,
            Self::EndInstanceChanged => kOfxActionEndInstanceChanged,
            Self::BeginInstanceEdit => kOfxActionBeginInstanceEdit,
            Self::EndInstanceEdit => kOfxActionEndInstanceEdit,
            Self::PurgeCaches => kOfxActionPurgeCaches,
            Self::SyncPrivateData => kOfxActionSyncPrivateData,
            Self::GetClipPreferences => kOfxImageEffectActionGetClipPreferences,
            Self::GetRegionOfDefinition => kOfxImageEffectActionGetRegionOfDefinition,
            Self::GetRegionsOfInterest => kOfxImageEffectActionGetRegionsOfInterest,
            Self::GetFramesNeeded => kOfxImageEffectActionGetFramesNeeded,
            Self::GetOutputColourspace => kOfxImageEffectActionGetOutputColourspace,
            Self::IsIdentity => kOfxImageEffectActionIsIdentity,
            Self::BeginSequenceRender => kOfxImageEffectActionBeginSequenceRender,
            Self::Render => kOfxImageEffectActionRender,
            Self::EndSequenceRender => kOfxImageEffectActionEndSequenceRender,
        }
    }

    /// Whether parameters may be set by the plug-in meanwhile.
    pub(crate) const fn may_set_params(self) -> bool {
        matches!(
            self,
            Self::CreateInstance
                | Self::BeginInstanceChanged
                | Self::InstanceChanged
                | Self::EndInstanceChanged
                | Self::BeginInstanceEdit
                | Self::EndInstanceEdit
                | Self::SyncPrivateData
        )
    }

    /// Whether input images may be fetched meanwhile.
    pub(crate) const fn may_fetch_images(self) -> bool {
        matches!(
            self,
            Self::Render
                | Self::BeginInstanceChanged
                | Self::InstanceChanged
                | Self::EndInstanceChanged
        )
    }

    /// Whether that answer is one the action allows.
    pub(crate) fn allows(self, status: Status) -> bool {
        if status == Status::REPLY_DEFAULT {
            return !matches!(
                self,
                Self::Render | Self::Describe | Self::DescribeInContext
            );
        }
        let always = [
            Status::OK,
            Status::FAILED,
            Status::ERR_FATAL,
            Status::ERR_MEMORY,
        ];
        // A missing host feature may be said when the plug-in gets to know the host.
        let early = matches!(
            self,
            Self::Load | Self::Describe | Self::DescribeInContext | Self::CreateInstance
        );
        always.contains(&status)
            || (early
                && [
                    Status::ERR_MISSING_HOST_FEATURE,
                    Status::ERR_UNSUPPORTED,
                    Status::ERR_UNKNOWN,
                ]
                .contains(&status))
            || (self == Self::Render
                && (status == Status::ERR_IMAGE_FORMAT
                    // GPU failures and the lack of a licence.
                    || matches!(status.raw(), 15 | 1001 | 1002)))
    }
}
