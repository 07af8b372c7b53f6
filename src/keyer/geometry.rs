//! How large the network's picture is, and where the plate lies in it.
//!
//! A frame must not change with the machine, with what else is open, or with the viewer's proxy:
//! the network's size depends on the plate's *full-scale* size, the model's rule and the user's
//! choice, and on nothing else. A proxy is scaled up to what the full plate would have been.

use super::error::{Error, Result};
use super::image::Size;
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

/// Sides of a stretched or full picture are multiples of this for [`Fit::Square`], so that an
/// animated region of definition does not build a session per frame.
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

    /// True when the plate is neither resized on the way in nor on the way out.
    pub fn is_own_size(&self) -> bool {
        self.plate == self.content
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
