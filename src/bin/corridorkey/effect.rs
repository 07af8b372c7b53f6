//! The plug-in, as this command hosts it: finding the bundle, loading it, feeding it pictures.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use corridorkey::error::{Error, Result};
use corridorkey::plugin::IDENTIFIER;
use ofx::host::{
    Bundle, ClipFormat, ClipSource, Description, HostError, HostImage, HostOptions, Instance,
    Layout, Library, Project, RenderFailure,
};
use ofx::{Components, Context, Premultiplication, RectD, Scale};

use crate::picture::{Channels, Kind, Picture};
use crate::report::Failure;

/// The folder that the plug-in is installed as.
const BUNDLE_NAME: &str = "CorridorKey.ofx.bundle";

/// Where OpenFX hosts look when nobody says otherwise.
const SYSTEM_FOLDER: &str = if cfg!(target_os = "macos") {
    "/Library/OFX/Plugins"
} else if cfg!(windows) {
    r"C:\Program Files\Common Files\OFX\Plugins"
} else {
    "/usr/OFX/Plugins"
};

/// The bundle to use: the one named, else the one that this command lies in, else the first on
/// OFX_PLUGIN_PATH, else the installed one.
pub(crate) fn find_bundle(named: Option<&Path>) -> Result<Bundle> {
    if let Some(path) = named {
        return Bundle::open(path).map_err(from_host);
    }
    if let Some(path) = own_bundle() {
        return Bundle::open(path).map_err(from_host);
    }
    let folders = host_folders();
    let candidates = folders.iter().map(|folder| folder.join(BUNDLE_NAME));
    match candidates.clone().find(|path| path.is_dir()) {
        Some(path) => Bundle::open(path).map_err(from_host),
        None => {
            let looked: Vec<String> = candidates.map(|path| path.display().to_string()).collect();
            Err(Error::Plugin(format!(
                "the plug-in is not installed (there is no {}); install it, or name its bundle with \
                 --plugin",
                looked.join(" and no ")
            )))
        }
    }
}

/// The folders that OpenFX hosts look in, in their order.
pub(crate) fn host_folders() -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = std::env::var_os("OFX_PLUGIN_PATH")
        .map(|paths| {
            std::env::split_paths(&paths)
                .filter(|path| path.is_absolute())
                .collect()
        })
        .unwrap_or_default();
    folders.push(SYSTEM_FOLDER.into());
    folders
}

/// The bundle around this executable, if it lies in one.
fn own_bundle() -> Option<PathBuf> {
    let executable = std::env::current_exe().ok()?.canonicalize().ok()?;
    let contents = executable.parent()?.parent()?;
    let bundle = contents.parent()?;
    (contents.ends_with("Contents") && bundle.extension()? == "bundle").then(|| bundle.into())
}

/// What the host says about it in this program's words.
pub(crate) fn from_host(error: HostError) -> Error {
    match error {
        HostError::UnknownParameter { .. } | HostError::Value { .. } => {
            Error::Usage(error.to_string())
        }
        other => Error::Plugin(other.to_string()),
    }
}

/// A loaded plug-in.
pub(crate) struct Effect {
    library: Library,
    identifier: String,
}

impl Effect {
    /// Loads the bundle's plug-in.
    pub(crate) fn load(bundle: &Bundle, project: Project) -> Result<Self> {
        let options = HostOptions {
            project,
            ..HostOptions::production()
        };
        let library = Library::load(bundle, options).map_err(from_host)?;
        let plugins = library.plugins();
        let ours = plugins
            .iter()
            .find(|plugin| plugin.identifier == IDENTIFIER);
        let identifier = match ours {
            Some(plugin) => plugin.identifier.clone(),
            None => {
                let names: Vec<String> = plugins
                    .into_iter()
                    .map(|plugin| plugin.identifier)
                    .collect();
                return Err(Error::Plugin(format!(
                    "{} holds another plug-in ({}); name {BUNDLE_NAME} with --plugin",
                    bundle.path.display(),
                    names.join(", ")
                )));
            }
        };
        Ok(Self {
            library,
            identifier,
        })
    }

    /// The plug-in's version, major and minor.
    pub(crate) fn version(&self) -> (u32, u32) {
        let plugins = self.library.plugins();
        plugins
            .iter()
            .find(|plugin| plugin.identifier == self.identifier)
            .map_or((0, 0), |plugin| plugin.version)
    }

    pub(crate) fn identifier(&self) -> &str {
        &self.identifier
    }

    /// What it says about itself with all its clips.
    pub(crate) fn describe(&self) -> Result<Description> {
        self.library
            .describe(&self.identifier, Context::General)
            .map_err(from_host)
    }

