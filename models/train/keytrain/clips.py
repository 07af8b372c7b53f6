"""Clips with a known matte: a subject that moves rigidly over a still screen, with fresh noise in every frame.

Two sets, both from fixed seeds.  `UNEVEN`: streaky, unevenly lit screens of any strength, subjects
whose parts may have the screen's own hue; harder than what a studio hands over.  `STUDIO`: a screen
of painted or stretched chroma green or blue, lit as a studio lights it (a broad lamp, a little
less towards the corners), and subjects of any colour but the screen's hue, who come into the frame
from below or from a side: hard silhouettes, hair, motion blur and defocus.

Subjects move by whole pixels a frame in half of the clips, by fractions in the others.  They are
moved by turning the phase of their spectrum, so that the truth itself moves rigidly.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .colour import from_hsv, to_linear, to_srgb
from .draw import Draw
from .elements import make_figure, make_furry, make_glass
from .failures import good_hint as hint_of
from .failures import grown, smeared, softened, sown, standing, subjects
from .noise import field
from .screens import lit_screen

SIDE, FRAMES, NOISE = 384, 12, 0.012
LENS = 0.9  # sigma of the lens in pixels: soft enough for a spectrum to be shifted without ringing
ROOM = 48  # pixels by which a studio's subject is drawn larger than the frame, on every side


@dataclass(frozen=True)
class Uneven:
    family: Callable
    member: int
    step: tuple[float, float]  # pixels a frame along x and y
    blue: bool = False


@dataclass(frozen=True)
class Studio:
    what: str
    member: int  # of the figures drawn for this set
    step: tuple[float, float]  # pixels a frame along x and y
    blue: bool = False
    down: int = 0  # pixels by which the subject is lowered in the frame
    smear: float = 0.0  # pixels of motion blur along the step
    defocus: float = 0.0  # radius of a disc in pixels


UNEVEN = (
    Uneven(make_figure, 0, (2.0, 0.0)),
    Uneven(make_furry, 4, (-3.0, 1.0)),
    Uneven(make_glass, 2, (1.0, 2.0)),
    Uneven(make_figure, 5, (0.37, 0.0)),
    Uneven(make_furry, 3, (1.43, -0.61), blue=True),
    Uneven(make_figure, 4, (-0.5, 2.25)),
)
STUDIO = (
    Studio("stretched arm", 11, (2.0, 0.0), down=24),
    Studio("raised arm", 19, (0.37, 0.25), blue=True),
    Studio("cropped hair", 25, (-3.0, 1.0)),
    Studio("locks", 20, (1.43, -0.61)),
    Studio("tuft", 7, (-1.0, 1.0), blue=True),
    Studio("mane", 3, (-0.5, 0.75)),
    Studio("in a hurry", 2, (4.0, -2.0), smear=4.0),
    Studio("out of focus", 22, (-2.25, 0.5), blue=True, defocus=4.0),
)
SETS = {"studio": STUDIO, "uneven": UNEVEN}


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


def reach_of(step: tuple[float, float], frames: int) -> int:
    return math.ceil(max(abs(s) for s in step) * frames / 2) + 4


def framed(image: Tensor, room: int) -> Tensor:
    return image[..., room : image.shape[-2] - room, room : image.shape[-1] - room]


def within(element: Tensor) -> Tensor:
    """Cover within 0..1 and no colour brighter than it covers."""
    return torch.cat([torch.minimum(element[:, :3], element[:, 3:4]), element[:, 3:4].clamp(0, 1)], 1)


def make_clip(plan: Uneven | Studio, side: int = SIDE, frames: int = FRAMES) -> Clip:
    """The clip of a plan in `UNEVEN` or `STUDIO`, from fixed seeds."""
    return (uneven_clip if isinstance(plan, Uneven) else studio_clip)(plan, side, frames)


def uneven_clip(plan: Uneven, side: int, frames: int) -> Clip:
    reach = reach_of(plan.step, frames)
    drawn = standing(subjects(plan.family, side, 61, 6)[plan.member : plan.member + 1], 0.85, 0.65)
    element = within(softened(vignetted(drawn, reach), LENS))
    sown(700 + UNEVEN.index(plan))
    draw = Draw(1, side, "cpu", {"blue": plan.blue})
    clean, base, _ = lit_screen(draw)
    return shot(plan, draw, element, clean, base, frames, reach + 16, reach + 16)


def studio_clip(plan: Studio, side: int, frames: int) -> Clip:
    drawn = subjects(make_figure, side + 2 * ROOM, 78, 32)[plan.member : plan.member + 1]
    sown(800 + STUDIO.index(plan))
    draw = Draw(1, side, "cpu")
    clean, base = studio_screen(draw, plan.blue)
    element = softened(vignetted(unhued(drawn, plan.blue).roll(plan.down, -2), 4), LENS)
    if plan.smear:
        angle = torch.full((1, 1, 1, 1), math.atan2(plan.step[1], plan.step[0]))
        element = smeared(element, angle, torch.full_like(angle, plan.smear))
    if plan.defocus:
        element = defocused(element, plan.defocus)
    rims = (math.ceil(abs(s) * frames / 2) + 16 for s in plan.step)
    return shot(plan, draw, within(element), clean, base, frames, *rims)


def studio_screen(draw: Draw, blue: bool) -> tuple[Tensor, Tensor]:
    """An evenly lit screen and its colour: a broad lamp, corners some percent darker, the faintest unevenness of paint."""
    hue = draw.uniform(0.59, 0.64) if blue else draw.uniform(0.32, 0.39)
    base = to_linear(from_hsv(hue, draw.uniform(0.65, 0.85), draw.uniform(0.5, 0.75)).view(draw.count, 3, 1, 1))
    x, y = draw.x / draw.size - draw.uniform(0.3, 0.7), draw.y / draw.size - draw.uniform(0.2, 0.6)
    fall = (x.square() + y.square()) * draw.uniform(0.15, 0.4)
    return base * torch.exp(field(draw, 1, (120, 400), (2.5, 4)) * 0.008 - fall), base


def unhued(element: Tensor, blue: bool) -> Tensor:
    """The element without the screen's hue: its primary nowhere above the other two."""
    red, green, third = element[:, :1], element[:, 1:2], element[:, 2:3]
    if blue:
        third = torch.minimum(third, torch.maximum(red, green))
    else:
        green = torch.minimum(green, torch.maximum(red, third))
    return torch.cat([red, green, third, element[:, 3:]], 1)


