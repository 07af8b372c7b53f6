//! The encoder: Hiera base-plus, a vision transformer whose tokens become fewer and wider.
//!
//! The picture is cut into windows of 32 × 32 pixels, 8 × 8 tokens each. Tokens are kept window by
//! window, row by row within a window, from beginning to end: attention within windows needs no
//! transpose then, attention over all tokens does not mind the order, and pooling is a maximum of
//! neighbours in memory.
//!
//! N is the number of windows. Tokens are `[N × side², channels]`; side is 8, and halves where a
//! block pools.

use super::builder::{Builder, MICROSOFT, Set, Value};
use super::{Size, channel_blocks, embedding};
use crate::network::device::Device;
use crate::network::error::Result;
use crate::network::greenformer::tensors::{self, Block, HEAD, LEVELS, WIDTH};

const EPSILON: f32 = 1e-6;
/// Tokens along a window's side at the beginning.
pub(super) const SIDE: usize = 8;
/// Up to this block tokens see their own window, behind it all tokens.
const LAST_WINDOWED: usize = 5;

/// Tokens of a level of detail.
pub(super) struct Feature {
    /// `[N × side², channels]`.
    pub(super) tokens: Value,
    /// Tokens along a window's side.
    pub(super) side: usize,
    /// Their channels.
    pub(super) channels: usize,
}

/// Terms whose sum is wanted: two tensors, and a bias if it has not been added to the second. It is
/// taken together with the normalisation that comes next.
struct Sum(Value, Value, Option<Value>);

/// What the decoders see of the `input` `[1, 4, H, W]`, in the order of [`LEVELS`].
pub(super) fn features(b: &mut Builder<'_>, input: &Value, size: Size) -> Result<Vec<Feature>> {
    let mut sum = embed(b, input, size)?;
    let (mut side, mut channels, mut found) = (SIDE, WIDTH, Vec::new());
    let ends = |behind: usize| LEVELS.iter().any(|level| level.block + 1 == behind);
    for (index, block) in tensors::blocks().into_iter().enumerate() {
        let place = Place {
            index,
            block,
            windows: size.windows(),
            side,
        };
        let (tokens, after) = transform(b, &sum, &place)?;
        if ends(index) {
            found.push(Feature {
                tokens,
                side,
                channels,
            });
        }
        (sum, side, channels) = (after, place.side_after(), block.output);
    }
    let Sum(x, y, bias) = &sum;
    let y = match bias {
        Some(bias) => b.add(y, bias),
        None => y.clone(),
    };
    let tokens = b.add(x, &y);
    found.push(Feature {
        tokens,
        side,
        channels,
    });
    // The decoders' list begins with the last one.
    found.reverse();
    Ok(found)
}

/// The picture as tokens: `[1, 4, H, W]` → `[N × 64, 112]`.
fn embed(b: &mut Builder<'_>, input: &Value, size: Size) -> Result<Sum> {
    const NAME: &str = "encoder.model.patch_embed.proj";
    b.part("embed");
    let input = b.narrow(input.clone());
    let weight = b.weight(&format!("{NAME}.weight"), &[WIDTH, 4, 7, 7])?;
    let bias = b.weight(&format!("{NAME}.bias"), &[WIDTH])?;
    let set = [
        ("kernel_shape", Set::Ints(&[7, 7])),
        ("strides", Set::Ints(&[4, 4])),
        ("pads", Set::Ints(&[3, 3, 3, 3])),
    ];
    // [1, 112, H/4, W/4]
    let x = b.node("Conv", &[&input, &weight, &bias], &set);
    let Size { rows, columns } = size;
    let x = b.reshape(&x, &[WIDTH, rows, SIDE, columns, SIDE]);
    // First whole rows of windows change places, then a plain matrix is turned: each of the two is
    // quick, and both at once are not.
    let x = b.transpose(&x, &[0, 1, 3, 2, 4]);
    let x = b.reshape(&x, &[WIDTH, size.windows() * SIDE * SIDE]);
    let x = b.transpose(&x, &[1, 0]);
    Ok(Sum(x, position(b, size)?, None))
}

