//! The list of encodings: for each its curve and its primaries, with where they are published.

use std::sync::LazyLock;

use super::Encoding;
use super::curves::{Apple, Curve, DECIMAL, Log, NATURAL, Published};
use super::primaries::{self as gamut, Primaries, REC709};

/// What a clip's numbers mean, ready for rows.
#[derive(Debug)]
pub(super) struct Space {
    pub(super) curve: Curve,
    /// From its primaries to those of Rec. 709, and back; `None` when they are the same.
    pub(super) to_rec709: Option<[[f32; 3]; 3]>,
    pub(super) from_rec709: Option<[[f32; 3]; 3]>,
}

impl Encoding {
    /// The space of this encoding.
    pub(super) fn space(self) -> &'static Space {
        static SPACES: LazyLock<Vec<Space>> = LazyLock::new(|| {
            let of = |encoding: &Encoding| {
                let (curve, primaries) = encoding.published();
                Space::new(curve, &primaries)
            };
            Encoding::ALL.iter().map(of).collect()
        });
        &SPACES[self as usize]
    }

    /// Curve and primaries, as published.
    pub(super) fn published(self) -> (Curve, Primaries) {
        match self {
            // IEC 61966-2-1.
            Self::Srgb => (Curve::Srgb, REC709),
            Self::Linear => (Curve::Straight, REC709),
            // ITU-R BT.709-6, item 1.2.
            Self::Rec709 => (Curve::Rec709, REC709),
            // ITU-R BT.1886, Annex 1, with a black of 0.
            Self::Bt1886 => (Curve::Power(2.4), REC709),
            Self::Gamma22 => (Curve::Power(2.2), REC709),
            // Apple, Display P3; the curve is sRGB's.
            Self::DisplayP3 => (Curve::Srgb, gamut::P3),
            Self::Rec2020Linear => (Curve::Straight, gamut::REC2020),
            // Academy S-2014-004.
            Self::AcesCg => (Curve::Straight, gamut::AP1),
            // SMPTE ST 2065-1.
            Self::Aces2065 => (Curve::Straight, gamut::AP0),
            Self::AcesCct => (Curve::Log(acescct()), gamut::AP1),
            Self::Cineon => (Curve::Log(cineon()), REC709),
            Self::LogC3 => (Curve::Log(logc3()), gamut::ARRI_WIDE_GAMUT_3),
            Self::LogC4 => (Curve::Log(logc4()), gamut::ARRI_WIDE_GAMUT_4),
            Self::SLog3Cine => (Curve::Log(slog3()), gamut::S_GAMUT3_CINE),
            Self::SLog3 => (Curve::Log(slog3()), gamut::S_GAMUT3),
            Self::Log3G10 => (Curve::Log(log3g10()), gamut::RED_WIDE_GAMUT),
            Self::VLog => (Curve::Log(vlog()), gamut::V_GAMUT),
            Self::CLog2 => (Curve::Log(clog2()), gamut::CINEMA_GAMUT),
            Self::CLog3 => (Curve::Log(clog3()), gamut::CINEMA_GAMUT),
            Self::BmdFilm5 => (Curve::Log(film5()), gamut::BLACKMAGIC_WIDE_GAMUT),
            Self::DaVinciIntermediate => (Curve::Log(davinci()), gamut::DAVINCI_WIDE_GAMUT),
            Self::AppleLog => (Curve::Apple(Apple::new()), gamut::REC2020),
        }
    }
}

impl Space {
    fn new(curve: Curve, primaries: &Primaries) -> Self {
        let single = |matrix: [[f64; 3]; 3]| matrix.map(|row| row.map(|v| v as f32));
        let (there, back) = (primaries.to(&REC709), REC709.to(primaries));
        let same = *primaries == REC709;
        Self {
            curve,
            to_rec709: (!same).then(|| single(there)),
            from_rec709: (!same).then(|| single(back)),
        }
    }
}

/// Academy S-2016-001.
fn acescct() -> Log {
    let log = Published {
        gain: 1.0,
        bias: 0.0,
        scale: 1.0 / 17.52,
        offset: 9.72 / 17.52,
    };
    Log::with_line(log, 0.007_812_5, 10.540_237_741_654_5)
}

