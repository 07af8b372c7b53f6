"""Scores an exported model on a folder of plates with known mattes, and draws what it did.

    python -m keytrain.evaluate MODEL.onnx PLATES --out DIR
    python -m keytrain.evaluate MODEL.onnx PLATES --hints

PLATES holds one folder a plate: plate.png, hint.png, alpha_gt.png, fg_gt.png.  DIR receives
NAME/alpha.png and NAME/fg.png (16 bit) and sheet.png: plate, hint, matte, truth, composite over
grey, matte difference x 4.  Scores are means over plates, the matte's and composite's x 1000:
u_ in the unknown region (partial cover, grown by 10 px), w_ over the whole picture, fga the
foreground's error weighted by cover, comp the composite over middle grey.  In brackets: the
classical keyer of classical.py with the same hint and a screen measured on the plate.
"""

import argparse
import time
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import onnxruntime

from . import classical
from .network import MEAN, STD
from .pictures import over_grey, read, row, shoulder, stack, write

COLUMNS = ("u_sad", "u_mse", "w_mse", "fga", "comp")
HINTS = ("given", "none", "large", "missing")


def declared_range(path: Path) -> Callable[[np.ndarray], np.ndarray]:
    """How encoded values are brought into the range a model was trained on.

    The manifest beside the file says it: `range`, and from where on `shoulder` rolls off towards
    its end; a file without a manifest takes 0..1.
    """
    low, high, knee = 0.0, 1.0, None
    manifest = path.parent / "model.toml"
    if manifest.exists():
        table = tomllib.loads(manifest.read_text())
        given = table.get("input", {})
        if table.get("file") == path.name and "range" in given:
            low, high = given["range"]
            knee = given.get("shoulder")
    if knee is None:
        return lambda x: np.clip(x, low, high)
    return lambda x: shoulder(np.maximum(x, low), knee, high)


class Model:
    """An ONNX model on the CPU, fed encoded pictures of any size.

    They are padded by replication where the plug-in does it: right and, since OpenFX counts rows from
    below, at the top.

    Values above 1 are highlights; the manifest beside the file says how the model is shown them.
    """

    def __init__(self, path: Path, threads: int = 2, multiple: int = 32):
        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = threads
        settings.enable_mem_pattern = False
        self.session = onnxruntime.InferenceSession(str(path), settings, providers=["CPUExecutionProvider"])
        self.multiple, self.fit = multiple, declared_range(Path(path))

    def tensor(self, plate: np.ndarray, hint: np.ndarray) -> np.ndarray:
        """The network's input, ``[1, 4, h, w]``, grown to multiples of 32."""
        height, width = hint.shape
        x = np.concatenate([(self.fit(plate) - MEAN) / STD, hint[..., None]], 2).astype(np.float32)
        x = np.pad(x, ((-height % self.multiple, 0), (0, -width % self.multiple), (0, 0)), mode="edge")
        return np.ascontiguousarray(x.transpose(2, 0, 1)[None])

    def __call__(self, plate: np.ndarray, hint: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        height, width = hint.shape
        alpha, fg = self.session.run(["alpha", "fg"], {"input": self.tensor(plate, hint)})
        return alpha[0, 0, -height:, :width], fg[0, :, -height:, :width].transpose(1, 2, 0)


@dataclass
class Plate:
    """A plate with its truth; colours encoded, straight."""

    name: str
    plate: np.ndarray
    hint: np.ndarray
    truth: np.ndarray
    paint: np.ndarray


def plates(folder: Path) -> Iterator[Plate]:
    """Every plate of a folder, by name."""
    found = sorted(p.parent for p in folder.glob("*/plate.png"))
    if not found:
        raise SystemExit(f"{folder} holds no plates: expected NAME/plate.png, hint.png, alpha_gt.png, fg_gt.png")
    for place in found:
        grey = [read(place / f"{name}.png", True) for name in ("hint", "alpha_gt")]
        yield Plate(place.name, read(place / "plate.png"), *grey, read(place / "fg_gt.png"))


def unknown(truth: np.ndarray) -> np.ndarray:
    """True within 10 px of partial cover."""
    ellipse = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (21, 21))
    return cv2.dilate(((truth > 0.02) & (truth < 0.98)).astype(np.uint8), ellipse) > 0


def scores(alpha, fg, truth, paint) -> dict[str, float]:
    soft = unknown(truth)
    error, inside = np.abs(alpha - truth), truth > 0.02
    seen = (truth > 0) | soft
    return {
        "u_sad": error[soft].sum() / 1e3,
        "u_mse": (error[soft] ** 2).mean() * 1e3,
        "w_mse": (error**2).mean() * 1e3,
        "fga": (np.abs(fg - paint).mean(2) * truth)[inside].sum() / truth[inside].sum() * 1e3,
        "comp": np.abs(over_grey(alpha, fg) - over_grey(truth, paint)).mean(2)[seen].mean() * 1e3,
    }


