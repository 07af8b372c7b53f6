//! The checkpoint's tensors: their names, their shapes, their order.
//!
//! Names are those of the state dict that CorridorKey saves, without the `_orig_mod.` prefix that
//! compiled modules carry. The order is the state dict's own, too, so that a file written in this
//! order reads from front to back.

/// Blocks of the encoder.
pub const BLOCKS: usize = 24;
/// Channels of one attention head.
pub const HEAD: usize = 56;
/// Channels of the encoder's first tokens.
pub const WIDTH: usize = 112;
/// Channels of each decoder.
pub const DECODER: usize = 256;
/// Channels of the refiner.
pub const REFINER: usize = 64;
/// Dilations of the refiner's residual blocks.
pub const DILATIONS: [usize; 4] = [1, 2, 4, 8];
/// The decoders and how many planes each gives: alpha, and the foreground's red, green and blue.
pub const DECODERS: [(&str, usize); 2] = [("alpha_decoder", 1), ("fg_decoder", 3)];
/// The decoders' levels in the order in which they are concatenated: the number in their tensors'
/// names, their channels, and the block whose tokens they see.
pub const LEVELS: [Level; 4] = [
    Level {
        number: 4,
        channels: 896,
        block: 23,
    },
    Level {
        number: 3,
        channels: 448,
        block: 20,
    },
    Level {
        number: 2,
        channels: 224,
        block: 4,
    },
    Level {
        number: 1,
        channels: 112,
        block: 1,
    },
];

/// A level of detail at which the decoders see the encoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Level {
    /// 1 to 4: the level has 1/2 of the plate's size, to the power of this plus one.
    pub number: usize,
    /// Channels of its tokens.
    pub channels: usize,
    /// The block that ends it.
    pub block: usize,
}

/// A block of the encoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Block {
    /// Channels of the tokens that it gets.
    pub input: usize,
    /// Channels of the tokens that it gives: twice as many where it pools.
    pub output: usize,
}

impl Block {
    /// True when it makes one token of four.
    pub fn pools(self) -> bool {
        self.output != self.input
    }

    /// Its attention heads.
    pub fn heads(self) -> usize {
        self.output / HEAD
    }
}

/// The encoder's blocks, from first to last.
pub fn blocks() -> [Block; BLOCKS] {
    let mut width = WIDTH;
    std::array::from_fn(|index| {
        let input = width;
        if matches!(index, 2 | 5 | 21) {
            width *= 2;
        }
        Block {
            input,
            output: width,
        }
    })
}

/// A tensor of the checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spec {
    /// Its name in the state dict.
    pub name: String,
    /// Its shape; empty for a single number.
    pub shape: Vec<usize>,
}

impl Spec {
    /// How many numbers it holds.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// True when it holds none, which no tensor of [`specs`] does.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// True for the two tensors that training alone needs: how many batches a normalisation saw, a
    /// 64-bit integer. All others are 32-bit floats.
    pub fn is_counter(&self) -> bool {
        self.name.ends_with("num_batches_tracked")
    }
}

/// Every tensor of a checkpoint, in order; `grid` is the side of its positional embedding in
/// tokens: a quarter of the picture size that it was trained at.
pub fn specs(grid: usize) -> Vec<Spec> {
    let mut list = List(Vec::with_capacity(367));
    encoder(&mut list, grid);
    for (decoder, planes) in DECODERS {
        self::decoder(&mut list, decoder, planes);
    }
    refiner(&mut list);
    list.0
}

/// What is collected, and the two shapes that come in pairs.
struct List(Vec<Spec>);

impl List {
    fn add(&mut self, name: impl Into<String>, shape: &[usize]) {
        self.0.push(Spec {
            name: name.into(),
            shape: shape.to_vec(),
        });
    }

    /// A weight with a bias as long as its first dimension.
    fn layer(&mut self, name: &str, shape: &[usize]) {
        self.add(format!("{name}.weight"), shape);
        self.add(format!("{name}.bias"), &shape[..1]);
    }
}