    /// An instance with Source and Hint.
    pub(crate) fn create(&self) -> Result<Instance> {
        self.library
            .create(&self.identifier, Context::General)
            .map_err(from_host)
    }
}

/// Why a render gave no picture: the plug-in's own code where its message carries one.
pub(crate) fn from_render(instance: &Instance, failure: &RenderFailure) -> Failure {
    let message = instance.message();
    let code = message
        .map(|message| message.id)
        .filter(|id| !id.is_empty());
    let code = code.unwrap_or_else(|| "plugin".into());
    let (part, _) = code.split_once('.').unwrap_or((&code, ""));
    // As the program's own errors have it, of which only the code comes through the host.
    let exit = match part {
        "runtime" | "device" | "model" | "network" | "memory" | "system" => 5,
        "setting" if code == "setting.value" => 5,
        "clip" => 3,
        _ => 6,
    };
    Failure {
        code,
        message: failure.to_string(),
        exit,
    }
}

/// A clip that holds the frame that is being keyed and, where they are wanted, those beside it.
#[derive(Default)]
pub(crate) struct Feed {
    current: Mutex<Option<Current>>,
}

struct Current {
    format: ClipFormat,
    time: f64,
    image: Arc<HostImage>,
    beside: Vec<(f64, Arc<HostImage>)>,
}

impl Current {
    /// The picture at a time.
    fn at(&self, time: f64) -> Option<&Arc<HostImage>> {
        if self.time == time {
            return Some(&self.image);
        }
        let mut beside = self.beside.iter();
        beside.find_map(|(other, image)| (*other == time).then_some(image))
    }
}

impl Feed {
    /// Puts in the frame to be keyed next, and what there is of those `beside` it, by their times.
    /// Returns true when pictures of another kind come from now on, which the plug-in has to be told
    /// by connecting the clip again.
    pub(crate) fn put(
        &self,
        time: f64,
        range: (f64, f64),
        image: Arc<HostImage>,
        beside: Vec<(f64, Arc<HostImage>)>,
    ) -> bool {
        let format = ClipFormat {
            components: image.components(),
            depth: image.depth(),
            premultiplication: image.premultiplication,
            pixel_aspect: image.pixel_aspect,
            range,
            ..ClipFormat::default()
        };
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let before = current.replace(Current {
            format,
            time,
            image,
            beside,
        });
        before.is_none_or(|before| before.format != format)
    }
}

impl ClipSource for Feed {
    fn format(&self) -> ClipFormat {
        let current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        current
            .as_ref()
            .map(|current| current.format)
            .unwrap_or_default()
    }

    fn region_of_definition(&self, time: f64) -> RectD {
        let current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        current
            .as_ref()
            .map_or(RectD::new(0.0, 0.0, 0.0, 0.0), |current| {
                let image = current.at(time).unwrap_or(&current.image);
                RectD::from_pixels(image.bounds(), Scale::ONE, image.pixel_aspect)
            })
    }

    fn image(&self, time: f64, scale: Scale) -> Option<Arc<HostImage>> {
        let current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let image = current.as_ref()?.at(time)?;
        (scale == Scale::ONE).then(|| Arc::clone(image))
    }
}

/// The plate as the plug-in gets it.
pub(crate) fn plate_image(
    picture: &Picture,
    depth: ofx::Depth,
    id: &str,
) -> std::result::Result<HostImage, String> {
    if picture.channels == Channels::Alpha {
        return Err("it has an alpha channel only, and a plate needs colour".into());
    }
    host_image(picture, &picture.pixels, Components::Rgba, depth, id)
}

/// The hint as the plug-in gets it: with the components of its file, so that the plug-in's rule for
/// the channel sees what the artist made.
pub(crate) fn hint_image(
    mut picture: Picture,
    depth: ofx::Depth,
    id: &str,
) -> std::result::Result<HostImage, String> {
    let components = match picture.channels {
        Channels::Grey | Channels::Alpha => {
            for pixel in picture.pixels.chunks_exact_mut(4) {
                pixel[3] = pixel[0];
            }
            Components::Alpha
        }
        Channels::Rgb => Components::Rgb,
        Channels::GreyAlpha | Channels::Rgba => Components::Rgba,
    };
    host_image(&picture, &picture.pixels, components, depth, id)
}

