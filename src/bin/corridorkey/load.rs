//! Reading ahead: a frame's files, checked and laid out as the plug-in takes them.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use corridorkey::error::{Error, Result};
use ofx::host::HostImage;

use crate::effect::{hint_image, plate_image};
use crate::frames::Shot;
use crate::hint;
use crate::picture::{self, Kind, Picture, Placement, Sample};

/// What the reading threads share.
pub(crate) struct Reader<'a> {
    pub(crate) shots: &'a [Shot],
    pub(crate) depth: ofx::Depth,
    /// A hint that serves every frame is read once.
    pub(crate) still_hint: Option<(&'a PathBuf, OnceLock<Result<Picture>>)>,
}

/// A frame in memory, ready for the plug-in.
pub(crate) struct Read {
    pub(crate) frame: Result<Loaded>,
    pub(crate) took: Duration,
}

pub(crate) struct Loaded {
    pub(crate) kind: Kind,
    pub(crate) sample: Sample,
    pub(crate) placement: Placement,
    pub(crate) source: Arc<HostImage>,
    pub(crate) hint: Option<Arc<HostImage>>,
}

impl Reader<'_> {
    pub(crate) fn read(&self, index: usize) -> Read {
        let began = Instant::now();
        let frame = self.load(&self.shots[index]);
        Read {
            frame,
            took: began.elapsed(),
        }
    }

    pub(crate) fn load(&self, shot: &Shot) -> Result<Loaded> {
        let input = |path: &Path, reason: String| Error::Input {
            path: path.into(),
            reason,
        };
        if let Some(path) = &shot.missing {
            let reason = format!("frame {} is missing from the sequence", shot.frame);
            return Err(input(path, reason));
        }
        let source = picture::read(&shot.source)?;
        let hint = match &shot.hint {
            None => None,
            Some(path) => {
                let hint = self.read_hint(path)?;
                let hint =
                    hint::fit(hint, &source.placement).map_err(|reason| input(path, reason))?;
                let id = format!("{} for {}", path.display(), source.placement.display);
                Some(hint_image(hint, self.depth, &id).map_err(|reason| input(path, reason))?)
            }
        };
        let image = plate_image(&source, self.depth, &shot.source.display().to_string())
            .map_err(|reason| input(&shot.source, reason))?;
        Ok(Loaded {
            kind: source.kind,
            sample: source.sample,
            placement: source.placement,
            source: Arc::new(image),
            hint: hint.map(Arc::new),
        })
    }

    pub(crate) fn read_hint(&self, path: &Path) -> Result<Picture> {
        match &self.still_hint {
            Some((still, picture)) => picture.get_or_init(|| picture::read(still)).clone(),
            None => picture::read(path),
        }
    }
}
