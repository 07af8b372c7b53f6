//! How the Source clip is encoded, where the artist left it to us, and why we think so.
//!
//! Never by looking at pixels: a shot must not change its colour because a frame is dark. There are
//! two sources of truth, in this order:
//!
//! 1. OpenFX 1.5 colour management. The plug-in declares the Core style; a host that manages
//!    colour then names the clip's colour space. The names are those of the configuration
//!    `ofx-native-v1.5_aces-v1.3_ocio-v2.3`, and [`named`] knows the core ones and the cameras'.
//! 2. Otherwise the host's name and the depth of the picture, [`by_host`].

use ofx::{ColourStyle, Depth, Effect};

use super::{OUTPUT, SOURCE, Settings};
use crate::error::Result;
use crate::keyer::{Encoding, Output, OutputColour};

/// How a clip is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reading {
    /// What its numbers mean.
    pub(super) encoding: Encoding,
    /// Why, for the panel; `None` where the artist said so.
    pub(super) why: Option<String>,
}

/// What the Source clip's numbers mean, for pictures of this depth.
pub(super) fn reading(effect: Effect<'_>, settings: &Settings, depth: Depth) -> Result<Reading> {
    let space = match settings.input {
        Some(_) => None,
        None => told(effect)?,
    };
    Ok(decide(
        settings.input,
        space.as_deref(),
        &effect.host().name,
        depth,
    ))
}

/// The colour space that the host names, where it manages colour at all.
fn told(effect: Effect<'_>) -> Result<Option<String>> {
    if effect.colour_style() == ColourStyle::None {
        return Ok(None);
    }
    Ok(effect.clip(SOURCE)?.colourspace())
}

fn decide(said: Option<Encoding>, space: Option<&str>, host: &str, depth: Depth) -> Reading {
    if let Some(encoding) = said {
        return Reading {
            encoding,
            why: None,
        };
    }
    let (encoding, habit) = by_host(host, depth);
    match space.map(|space| (space, named(space))) {
        Some((space, Some(encoding))) => Reading {
            encoding,
            why: Some(format!("the host calls it {space}")),
        },
        Some((space, None)) => Reading {
            encoding,
            why: Some(format!(
                "the host calls it {space}, which is not known here, so {habit}; set Input Colour if that is wrong"
            )),
        },
        None => Reading {
            encoding,
            why: Some(habit.into()),
        },
    }
}

/// What a host's pictures mean that says nothing about them, and the reason.
///
/// | host | depth | read as | why |
/// |---|---|---|---|
/// | Nuke, Natron | float, half | linear | their graphs work in scene-linear light with Rec. 709 primaries, whatever the files were |
/// | Resolve | all | gamma 2.4 | it hands over the timeline's own colour, at every depth in float; a timeline is Rec. 709 Gamma 2.4 unless somebody changes it |
/// | melt (Kdenlive, Shotcut) | all | sRGB | its pictures are video as it is shown, and stay so when they are made float |
/// | Fusion and all others | float, half | linear | floats come from renderers and EXR files, which are linear |
/// | all others | 8 and 16 bits | sRGB | integers are for showing |
fn by_host(host: &str, depth: Depth) -> (Encoding, &'static str) {
    let host = host.to_ascii_lowercase();
    let float = matches!(depth, Depth::Half | Depth::Float);
    if host.starts_with("davinciresolve") {
        let why = "Resolve hands over the timeline's colour, which is Rec.709 Gamma 2.4 by default";
        return (Encoding::Bt1886, why);
    }
    if host == "mlt" {
        return (
            Encoding::Srgb,
            "this host's pictures are video as it is shown",
        );
    }
    if !float {
        return (Encoding::Srgb, "8 and 16 bits are taken for sRGB");
    }
    if host.starts_with("uk.co.thefoundry.") {
        (Encoding::Linear, "Nuke works in linear light")
    } else if host.ends_with("natron") {
        (Encoding::Linear, "Natron works in linear light")
    } else {
        (Encoding::Linear, "floats are taken for linear")
    }
}

/// The encoding that OpenFX gives this name or label. `None` for a name that is not known, and for
/// those that stand for no encoding that there is here.
fn named(space: &str) -> Option<Encoding> {
    use Encoding::*;
    let known = [
        // Core.
        ("srgb_tx", "sRGB - Texture", Srgb),
        ("srgb_display", "sRGB - Display", Srgb),
        ("lin_rec709_srgb", "Linear Rec.709 (sRGB)", Linear),
        ("displayp3_display", "Display P3 - Display", DisplayP3),
        (
            "srgb_encoded_p3d65_tx",
            "sRGB Encoded P3-D65 - Texture",
            DisplayP3,
        ),
        (
            "rec1886_rec709_display",
            "Rec.1886 Rec.709 - Display",
            Bt1886,
        ),
        ("g24_rec709_tx", "Gamma 2.4 Rec.709 - Texture", Bt1886),
        ("g22_rec709_tx", "Gamma 2.2 Rec.709 - Texture", Gamma22),
        ("lin_rec2020", "Linear Rec.2020", Rec2020Linear),
        ("ACEScg", "ACES - ACEScg", AcesCg),
        ("ACEScct", "ACES - ACEScct", AcesCct),
        ("ACES2065-1", "aces_interchange", Aces2065),
        // Families: the nearest there is.
        ("ofx_display_sdr", "OFX generic display SDR", Bt1886),
        ("ofx_scene_linear", "OFX generic scene linear", Linear),
        ("scene_linear", "scene_linear", Linear),
        ("texture_paint", "texture_paint", Srgb),
        // Cameras: of the Full style, which a generous host may use all the same.
        ("camera_rec709", "Camera Rec.709", Rec709),
        ("arri_logc3_ei800", "ARRI LogC3 (EI800)", LogC3),
        ("arri_logc4", "ARRI LogC4", LogC4),
        ("slog3_sgamut3cine", "S-Log3 S-Gamut3.Cine", SLog3Cine),
        ("slog3_sgamut3", "S-Log3 S-Gamut3", SLog3),
        (
            "log3g10_redwidegamutrgb",
            "Log3G10 REDWideGamutRGB",
            Log3G10,
        ),
        ("vlog_vgamut", "V-Log V-Gamut", VLog),
        (
            "canonlog2_cinemagamut_d55",
            "CanonLog2 CinemaGamut D55",
            CLog2,
        ),
        (
            "canonlog3_cinemagamut_d55",
            "CanonLog3 CinemaGamut D55",
            CLog3,
        ),
        ("bmdfilm_widegamut_gen5", "BMDFilm WideGamut Gen5", BmdFilm5),
        (
            "davinci_intermediate_widegamut",
            "DaVinci Intermediate WideGamut",
            DaVinciIntermediate,
        ),
    ];
    let space = space.trim();
    known
        .into_iter()
        .find(|(name, label, _)| {
            name.eq_ignore_ascii_case(space) || label.eq_ignore_ascii_case(space)
        })
        .map(|(.., encoding)| encoding)
}