fn encoder(list: &mut List, grid: usize) {
    list.add("encoder.model.pos_embed", &[1, grid * grid, WIDTH]);
    list.layer("encoder.model.patch_embed.proj", &[WIDTH, 4, 7, 7]);
    for (index, block) in blocks().into_iter().enumerate() {
        let name = |part: &str| format!("encoder.model.blocks.{index}.{part}");
        let Block { input, output } = block;
        list.layer(&name("norm1"), &[input]);
        list.layer(&name("norm2"), &[output]);
        list.layer(&name("attn.qkv"), &[3 * output, input]);
        list.layer(&name("attn.proj"), &[output, output]);
        list.layer(&name("mlp.fc1"), &[4 * output, output]);
        list.layer(&name("mlp.fc2"), &[output, 4 * output]);
        if block.pools() {
            list.layer(&name("proj"), &[output, input]);
        }
    }
}

fn decoder(list: &mut List, decoder: &str, planes: usize) {
    for level in LEVELS {
        let name = format!("{decoder}.linear_c{}.proj", level.number);
        list.layer(&name, &[DECODER, level.channels]);
    }
    let fused = DECODER * LEVELS.len();
    list.add(
        format!("{decoder}.linear_fuse.weight"),
        &[DECODER, fused, 1, 1],
    );
    for part in ["weight", "bias", "running_mean", "running_var"] {
        list.add(format!("{decoder}.bn.{part}"), &[DECODER]);
    }
    list.add(format!("{decoder}.bn.num_batches_tracked"), &[]);
    list.layer(&format!("{decoder}.classifier"), &[planes, DECODER, 1, 1]);
}

fn refiner(list: &mut List) {
    list.layer("refiner.stem.0", &[REFINER, 7, 3, 3]);
    list.layer("refiner.stem.1", &[REFINER]);
    for block in 1..=DILATIONS.len() {
        for half in 1..=2 {
            let convolution = format!("refiner.res{block}.conv{half}");
            list.layer(&convolution, &[REFINER, REFINER, 3, 3]);
            list.layer(&format!("refiner.res{block}.gn{half}"), &[REFINER]);
        }
    }
    list.layer("refiner.final", &[4, REFINER, 1, 1]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape<'a>(specs: &'a [Spec], name: &str) -> Option<&'a [usize]> {
        let spec = specs.iter().find(|spec| spec.name == name);
        spec.map(|spec| spec.shape.as_slice())
    }

    #[test]
    fn a_checkpoint_has_367_tensors_and_70_million_numbers() {
        for grid in [128, 512] {
            let specs = specs(grid);
            assert_eq!(specs.len(), 367);
            let floats = |specs: &[Spec]| {
                let all = specs.iter().filter(|spec| !spec.is_counter());
                all.map(Spec::len).sum::<usize>()
            };
            assert_eq!(specs.iter().filter(|spec| spec.is_counter()).count(), 2);
            assert_eq!(floats(&specs[..1]), grid * grid * 112);
            assert_eq!(floats(&specs[1..]), 70_342_584);
        }
    }

    #[test]
    fn blocks_that_pool_have_twice_the_channels_and_a_projection() {
        let specs = specs(128);
        let of = |name: &str| shape(&specs, &format!("encoder.model.blocks.{name}"));
        assert_eq!(of("1.attn.qkv.weight"), Some(&[336, 112][..]));
        assert_eq!(of("2.attn.qkv.weight"), Some(&[672, 112][..]));
        assert_eq!(of("2.norm1.weight"), Some(&[112][..]));
        assert_eq!(of("2.norm2.bias"), Some(&[224][..]));
        assert_eq!(of("21.proj.weight"), Some(&[896, 448][..]));
        assert_eq!(of("20.proj.weight"), None);
        assert_eq!(of("23.mlp.fc2.weight"), Some(&[896, 3584][..]));
        let heads = blocks().map(Block::heads);
        assert_eq!([heads[0], heads[2], heads[5], heads[21]], [2, 4, 8, 16]);
    }
}
