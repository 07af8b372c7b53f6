"""Prints the tables of the model card as Markdown.

    python -m keytrain.card ../base/base.onnx PLATES > tables.md

Scores on the plates (the classical keyer's in brackets), with good and bad hints, on the slices,
in motion, and in tiles.  PLATES is as for keytrain.evaluate.
"""

import argparse
import contextlib
import os
import sys
from pathlib import Path

import torch

from . import clips, slices, steadiness, tiles
from .evaluate import COLUMNS, HINTS, Model, hint_table, means, table_of

HEADS = {"u_sad": "u_SAD", "u_mse": "u_MSE", "w_mse": "w_MSE", "fga": "fga", "comp": "comp"}
HINT_NAMES = {"given": "as given", "none": "none", "large": "3 % of the width too large", "missing": "without its top fifth"}


def table(heads: list[str], rows: list[list[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def plate_table(model: Model, folder: Path) -> str:
    names = sorted(p.parent.name for p in folder.glob("*/plate.png"))
    with open(os.devnull, "w") as silence, contextlib.redirect_stdout(silence):
        mine, theirs = table_of(model, folder, "given")

    def cells(a: dict[str, float], b: dict[str, float]) -> list[str]:
        return [f"{a[c]:.2f} ({b[c]:.2f})" for c in COLUMNS]

    rows = [[name, *cells(a, b)] for name, a, b in zip(names, mine, theirs)]
    rows.append(["**mean**", *(f"**{cell}**" for cell in cells(means(mine), means(theirs)))])
    better = {c: sum(a[c] < b[c] for a, b in zip(mine, theirs)) for c in ("u_mse", "comp")}
    text = f"Better than the classical keyer on {better['u_mse']} of {len(mine)} plates in u_MSE and {better['comp']} in comp."
    return table(["plate", *(HEADS[c] for c in COLUMNS)], rows) + "\n\n" + text


def hints_table(model: Model, folder: Path) -> str:
    found = hint_table(model, folder)
    good = found["given"]["w_mse"]
    rows = [[HINT_NAMES[k], *(f"{found[k][c]:.2f}" for c in COLUMNS), f"{found[k]['w_mse'] / good:.2f}"] for k in HINTS]
    return table(["hint", *(HEADS[c] for c in COLUMNS), "w_MSE ratio"], rows)


def slice_table(path: Path, threads: int, side: int) -> str:
    keyers = {"classical": slices.classical_keyer, "model": slices.model_keyer(path, threads)}
    found = slices.run(keyers, [], side)
    rows = []
    for piece in slices.SLICES:
        old, new = (found[piece.name][k] for k in keyers)
        cells = [f"{new['figure']:.3f} ({old['figure']:.3f})"] + [f"{new[c]:.2f} ({old[c]:.2f})" for c in slices.SHOWN]
        rows.append([piece.name, piece.figure, *cells])
    return table(["slice", "what is counted", "figure", *(HEADS[c] for c in slices.SHOWN)], rows)


def steadiness_table(model: Model, name: str, side: int, frames: int) -> str:
    shown = [clips.make_clip(plan, side, frames) for plan in clips.SETS[name]]
    found = steadiness.measure({"model": model}, shown)
    rows = []
    for k, clip in enumerate(shown):
        rows.append([clip.name, *(f"{found[who][k][where]:.4f}" for who in found for where in ("soft", "solid"))])
    overall = {who: means(lines) for who, lines in found.items()}
    rows.append(["**mean**", *(f"**{overall[who][where]:.4f}**" for who in found for where in ("soft", "solid"))])
    heads = [head for who in found for head in (f"{who}: soft", "solid")]
    aim = f"Aim: {steadiness.AIM['soft']} in soft edges, {steadiness.AIM['solid']} in solid parts."
    return table(["clip, pixels a frame", *heads], rows) + "\n\n" + aim


def tile_table(path: Path, folder: Path, seams: tiles.Seams, threads: int) -> str:
    found = tiles.measure(path, folder, seams, tiles.TILE, tiles.OVERLAP, threads)
    rows = [[name, *(f"{line[c]:.1e}" for c in ("alpha", "fg", "plain alpha", "plain fg"))] for name, line in found.items()]
    text = f"Largest differences from the whole frame; tiles of {tiles.TILE} px that share {tiles.OVERLAP} px; at most {tiles.LIMIT:g} is asked."
    return table(["plate", "staged: alpha", "fg", "undivided graph: alpha", "fg"], rows) + "\n\n" + text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("plates", type=Path)
    parser.add_argument("--side", type=int, default=slices.SIDE, help="of the slices' pictures")
    parser.add_argument("--clip-side", type=int, default=clips.SIDE)
    parser.add_argument("--frames", type=int, default=clips.FRAMES)
    parser.add_argument("--threads", type=int, default=1)
    for name in tiles.Seams.__annotations__:
        parser.add_argument(f"--{name}", help="as for keytrain.tiles")
    o = parser.parse_args()
    torch.set_num_threads(o.threads)
    seams = tiles.chosen_seams(o)
    model = Model(o.model, o.threads)
    parts = {
        "Plates": lambda: plate_table(model, o.plates),
        "Hints": lambda: hints_table(model, o.plates),
        "Slices": lambda: slice_table(o.model, o.threads, o.side),
        "Steadiness, studio": lambda: steadiness_table(model, "studio", o.clip_side, o.frames),
        "Steadiness, uneven": lambda: steadiness_table(model, "uneven", o.clip_side, o.frames),
        "Tiles": lambda: tile_table(o.model, o.plates, seams, o.threads),
    }
    for title, part in parts.items():
        print(f"### {title}\n\n{part()}\n", flush=True)
        print(f"{title} done", file=sys.stderr)


if __name__ == "__main__":
    main()