/// The colour space in which data is served and delivered.
pub(super) const RAW: &str = "ofx_raw";

/// The name of the output's colour space. A picture in the plate's own encoding has the plate's,
/// whatever that is called.
pub(super) fn output_space(output: Output, colour: OutputColour) -> String {
    match colour {
        _ if output.is_data() => RAW.into(),
        OutputColour::Same => format!("OfxColourspace_{SOURCE}"),
        OutputColour::Linear => "lin_rec709_srgb".into(),
    }
}

/// Answers which colour space the output has.
pub(super) fn output_colourspace(effect: Effect<'_>) -> Result<Option<String>> {
    // As with clip preferences, the answer has no time: what shapes it does not animate.
    let output = Settings::read_output(effect)?;
    let colour = Settings::read_output_colour(effect)?;
    let space = output_space(output, colour);
    log::debug!("{OUTPUT} is in {space}");
    Ok(Some(space))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn auto(space: Option<&str>, host: &str, depth: Depth) -> Reading {
        decide(None, space, host, depth)
    }

    #[test]
    fn the_artists_word_is_the_last() {
        let reading = decide(
            Some(Encoding::LogC3),
            Some("ACEScg"),
            "DaVinciResolve",
            Depth::Float,
        );
        assert_eq!(reading.encoding, Encoding::LogC3);
        assert_eq!(reading.why, None);
    }

    #[test]
    fn a_host_that_names_the_space_is_believed() {
        for (name, encoding) in [
            ("ACEScg", Encoding::AcesCg),
            ("acescg", Encoding::AcesCg),
            ("Linear Rec.709 (sRGB)", Encoding::Linear),
            ("srgb_tx", Encoding::Srgb),
            ("rec1886_rec709_display", Encoding::Bt1886),
            ("ofx_scene_linear", Encoding::Linear),
            ("arri_logc3_ei800", Encoding::LogC3),
        ] {
            let reading = auto(Some(name), "DaVinciResolve", Depth::Byte);
            assert_eq!(reading.encoding, encoding, "{name}");
            assert!(reading.why.is_some_and(|why| why.contains(name)));
        }
    }

    #[test]
    fn a_name_that_is_not_known_is_said_and_the_table_holds() {
        for name in ["ACEScc", "rec2100_pq_display", "Raw", "Bob's log"] {
            let reading = auto(Some(name), "uk.co.thefoundry.nuke", Depth::Float);
            assert_eq!(reading.encoding, Encoding::Linear);
            let why = reading.why.unwrap_or_default();
            assert!(why.contains(name) && why.contains("not known"), "{why}");
        }
    }

    #[test]
    fn silent_hosts_go_by_name_and_depth() {
        use Depth::{Byte, Float, Half, Short};
        for (host, depth, encoding) in [
            ("uk.co.thefoundry.nuke", Float, Encoding::Linear),
            ("fr.inria.Natron", Float, Encoding::Linear),
            ("fr.inria.Natron", Short, Encoding::Srgb),
            ("DaVinciResolve", Float, Encoding::Bt1886),
            ("DaVinciResolveLite", Byte, Encoding::Bt1886),
            ("com.blackmagicdesign.Fusion", Float, Encoding::Linear),
            ("com.blackmagicdesign.Fusion", Byte, Encoding::Srgb),
            ("MLT", Float, Encoding::Srgb),
            ("somebody.else", Half, Encoding::Linear),
            ("", Byte, Encoding::Srgb),
        ] {
            let reading = auto(None, host, depth);
            assert_eq!(reading.encoding, encoding, "{host} {depth:?}");
            assert!(reading.why.is_some());
        }
    }

    #[test]
    fn outputs_say_what_they_are() {
        let space = output_space;
        assert_eq!(space(Output::Matte, OutputColour::Linear), RAW);
        assert_eq!(space(Output::Hint, OutputColour::Same), RAW);
        assert_eq!(
            space(Output::Processed, OutputColour::Same),
            "OfxColourspace_Source"
        );
        assert_eq!(
            space(Output::Composite, OutputColour::Linear),
            "lin_rec709_srgb"
        );
    }
}