fn host_image(
    picture: &Picture,
    pixels: &[f32],
    components: Components,
    depth: ofx::Depth,
    id: &str,
) -> std::result::Result<HostImage, String> {
    // The top row first, as files have it: then rows are copied in one go.
    let layout = Layout {
        depth,
        components,
        flipped: true,
        padding: 0,
    };
    let mut image = HostImage::from_rgba_f32(picture.placement.bounds(), pixels, layout)
        .map_err(|error| error.to_string())?;
    image.pixel_aspect = picture.placement.pixel_aspect;
    image.premultiplication = match (picture.channels.has_alpha(), picture.kind) {
        (false, _) if components == Components::Alpha => Premultiplication::Premultiplied,
        (false, _) => Premultiplication::Opaque,
        (true, Kind::Exr) => Premultiplication::Premultiplied,
        (true, Kind::Png) => Premultiplication::Unpremultiplied,
    };
    image.id = id.into();
    Ok(image)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use crate::picture::{Placement, Sample, Size};

    fn picture(channels: Channels, kind: Kind) -> Picture {
        let placement = Placement {
            x: 1,
            y: 1,
            pixel_aspect: 2.0,
            data: Size {
                width: 2,
                height: 2,
            },
            ..Placement::whole(Size {
                width: 4,
                height: 5,
            })
        };
        let pixels = (0..4)
            .flat_map(|n| [n as f32 / 4.0, 0.5, 0.75, 1.0])
            .collect();
        Picture {
            kind,
            sample: Sample::Float,
            channels,
            placement,
            pixels,
        }
    }

    #[test]
    fn a_plate_lies_where_its_data_window_says_the_right_way_up() {
        let plate = picture(Channels::Rgba, Kind::Exr);
        let image = plate_image(&plate, ofx::Depth::Float, "p").unwrap();
        assert_eq!(
            image.bounds(),
            ofx::RectI {
                x1: 1,
                y1: 2,
                x2: 3,
                y2: 4
            }
        );
        assert_eq!(image.pixel_aspect, 2.0);
        assert_eq!(image.premultiplication, Premultiplication::Premultiplied);
        // The first row of a file is the highest y.
        assert_eq!(image.pixel(1, 3).unwrap()[0], 0.0);
        assert_eq!(image.pixel(2, 2).unwrap()[0], 0.75);
        assert_eq!(image.to_rgba_f32(), plate.pixels);
    }

    #[test]
    fn alpha_alone_is_a_hint_and_no_plate() {
        let alpha = picture(Channels::Alpha, Kind::Exr);
        assert!(
            plate_image(&alpha, ofx::Depth::Float, "")
                .unwrap_err()
                .contains("colour")
        );
        let hint = hint_image(alpha, ofx::Depth::Float, "").unwrap();
        assert_eq!(hint.components(), Components::Alpha);
        assert_eq!(hint.pixel(2, 3).unwrap()[3], 0.25);
    }

    #[test]
    fn a_hint_keeps_its_components() {
        for (channels, components) in [
            (Channels::Grey, Components::Alpha),
            (Channels::Rgb, Components::Rgb),
            (Channels::GreyAlpha, Components::Rgba),
            (Channels::Rgba, Components::Rgba),
        ] {
            let hint = hint_image(picture(channels, Kind::Png), ofx::Depth::Byte, "").unwrap();
            assert_eq!(hint.components(), components);
        }
    }

    #[test]
    fn a_feed_serves_its_frame_and_tells_when_the_kind_changes() {
        let image = |channels| {
            let hint = hint_image(picture(channels, Kind::Png), ofx::Depth::Float, "").unwrap();
            Arc::new(hint)
        };
        let feed = Feed::default();
        assert!(feed.put(1.0, (1.0, 3.0), image(Channels::Grey), Vec::new()));
        assert!(!feed.put(2.0, (1.0, 3.0), image(Channels::Grey), Vec::new()));
        assert!(feed.image(2.0, Scale::ONE).is_some());
        assert!(feed.image(1.0, Scale::ONE).is_none());
        let beside = vec![(1.0, image(Channels::Grey))];
        assert!(!feed.put(2.0, (1.0, 3.0), image(Channels::Grey), beside));
        assert!(feed.image(1.0, Scale::ONE).is_some());
        assert!(feed.image(3.0, Scale::ONE).is_none());
        assert!(feed.put(3.0, (1.0, 3.0), image(Channels::Rgb), Vec::new()));
        assert_eq!(feed.format().components, Components::Rgb);
        assert_eq!(
            feed.region_of_definition(3.0),
            RectD::new(2.0, 2.0, 6.0, 4.0)
        );
    }

    #[test]
    fn a_bundle_that_is_not_there_is_named() {
        let error = find_bundle(Some(Path::new("/none/X.ofx.bundle"))).unwrap_err();
        assert!(error.to_string().contains("/none/X.ofx.bundle"), "{error}");
        assert_eq!(error.exit_code(), 6);
    }
}
