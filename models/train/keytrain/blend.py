"""The mean of two exported models of one lineage: `python -m keytrain.blend --help`.

Weights that were trained on from one another lie in one valley, and what lies between them has some
of both: what the later one learned, and what the earlier one had not yet forgotten.
"""

import argparse
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

from .export import manifest


def blended(first: onnx.ModelProto, second: onnx.ModelProto, share: float) -> onnx.ModelProto:
    """`share` of the second's weights and the rest of the first's; they must be of one graph."""
    own = {tensor.name: tensor for tensor in first.graph.initializer}
    if {tensor.name: tensor.dims[:] for tensor in second.graph.initializer} != {name: t.dims[:] for name, t in own.items()}:
        raise SystemExit("the two models have other weights: only models of one network can be blended")
    out = onnx.ModelProto()
    out.CopyFrom(second)
    for tensor in out.graph.initializer:
        one, other = (numpy_helper.to_array(t) for t in (own[tensor.name], tensor))
        if other.dtype.kind == "f":
            mean = (1 - share) * one.astype(np.float64) + share * other.astype(np.float64)
            tensor.CopyFrom(numpy_helper.from_array(mean.astype(other.dtype), tensor.name))
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("first", type=Path)
    parser.add_argument("second", type=Path)
    parser.add_argument("share", type=float, help="of the second, 0 to 1")
    parser.add_argument("folder", type=Path, help="where base.onnx and model.toml go")
    parser.add_argument("--version", default="0.1.0")
    o = parser.parse_args()
    model = blended(onnx.load(o.first), onnx.load(o.second), o.share)
    o.folder.mkdir(parents=True, exist_ok=True)
    file = o.folder / "base.onnx"
    onnx.save(model, file)
    (o.folder / "model.toml").write_text(manifest(file, o.version))


if __name__ == "__main__":
    main()
