//! Model folders for tests: a manifest with the right checksum beside a graph.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::expect_used,
    reason = "every test file uses another part"
)]

use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

/// The manifest of a graph; `extra` goes behind the input's name.
pub fn manifest(id: &str, version: &str, graph: &[u8], extra: &str) -> String {
    let sha256: String = Sha256::digest(graph)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!(
        r#"format = 1
id = "{id}"
name = "Test {id}"
version = "{version}"
kind = "onnx"
licence = "CC0-1.0"
file = "net.onnx"
sha256 = "{sha256}"

[input]
name = "input"
mean = [0.485, 0.456, 0.406]
std = [0.229, 0.224, 0.225]
{extra}

[output]
alpha = "alpha"
foreground = "fg"

[size]
fit = "aspect"
multiple = 32
min = 32
max_long = 4096

[precision]
stored = "fp32"
run = ["fp32"]
"#
    )
}

/// Writes `root/folder` with a manifest and the graph, and gives the manifest's path.
pub fn write(root: &Path, folder: &str, manifest: &str, graph: &[u8]) -> PathBuf {
    let folder = root.join(folder);
    std::fs::create_dir_all(&folder).expect("a folder for the model");
    std::fs::write(folder.join("net.onnx"), graph).expect("the graph");
    let path = folder.join("model.toml");
    std::fs::write(&path, manifest).expect("the manifest");
    path
}

/// A whole model named `id` in a folder of that name.
pub fn model(root: &Path, id: &str, graph: &[u8]) -> PathBuf {
    write(root, id, &manifest(id, "1", graph, ""), graph)
}
