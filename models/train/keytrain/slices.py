"""Scores models on generated pictures of one known failure each, beside a classical keyer.

    python -m keytrain.slices A.onnx B.onnx --sheets DIR

Each slice holds 8 pictures of fixed seeds.  For every keyer it prints u_mse, w_mse and comp (as
keytrain.evaluate does) and one figure that is the failure itself: the nearer to 0 the better, or to 1
where it is a ratio.  DIR receives a contact sheet of every slice: plate, hint, truth, the pixels the
figure looks at, and each keyer's matte and composite.  The classical keyer is told the screen's
mean colour.  The pictures come from the generator as it is: compare models in one run, not figures
of different versions of this code.
"""

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch

from . import classical, failures
from .evaluate import Model, changed_hint, means, scores
from .failures import Shot
from .pictures import over_grey, row, stack, to_linear, write

SIDE = 512
SHOWN = ("u_mse", "w_mse", "comp")

Keyer = Callable[[Shot], tuple[np.ndarray, np.ndarray]]


@dataclass
class Slice:
    """One failure: its pictures, and how to measure it.

    `measure` returns a sum and a count, pooled over the pictures; `root` takes the root of their
    quotient.  Where `twin` is given, the figure is the ratio of the score `ratio` on the pictures to
    that on the twin's.
    """

    name: str
    shots: Callable[[int], list[Shot]]
    figure: str
    measure: Callable[[np.ndarray, np.ndarray, Shot], tuple[float, float]] | None = None
    twin: Callable[[int], list[Shot]] | None = None
    ratio: str = "w_mse"
    root: bool = False


def spill_left(alpha: np.ndarray, fg: np.ndarray, shot: Shot) -> tuple[float, float]:
    """Screen-coloured light left in the foreground, as a share of what lay on it."""
    channel = int(shot.screen.argmax())
    truth = classical.excess(to_linear(shot.foreground), channel)
    left = np.maximum(classical.excess(to_linear(fg), channel) - truth, 0)
    there = np.maximum(classical.excess(shot.lit, channel) - truth, 0)
    return float((left * shot.mark).sum()), float((there * shot.mark).sum())


def too_opaque(alpha: np.ndarray, fg: np.ndarray, shot: Shot) -> tuple[float, float]:
    """Signed error of alpha where the figure looks."""
    return float(((alpha - shot.alpha) * shot.mark).sum()), float(shot.mark.sum())


def matte_error(alpha: np.ndarray, fg: np.ndarray, shot: Shot) -> tuple[float, float]:
    return float((np.abs(alpha - shot.alpha) * shot.mark).sum()), float(shot.mark.sum())


def squared_error(alpha: np.ndarray, fg: np.ndarray, shot: Shot) -> tuple[float, float]:
    return float(((alpha - shot.alpha) ** 2 * shot.mark).sum()), float(shot.mark.sum())


def matte_sad(alpha: np.ndarray, fg: np.ndarray, shot: Shot) -> tuple[float, float]:
    """Thousands of pixels wrong in a picture."""
    return float((np.abs(alpha - shot.alpha) * shot.mark).sum()) / 1e3, 1.0


def with_hint(kind: str, side: int) -> list[Shot]:
    return [replace(s, hint=changed_hint(s.hint, kind)) for s in failures.plain_people(side)]


SLICES = [
    Slice("dark-cloth spill", failures.dark_cloth, "share of the spill left", spill_left),
    Slice("backlit hair", failures.backlit_hair, "alpha too high by, .05-.8", too_opaque),
    Slice("faint glass", failures.faint_glass, "alpha error, .05-.2", matte_error),
    Slice("marker grid", failures.marker_grid, "alpha on far markers", matte_error),
    Slice("hinted props", failures.hinted_props, "alpha lost on props", matte_error),
    Slice("floor shadow", failures.floor_shadow, "alpha on the shadow", matte_error),
    Slice("screen-hued", failures.screen_hued, "alpha lost inside", matte_error),
    Slice("hint lacks a fifth", partial(with_hint, "missing"), "w_mse / good hint", twin=failures.plain_people),
    Slice("hint 3 % too large", partial(with_hint, "large"), "w_mse / good hint", twin=failures.plain_people),
    Slice("no hint", partial(with_hint, "none"), "w_mse / good hint", twin=failures.plain_people),
    Slice("thin structures", failures.thin_structures, "SAD/1000 on thin parts", matte_sad),
    Slice("noise and JPEG", failures.heavy_noise, "alpha rms in solid parts", squared_error, root=True),
    Slice("motion blur", failures.motion_blur, "alpha error, .05-.95", matte_error),
    Slice("highlights", failures.highlights, "alpha error where lit", matte_error),
    Slice("blue screen", partial(failures.before, True), "u_mse / on green", twin=partial(failures.before, False), ratio="u_mse"),
]


def classical_keyer(shot: Shot) -> tuple[np.ndarray, np.ndarray]:
    return classical.key(shot.plate, shot.hint, shot.screen)