def defocused(image: Tensor, radius: float) -> Tensor:
    """The image out of focus by a disc; what lies beyond the border is repeated."""
    reach = math.ceil(radius)
    line = torch.arange(-reach, reach + 1).float()
    disc = (radius + 0.5 - (line.view(-1, 1).square() + line.square()).sqrt()).clamp(0, 1)
    kernel = (disc / disc.sum()).expand(image.shape[1], 1, -1, -1)
    return F.conv2d(F.pad(image, (reach,) * 4, mode="replicate"), kernel, groups=image.shape[1])


def shot(plan: Uneven | Studio, draw: Draw, element: Tensor, clean: Tensor, base: Tensor, frames: int, across: int, down: int) -> Clip:
    """Frames of the element gliding over the screen; `across` and `down` pixels along the borders are not looked at.

    The element may be larger than the frame, which shows its middle.
    """
    side = draw.size
    room = (element.shape[-1] - side) // 2
    lit = torch.cat([element[:, :3] + base * 0.03 * element[:, 3:4], element[:, 3:4], hint_of(element[:, 3:4])], 1)
    plates, still, hints, alphas, errors = [], [], [], [], []
    for frame in range(frames):
        now = framed(moved(lit, *offset(frame, plan.step, frames)), room)
        alpha = now[:, 3:4].clamp(0, 1)
        light = now[:, :3].clamp(min=0) + (1 - alpha) * clean
        encoded = to_srgb(light).clamp(0, 1)
        noisy = (encoded + draw.grain(3) * NOISE).clamp(0, 1)
        for store, picture in zip((plates, still), (noisy, encoded)):
            store.append(picture[0].permute(1, 2, 0).numpy())
        hints.append(now[0, 4].clamp(0, 1).numpy())
        alphas.append(alpha[0, 0].numpy())
        errors.append(informed(light, alpha, clean, noisy - encoded)[0].numpy())
    middle = framed(element[:, 3:4], room)
    inside = torch.zeros_like(middle)
    inside[..., down : side - down, across : side - across] = 1
    edge = grown(((middle > 0.01) & (middle < 0.99)).float(), 4)
    soft = ((middle > 0.05) & (middle < 0.95)).float() * inside
    solid = (1 - edge) * inside
    what = plan.what if isinstance(plan, Studio) else plan.family.__name__.removeprefix("make_")
    name = f"{what} {plan.step[0]:+g} {plan.step[1]:+g}"
    return Clip(name, *(np.stack(x) for x in (plates, still, hints, alphas, errors)), plan.step, soft[0, 0].numpy(), solid[0, 0].numpy())
