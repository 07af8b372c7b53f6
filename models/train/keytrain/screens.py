"""Green and blue screens: paint, cloth, light, shadows, tracking marks and what lies beyond them."""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from .colour import from_hsv, to_linear
from .draw import Draw, lerp
from .noise import field, wide_blur
from .shapes import tape_colour


BLUE = 0.3  # share of blue screens


@dataclass
class Screen:
    """Linear pictures of the screen with and without the things that are not screen."""

    clean: Tensor  # lit screen with shadows: what a clean plate would show
    dressed: Tensor  # with tracking marks, and rig or studio beyond its border
    base: Tensor  # its mean colour [n, 3, 1, 1]
    blue: Tensor  # one for blue screens
    cluttered: Tensor  # one where something that is not screen must be keyed out by the hint
    marked: Tensor  # one where there are tracking marks


def lit_screen(draw: Draw) -> tuple[Tensor, Tensor, Tensor]:
    """Screen under uneven light: fall-off, blotches, folds of cloth, a floor line, a seam."""
    blue = draw.chance(BLUE, "blue")
    hue = torch.where(blue > 0, draw.uniform(0.54, 0.69), draw.uniform(0.25, 0.46))
    colour = from_hsv(hue, draw.uniform(0.42, 1).pow(0.7), draw.uniform(0.24, 1))
    base = (to_linear(colour.view(draw.count, 3, 1, 1)) + draw.uniform(0, 0.02)).clamp(0, 1)
    rough = field(draw, 3, (60, 420), (2, 4), stretch=3)
    x, y = draw.x / draw.size - 0.5, draw.y / draw.size - 0.5
    light = (x * draw.normal() + y * draw.normal()) * draw.uniform(0, 0.7) + rough[:, :1] * draw.uniform(0, 0.22)
    fold = field(draw, 1, (12, 90), (1.6, 3.5), stretch=9)
    fold = torch.where(draw.chance(0.5) > 0, fold, 1 - fold.abs())
    light = light.exp() * (1 + fold * draw.sometimes(0.5, draw.uniform(0, 0.14)))
    angle = draw.normal(0.15) + draw.chance(0.5) * (math.pi / 2)
    line = draw.y * angle.cos() + draw.x * angle.sin() - draw.uniform() * draw.size
    light = light * (1 + (line / draw.spread(1, 40)).sigmoid() * draw.sometimes(0.25, draw.uniform(-0.55, 0.5)))
    light = light * (1 - torch.exp(-(line / draw.spread(0.7, 4)).square()) * draw.sometimes(0.18, draw.uniform(0, 0.6)))
    tint = torch.exp(rough[:, 1:2] * draw.normal(0.05, 3))
    grime = 1 + rough[:, 2:].clamp(max=0) * draw.sometimes(0.3, draw.uniform(0, 0.12))
    return (base * light.clamp(0.15, 3) * tint * grime).clamp(0, 1.2), base, blue


def shadowed(draw: Draw, screen: Tensor, alpha: Tensor) -> Tensor:
    """The subject's own shadow on wall or floor, soft or hard-edged, moved and stretched."""
    soft = wide_blur(alpha, draw.spread(3, 40), 2)
    turn = torch.zeros(draw.count, 2, 3, device=draw.device)
    turn[:, 0, 0] = 1
    turn[:, 0, 1] = (draw.normal(0.3))[:, 0, 0, 0]
    turn[:, 1, 1] = draw.spread(0.7, 2.2)[:, 0, 0, 0]
    turn[:, :, 2] = draw.normal(0.15, 2)[:, :, 0, 0]
    grid = F.affine_grid(turn, list(alpha.shape), align_corners=False)
    cast = F.grid_sample(soft, grid, padding_mode="border", align_corners=False).clamp(0, 1)
    firm = ((cast - 0.5) * draw.spread(1, 14) + 0.5).clamp(0, 1)
    return screen * (1 - firm * draw.sometimes(0.55, draw.uniform(0.02, 0.75), event="shadow"))


def tracking_marks(draw: Draw, screen: Tensor, base: Tensor) -> tuple[Tensor, Tensor]:
    """A lattice of crosses, dots or squares, painted in another tone or taped in another colour.

    Half of them are tape: opaque, of any strong colour, white or black.  Also returned: which
    pictures have marks.
    """
    pitch, arm = draw.spread(0.1, 0.6) * draw.size, draw.spread(1.5, 24)
    arm = torch.minimum(arm, pitch * 0.35)
    tilt = draw.normal(0.2)
    u, v = draw.turned(tilt)
    u, v = u / pitch + draw.uniform(), v / pitch + draw.uniform()
    u, v = (u - u.round()).abs() * pitch, (v - v.round()).abs() * pitch
    thin = arm * draw.uniform(0.1, 0.4)
    cross = torch.minimum(torch.maximum(u - arm, v - thin), torch.maximum(v - arm, u - thin))
    dot, square = (u.square() + v.square() + 1e-6).sqrt() - arm, torch.maximum(u, v) - arm
    kind = draw.uniform()
    mark = torch.where(kind < 0.5, cross, torch.where(kind < 0.8, dot, square))
    marked = draw.chance(0.4, "marks")
    mark = (0.5 - mark).clamp(0, 1) * marked
    taped, tape = draw.chance(0.5, "tape"), tape_colour(draw)
    kind = draw.uniform()
    hue = from_hsv(draw.uniform(), draw.uniform(), draw.uniform()).view(draw.count, 3, 1, 1)
    paint = torch.where(kind < 0.55, base * draw.uniform(0.2, 2), torch.where(kind < 0.8, draw.uniform(), to_linear(hue)))
    colour = lerp(paint, tape, taped)
    return lerp(screen, colour.clamp(0, 1), mark * lerp(draw.uniform(0.5, 1), torch.ones_like(kind), taped)), marked


def clutter(draw: Draw, screen: Tensor, texture: Tensor) -> tuple[Tensor, Tensor]:
    """The studio beyond the screen's border, and stands or cables before it."""
    where = draw.pick(4).view(-1, 1, 1, 1)
    x, y = draw.x.expand(draw.count, -1, -1, -1), draw.y.expand(draw.count, -1, -1, -1)
    sides = (x, draw.size - x, y, draw.size - y)
    inward = torch.where(where == 0, sides[0], torch.where(where == 1, sides[1], torch.where(where == 2, sides[2], sides[3])))
    inward = inward + (x - y) * draw.normal(0.08) - draw.uniform(0.02, 0.3) * draw.size
    beyond = (0.5 - inward / draw.spread(1, 8)).clamp(0, 1) * draw.chance(0.7)
    u, _ = draw.turned(draw.uniform(0, math.pi))
    stand = (draw.spread(1.5, 16) - (u + draw.normal(0.25) * draw.size).abs() + 0.5).clamp(0, 1) * draw.chance(0.4)
    mask = torch.maximum(beyond, stand) * draw.chance(0.22, "clutter")
    return lerp(screen, texture * draw.spread(0.1, 1.3), mask), mask.amax((2, 3), keepdim=True).gt(0).float()


def build_screen(draw: Draw, alpha: Tensor, texture: Tensor) -> Screen:
    clean, base, blue = lit_screen(draw)
    clean = shadowed(draw, clean, alpha)
    with_marks, marked = tracking_marks(draw, clean, base)
    dressed, cluttered = clutter(draw, with_marks, texture)
    return Screen(clean, dressed, base, blue, cluttered, marked)
