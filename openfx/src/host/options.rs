//! What kind of host to be: how new, how strict, and what it lacks.
//!
//! Real hosts differ less in what they do than in what they leave out. Each omission that has
//! broken a plug-in somewhere can be asked for here, so that a test can prove that a plug-in lives
//! without it.

use crate::types::{ColourStyle, Components, Depth};

/// The optional suites that a host offers. The property, image effect and parameter suites are
/// always there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Suites {
    /// Message suite, version 1: plain messages.
    pub message_v1: bool,
    /// Message suite, version 2: persistent messages too.
    pub message_v2: bool,
    /// Progress suite, version 1.
    pub progress_v1: bool,
    /// Progress suite, version 2.
    pub progress_v2: bool,
    /// Memory suite.
    pub memory: bool,
    /// Multi-thread suite.
    pub multi_thread: bool,
    /// Time line suite.
    pub time_line: bool,
}

impl Suites {
    /// Every suite.
    pub const ALL: Self = Self {
        message_v1: true,
        message_v2: true,
        progress_v1: true,
        progress_v2: true,
        memory: true,
        multi_thread: true,
        time_line: true,
    };
    /// None but the three that no host can lack.
    pub const NONE: Self = Self {
        message_v1: false,
        message_v2: false,
        progress_v1: false,
        progress_v2: false,
        memory: false,
        multi_thread: false,
        time_line: false,
    };
}

/// The project that the effect finds itself in, in canonical coordinates and frames.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Project {
    /// Size of the picture area.
    pub size: (f64, f64),
    /// Lower left corner of the picture area.
    pub offset: (f64, f64),
    /// Upper right corner of everything, measured from the origin.
    pub extent: (f64, f64),
    /// Width of a pixel over its height.
    pub pixel_aspect: f64,
    /// Frames per second.
    pub frame_rate: f64,
    /// First and last frame, both included.
    pub range: (f64, f64),
}

impl Default for Project {
    fn default() -> Self {
        Self {
            size: (1920.0, 1080.0),
            offset: (0.0, 0.0),
            extent: (1920.0, 1080.0),
            pixel_aspect: 1.0,
            frame_rate: 24.0,
            range: (1.0, 100.0),
        }
    }
}

/// The oddities of real hosts. All off by default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Quirks {
    /// Properties that this host does not know, whatever object they belong to: reading or
    /// setting one gives `kOfxStatErrUnknown` and is no violation.
    pub missing_properties: Vec<String>,
    /// No clip has a `kOfxImageClipPropConnected` (melt).
    pub no_connected: bool,
    /// Fetching from a clip that is not connected succeeds, and the image has neither data nor
    /// bounds nor row bytes (melt). Otherwise it is answered with `kOfxStatFailed`.
    pub empty_images: bool,
    /// The instance knows nothing of the project: no size, offset, extent, aspect, rate, duration
    /// (melt).
    pub no_project: bool,
    /// Reading or setting a property that is not there gives `kOfxStatErrBadIndex` instead of
    /// `kOfxStatErrUnknown` (melt, now and then).
    pub missing_is_bad_index: bool,
    /// `propGetDimension` of a property that is not there answers OK with 0 (melt).
    pub lenient_dimension: bool,
    /// Reading an integer or choice parameter gives `kOfxStatErrMissingHostFeature` (hostDemo).
    pub no_integer_values: bool,
    /// Defining a string parameter, and every parameter after it, is refused with
    /// `kOfxStatErrUnsupported` (hostDemo).
    pub no_string_parameters: bool,
    /// The out arguments of clip preferences and regions of interest hold no values beforehand
    /// (melt).
    pub no_presets: bool,
    /// setHost, Load, Describe and DescribeInContext are sent again before every new instance
    /// (melt).
    pub reload_per_instance: bool,
    /// `GetRegionOfDefinition` at half scale right after the creation of an instance (Natron).
    pub probe_region: bool,
    /// Identity is never asked for (melt).
    pub no_identity: bool,
    /// Instance-changed is never sent (melt).
    pub no_instance_changed: bool,
    /// Choice parameters that tell this index, whatever was set: a project saved by a newer version
    /// of the plug-in.
    pub strange_choices: Vec<(String, i32)>,
    /// Parameters whose values cannot be read: `kOfxStatFailed`.
    pub unreadable: Vec<String>,
    /// Pixel data lies in rows of top-down order, whatever the request says (melt).
    pub top_down: bool,
    /// The binary is unmapped once the last library that uses it is dropped. A plug-in that keeps
    /// threads or thread-local destructors crashes then, as it would in such a host.
    pub unmap: bool,
}