/// Kodak, *Conversion of 10-bit Log Film Data to 8-bit Linear or Video Data* (1995): black at code
/// 95, white at 685, 0.002 of density per code, a film gamma of 0.6. Below code 0 turned.
fn cineon() -> Log {
    let density = |code: f64| (code - 685.0) * 0.002 / 0.6;
    let black = 10.0_f64.powf(density(95.0));
    let log = Published {
        gain: 1.0 - black,
        bias: black,
        scale: DECIMAL * 0.6 / 0.002 / 1023.0,
        offset: 685.0 / 1023.0,
    };
    let end = (10.0_f64.powf(density(0.0)) - black) / (1.0 - black);
    Log::turned(log, end)
}

/// ARRI, *ALEXA Log C Curve: Usage in VFX* (2012), exposure index 800, light as scene linear.
fn logc3() -> Log {
    let log = Published {
        gain: 5.555556,
        bias: 0.052272,
        scale: DECIMAL * 0.247190,
        offset: 0.385537,
    };
    Log::with_line(log, 0.010591, 5.367655)
}

/// ARRI, *LogC4 Logarithmic Color Space: Specification* (2022).
fn logc4() -> Log {
    let a = (2.0_f64.powi(18) - 16.0) / 117.45;
    let b = (1023.0 - 95.0) / 1023.0;
    let c = 95.0 / 1023.0;
    let slope = a * b / (7.0 * std::f64::consts::LN_2 * 2.0_f64.powf(7.0 - 14.0 * c / b));
    let cut = (2.0_f64.powf(14.0 * (-c / b) + 6.0) - 64.0) / a;
    let log = Published {
        gain: a,
        bias: 64.0,
        scale: b / 14.0,
        offset: c - b * 6.0 / 14.0,
    };
    Log::with_line(log, cut, slope)
}

/// Sony, *Technical Summary for S-Gamut3.Cine/S-Log3 and S-Gamut3/S-Log3* (2014).
fn slog3() -> Log {
    let log = Published {
        gain: 1.0 / (0.18 + 0.01),
        bias: 0.01 / (0.18 + 0.01),
        scale: DECIMAL * 261.5 / 1023.0,
        offset: 420.0 / 1023.0,
    };
    let slope = (171.210_294_692_9 - 95.0) / 0.01125 / 1023.0;
    Log::with_line(log, 0.01125, slope)
}

/// RED, *White Paper on REDWideGamutRGB and Log3G10* (2017), the second version, which has a line.
fn log3g10() -> Log {
    let log = Published {
        gain: 155.975327,
        bias: 155.975327 * 0.01 + 1.0,
        scale: DECIMAL * 0.224282,
        offset: 0.0,
    };
    Log::with_line(log, -0.01, 15.1927)
}

/// Panasonic, *V-Log/V-Gamut Reference Manual* (2014).
fn vlog() -> Log {
    let log = Published {
        gain: 1.0,
        bias: 0.00873,
        scale: DECIMAL * 0.241514,
        offset: 0.598206,
    };
    Log::with_line(log, 0.01, 5.6)
}

/// What Canon's curves call 1 is a light of 0.9.
const CANON: f64 = 1.0 / 0.9;

/// Canon, *Canon Log Gamma Curves* (2018), turned about 0 as published.
fn clog2() -> Log {
    let log = Published {
        gain: CANON * 87.099375,
        bias: 1.0,
        scale: DECIMAL * 0.241_360_77,
        offset: 0.092_864_125,
    };
    Log::turned(log, 0.0)
}

/// Canon, *Canon Log Gamma Curves* (2018), turned about 0 as published.
fn clog3() -> Log {
    let log = Published {
        gain: CANON * 14.98325,
        bias: 1.0,
        scale: DECIMAL * 0.367_268_45,
        offset: 0.122_405_37,
    };
    Log::with_line_turned(log, 0.014 / CANON, 1.975_479_8 * CANON)
}

/// Blackmagic Design, *Blackmagic Generation 5 Color Science: Technical Reference* (2021).
fn film5() -> Log {
    let log = Published {
        gain: 1.0,
        bias: 0.005_494_072_432_257_808,
        scale: NATURAL * 0.086_928_760_654_912_24,
        offset: 0.530_013_339_229_193_9,
    };
    Log::with_line(log, 0.005, 8.283_605_932_402_494)
}

/// Blackmagic Design, *DaVinci Resolve 17 Wide Gamut Intermediate* (2021).
fn davinci() -> Log {
    let log = Published {
        gain: 1.0,
        bias: 0.0075,
        scale: 0.073_292_48,
        offset: 0.073_292_48 * 7.0,
    };
    Log::with_line(log, 0.002_624_09, 10.444_268_55)
}
