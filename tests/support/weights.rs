//! Stand-in weights: CorridorKey's checkpoint in shape, numbers made from the tensors' names.
//!
//! The golden values of the original engine were computed with exactly these. For flat index i of
//! a tensor, all integers modulo 2^64:
//!
//! ```text
//! h = FNV-1a-64(name)
//! z = h + (i + 1) * 0x9E3779B97F4A7C15          and then splitmix64's mixing of z
//! u = f32(z >> 40) * 2^-23 - 1                  exact, in [-1, 1)
//! value = f32(offset) + f32(gain) * u           rounded twice
//! ```

#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "every test file uses another part"
)]

use std::io::Write;
use std::path::Path;

/// The values of a tensor.
pub fn values(name: &str, shape: &[usize]) -> impl Iterator<Item = f32> + use<> {
    let (offset, gain) = rule(name, shape);
    let (offset, gain) = (offset as f32, gain as f32);
    let count = shape.iter().product();
    uniform(name).take(count).map(move |u| offset + gain * u)
}

/// Numbers in [-1, 1), without end, that depend on the name alone.
pub fn uniform(name: &str) -> impl Iterator<Item = f32> + use<> {
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    (1_u64..).map(move |index| {
        let z = hash.wrapping_add(index.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        let z = z ^ (z >> 31);
        (z >> 40) as f32 * (1.0 / 8_388_608.0) - 1.0
    })
}

/// Where the values of a tensor lie: offset ± gain.
fn rule(name: &str, shape: &[usize]) -> (f64, f64) {
    let leaf = name.rsplit('.').next().unwrap_or(name);
    let norm = [".norm", ".bn.", ".gn", "refiner.stem.1."]
        .iter()
        .any(|part| name.contains(part));
    match leaf {
        "running_var" => (1.0, 0.3),
        "weight" if norm => (1.0, 0.1),
        _ if norm => (0.0, 0.1),
        "pos_embed" => (0.0, 0.5),
        "bias" => (0.0, 0.05),
        _ => {
            let fan_in: usize = shape[1..].iter().product();
            let factor = if name.contains("attn.proj") || name.contains("mlp.fc2") {
                0.5
            } else if name.contains("classifier") {
                3.0
            } else if name.starts_with("refiner.final") {
                0.12
            } else {
                1.0
            };
            (0.0, factor * (3.0 / fan_in as f64).sqrt())
        }
    }
}

/// The header of a weights file as an import leaves it: safetensors, every tensor at a multiple of
/// 64 bytes. `tensors` are names and shapes in order, without the counters.
pub fn header(grid: usize, tensors: &[(String, Vec<usize>)]) -> String {
    let mut header =
        format!(r#"{{"__metadata__":{{"format":"corridorkey-greenformer-1","grid":"{grid}"}}"#);
    let mut at = 0_usize;
    for (name, shape) in tensors {
        let begin = at.next_multiple_of(64);
        at = begin + 4 * shape.iter().product::<usize>();
        let shape = serde_json::to_string(shape).unwrap();
        header += &format!(
            r#","{name}":{{"dtype":"F32","shape":{shape},"data_offsets":[{begin},{at}]}}"#
        );
    }
    header + "}"
}

/// Writes such a file.
pub fn write_canonical(path: &Path, grid: usize, tensors: &[(String, Vec<usize>)]) {
    let header = header(grid, tensors);
    // The length of the header stands before it in 8 bytes.
    let room = (header.len() + 8).next_multiple_of(64) - 8;
    let mut file = std::io::BufWriter::with_capacity(1 << 20, std::fs::File::create(path).unwrap());
    file.write_all(&(room as u64).to_le_bytes()).unwrap();
    write!(file, "{header:room$}").unwrap();
    let mut at = 0_usize;
    for (name, shape) in tensors {
        let gap = at.next_multiple_of(64) - at;
        file.write_all(&[0; 64][..gap]).unwrap();
        for value in values(name, shape) {
            file.write_all(&value.to_le_bytes()).unwrap();
        }
        at += gap + 4 * shape.iter().product::<usize>();
    }
    file.flush().unwrap();
}