impl Quirks {
    /// melt, the host of MLT (Kdenlive, Shotcut).
    #[must_use]
    pub fn melt() -> Self {
        Self {
            missing_properties: vec!["OfxPluginPropFilePath".into()],
            no_connected: true,
            empty_images: true,
            no_project: true,
            missing_is_bad_index: true,
            lenient_dimension: true,
            no_presets: true,
            reload_per_instance: true,
            no_identity: true,
            no_instance_changed: true,
            top_down: true,
            ..Self::default()
        }
    }

    /// The demonstration host of the OpenFX reference implementation.
    #[must_use]
    pub fn host_demo() -> Self {
        Self {
            missing_properties: vec![
                "OfxPropIcon".into(),
                "OfxImageEffectPropRenderQualityDraft".into(),
                "OfxImageEffectPropCPURenderSupported".into(),
            ],
            no_integer_values: true,
            no_string_parameters: true,
            ..Self::default()
        }
    }
}

/// How the headless host presents itself and how closely it watches.
#[derive(Debug, Clone, PartialEq)]
pub struct HostOptions {
    /// The host's unique name (`kOfxPropName`).
    pub name: String,
    /// The name that users know it by (`kOfxPropLabel`).
    pub label: String,
    /// The host's own version.
    pub version: (i32, i32, i32),
    /// The OpenFX version it claims: (1, 4) or (1, 5). A 1.4 host knows no property of 1.5.
    pub api_version: (i32, i32),
    /// The optional suites.
    pub suites: Suites,
    /// The pixel depths that the host can serve. Never empty.
    pub depths: Vec<Depth>,
    /// The components that the host can serve. Never empty.
    pub components: Vec<Components>,
    /// Every clip gets this depth where the plug-in supports it, whatever its source has.
    pub force_depth: Option<Depth>,
    /// Every input clip gets these components where the plug-in supports them for that clip.
    pub force_components: Option<Components>,
    /// Watch everything, at a cost: output buffers are filled with a pattern and checked after the
    /// render, inputs are hashed before and after.
    pub strict: bool,
    /// What the plug-in is told about processors (`multiThreadNumCPUs`); 0 = as many as there are.
    pub threads: u32,
    /// Whether the host says that nobody is watching (`kOfxImageEffectHostPropIsBackground`).
    pub background: bool,
    /// Whether IsIdentity is asked before a render, and believed.
    pub identity: bool,
    /// Every instance answers its n-th call of `abort` and all later ones with yes.
    pub abort_after: Option<u32>,
    /// The project.
    pub project: Project,
    /// How it tells plug-ins about colour at best; only from OpenFX 1.5 on.
    pub colour_style: ColourStyle,
    /// The colour space that clips are served in, by name of the clip; those that are not named
    /// have none.
    pub colourspaces: Vec<(String, String)>,
    /// What is odd about it.
    pub quirks: Quirks,
}

impl HostOptions {
    /// A production host: complete, and no check that costs time.
    #[must_use]
    pub fn production() -> Self {
        Self {
            name: "corridorkey.headless".into(),
            label: "CorridorKey headless host".into(),
            version: (1, 0, 0),
            api_version: (1, 5),
            suites: Suites::ALL,
            depths: Depth::ALL.to_vec(),
            components: Components::ALL.to_vec(),
            force_depth: None,
            force_components: None,
            strict: false,
            threads: 0,
            background: true,
            identity: true,
            abort_after: None,
            project: Project::default(),
            colour_style: ColourStyle::None,
            colourspaces: Vec::new(),
            quirks: Quirks::default(),
        }
    }

    /// A test host: complete, and watching everything.
    #[must_use]
    pub fn strict() -> Self {
        Self {
            name: "corridorkey.test".into(),
            label: "CorridorKey test host".into(),
            strict: true,
            ..Self::production()
        }
    }
}

impl Default for HostOptions {
    /// [`HostOptions::production`].
    fn default() -> Self {
        Self::production()
    }
}
