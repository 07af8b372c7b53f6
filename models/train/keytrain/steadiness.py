"""How still a model's matte stands in moving pictures: `python -m keytrain.steadiness A.onnx B.onnx`.

Two sets of clips of a soft-edged subject that glides over a still screen, with fresh noise in every
frame: "studio" as a studio's plates are, "uneven" harder than that (`clips.py` describes both).
Mattes are moved back the way the subject was moved.
Figures are the standard deviation over time of alpha, averaged over soft edges (.05 < alpha < .95)
and over solid parts (further than 4 px from any edge).  "truth" is the same of the true mattes:
what the measurement itself cannot see below.  "informed" is a keyer that knows every pixel's true
foreground and screen colour and sees the noise of that pixel alone, "informed, N px" the same with
its error averaged by a Gaussian of that sigma: what noise leaves to an estimate that looks no
further.  "no noise" is the same clip without grain: what
motion over the screen's lattice and unevenness alone does to the matte; "noise alone" is the
deviation of the difference between the two.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from .clips import FRAMES, SETS, SIDE, Clip, make_clip, moved, offset, vignetted
from .evaluate import Model, means
from .noise import wrapping_blur
from .pictures import row, stack, write

AIM = {"soft": 0.006, "solid": 0.002}
REACHES = (0.0, 0.75, 1.5)  # sigmas in pixels over which the informed keyer averages


def averaged(errors: np.ndarray, sigma: float) -> np.ndarray:
    return wrapping_blur(torch.from_numpy(errors)[:, None], torch.full((len(errors), 1, 1, 1), sigma))[:, 0].numpy()


def deviation(mattes: np.ndarray, clip: Clip) -> dict[str, float]:
    """Mean standard deviation over time in soft edges and solid parts, the motion taken out.

    Mattes fade out at their borders, where nobody looks: a shift wraps round, and a step there would ring.
    """
    frames = len(mattes)
    stack = vignetted(torch.from_numpy(np.ascontiguousarray(mattes)).float()[:, None], 0)
    back = [moved(m[None], *(-d for d in offset(k, clip.step, frames)))[0, 0].numpy() for k, m in enumerate(stack)]
    spread = np.stack(back).std(0, ddof=1)
    return {"soft": float((spread * clip.soft).sum() / clip.soft.sum()), "solid": float((spread * clip.solid).sum() / clip.solid.sum())}


def mattes_of(model: Callable, plates: np.ndarray, hints: np.ndarray) -> np.ndarray:
    return np.stack([model(plate, hint)[0] for plate, hint in zip(plates, hints)])


def measure(models: dict[str, Callable], clips: list[Clip]) -> dict[str, list[dict[str, float]]]:
    """Deviations by name, one entry a clip: "truth", "informed", and every model with noise, without, and by noise alone."""
    out = {"truth": [deviation(clip.alphas, clip) for clip in clips]}
    for sigma in REACHES:
        name = f"informed, {sigma:g} px" if sigma else "informed"
        errors = [averaged(c.errors, sigma) if sigma else c.errors for c in clips]
        out[name] = [deviation((c.alphas + e).clip(0, 1), c) for c, e in zip(clips, errors)]
    for name, model in models.items():
        noisy = [mattes_of(model, c.plates, c.hints) for c in clips]
        still = [mattes_of(model, c.still, c.hints) for c in clips]
        out[name] = [deviation(m, c) for m, c in zip(noisy, clips)]
        out[f"{name}, no noise"] = [deviation(m, c) for m, c in zip(still, clips)]
        out[f"{name}, noise alone"] = [deviation(m - s, c) for m, s, c in zip(noisy, still, clips)]
    return out


def sheet(clips: list[Clip], models: dict[str, Callable]) -> np.ndarray:
    """First, middle and last frame of every clip, where it is looked at, and the middle mattes."""
    rows = []
    for clip in clips:
        middle = len(clip.plates) // 2
        cells = {f"frame {k}": clip.plates[k] for k in (0, middle, len(clip.plates) - 1)}
        cells |= {"hint": clip.hints[middle], "truth": clip.alphas[middle], "soft": clip.soft, "solid": clip.solid}
        cells |= {name: model(clip.plates[middle], clip.hints[middle])[0] for name, model in models.items()}
        rows.append(row(cells, clip.name, 256))
    return stack(rows)


def printed(table: dict[str, list[dict[str, float]]], clips: list[Clip]) -> str:
    lines = [f"{'soft edges / solid':28s}" + "".join(f"{c.name:>25s}" for c in clips) + f"{'mean':>25s}"]
    for name, found in table.items():
        lines.append(f"{name:28s}" + "".join(f"{d['soft']:16.4f} / {d['solid']:.4f}" for d in (*found, means(found))))
    return "\n".join(lines) + f"\naim{'':25s}" + " " * 25 * len(clips) + f"{AIM['soft']:16.4f} / {AIM['solid']:.4f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", type=Path, nargs="+")
    parser.add_argument("--side", type=int, default=SIDE)
    parser.add_argument("--frames", type=int, default=FRAMES)
    parser.add_argument("--set", choices=SETS, action="append", dest="sets", help="of clips; may be given again; without it all")
    parser.add_argument("--sheets", type=Path, help="folder for one picture a set that shows its clips")
    parser.add_argument("--threads", type=int, default=1)
    o = parser.parse_args()
    torch.set_num_threads(o.threads)
    models = {path.stem: Model(path, o.threads) for path in o.models}
    for name in o.sets or SETS:
        clips = [make_clip(plan, o.side, o.frames) for plan in SETS[name]]
        if o.sheets:
            write(o.sheets / f"{name}.png", sheet(clips, models), np.uint8)
        print(f"{name}\n{printed(measure(models, clips), clips)}\n", flush=True)


if __name__ == "__main__":
    main()
