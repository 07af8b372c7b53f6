"""Scores an exported model on a folder of plates with known mattes, and draws what it did.

    python -m keytrain.evaluate MODEL.onnx PLATES --out DIR

PLATES holds one folder a plate: plate.png, hint.png, alpha_gt.png, fg_gt.png.  DIR receives
NAME/alpha.png and NAME/fg.png (16 bit) and sheet.png: plate, hint, matte, truth, composite over
grey, matte difference x 4.  Scores are means over plates, the matte's and composite's x 1000:
u_ in the unknown region (partial cover, grown by 10 px), w_ over the whole picture, fga the
foreground's error weighted by cover, comp the composite over middle grey.
"""

import argparse
import time
from pathlib import Path

import cv2
import numpy as np
import onnxruntime

from .network import MEAN, STD

COLUMNS = ("u_sad", "u_mse", "w_mse", "fga", "comp")


def to_linear(x):
    return np.where(x <= 0.04045, x / 12.92, ((np.maximum(x, 0) + 0.055) / 1.055) ** 2.4)


def to_srgb(x):
    x = np.clip(x, 0, 1)
    return np.where(x <= 0.0031308, x * 12.92, 1.055 * np.maximum(x, 1e-9) ** (1 / 2.4) - 0.055)


def read(path: Path, grey: bool = False) -> np.ndarray:
    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if image is None:
        raise FileNotFoundError(path)
    image = image.astype(np.float32) / np.iinfo(image.dtype).max
    if image.ndim == 3:
        image = image[..., 2::-1]
        return image.mean(2) if grey else image
    return image if grey else np.repeat(image[..., None], 3, 2)


def write(path: Path, image: np.ndarray, depth: type = np.uint16) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    top = np.iinfo(depth).max
    image = image[..., ::-1] if image.ndim == 3 else image
    cv2.imwrite(str(path), np.round(np.clip(image, 0, 1) * top).astype(depth))


class Model:
    """An ONNX model on the CPU, fed pictures of any size (padded by replication)."""

    def __init__(self, path: Path, threads: int = 2, multiple: int = 32):
        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = threads
        settings.enable_mem_pattern = False
        self.session = onnxruntime.InferenceSession(str(path), settings, providers=["CPUExecutionProvider"])
        self.multiple = multiple

    def __call__(self, plate: np.ndarray, hint: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        height, width = hint.shape
        x = np.concatenate([(plate - MEAN) / STD, hint[..., None]], 2).astype(np.float32)
        x = np.pad(x, ((0, -height % self.multiple), (0, -width % self.multiple), (0, 0)), mode="edge")
        alpha, fg = self.session.run(None, {"input": np.ascontiguousarray(x.transpose(2, 0, 1)[None])})
        return alpha[0, 0, :height, :width], fg[0, :, :height, :width].transpose(1, 2, 0)


def over_grey(alpha: np.ndarray, fg: np.ndarray) -> np.ndarray:
    return to_srgb(alpha[..., None] * to_linear(fg) + (1 - alpha[..., None]) * 0.18)


def scores(alpha, fg, truth, paint) -> dict[str, float]:
    ellipse = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (21, 21))
    soft = cv2.dilate(((truth > 0.02) & (truth < 0.98)).astype(np.uint8), ellipse) > 0
    error, inside = np.abs(alpha - truth), truth > 0.02
    seen = (truth > 0) | soft
    return {
        "u_sad": error[soft].sum() / 1e3,
        "u_mse": (error[soft] ** 2).mean() * 1e3,
        "w_mse": (error**2).mean() * 1e3,
        "fga": (np.abs(fg - paint).mean(2) * truth)[inside].sum() / truth[inside].sum() * 1e3,
        "comp": np.abs(over_grey(alpha, fg) - over_grey(truth, paint)).mean(2)[seen].mean() * 1e3,
    }


def sheet_row(plate, hint, alpha, fg, truth, height: int = 320) -> np.ndarray:
    grey = lambda x: np.repeat(np.clip(x, 0, 1)[..., None], 3, 2)
    cells = (plate, grey(hint), grey(alpha), grey(truth), over_grey(alpha, fg), grey(np.abs(alpha - truth) * 4))
    width = round(plate.shape[1] * height / plate.shape[0])
    return np.concatenate([cv2.resize(c.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA) for c in cells], 1)


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("plates", type=Path)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--hint", default="given", choices=["given", "none", "large", "missing"])
    parser.add_argument("--threads", type=int, default=2)
    o = parser.parse_args()
    model, rows, table = Model(o.model, o.threads), [], []
    print(f"{'plate':24s}" + "".join(f"{c:>9s}" for c in COLUMNS))
    for folder in sorted(p.parent for p in o.plates.glob("*/plate.png")):
        plate, hint = read(folder / "plate.png"), changed_hint(read(folder / "hint.png", True), o.hint)
        truth, paint = read(folder / "alpha_gt.png", True), read(folder / "fg_gt.png")
        start = time.time()
        alpha, fg = model(plate, hint)
        spent = time.time() - start
        table.append(scores(alpha, fg, truth, paint))
        print(f"{folder.name:24s}" + "".join(f"{table[-1][c]:9.2f}" for c in COLUMNS) + f"  {spent:.2f} s", flush=True)
        if o.out:
            write(o.out / folder.name / "alpha.png", alpha)
            write(o.out / folder.name / "fg.png", fg)
            rows.append(sheet_row(plate, hint, alpha, fg, truth))
    print(f"{'mean':24s}" + "".join(f"{np.mean([t[c] for t in table]):9.2f}" for c in COLUMNS))
    if rows:
        width = max(r.shape[1] for r in rows)
        write(o.out / "sheet.png", np.concatenate([np.pad(r, ((0, 4), (0, width - r.shape[1]), (0, 0))) for r in rows]), np.uint8)


if __name__ == "__main__":
    main()
