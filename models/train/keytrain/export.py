"""Writes the trained network as ONNX, with its manifest: `python -m keytrain.export --help`.

Normalisation is folded into the convolutions by the exporter; weights are stored in half
precision, each followed by a cast, so that the file is small and the arithmetic stays fp32.
"""

import argparse
import hashlib
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

from . import checkpoint
from .colour import TOP
from .network import MEAN, STD, WIDTHS, Keyer

OPSET = 17
# The plug-in's name for this network, which it computes itself on processors: layer by layer, by the convolutions'
# names and shapes. A network with other layers needs another name and code in the plug-in, or leaves the line out.
PROCESSOR = "unmixer-1"


def load_network(folder: Path, name: str = "average") -> Keyer:
    net = Keyer()
    weights = checkpoint.load_tensors(folder, name)
    net.load_state_dict({k: v.float() if v.is_floating_point() else v for k, v in weights.items()})
    return net.eval()


SEAMS = ("x3", "thumbnail", "y3", "screen8")


class Seamed(torch.nn.Module):
    """The network with the tensors between its three parts as outputs too, so that they get names."""

    def __init__(self, net: Keyer):
        super().__init__()
        self.net = net

    def forward(self, x):
        x1, x2, x3 = self.net.encode(x)
        thumbnail = self.net.thumbnail(x)
        y3, screen8, _ = self.net.survey(x3, thumbnail)
        return *self.net.finish(x, x1, x2, y3, screen8), x3, thumbnail, y3, screen8


def to_onnx(net: Keyer, path: Path) -> None:
    """Traces at one size; height and width stay free (multiples of 32)."""
    sizes = {2: "h", 3: "w"}
    torch.onnx.export(
        Seamed(net).eval(),
        (torch.randn(1, 4, 96, 160),),
        str(path),
        input_names=["input"],
        output_names=["alpha", "fg", *SEAMS],
        dynamic_axes={"input": sizes, "alpha": sizes, "fg": sizes},
        opset_version=OPSET,
        dynamo=False,
    )
    model = tidy(onnx.load(path))
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)


def tidy(model: onnx.ModelProto) -> onnx.ModelProto:
    """Declares the outputs' sizes by the input's names; drops the seams' outputs and the tracer's notes."""
    kept = [output for output in model.graph.output if output.name not in SEAMS]
    del model.graph.output[:]
    model.graph.output.extend(kept)
    for output, channels in zip(model.graph.output, (1, 3)):
        shape = output.type.tensor_type.shape
        for dim, value in zip(shape.dim, (1, channels, "h", "w")):
            dim.Clear()
            if isinstance(value, str):
                dim.dim_param = value
            else:
                dim.dim_value = value
    for node in model.graph.node:
        node.ClearField("doc_string")
    del model.graph.value_info[:]
    model.producer_name, model.producer_version = "keytrain", ""
    return model


def store_half(model: onnx.ModelProto, smallest: int = 64) -> onnx.ModelProto:
    """Keeps large fp32 weights as fp16 plus a Cast; runtimes fold the cast once, at load."""
    casts, kept = [], []
    for weight in model.graph.initializer:
        if weight.data_type != TensorProto.FLOAT or int(np.prod(weight.dims or [1])) < smallest:
            kept.append(weight)
            continue
        values = numpy_helper.to_array(weight).astype(np.float16)
        kept.append(numpy_helper.from_array(values, weight.name + ".half"))
        casts.append(helper.make_node("Cast", [weight.name + ".half"], [weight.name], to=TensorProto.FLOAT))
    nodes = list(model.graph.node)
    del model.graph.initializer[:]
    del model.graph.node[:]
    model.graph.initializer.extend(kept)
    model.graph.node.extend(casts + nodes)
    return model


def rounded(net: Keyer, path: Path) -> None:
    """Exports and stores in half precision."""
    to_onnx(net, path)
    onnx.save(store_half(onnx.load(path)), path)


def manifest(file: Path, version: str) -> str:
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    return f"""format = 1
id = "base"
name = "CorridorKey OFX Base"
version = "{version}"
kind = "onnx"
licence = "MIT OR Apache-2.0"
file = "{file.name}"
sha256 = "{digest}"
processor = "{PROCESSOR}"   # on processors the plug-in computes this network itself, in fp32

[input]
name = "input"
mean = {list(MEAN)}
std = {list(STD)}
range = [0.0, {TOP}]   # encoded values that it was trained on
shoulder = 1.0        # above it highlights are rolled off towards the range's end
screens = ["green", "blue"]    # seen as they are; other colours change places with green first

[output]
alpha = "alpha"
foreground = "fg"

[size]
fit = "aspect"        # the plate keeps its shape and is padded by replication
multiple = 32
min = 64
max_long = 4096
auto_long = 2048
bytes_per_pixel = 300

[tiles]               # tensors at 1/8 of the size between the network's three parts
features = "x3"
thumbnail = "thumbnail"
context = "y3"
screen = "screen8"
channels = {WIDTHS[2]}
scale = 8
margin = 64
pixels = 2500000      # the runtime works larger frames in tiles, but on GPUs

[precision]
stored = "fp16"
run = ["fp32", "fp16"]
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", type=Path, help="folder of a checkpoint")
    parser.add_argument("folder", type=Path, help="where base.onnx and model.toml go")
    parser.add_argument("--version", default="0.1.0")
    parser.add_argument("--weights", default="average", choices=["average", "model"])
    o = parser.parse_args()
    o.folder.mkdir(parents=True, exist_ok=True)
    file = o.folder / "base.onnx"
    rounded(load_network(o.checkpoint, o.weights), file)
    (o.folder / "model.toml").write_text(manifest(file, o.version))
    print(f"{file}: {file.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
