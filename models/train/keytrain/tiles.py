"""Proves that staged tiles give the whole frame's result: `python -m keytrain.tiles MODEL.onnx PLATES`.

The exported graph is cut at tensors named by the manifest beside the model::

    [tiles]
    features = "x3"        # outputs of encode, inputs of deep
    thumbnail = "thumbnail"
    context = "y3"         # outputs of deep, inputs of decode beside the tile of the plate
    screen = "screen8"

all at 1/8 of the frame's size.  *encode* runs in tiles, *deep*, which alone sees the whole frame,
once on the assembled tensors, *decode* in tiles again.  Neighbouring tiles overlap; each gives the
part that is further from its cut sides than half the overlap.  Printed is the largest difference
from the undivided graph on each plate, beside that of tiles of the whole graph ("plain"), for which
no overlap is enough.
"""

import argparse
import tomllib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper

from .evaluate import Model, Plate, plates

TILE, OVERLAP, SHRINK = 512, 96, 8
ALIGN = 32  # tiles start at multiples of this, so that every level's pixels coincide
LIMIT = 5e-3


@dataclass
class Seams:
    """Names of the tensors at which a graph is cut."""

    features: str = "x3"
    thumbnail: str = "thumbnail"
    context: str = "y3"
    screen: str = "screen8"


def seams_of(path: Path) -> Seams:
    """As the manifest beside the model names them."""
    manifest = path.parent / "model.toml"
    table = tomllib.loads(manifest.read_text()) if manifest.exists() else {}
    if table.get("file") != path.name or "tiles" not in table:
        raise SystemExit(f"no [tiles] for {path} in {manifest}: name the tensors with --features and its like")
    return Seams(**{k: v for k, v in table["tiles"].items() if k in Seams.__annotations__})


def chosen_seams(o: argparse.Namespace) -> Seams:
    """From the command line where all four are named, from the manifest otherwise."""
    named = {name: getattr(o, name) for name in Seams.__annotations__ if getattr(o, name)}
    return Seams(**named) if len(named) == len(Seams.__annotations__) else seams_of(o.model)


def cut(model: onnx.ModelProto, inputs: list[str], outputs: list[str]) -> onnx.ModelProto:
    """The part of a graph that computes `outputs` from `inputs`."""
    maker = {name: node for node in model.graph.node for name in node.output}
    stored = {weight.name for weight in model.graph.initializer}
    missing = [n for n in (*inputs, *outputs) if n not in maker and n not in {i.name for i in model.graph.input}]
    if missing:
        raise SystemExit(f"the graph has no tensor {', '.join(missing)}")
    needed, weights, todo = set(), set(), list(outputs)
    while todo:
        name = todo.pop()
        if name in inputs or not name:
            continue
        if name in stored:
            weights.add(name)
        elif name not in maker:
            raise SystemExit(f"{', '.join(outputs)} cannot be had from {', '.join(inputs)} alone: {name} is needed too")
        elif id(maker[name]) not in needed:
            needed.add(id(maker[name]))
            todo.extend(maker[name].input)

    def any_size(name: str):
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, None, None, None])

    graph = helper.make_graph(
        [n for n in model.graph.node if id(n) in needed],
        "part",
        [any_size(n) for n in inputs],
        [any_size(n) for n in outputs],
        [w for w in model.graph.initializer if w.name in weights],
    )
    part = helper.make_model(graph, opset_imports=model.opset_import)
    part.ir_version = model.ir_version
    onnx.checker.check_model(part)
    return part


@dataclass(frozen=True)
class Span:
    """Along one axis: the tile reads `start..stop` and answers for `first..last`."""

    start: int
    stop: int
    first: int
    last: int