/// The positional embedding in the order of the tokens: `[N × 64, 112]`. It depends on nothing, so
/// the runtime brings it into this order once, when it builds the session.
fn position(b: &mut Builder<'_>, size: Size) -> Result<Value> {
    const NAME: &str = "encoder.model.pos_embed";
    let ([height, width], grid) = (size.map(SIDE), b.grid());
    let x = if [height, width] == [grid, grid] {
        b.weight(NAME, &[1, grid * grid, WIDTH])?
    } else {
        let resized = embedding::resize(&b.numbers(NAME)?, grid, height, width);
        b.floats("position", &[1, height * width, WIDTH], &resized)
    };
    let Size { rows, columns } = size;
    let x = b.reshape(&x, &[rows, SIDE, columns, SIDE, WIDTH]);
    let x = b.transpose(&x, &[0, 2, 1, 3, 4]);
    Ok(b.reshape(&x, &[size.windows() * SIDE * SIDE, WIDTH]))
}

/// A block, and the tokens that come to it.
struct Place {
    index: usize,
    block: Block,
    windows: usize,
    /// Tokens along a window's side before the block.
    side: usize,
}

impl Place {
    fn name(&self, part: &str) -> String {
        format!("encoder.model.blocks.{}.{part}", self.index)
    }

    fn tokens(&self) -> usize {
        self.windows * self.side * self.side
    }

    fn side_after(&self) -> usize {
        if self.block.pools() {
            self.side / 2
        } else {
            self.side
        }
    }

    fn tokens_after(&self) -> usize {
        self.windows * self.side_after() * self.side_after()
    }

    /// Into how many parts attention is divided: every window for itself, or not at all.
    fn groups(&self) -> usize {
        if self.index <= LAST_WINDOWED {
            self.windows
        } else {
            1
        }
    }
}

/// One block: `[N × side², input]` → `[N × side_after², output]`. Also gives the tokens that come to
/// it, summed up.
fn transform(b: &mut Builder<'_>, sum: &Sum, place: &Place) -> Result<(Value, Sum)> {
    let Block { input, output } = place.block;
    b.part(format!("block{}", place.index));
    let (given, normal) = layer_norm(b, sum, &place.name("norm1"), input)?;
    let shortcut = if place.block.pools() {
        let x = linear(b, &normal, &place.name("proj"), input, output)?;
        pool(b, &x, place)
    } else {
        given.clone()
    };
    let (seen, bias) = attend(b, &normal, place)?;
    let seen = Sum(shortcut, seen, bias);

    let (x, normal) = layer_norm(b, &seen, &place.name("norm2"), output)?;
    let (thought, bias) = if channel_blocks::on(b.device(), b.precision()) {
        (convolved(b, &normal, place)?, None)
    } else {
        think(b, &normal, place)?
    };
    Ok((given, Sum(x, thought, bias)))
}

/// Each token by itself through four times its channels: `[N × side_after², output]` → the same, and
/// the bias that is still to be added.
fn think(b: &mut Builder<'_>, x: &Value, place: &Place) -> Result<(Value, Option<Value>)> {
    let Block { output, .. } = place.block;
    let (wide, bias) = product(b, x, &place.name("mlp.fc1"), output, 4 * output)?;
    let wide = match &bias {
        Some(bias) => b.node_of(MICROSOFT, "BiasGelu", &[&wide, bias], &[]),
        None => b.node("Gelu", &[&wide], &[]),
    };
    product(b, &wide, &place.name("mlp.fc2"), 4 * output, output)
}

/// [`think`] as convolutions of 1 × 1 over a picture of the tokens, a window a row. In blocks of
/// channels these are quicker than the runtime's products, and GELU does not mind the order.
fn convolved(b: &mut Builder<'_>, x: &Value, place: &Place) -> Result<Value> {
    let Block { output, .. } = place.block;
    let window = place.side_after() * place.side_after();
    let x = b.reshape(x, &[1, place.windows, window, output]);
    let x = channel_blocks::of_tokens(b, &x);
    let wide = channel_blocks::pointwise(b, &x, &place.name("mlp.fc1"), output, 4 * output)?;
    let wide = b.node("Gelu", &[&wide], &[]);
    let x = channel_blocks::pointwise(b, &wide, &place.name("mlp.fc2"), 4 * output, output)?;
    let x = channel_blocks::to_tokens(b, &x, output);
    Ok(b.reshape(&x, &[place.tokens_after(), output]))
}

