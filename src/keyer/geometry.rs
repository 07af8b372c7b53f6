//! How large the network's picture is, and where the plate lies in it.
//!
//! A frame must not change with the machine, with what else is open, or with the viewer's proxy:
//! the network's size depends on the plate's *full-scale* size, the model's rule and the user's
//! choice, and on nothing else. A proxy is scaled up to what the full plate would have been.

use super::error::{Error, Result};
use super::image::{Planes, Size};
use super::settings::Resolution;

/// How a model wants the plate laid into its picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fit {
    /// The plate keeps its shape; what is missing to a multiple is filled by repeating the last
    /// column and row.
    Aspect,
    /// The plate is stretched into a square: the original checkpoint's way.
    Square,
}

/// The sizes that a model can work at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SizeRule {
    /// How the plate is laid in.
    pub fit: Fit,
    /// Both sides are multiples of this.
    pub multiple: usize,
    /// Neither side is smaller.
    pub min: usize,
    /// Neither side is longer.
    pub max_long: usize,
    /// The longest side that Auto chooses; Full goes on to `max_long`. Models that keep the plate's
    /// aspect only.
    pub auto_long: usize,
}

/// Sides of a full picture are multiples of this for [`Fit::Square`], so that an animated region of
/// definition does not build a session per frame. [`Geometry::on_lattice`] does it for the others.
const FULL_STEP: usize = 64;

/// Three sizes: what comes in, what it is resized to, and what the network sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Geometry {
    /// The plate in the pixels of this render.
    pub plate: Size,
    /// The plate after resizing; it lies in the network's upper left corner.
    pub content: Size,
    /// The network's picture: the content, with its last column and row repeated to the right and
    /// downwards.
    pub network: Size,
}

impl Geometry {
    /// The geometry of a plate.
    ///
    /// `plate` is its size in this render, `full_scale` the size that it has without a proxy.
    ///
    /// | choice | aspect kept | square |
    /// |---|---|---|
    /// | Auto | the plate's own size, up to the model's `auto_long` | ≤ 1000 → 512, ≤ 2000 → 1024, ≤ 3000 → 1536, else 2048 squared |
    /// | 512 … 2048 | that many pixels on the long side | squared |
    /// | Full | the plate's own size | its own shape, both sides up to multiples of 64 |
    ///
    /// Each is limited to the model's longest side.
    ///
    /// # Errors
    /// [`Error::Empty`] for a plate without pixels, [`Error::SizeRule`] for a rule that allows no
    /// size.
    pub fn new(
        plate: Size,
        full_scale: Size,
        rule: &SizeRule,
        resolution: Resolution,
    ) -> Result<Self> {
        for size in [plate, full_scale] {
            if size.is_empty() {
                return Err(Error::Empty {
                    what: "plate",
                    size,
                });
            }
        }
        let longest = rule.longest()?;
        let (content, network) = match rule.fit {
            Fit::Aspect => {
                let long = match resolution {
                    Resolution::Full => full_scale.long(),
                    Resolution::Auto => full_scale.long().min(rule.auto_long),
                    _ => fixed_side(resolution).unwrap_or(full_scale.long()),
                };
                let content = scaled_to(full_scale, long.min(longest));
                (content, rule.padded(content, rule.multiple))
            }
            Fit::Square => {
                let side = match resolution {
                    Resolution::Full => None,
                    Resolution::Auto => Some(ladder(full_scale.long())),
                    _ => fixed_side(resolution),
                };
                let network = match side {
                    Some(side) => {
                        let side = side.min(longest);
                        rule.padded(Size::new(side, side), rule.multiple)
                    }
                    None => {
                        let step = least_common_multiple(FULL_STEP, rule.multiple);
                        let own = scaled_to(full_scale, full_scale.long().min(longest));
                        // Where 64 does not fit under the longest side, the model's own step does.
                        let stepped = rule.padded(own, step);
                        if stepped.long() <= longest {
                            stepped
                        } else {
                            rule.padded(own, rule.multiple)
                        }
                    }
                };
                match resolution {
                    // Its own shape is padded, not stretched.
                    Resolution::Full => (
                        scaled_to(full_scale, full_scale.long().min(longest)),
                        network,
                    ),
                    _ => (network, network),
                }
            }
        };
        Ok(Self {
            plate,
            content,
            network,
        })
    }

    /// `Ok` for this geometry's plate and an alpha that its network has predicted.
    ///
    /// # Errors
    /// [`Error::Channels`] and [`Error::SizeMismatch`] for others.
    pub(super) fn check(&self, plate: &Planes, alpha: &Planes) -> Result<()> {
        plate.check("plate", &[3], "3")?;
        plate.check_size("plate", self.plate)?;
        alpha.check("predicted alpha", &[1], "1")?;
        alpha.check_size("predicted alpha", self.network)
    }

