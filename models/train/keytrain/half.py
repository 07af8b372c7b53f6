"""Turns the shipped graph into one that computes in half precision: `python -m keytrain.half --help`.

Convolutions, and the sums, resizes and activations between them, run in fp16.  What divides, takes
roots or averages over many pixels stays in fp32: the screen's colour, the solution for the
foreground, the last sigmoid.  Inputs and outputs stay fp32, so that a caller need not know.
"""

import argparse
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

FOLLOWING = {"Relu", "Add", "Resize", "DepthToSpace", "Concat"}  # run in half when all they read is half
DATA_INPUTS = {"Resize": 1}  # inputs after these are sizes and scales


class Converter:
    """Walks the nodes in order and keeps, for each tensor, which precisions of it exist."""

    def __init__(self, model: onnx.ModelProto):
        self.model = model
        self.weights = {w.name: w for w in model.graph.initializer}
        self.stored = {n.output[0]: n.input[0] for n in model.graph.node if n.op_type == "Cast" and n.input[0] in self.weights}
        self.constants = {n.output[0]: n for n in model.graph.node if n.op_type == "Constant"}
        self.half: set[str] = set()
        self.cast: dict[str, str] = {}
        self.nodes: list[onnx.NodeProto] = []
        self.extra: dict[str, onnx.TensorProto] = {}

    def constant(self, name: str) -> np.ndarray | None:
        """The value of a weight or constant, fp32 as the graph has it."""
        if name in self.stored:
            return numpy_helper.to_array(self.weights[self.stored[name]]).astype(np.float32)
        if name in self.weights:
            return numpy_helper.to_array(self.weights[name])
        if name in self.constants:
            return numpy_helper.to_array(self.constants[name].attribute[0].t)
        return None

    def as_half(self, name: str) -> str:
        if not name or name in self.half:
            return name
        if name in self.stored:
            return self.stored[name]
        value = self.constant(name)
        new = name + ".half"
        if value is not None:
            self.extra[new] = numpy_helper.from_array(value.astype(np.float16), new)
            return new
        return self.converted(name, new, TensorProto.FLOAT16)

    def as_float(self, name: str) -> str:
        return self.converted(name, name + ".float", TensorProto.FLOAT) if name in self.half else name

    def converted(self, name: str, new: str, kind: int) -> str:
        if name not in self.cast:
            self.nodes.append(helper.make_node("Cast", [name], [new], to=kind))
            self.cast[name] = new
        return self.cast[name]

    def runs_in_half(self, node: onnx.NodeProto) -> bool:
        if node.op_type == "Conv":
            return True
        data = list(node.input)[: DATA_INPUTS.get(node.op_type, len(node.input))]
        known = [n for n in data if n and self.constant(n) is None]
        return node.op_type in FOLLOWING and bool(known) and all(n in self.half for n in known)

    def run(self) -> onnx.ModelProto:
        for old in self.model.graph.node:
            if old.output[0] in self.stored:
                continue
            node = onnx.NodeProto()
            node.CopyFrom(old)
            data = DATA_INPUTS.get(node.op_type, len(node.input))
            in_half = self.runs_in_half(node)
            for index in range(min(data, len(node.input))):
                node.input[index] = self.as_half(node.input[index]) if in_half else self.as_float(node.input[index])
            self.nodes.append(node)
            if in_half:
                self.half.update(node.output)
        return self.finished()

    def finished(self) -> onnx.ModelProto:
        out = onnx.ModelProto()
        out.CopyFrom(self.model)
        graph = out.graph
        del graph.node[:]
        del graph.initializer[:]
        used = {name for node in self.nodes for name in node.input}
        # Stored weights that fp32 nodes still read keep their cast.
        for name, source in self.stored.items():
            if name in used:
                graph.node.append(helper.make_node("Cast", [source], [name], to=TensorProto.FLOAT))
                used.add(source)
        graph.node.extend(self.nodes)
        weights = {**self.weights, **self.extra}
        graph.initializer.extend(weights[name] for name in weights if name in used)
        onnx.checker.check_model(out, full_check=True)
        return out


def to_half(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same network computing in fp16 where that is safe; `model` as `export.rounded` wrote it."""
    return Converter(model).run()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="base.onnx")
    parser.add_argument("out", type=Path)
    o = parser.parse_args()
    onnx.save(to_half(onnx.load(o.model)), o.out)


if __name__ == "__main__":
    main()