/// Multi-head attention: `[N × side², input]` → `[N × side_after², output]`, and the bias that is
/// still to be added.
fn attend(b: &mut Builder<'_>, x: &Value, place: &Place) -> Result<(Value, Option<Value>)> {
    let output = place.block.output;
    let [query, key, value] = [0, 1, 2].map(|part| third(b, x, place, part));
    let (mut query, key, value) = (query?, key?, value?);
    if place.block.pools() {
        query = pool(b, &query, place);
    }
    let (groups, heads) = (place.groups(), place.block.heads());
    let queries = place.tokens_after() / groups;
    let keys = place.tokens() / groups;
    let query = b.reshape(&query, &[groups, queries, output]);
    let key = b.reshape(&key, &[groups, keys, output]);
    let value = b.reshape(&value, &[groups, keys, output]);
    let x = match b.device() {
        Device::Cuda | Device::Cpu => {
            let heads = [("num_heads", Set::Int(heads as i64))];
            b.node_of(
                MICROSOFT,
                "MultiHeadAttention",
                &[&query, &key, &value],
                &heads,
            )
        }
        Device::CoreMl => {
            let shape = Heads {
                groups,
                heads,
                queries,
                keys,
            };
            shape.attend(b, &query, &key, &value)
        }
    };
    let x = b.reshape(&x, &[place.tokens_after(), output]);
    let name = place.name("attn.proj");
    if b.device() != Device::Cuda {
        return product(b, &x, &name, output, output);
    }
    let weight = b.weight(&format!("{name}.weight"), &[output, output])?;
    let bias = projected_bias(b, place)?;
    let bias = b.floats(&format!("{name}.bias.folded"), &[output], &bias);
    Ok((b.product(&x, &weight), Some(bias)))
}

/// The bias of attention's projection with that of the values in it, which [`third`] leaves out:
/// each query's weights of the values sum up to 1, so that what is added to every value comes out as
/// it is.
fn projected_bias(b: &Builder<'_>, place: &Place) -> Result<Vec<f32>> {
    let output = place.block.output;
    let numbers = |part: &str| b.numbers(&place.name(part));
    let (weight, bias) = (numbers("attn.proj.weight")?, numbers("attn.proj.bias")?);
    let values = &numbers("attn.qkv.bias")?[2 * output..];
    let row = |row: &[f32]| -> f64 {
        let terms = row.iter().zip(values);
        terms.map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
    };
    let rows = weight.chunks_exact(output).zip(&bias);
    Ok(rows
        .map(|(weights, bias)| (row(weights) + f64::from(*bias)) as f32)
        .collect())
}

/// Queries, keys or values, by which third of the weight `[3 × output, input]` makes them.
/// Three products cost what one costs, and nothing has to be cut apart.
///
/// With CUDA adding a bias to a product is another pass over the result. A key's bias adds the same
/// to all scores of a query, which the softmax takes out again, and the values' one is added later,
/// see [`projected_bias`]: only the queries' remains.
fn third(b: &mut Builder<'_>, x: &Value, place: &Place, part: usize) -> Result<Value> {
    let Block { input, output } = place.block;
    let suffix = [".query", ".key", ".value"][part];
    let name = place.name("attn.qkv");
    let weight = b.weight_part(&format!("{name}.weight"), &[output, input], part, suffix)?;
    if b.device() == Device::Cuda && part > 0 {
        return Ok(b.product(x, &weight));
    }
    let bias = b.weight_part(&format!("{name}.bias"), &[output], part, suffix)?;
    Ok(b.gemm(x, &weight, &bias))
}

/// The sizes of one attention.
struct Heads {
    groups: usize,
    heads: usize,
    queries: usize,
    keys: usize,
}