    /// The geometry of a plate whose edges may move from frame to frame, and the part of the
    /// picture plane that it takes in. `bounds` are the plate's at full scale; so is `plate` of the
    /// answer, until [`at_scale`](Self::at_scale).
    ///
    /// For a model that keeps the plate's aspect the edges are moved outwards to a lattice that
    /// lies fixed in the picture: a whole number of full-scale pixels for each `multiple` pixels of
    /// the network. The network then sees a locked-off shot on the same grid in every frame, though
    /// the region of definition breathes, and at one of few sizes. Within the lattice the size is
    /// that of [`new`](Self::new), one step more at most. What lies between the plate's edges and
    /// the lattice is to be filled by repeating the plate's outermost pixels.
    ///
    /// # Errors
    /// Those of [`new`](Self::new).
    pub fn on_lattice(
        bounds: Bounds,
        rule: &SizeRule,
        resolution: Resolution,
    ) -> Result<(Bounds, Self)> {
        let full = bounds.size();
        let plain = Self::new(full, full, rule, resolution)?;
        let (multiple, longest) = (rule.multiple, rule.longest()?);
        // Two steps are what a plate on both sides of a line of the lattice needs.
        if rule.fit == Fit::Square || longest < 2 * multiple {
            return Ok((bounds, plain));
        }
        let mut step = match plain.is_own_size() {
            true => multiple,
            false => (full.long() * multiple).div_ceil(plain.content.long()),
        };
        let least = rule.min.div_ceil(multiple);
        let (bounds, steps) = loop {
            let (bounds, steps) = bounds.outwards(step, least);
            if steps.long() * multiple <= longest {
                break (bounds, steps);
            }
            step += 1;
        };
        let network = Size::new(steps.width * multiple, steps.height * multiple);
        let geometry = Self {
            plate: bounds.size(),
            content: network,
            network,
        };
        Ok((bounds, geometry))
    }

    /// The same for a plate that has this size in the pixels of the render.
    pub fn at_scale(self, plate: Size) -> Self {
        Self { plate, ..self }
    }

    /// True when the plate is neither resized on the way in nor on the way out.
    pub fn is_own_size(&self) -> bool {
        self.plate == self.content
    }
}

/// A rectangle of full-scale pixels, y upwards, half open, counted from the picture's origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Bounds {
    /// Left.
    pub x1: i32,
    /// Low.
    pub y1: i32,
    /// Right.
    pub x2: i32,
    /// High.
    pub y2: i32,
}

impl Bounds {
    /// Width and height; 0 where it is turned inside out.
    pub fn size(&self) -> Size {
        let side = |from: i32, to: i32| usize::try_from(i64::from(to) - i64::from(from));
        Size::new(
            side(self.x1, self.x2).unwrap_or(0),
            side(self.y1, self.y2).unwrap_or(0),
        )
    }

    /// The edges moved outwards to multiples of `step`, at least `least` of them apart, and how
    /// many they are apart.
    fn outwards(&self, step: usize, least: usize) -> (Self, Size) {
        let length = step as i64;
        let side = |from: i32, to: i32| {
            let first = i64::from(from).div_euclid(length);
            let last = -(-i64::from(to)).div_euclid(length);
            let last = last.max(first + least as i64);
            let edge = |line: i64| (line * length).clamp(i32::MIN.into(), i32::MAX.into()) as i32;
            (edge(first), edge(last), (last - first) as usize)
        };
        let (x1, x2, across) = side(self.x1, self.x2);
        let (y1, y2, up) = side(self.y1, self.y2);
        (Self { x1, y1, x2, y2 }, Size::new(across, up))
    }
}

impl SizeRule {
    /// The longest side that is a multiple and not too long.
    fn longest(&self) -> Result<usize> {
        let wrong = Error::SizeRule {
            multiple: self.multiple,
            min: self.min,
            max_long: self.max_long,
        };
        if self.multiple == 0 {
            return Err(wrong);
        }
        let longest = self.max_long / self.multiple * self.multiple;
        if longest == 0 || self.min.next_multiple_of(self.multiple) > longest {
            return Err(wrong);
        }
        Ok(longest)
    }

    /// The smallest allowed size that holds `content`, in steps of `step`.
    fn padded(&self, content: Size, step: usize) -> Size {
        let side = |pixels: usize| pixels.max(self.min).next_multiple_of(step);
        Size::new(side(content.width), side(content.height))
    }
}

/// `size` with another long side, the shape kept as nearly as whole pixels allow.
fn scaled_to(size: Size, long: usize) -> Size {
    if size.long() == long {
        return size;
    }
    let scale = |pixels: usize| {
        let scaled =
            (pixels as u128 * 2 * long as u128 + size.long() as u128) / (2 * size.long() as u128);
        (scaled as usize).clamp(1, long)
    };
    Size::new(scale(size.width), scale(size.height))
}

