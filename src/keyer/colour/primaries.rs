//! Which red, green, blue and white a picture's numbers mean, and the way from one set to another.
//!
//! Nothing is typed in but the published chromaticities: matrices follow from them, in `f64`
//! (SMPTE RP 177), and whites are brought together by the Bradford method (Lam 1985; as in ICC
//! profiles), so that neutral stays neutral.

/// Chromaticities (x, y) after CIE 1931.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Primaries {
    red: [f64; 2],
    green: [f64; 2],
    blue: [f64; 2],
    white: [f64; 2],
}

const fn primaries(red: [f64; 2], green: [f64; 2], blue: [f64; 2], white: [f64; 2]) -> Primaries {
    Primaries {
        red,
        green,
        blue,
        white,
    }
}

/// CIE daylight of 6504 K, as video has it.
const D65: [f64; 2] = [0.3127, 0.3290];
/// The white of the Academy's spaces, near D60. Source: SMPTE ST 2065-1.
const ACES: [f64; 2] = [0.32168, 0.33767];

/// ITU-R BT.709-6, which sRGB has too.
pub(super) const REC709: Primaries = primaries([0.64, 0.33], [0.30, 0.60], [0.15, 0.06], D65);
/// SMPTE EG 432-1, with D65 as in Apple's Display P3.
pub(super) const P3: Primaries = primaries([0.680, 0.320], [0.265, 0.690], [0.150, 0.060], D65);
/// ITU-R BT.2020-2.
pub(super) const REC2020: Primaries =
    primaries([0.708, 0.292], [0.170, 0.797], [0.131, 0.046], D65);
/// SMPTE ST 2065-1.
pub(super) const AP0: Primaries = primaries([0.7347, 0.2653], [0.0, 1.0], [0.0001, -0.0770], ACES);
/// Academy S-2014-004 (ACEScg).
pub(super) const AP1: Primaries = primaries([0.713, 0.293], [0.165, 0.830], [0.128, 0.044], ACES);
/// ARRI, *ALEXA Log C Curve: Usage in VFX* (2012).
pub(super) const ARRI_WIDE_GAMUT_3: Primaries =
    primaries([0.6840, 0.3130], [0.2210, 0.8480], [0.0861, -0.1020], D65);
/// ARRI, *LogC4 Logarithmic Color Space: Specification* (2022).
pub(super) const ARRI_WIDE_GAMUT_4: Primaries =
    primaries([0.7347, 0.2653], [0.1424, 0.8576], [0.0991, -0.0308], D65);
/// Sony, *Technical Summary for S-Gamut3.Cine/S-Log3 and S-Gamut3/S-Log3* (2014).
pub(super) const S_GAMUT3_CINE: Primaries =
    primaries([0.766, 0.275], [0.225, 0.800], [0.089, -0.087], D65);
/// The same.
pub(super) const S_GAMUT3: Primaries =
    primaries([0.730, 0.280], [0.140, 0.855], [0.100, -0.050], D65);
/// RED, *White Paper on REDWideGamutRGB and Log3G10* (2017).
pub(super) const RED_WIDE_GAMUT: Primaries = primaries(
    [0.780308, 0.304253],
    [0.121595, 1.493994],
    [0.095612, -0.084589],
    D65,
);
/// Panasonic, *V-Log/V-Gamut Reference Manual* (2014).
pub(super) const V_GAMUT: Primaries =
    primaries([0.730, 0.280], [0.165, 0.840], [0.100, -0.030], D65);
/// Canon, *Canon Log Gamma Curves* (2018).
pub(super) const CINEMA_GAMUT: Primaries =
    primaries([0.740, 0.270], [0.170, 1.140], [0.080, -0.100], D65);
/// Blackmagic Design, *Blackmagic Generation 5 Color Science: Technical Reference* (2021).
pub(super) const BLACKMAGIC_WIDE_GAMUT: Primaries = primaries(
    [0.7177215, 0.3171181],
    [0.2280410, 0.8615690],
    [0.1005841, -0.0820452],
    [0.3127170, 0.3290312],
);
/// Blackmagic Design, *DaVinci Resolve 17 Wide Gamut Intermediate* (2021).
pub(super) const DAVINCI_WIDE_GAMUT: Primaries =
    primaries([0.8000, 0.3130], [0.1682, 0.9877], [0.0790, -0.1155], D65);

/// Rows of a matrix that red, green and blue (a column) are multiplied by.
pub(super) type Matrix = [[f64; 3]; 3];