def model_keyer(path: Path, threads: int = 1) -> Keyer:
    model = Model(path, threads)
    return lambda shot: model(shot.plate, shot.hint)


def measured(keyer: Keyer, shots: list[Shot], keyed=None) -> dict[str, float]:
    keyed = [keyer(s) for s in shots] if keyed is None else keyed
    return means([scores(alpha, fg, s.alpha, s.foreground) for (alpha, fg), s in zip(keyed, shots)])


def judge(piece: Slice, keyer: Keyer, side: int, known: dict) -> tuple[dict[str, float], list]:
    """Scores with the slice's own figure as "figure", and what was keyed.  `known` keeps twins' scores."""
    shots = piece.shots(side)
    keyed = [keyer(s) for s in shots]
    line = measured(keyer, shots, keyed)
    if piece.twin is not None:
        which = str(piece.twin), side
        if which not in known:
            known[which] = measured(keyer, piece.twin(side))
        line["figure"] = line[piece.ratio] / known[which][piece.ratio]
    else:
        sums = np.sum([piece.measure(alpha, fg, s) for (alpha, fg), s in zip(keyed, shots)], 0)
        if not sums[1]:
            raise SystemExit(f"the slice {piece.name} has no pixel to look at; its seed needs changing")
        line["figure"] = float(sums[0] / sums[1])
        line["figure"] = line["figure"] ** 0.5 if piece.root else line["figure"]
    return line, keyed


def sheet(piece: Slice, shots: list[Shot], keyed: dict[str, list], pictures: int) -> np.ndarray:
    """One row a picture: what was given, what is true, and what every keyer made of it."""
    rows = []
    for k, shot in enumerate(shots[:pictures]):
        cells = {"plate": shot.plate, "hint": shot.hint, "truth": shot.alpha, "looked at": shot.mark}
        for name, results in keyed.items():
            alpha, fg = results[k]
            cells[f"{name[:16]}: matte"], cells[f"{name[:16]}: comp"] = alpha, over_grey(alpha, fg)
        cells["true composite"] = over_grey(shot.alpha, shot.foreground)
        rows.append(row(cells, f"{piece.name}, picture {k + 1}", 224))
    return stack(rows)


def run(keyers: dict[str, Keyer], names: list[str], side: int = SIDE, sheets: Path | None = None, pictures: int = 8) -> dict[str, dict[str, dict]]:
    """Scores by slice and keyer."""
    known: dict[str, dict] = {name: {} for name in keyers}
    out: dict[str, dict[str, dict]] = {}
    for piece in SLICES:
        if names and piece.name not in names:
            continue
        began = time.time()
        out[piece.name], keyed = {}, {}
        shots = piece.shots(side)
        for name, keyer in keyers.items():
            out[piece.name][name], keyed[name] = judge(piece, keyer, side, known[name])
        print(f"{piece.name}: {time.time() - began:.0f} s", file=sys.stderr, flush=True)
        if sheets:
            write(sheets / f"{piece.name.replace(' ', '_')}.png", sheet(piece, shots, keyed, pictures), np.uint8)
    return out


def printed(table: dict[str, dict[str, dict]], keyers: list[str]) -> str:
    """Four columns a keyer: the figure first."""
    lines = [" " * 46 + "".join(f"| {name[:34]:36s}" for name in keyers)]
    lines.append(f"{'slice':20s}{'figure':26s}" + "".join(f"| {'figure':>9s}" + "".join(f"{c:>9s}" for c in SHOWN) for _ in keyers))
    for piece in SLICES:
        if piece.name in table:
            cells = (table[piece.name][name] for name in keyers)
            lines.append(f"{piece.name:20s}{piece.figure:26s}" + "".join(f"| {c['figure']:9.3f}" + "".join(f"{c[s]:9.2f}" for s in SHOWN) for c in cells))
    return "\n".join(lines)


def keyers_of(models: list[Path], threads: int = 1) -> dict[str, Keyer]:
    """The classical keyer and every model, by file name (with its folder's, where two share one)."""
    out: dict[str, Keyer] = {"classical": classical_keyer}
    for path in models:
        name = path.stem if path.stem not in out else f"{path.parent.name}/{path.stem}"
        out[name] = model_keyer(path, threads)
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", type=Path, nargs="*")
    parser.add_argument("--only", action="append", default=[], choices=[s.name for s in SLICES], help="may be given several times")
    parser.add_argument("--sheets", type=Path, help="folder for a contact sheet of every slice")
    parser.add_argument("--side", type=int, default=SIDE, help="of the pictures, in pixels; a multiple of 32")
    parser.add_argument("--threads", type=int, default=1)
    o = parser.parse_args()
    torch.set_num_threads(o.threads)
    keyers = keyers_of(o.models, o.threads)
    print(printed(run(keyers, o.only, o.side, o.sheets), list(keyers)))


if __name__ == "__main__":
    main()