def means(table: list[dict[str, float]]) -> dict[str, float]:
    return {c: float(np.mean([line[c] for line in table])) for c in table[0]}


def changed_hint(hint: np.ndarray, kind: str) -> np.ndarray:
    """The given hint, none at all, one 3 % of the width too large, or one that lacks the subject's top fifth."""
    if kind == "none":
        return np.zeros_like(hint)
    if kind == "large":
        reach = max(int(0.03 * hint.shape[1]), 1)
        return cv2.dilate(hint, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1,) * 2))
    if kind == "missing":
        rows = np.cumsum(hint.sum(1)) / max(hint.sum(), 1)
        return hint * (rows > 0.2)[:, None]
    return hint


def keyed_classically(p: Plate, hint: np.ndarray) -> dict[str, float]:
    return scores(*classical.key(p.plate, hint, classical.measured_screen(p.plate, hint)), p.truth, p.paint)


def sheet_row(p: Plate, hint: np.ndarray, alpha: np.ndarray, fg: np.ndarray, line: dict[str, float]) -> np.ndarray:
    title = p.name + "   " + "  ".join(f"{c} {line[c]:.2f}" for c in COLUMNS)
    cells = {
        "plate": p.plate,
        "hint": hint,
        "matte": alpha,
        "truth": p.truth,
        "composite over grey": over_grey(alpha, fg),
        "matte difference x 4": np.abs(alpha - p.truth) * 4,
    }
    return row(cells, title)


def cells_of(line: dict[str, float], other: dict[str, float] | None = None) -> str:
    """Scores in columns, another keyer's in brackets."""
    if other is None:
        return "".join(f"{line[c]:9.2f}" for c in COLUMNS)
    return "".join(f"{line[c]:9.2f} ({other[c]:6.2f})" for c in COLUMNS)


def table_of(model: Model, folder: Path, kind: str, out: Path | None = None) -> tuple[list, list]:
    """Prints and returns the scores of the model and of the classical keyer; draws the sheet into `out`."""
    print(f"{'hint: ' + kind:24s}" + "".join(f"{c:>9s} {'':8s}" for c in COLUMNS) + "  (in brackets: classical)")
    mine, theirs, sheet = [], [], []
    for p in plates(folder):
        hint = changed_hint(p.hint, kind)
        start = time.time()
        alpha, fg = model(p.plate, hint)
        spent = time.time() - start
        mine.append(scores(alpha, fg, p.truth, p.paint))
        theirs.append(keyed_classically(p, hint))
        print(f"{p.name:24s}{cells_of(mine[-1], theirs[-1])}  {spent:.2f} s", flush=True)
        if out:
            write(out / p.name / "alpha.png", alpha)
            write(out / p.name / "fg.png", fg)
            sheet.append(sheet_row(p, hint, alpha, fg, mine[-1]))
    print(f"{'mean':24s}{cells_of(means(mine), means(theirs))}")
    better = {c: sum(a[c] < b[c] for a, b in zip(mine, theirs)) for c in ("u_mse", "comp")}
    print(f"better than classical on {better['u_mse']} of {len(mine)} plates in u_mse, on {better['comp']} in comp")
    if sheet:
        write(out / "sheet.png", stack(sheet), np.uint8)
    return mine, theirs


def hint_table(model: Model, folder: Path) -> dict[str, dict[str, float]]:
    """Mean scores with every kind of hint, good and bad."""
    found = list(plates(folder))
    out = {}
    for kind in HINTS:
        out[kind] = means([scores(*model(p.plate, changed_hint(p.hint, kind)), p.truth, p.paint) for p in found])
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("plates", type=Path)
    parser.add_argument("--out", type=Path, help="folder for mattes, foregrounds and the sheet")
    parser.add_argument("--hint", default="given", choices=HINTS)
    parser.add_argument("--hints", action="store_true", help="means with every kind of hint")
    parser.add_argument("--threads", type=int, default=2)
    o = parser.parse_args()
    model = Model(o.model, o.threads)
    if not o.hints:
        table_of(model, o.plates, o.hint, o.out)
        return
    table = hint_table(model, o.plates)
    print(f"{'hint':24s}" + "".join(f"{c:>9s}" for c in COLUMNS) + f"{'w_mse ratio':>14s}")
    for kind, line in table.items():
        print(f"{kind:24s}{cells_of(line)}{line['w_mse'] / table['given']['w_mse']:14.2f}", flush=True)


if __name__ == "__main__":
    main()