impl Heads {
    /// softmax(query × keyᵀ ÷ √56) × value for each head: `[groups, queries, heads × 56]`.
    fn attend(&self, b: &mut Builder<'_>, query: &Value, key: &Value, value: &Value) -> Value {
        let Heads {
            groups,
            heads,
            queries,
            keys,
        } = *self;
        let scale = b.floats("attention.scale", &[], &[(HEAD as f32).sqrt().recip()]);
        // Scaled before the product: that is where 16 bits would overflow.
        let query = b.mul(query, &scale);
        let query = b.reshape(&query, &[groups, queries, heads, HEAD]);
        let query = b.transpose(&query, &[0, 2, 1, 3]);
        let key = b.reshape(key, &[groups, keys, heads, HEAD]);
        let key = b.transpose(&key, &[0, 2, 3, 1]);
        let value = b.reshape(value, &[groups, keys, heads, HEAD]);
        let value = b.transpose(&value, &[0, 2, 1, 3]);
        // [groups, heads, queries, keys]
        let scores = b.node("MatMul", &[&query, &key], &[]);
        let scores = b.node("Softmax", &[&scores], &[("axis", Set::Int(-1))]);
        let x = b.node("MatMul", &[&scores, &value], &[]);
        let x = b.transpose(&x, &[0, 2, 1, 3]);
        b.reshape(&x, &[groups, queries, heads * HEAD])
    }
}

/// The greatest of every 2 × 2 tokens: `[N × side², output]` → `[N × side_after², output]`.
fn pool(b: &mut Builder<'_>, x: &Value, place: &Place) -> Value {
    let (side, half, channels) = (place.side, place.side_after(), place.block.output);
    // Two rows of a window follow each other, then two tokens.
    let x = greater(b, x, place.windows * half, side * channels);
    greater(b, &x, place.tokens_after(), channels)
}

/// The greater of each two rows: `[2 × rows, columns]` → `[rows, columns]`.
fn greater(b: &mut Builder<'_>, x: &Value, rows: usize, columns: usize) -> Value {
    let x = b.reshape(x, &[rows, 2, columns]);
    if b.device() != Device::Cuda {
        return b.reduce("ReduceMax", &x, 1, false);
    }
    // cuDNN's reductions are slow where little is reduced.
    let set = [("axis", Set::Int(1)), ("num_outputs", Set::Int(2))];
    let [first, second] = b.nodes("Split", &[&x], &set);
    let x = b.node("Max", &[&first, &second], &[]);
    b.reshape(&x, &[rows, columns])
}

/// The sum, and the sum normalised: both `[tokens, channels]`.
fn layer_norm(
    b: &mut Builder<'_>,
    Sum(x, y, bias): &Sum,
    name: &str,
    channels: usize,
) -> Result<(Value, Value)> {
    let weight = b.weight(&format!("{name}.weight"), &[channels])?;
    let shift = b.weight(&format!("{name}.bias"), &[channels])?;
    if b.device() == Device::CoreMl {
        let sum = b.add(x, y);
        let set = [("axis", Set::Int(-1)), ("epsilon", Set::Float(EPSILON))];
        let normal = b.node("LayerNormalization", &[&sum, &weight, &shift], &set);
        return Ok((sum, normal));
    }
    // On a processor the runtime's operator for both is four times as quick as ONNX's for one, and
    // with CUDA it takes the bias along. In 16 bits the runtime is told there to compute it in 32.
    let set = [("epsilon", Set::Float(EPSILON))];
    const NAME: &str = "SkipLayerNormalization";
    let terms = match bias {
        // The bias is added to the first: not to the larger one, whose rounding every block adds to.
        Some(bias) => vec![y, x, &weight, &shift, bias],
        None => vec![x, y, &weight, &shift],
    };
    Ok(b.sum_and_result(MICROSOFT, NAME, &terms, &set))
}

/// `[tokens, input]` → `[tokens, output]`, and the bias where it is not added yet: with CUDA it goes
/// into the operator that comes next, since here it would be another pass over the result.
fn product(
    b: &mut Builder<'_>,
    x: &Value,
    name: &str,
    input: usize,
    output: usize,
) -> Result<(Value, Option<Value>)> {
    if b.device() != Device::Cuda {
        return Ok((linear(b, x, name, input, output)?, None));
    }
    let weight = b.weight(&format!("{name}.weight"), &[output, input])?;
    let bias = b.weight(&format!("{name}.bias"), &[output])?;
    Ok((b.product(x, &weight), Some(bias)))
}

/// `[tokens, input]` → `[tokens, output]`.
fn linear(
    b: &mut Builder<'_>,
    x: &Value,
    name: &str,
    input: usize,
    output: usize,
) -> Result<Value> {
    let weight = b.weight(&format!("{name}.weight"), &[output, input])?;
    let bias = b.weight(&format!("{name}.bias"), &[output])?;
    Ok(b.gemm(x, &weight, &bias))
}