impl Primaries {
    /// From red, green and blue of these primaries to those of others, the same colour seen
    /// under the others' white.
    pub(super) fn to(&self, other: &Self) -> Matrix {
        let adapted = product(&adaptation(self.white, other.white), &self.to_xyz());
        product(&inverse(&other.to_xyz()), &adapted)
    }

    /// To CIE XYZ, white having Y = 1.
    fn to_xyz(self) -> Matrix {
        let [red, green, blue] = [self.red, self.green, self.blue].map(xyz);
        let columns = [0, 1, 2].map(|row| [red[row], green[row], blue[row]]);
        // So much of each as makes white.
        let parts = apply(&inverse(&columns), xyz(self.white));
        columns.map(|row| [0, 1, 2].map(|column| row[column] * parts[column]))
    }
}

/// CIE XYZ of a chromaticity, with Y = 1. A primary at y = 0 has no such point; none is there.
fn xyz([x, y]: [f64; 2]) -> [f64; 3] {
    [x / y, 1.0, (1.0 - x - y) / y]
}

/// Bradford: cones' answers to one white become their answers to another.
fn adaptation(from: [f64; 2], to: [f64; 2]) -> Matrix {
    /// Source: Lam, *Metamerism and Colour Constancy* (1985), as in ICC.1 Annex E.
    const CONES: Matrix = [
        [0.8951, 0.2664, -0.1614],
        [-0.7502, 1.7135, 0.0367],
        [0.0389, -0.0685, 1.0296],
    ];
    if from == to {
        return [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
    }
    let [before, after] = [from, to].map(|white| apply(&CONES, xyz(white)));
    let scaled = [0, 1, 2].map(|cone| CONES[cone].map(|v| v * after[cone] / before[cone]));
    product(&inverse(&CONES), &scaled)
}

pub(super) fn apply(matrix: &Matrix, vector: [f64; 3]) -> [f64; 3] {
    matrix.map(|row| row[0] * vector[0] + row[1] * vector[1] + row[2] * vector[2])
}

fn product(a: &Matrix, b: &Matrix) -> Matrix {
    a.map(|row| [0, 1, 2].map(|column| (0..3).map(|i| row[i] * b[i][column]).sum()))
}

/// The inverse, by cofactors: of three primaries that are not on one line there always is one.
pub(super) fn inverse(m: &Matrix) -> Matrix {
    let cofactor = |row: usize, column: usize| {
        let [a, b] = [(row + 1) % 3, (row + 2) % 3];
        let [c, d] = [(column + 1) % 3, (column + 2) % 3];
        m[a][c] * m[b][d] - m[a][d] * m[b][c]
    };
    let determinant: f64 = (0..3)
        .map(|column| m[0][column] * cofactor(0, column))
        .sum();
    [0, 1, 2].map(|row| [0, 1, 2].map(|column| cofactor(column, row) / determinant))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(own: &Matrix, published: &Matrix, tolerance: f64) {
        for (own, published) in own.iter().flatten().zip(published.iter().flatten()) {
            assert!((own - published).abs() < tolerance, "{own} {published}");
        }
    }

    /// IEC 61966-2-1 and SMPTE ST 2065-1 print these.
    #[test]
    fn matrices_to_xyz_are_the_published_ones() {
        let srgb = [
            [0.4124, 0.3576, 0.1805],
            [0.2126, 0.7152, 0.0722],
            [0.0193, 0.1192, 0.9505],
        ];
        near(&REC709.to_xyz(), &srgb, 1e-4);
        let ap0 = [
            [0.952_552_395_9, 0.0, 0.000_093_678_6],
            [0.343_966_449_8, 0.728_166_096_6, -0.072_132_546_4],
            [0.0, 0.0, 1.008_825_184_4],
        ];
        near(&AP0.to_xyz(), &ap0, 1e-9);
        // Academy S-2014-004.
        let ap1 = [
            [0.662_454_181_1, 0.134_004_206_5, 0.156_187_687_0],
            [0.272_228_716_8, 0.674_081_765_8, 0.053_689_517_4],
            [-0.005_574_649_5, 0.004_060_733_5, 1.010_339_100_3],
        ];
        near(&AP1.to_xyz(), &ap1, 1e-9);
    }

    #[test]
    fn matrices_between_spaces_are_the_published_ones() {
        // ITU-R BT.2087-0.
        let bt2087 = [
            [0.6274, 0.3293, 0.0433],
            [0.0691, 0.9195, 0.0114],
            [0.0164, 0.0880, 0.8956],
        ];
        near(&REC709.to(&REC2020), &bt2087, 1e-4);
        // Academy S-2014-004.
        let ap1_to_ap0 = [
            [0.695_452_241_4, 0.140_678_696_5, 0.163_869_062_2],
            [0.044_794_563_4, 0.859_671_118_5, 0.095_534_318_2],
            [-0.005_525_882_6, 0.004_025_210_3, 1.001_500_672_3],
        ];
        near(&AP1.to(&AP0), &ap1_to_ap0, 1e-9);
        // OpenColorIO's ACES configurations: AP0 to linear Rec.709, Bradford.
        let ap0_to_rec709 = [
            [2.521_686_186_744, -1.134_130_988_240, -0.387_555_198_504],
            [-0.276_479_914_230, 1.372_719_087_668, -0.096_239_173_438],
            [-0.015_378_064_966, -0.152_975_335_867, 1.168_353_400_833],
        ];
        near(&AP0.to(&REC709), &ap0_to_rec709, 1e-6);
        let ap1_to_rec709 = [
            [1.705_050_992_658, -0.621_792_120_657, -0.083_258_872_001],
            [-0.130_256_417_507, 1.140_804_736_575, -0.010_548_319_068],
            [-0.024_003_356_805, -0.128_968_976_065, 1.152_972_332_870],
        ];
        near(&AP1.to(&REC709), &ap1_to_rec709, 1e-6);
        // ARRI's own, from Wide Gamut 3 to Rec.709.
        let arri = [
            [1.617_523, -0.537_287, -0.080_237],
            [-0.070_573, 1.334_613, -0.264_040],
            [-0.021_102, -0.226_954, 1.248_056],
        ];
        near(&ARRI_WIDE_GAMUT_3.to(&REC709), &arri, 1e-4);
    }

    /// Blackmagic prints this one; RED, Sony and ARRI print theirs to XYZ.
    #[test]
    fn camera_matrices_to_xyz_are_the_published_ones() {
        let davinci = [
            [0.700_622_392, 0.148_774_815, 0.101_058_719],
            [0.274_118_511, 0.873_631_896, -0.147_750_407],
            [-0.098_962_913, -0.137_895_325, 1.325_916_126],
        ];
        near(&DAVINCI_WIDE_GAMUT.to_xyz(), &davinci, 1e-4);
        let red = [
            [0.735_275, 0.068_609_4, 0.146_571],
            [0.286_694, 0.842_979, -0.129_673],
            [-0.079_681, -0.347_343, 1.516_082],
        ];
        near(&RED_WIDE_GAMUT.to_xyz(), &red, 2e-4);
        let s_gamut3_cine = [
            [0.599_083_921, 0.248_925_516, 0.102_446_490],
            [0.215_075_820, 0.885_068_502, -0.100_144_322],
            [-0.032_065_849, -0.027_658_390, 1.148_781_991],
        ];
        near(&S_GAMUT3_CINE.to_xyz(), &s_gamut3_cine, 1e-4);
        let arri4 = [
            [
                0.704_858_320_407_232,
                0.129_760_295_170_463,
                0.115_837_311_473_977,
            ],
            [
                0.254_524_176_404_027,
                0.781_477_732_712_002,
                -0.036_001_909_116_029,
            ],
            [0.0, 0.0, 1.089_057_750_759_878],
        ];
        near(&ARRI_WIDE_GAMUT_4.to_xyz(), &arri4, 1e-4);
    }

    #[test]
    fn neutral_stays_neutral_and_there_is_a_way_back() {
        let all = [
            P3,
            REC2020,
            AP0,
            AP1,
            ARRI_WIDE_GAMUT_3,
            ARRI_WIDE_GAMUT_4,
            S_GAMUT3_CINE,
            S_GAMUT3,
            RED_WIDE_GAMUT,
            V_GAMUT,
            CINEMA_GAMUT,
            BLACKMAGIC_WIDE_GAMUT,
            DAVINCI_WIDE_GAMUT,
        ];
        for space in all {
            let matrix = space.to(&REC709);
            for value in apply(&matrix, [1.0; 3]) {
                assert!((value - 1.0).abs() < 1e-12, "{space:?}: {value}");
            }
            let back = product(&matrix, &REC709.to(&space));
            let identity = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
            near(&back, &identity, 1e-12);
        }
    }
}
