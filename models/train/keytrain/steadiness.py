"""How still a model's matte stands in moving pictures: `python -m keytrain.steadiness A.onnx B.onnx`.

Clips of a soft-edged subject that glides over a still, uneven screen, half of them by whole pixels
a frame, half by fractions, with fresh noise in every frame.  The subject is moved by turning the
phase of its spectrum, so that the truth itself moves rigidly; mattes are moved back the same way.
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
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from .colour import to_srgb
from .draw import Draw
from .elements import filled_colour, make_figure, make_furry, make_glass
from .evaluate import Model, means
from .failures import grown, softened, sown, standing, subjects
from .failures import good_hint as hint_of
from .noise import wrapping_blur
from .pictures import row, stack, write
from .screens import lit_screen

SIDE, FRAMES, NOISE = 384, 12, 0.012
AIM = {"soft": 0.006, "solid": 0.002}
REACHES = (0.0, 0.75, 1.5)  # sigmas in pixels over which the informed keyer averages
LENS = 0.9  # sigma of the lens in pixels: soft enough for a spectrum to be shifted without ringing
PATHS = (  # family, member, pixels a frame along x and y
    (make_figure, 0, (2.0, 0.0)),
    (make_furry, 4, (-3.0, 1.0)),
    (make_glass, 2, (1.0, 2.0)),
    (make_figure, 5, (0.37, 0.0)),
    (make_furry, 3, (1.43, -0.61)),
    (make_figure, 4, (-0.5, 2.25)),
)


@dataclass
class Clip:
    """Frames ``[t, h, w, ...]``; colours encoded."""

    name: str
    plates: np.ndarray
    still: np.ndarray  # the same without noise
    hints: np.ndarray
    alphas: np.ndarray
    errors: np.ndarray  # in alpha, of a keyer that knows the colours; see `informed`
    step: tuple[float, float]
    soft: np.ndarray  # where to look, in the middle frame's place
    solid: np.ndarray


def moved(image: Tensor, dx: float, dy: float) -> Tensor:
    """The picture shifted by any distance, exactly where its spectrum allows; it wraps at the border."""
    if float(dx).is_integer() and float(dy).is_integer():
        return image.roll((int(dy), int(dx)), (-2, -1))
    height, width = image.shape[-2:]
    fy = torch.fft.fftfreq(height, dtype=torch.float64).view(-1, 1)
    fx = torch.fft.rfftfreq(width, dtype=torch.float64).view(1, -1)
    turn = torch.polar(torch.ones_like(fx * fy), -2 * math.pi * (fx * dx + fy * dy))
    return torch.fft.irfft2(torch.fft.rfft2(image.double()) * turn, s=(height, width)).float()


def offset(frame: int, step: tuple[float, float], frames: int) -> tuple[float, float]:
    return step[0] * (frame - frames // 2), step[1] * (frame - frames // 2)


def vignetted(element: Tensor, margin: int) -> Tensor:
    """The element cut off softly before the border, so that it can glide without wrapping round."""
    side = element.shape[-1]
    line = torch.arange(side).float()
    ramp = ((torch.minimum(line, side - 1 - line) - margin) / 12).clamp(0, 1)
    return element * (ramp.view(-1, 1) * ramp.view(1, -1))


def informed(light: Tensor, alpha: Tensor, clean: Tensor, noise: Tensor) -> Tensor:
    """Error in alpha that noise makes where both colours are known: its share along the line between them.

    `light` is the linear plate without noise, `clean` the screen alone; `noise` lies on the encoded
    plate, so the line is that of encoded colours, in the place where the pixel is.
    """
    colour = (light - (1 - alpha) * clean) / alpha.clamp(min=0.02)
    step = (colour - clean) * 1e-3
    slope = (to_srgb((light + step).clamp(min=0)) - to_srgb((light - step).clamp(min=0))) / 2e-3
    return (noise * slope).sum(1) / slope.square().sum(1).clamp(min=1e-4)


def averaged(errors: np.ndarray, sigma: float) -> np.ndarray:
    return wrapping_blur(torch.from_numpy(errors)[:, None], torch.full((len(errors), 1, 1, 1), sigma))[:, 0].numpy()


def make_clip(number: int, side: int = SIDE, frames: int = FRAMES) -> Clip:
    """One of `PATHS`, from fixed seeds."""
    family, member, step = PATHS[number]
    reach = math.ceil(max(abs(s) for s in step) * frames / 2) + 4
    drawn = standing(subjects(family, side, 61, 6)[member : member + 1], 0.85, 0.65)
    element = softened(vignetted(drawn, reach), LENS)
    element = torch.cat([torch.minimum(element[:, :3], element[:, 3:4]), element[:, 3:4].clamp(0, 1)], 1)
    sown(700 + number)
    draw = Draw(1, side, "cpu", {"blue": number == 4})
    clean, base, _ = lit_screen(draw)
    lit = torch.cat([element[:, :3] + base * 0.03 * element[:, 3:4], element[:, 3:4], hint_of(element[:, 3:4])], 1)
    plates, still, hints, alphas, errors = [], [], [], [], []
    for frame in range(frames):
        now = moved(lit, *offset(frame, step, frames))
        alpha = now[:, 3:4].clamp(0, 1)
        light = now[:, :3].clamp(min=0) + (1 - alpha) * clean
        encoded = to_srgb(light).clamp(0, 1)
        noisy = (encoded + draw.grain(3) * NOISE).clamp(0, 1)
        for store, picture in zip((plates, still), (noisy, encoded)):
            store.append(picture[0].permute(1, 2, 0).numpy())
        hints.append(now[0, 4].clamp(0, 1).numpy())
        alphas.append(alpha[0, 0].numpy())
        errors.append(informed(light, alpha, clean, noisy - encoded)[0].numpy())
    middle = element[:, 3:4]
    inside = torch.zeros_like(middle)
    inside[..., reach + 16 : side - reach - 16, reach + 16 : side - reach - 16] = 1
    edge = grown(((middle > 0.01) & (middle < 0.99)).float(), 4)
    soft = ((middle > 0.05) & (middle < 0.95)).float() * inside
    solid = (1 - edge) * inside
    name = f"{family.__name__.removeprefix('make_')} {step[0]:+g} {step[1]:+g}"
    return Clip(name, *(np.stack(x) for x in (plates, still, hints, alphas, errors)), step, soft[0, 0].numpy(), solid[0, 0].numpy())


def deviation(mattes: np.ndarray, clip: Clip) -> dict[str, float]:
    """Mean standard deviation over time in soft edges and solid parts, the motion taken out."""
    frames = len(mattes)
    stack = torch.from_numpy(np.ascontiguousarray(mattes)).float()[:, None]
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
    lines = [f"{'soft edges / solid':28s}" + "".join(f"{c.name:>20s}" for c in clips) + f"{'mean':>20s}"]
    for name, found in table.items():
        lines.append(f"{name:28s}" + "".join(f"{d['soft']:11.4f} / {d['solid']:.4f}" for d in (*found, means(found))))
    return "\n".join(lines) + f"\naim{'':25s}" + " " * 20 * len(clips) + f"{AIM['soft']:11.4f} / {AIM['solid']:.4f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", type=Path, nargs="+")
    parser.add_argument("--side", type=int, default=SIDE)
    parser.add_argument("--frames", type=int, default=FRAMES)
    parser.add_argument("--sheet", type=Path, help="picture file that shows the clips")
    parser.add_argument("--threads", type=int, default=1)
    o = parser.parse_args()
    torch.set_num_threads(o.threads)
    clips = [make_clip(k, o.side, o.frames) for k in range(len(PATHS))]
    models = {path.stem: Model(path, o.threads) for path in o.models}
    if o.sheet:
        write(o.sheet, sheet(clips, models), np.uint8)
    print(printed(measure(models, clips), clips))


if __name__ == "__main__":
    main()