/// The side that the user named.
fn fixed_side(resolution: Resolution) -> Option<usize> {
    match resolution {
        Resolution::Auto | Resolution::Full => None,
        Resolution::Long512 => Some(512),
        Resolution::Long1024 => Some(1024),
        Resolution::Long1536 => Some(1536),
        Resolution::Long2048 => Some(2048),
    }
}

/// The square for a plate's long side: the ladder that CorridorKey plug-ins share.
fn ladder(long: usize) -> usize {
    match long {
        0..=1000 => 512,
        1001..=2000 => 1024,
        2001..=3000 => 1536,
        _ => 2048,
    }
}

fn least_common_multiple(a: usize, b: usize) -> usize {
    let (mut x, mut y) = (a, b);
    while y != 0 {
        (x, y) = (y, x % y);
    }
    a / x * b
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use proptest::prelude::*;

    const ASPECT: SizeRule = SizeRule {
        fit: Fit::Aspect,
        multiple: 32,
        min: 64,
        max_long: 2048,
        auto_long: 2048,
    };
    const SQUARE: SizeRule = SizeRule {
        fit: Fit::Square,
        ..ASPECT
    };

    fn of(width: usize, height: usize, rule: &SizeRule, resolution: Resolution) -> Geometry {
        let size = Size::new(width, height);
        Geometry::new(size, size, rule, resolution).unwrap()
    }

    #[test]
    fn auto_with_aspect_is_the_plates_own_size() {
        let hd = of(1920, 1080, &ASPECT, Resolution::Auto);
        assert_eq!(hd.content, Size::new(1920, 1080));
        assert_eq!(hd.network, Size::new(1920, 1088));
        assert!(hd.is_own_size());
        let uhd = of(3840, 2160, &ASPECT, Resolution::Auto);
        assert_eq!(uhd.content, Size::new(2048, 1152));
        assert_eq!(uhd.network, Size::new(2048, 1152));
    }

    #[test]
    fn a_named_side_is_the_long_one() {
        let hd = of(1080, 1920, &ASPECT, Resolution::Long1024);
        assert_eq!(hd.content, Size::new(576, 1024));
        assert_eq!(hd.network, Size::new(576, 1024));
    }

    #[test]
    fn squares_follow_the_ladder_and_stretch() {
        for (long, side) in [
            (720, 512),
            (1000, 512),
            (1920, 1024),
            (2001, 1536),
            (4096, 2048),
        ] {
            let geometry = of(long, 400, &SQUARE, Resolution::Auto);
            assert_eq!(geometry.network, Size::new(side, side));
            assert_eq!(geometry.content, geometry.network);
        }
    }

    #[test]
    fn a_full_square_model_keeps_the_plates_shape() {
        let full = of(1920, 1080, &SQUARE, Resolution::Full);
        assert_eq!(full.content, Size::new(1920, 1080));
        assert_eq!(full.network, Size::new(1920, 1088));
        let uhd = of(3840, 2160, &SQUARE, Resolution::Full);
        assert_eq!(uhd.network, Size::new(2048, 1152));
    }

    #[test]
    fn odd_plates_have_a_geometry() {
        assert_eq!(
            of(1, 1, &ASPECT, Resolution::Auto).network,
            Size::new(64, 64)
        );
        assert_eq!(
            of(7, 5, &ASPECT, Resolution::Long512).content,
            Size::new(512, 366)
        );
        assert_eq!(
            of(31, 2001, &ASPECT, Resolution::Auto).network,
            Size::new(64, 2016)
        );
    }

    fn lattice(bounds: [i32; 4], resolution: Resolution) -> ([i32; 4], Geometry) {
        let [x1, y1, x2, y2] = bounds;
        let bounds = Bounds { x1, y1, x2, y2 };
        let (on, geometry) = Geometry::on_lattice(bounds, &ASPECT, resolution).unwrap();
        ([on.x1, on.y1, on.x2, on.y2], geometry)
    }

    #[test]
    fn plates_at_the_origin_keep_their_sizes_on_the_lattice() {
        for (width, height, resolution) in [
            (1920, 1080, Resolution::Auto),
            (3840, 2160, Resolution::Auto),
            (4096, 2160, Resolution::Auto),
            (2880, 1620, Resolution::Auto),
            (256, 192, Resolution::Auto),
            (1920, 1080, Resolution::Long1024),
            (1080, 1920, Resolution::Long512),
            (1920, 1080, Resolution::Long2048),
            (1920, 1080, Resolution::Full),
            (1, 1, Resolution::Auto),
        ] {
            let (bounds, geometry) = lattice([0, 0, width, height], resolution);
            let plain = of(width as usize, height as usize, &ASPECT, resolution);
            assert_eq!(geometry.network, plain.network, "{width} x {height}");
            assert!(bounds[0] == 0 && bounds[1] == 0 && bounds[2] >= width && bounds[3] >= height);
        }
    }

    #[test]
    fn edges_that_move_within_a_step_move_nothing() {
        let still = lattice([0, 0, 3840, 2160], Resolution::Auto);
        for breath in 1..50 {
            let moved = lattice([breath, breath, 3840 - breath / 4, 2160], Resolution::Auto);
            assert_eq!(moved, still, "{breath}");
        }
        // Across a line of the lattice whole steps come and go, at the same scale where the model
        // has room.
        let roomy = SizeRule {
            max_long: 4096,
            ..ASPECT
        };
        let plate = Bounds {
            x1: -70,
            y1: 0,
            x2: 3770,
            y2: 2160,
        };
        let (on, geometry) = Geometry::on_lattice(plate, &roomy, Resolution::Auto).unwrap();
        assert_eq!((on.x1, on.x2, on.y2), (-120, 3780, 2160));
        assert_eq!(geometry.network, Size::new(2080, 1152));
        let (on, geometry) = lattice([-70, 0, 3770, 2160], Resolution::Auto);
        assert_eq!((on[0], on[2]), (-122, 3782));
        assert_eq!(geometry.network.long(), 2048);
    }

    #[test]
    fn contradictions_are_named() {
        let error = |rule: SizeRule| {
            let size = Size::new(10, 10);
            Geometry::new(size, size, &rule, Resolution::Auto)
                .unwrap_err()
                .code()
        };
        assert_eq!(
            error(SizeRule {
                multiple: 0,
                ..ASPECT
            }),
            "model.size-rule"
        );
        assert_eq!(
            error(SizeRule {
                max_long: 31,
                auto_long: 31,
                ..ASPECT
            }),
            "model.size-rule"
        );
        assert_eq!(
            error(SizeRule {
                min: 2049,
                ..ASPECT
            }),
            "model.size-rule"
        );
        let empty = Geometry::new(Size::new(0, 5), Size::new(9, 9), &ASPECT, Resolution::Auto);
        assert_eq!(empty.unwrap_err().code(), "picture.empty");
    }

    proptest! {
        #[test]
        fn the_lattice_holds_every_plate(
            x1 in -9000_i32..9000,
            y1 in -9000_i32..9000,
            width in 1_i32..9000,
            height in 1_i32..9000,
            multiple in prop_oneof![Just(32_usize), Just(64), Just(48), Just(1)],
            max_long in 128_usize..3000,
            resolution in 0..6_i32,
        ) {
            let rule = SizeRule { multiple, max_long, auto_long: max_long, ..ASPECT };
            let plate = Bounds { x1, y1, x2: x1 + width, y2: y1 + height };
            let resolution = Resolution::from_index(resolution).unwrap();
            let (on, geometry) = Geometry::on_lattice(plate, &rule, resolution).unwrap();
            prop_assert!(on.x1 <= plate.x1 && on.y1 <= plate.y1);
            prop_assert!(on.x2 >= plate.x2 && on.y2 >= plate.y2);
            prop_assert_eq!(geometry.plate, on.size());
            let network = geometry.network;
            prop_assert!(network.width % multiple == 0 && network.height % multiple == 0);
            prop_assert!(network.long() <= max_long);
            prop_assert!(network.width >= 64 && network.height >= 64);
        }

        #[test]
        fn rules_hold_for_every_plate(
            width in 1_usize..9000,
            height in 1_usize..9000,
            proxy in 1_usize..5,
            square: bool,
            multiple in prop_oneof![Just(32_usize), Just(64), Just(48), Just(1)],
            max_long in 256_usize..3000,
            resolution in 0..6_i32,
        ) {
            let rule = SizeRule {
                fit: if square { Fit::Square } else { Fit::Aspect },
                multiple,
                min: 64,
                max_long,
                auto_long: max_long,
            };
            let resolution = Resolution::from_index(resolution).unwrap();
            let full = Size::new(width, height);
            let small = Size::new(width.div_ceil(proxy), height.div_ceil(proxy));
            let whole = Geometry::new(full, full, &rule, resolution).unwrap();
            let proxied = Geometry::new(small, full, &rule, resolution).unwrap();
            prop_assert_eq!(whole.network, proxied.network);
            prop_assert_eq!(whole.content, proxied.content);
            prop_assert_eq!(proxied.plate, small);
            for (side, content) in [
                (whole.network.width, whole.content.width),
                (whole.network.height, whole.content.height),
            ] {
                prop_assert_eq!(side % multiple, 0);
                prop_assert!(side >= 64 && side <= max_long);
                prop_assert!(content >= 1 && content <= side);
            }
        }
    }
}