def spans(length: int, tile: int, overlap: int) -> list[Span]:
    """Tiles that cover `length`; all but a frame smaller than a tile have the same size."""
    if length <= tile:
        return [Span(0, length, 0, length)]
    step = (tile - overlap) // ALIGN * ALIGN
    starts = list(range(0, length - tile, step)) + [length - tile]
    joints = [(b + a + tile) // 2 // SHRINK * SHRINK for a, b in zip(starts, starts[1:])]
    return [Span(s, s + tile, f, t) for s, f, t in zip(starts, [0, *joints], [*joints, length])]


def window(x: np.ndarray, y: Span, z: Span, shrink: int = 1) -> np.ndarray:
    return np.ascontiguousarray(x[..., y.start // shrink : y.stop // shrink, z.start // shrink : z.stop // shrink])


def tiled(run, frame: tuple[int, int], tile: int, overlap: int, shrink: int) -> list[np.ndarray]:
    """Assembles what `run(y, x)` gives for each tile at 1/`shrink` of the frame's size."""
    whole: list[np.ndarray] = []
    for y in spans(frame[0], tile, overlap):
        for x in spans(frame[1], tile, overlap):
            parts = run(y, x)
            if not whole:
                whole = [np.zeros((*p.shape[:2], frame[0] // shrink, frame[1] // shrink), np.float32) for p in parts]
            for out, part in zip(whole, parts):
                top, left = (y.first - y.start) // shrink, (x.first - x.start) // shrink
                height, width = (y.last - y.first) // shrink, (x.last - x.first) // shrink
                to_y, to_x = y.first // shrink, x.first // shrink
                out[..., to_y : to_y + height, to_x : to_x + width] = part[..., top : top + height, left : left + width]
    return whole


class Staged:
    """A model in three parts."""

    def __init__(self, path: Path, seams: Seams, threads: int):
        model = onnx.load(path)
        self.seams = seams
        local, deep = [seams.features, seams.thumbnail], [seams.context, seams.screen]
        self.encode = self._session(cut(model, ["input"], local), threads)
        self.deep = self._session(cut(model, local, deep), threads)
        self.decode = self._session(cut(model, ["input", *deep], ["alpha", "fg"]), threads)

    @staticmethod
    def _session(model: onnx.ModelProto, threads: int) -> onnxruntime.InferenceSession:
        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = threads
        settings.enable_mem_pattern = False
        return onnxruntime.InferenceSession(model.SerializeToString(), settings, providers=["CPUExecutionProvider"])

    def __call__(self, x: np.ndarray, tile: int, overlap: int) -> list[np.ndarray]:
        frame, names = x.shape[-2:], self.seams
        features, thumbnail = tiled(lambda y, z: self.encode.run(None, {"input": window(x, y, z)}), frame, tile, overlap, SHRINK)
        context, screen = self.deep.run(None, {names.features: features, names.thumbnail: thumbnail})

        def decoded(y: Span, z: Span) -> list[np.ndarray]:
            small = {names.context: window(context, y, z, SHRINK), names.screen: window(screen, y, z, SHRINK)}
            return self.decode.run(None, {"input": window(x, y, z), **small})

        return tiled(decoded, frame, tile, overlap, 1)


def differences(model: Model, staged: Staged, plate: Plate, tile: int, overlap: int) -> dict[str, float]:
    """Largest differences from the whole frame, of staged and of plain tiles."""
    x = model.tensor(plate.plate, plate.hint)
    session = model.session
    whole = session.run(["alpha", "fg"], {"input": x})
    ours = staged(x, tile, overlap)
    plain = tiled(lambda y, z: session.run(["alpha", "fg"], {"input": window(x, y, z)}), x.shape[-2:], tile, overlap, 1)
    out = {}
    for name, a, b, c in zip(("alpha", "fg"), whole, ours, plain):
        out[name], out[f"plain {name}"] = float(np.abs(b - a).max()), float(np.abs(c - a).max())
    return out


def measure(path: Path, folder: Path, seams: Seams, tile: int = TILE, overlap: int = OVERLAP, threads: int = 1) -> dict[str, dict[str, float]]:
    """By plate; plates no larger than a tile are left out, and at least one must be larger."""
    model, staged = Model(path, threads), Staged(path, seams, threads)
    large = [p for p in plates(folder) if max(p.hint.shape) > tile]
    if not large:
        raise SystemExit(f"no plate in {folder} is larger than a tile of {tile} px: nothing can be proved on them")
    return {p.name: differences(model, staged, p, tile, overlap) for p in large}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("plates", type=Path)
    parser.add_argument("--tile", type=int, default=TILE, help="side in pixels, a multiple of 32")
    parser.add_argument("--overlap", type=int, nargs="+", default=[OVERLAP], help="pixels neighbouring tiles share")
    parser.add_argument("--threads", type=int, default=1)
    for name in Seams.__annotations__:
        parser.add_argument(f"--{name}", help="this tensor's name, if no manifest gives it")
    o = parser.parse_args()
    seams = chosen_seams(o)
    for overlap in o.overlap:
        table = measure(o.model, o.plates, seams, o.tile, overlap, o.threads)
        print(f"tiles of {o.tile} px, {overlap} px shared")
        print(f"{'largest difference':24s}" + "".join(f"{c:>14s}" for c in next(iter(table.values()))))
        for plate, line in table.items():
            print(f"{plate:24s}" + "".join(f"{v:14.1e}" for v in line.values()), flush=True)


if __name__ == "__main__":
    main()
