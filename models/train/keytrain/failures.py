"""Pictures of one known failure each, composed from the generator's parts with everything else kept calm.

Every maker returns `COUNT` shots of `side` pixels from a seed of its own.  `mark` weighs the pixels
in which the failure would show; `lit` is the subject with the screen's light on it.
"""

import math
import random
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .camera import Camera
from .colour import TOP, to_srgb
from .draw import Draw, lerp
from .elements import filled_colour, make_elements, make_figure, make_furry, make_glass, make_mesh, make_object, make_props, make_rods, over
from .noise import blur, field, wide_blur
from .screens import lit_screen

COUNT = 8
QUIET = {"marks": False, "shadow": False, "clutter": False, "hdr": False, "jpeg": False, "noise": True, "blue": False}


@dataclass
class Shot:
    """One picture with its truth; colours encoded unless said otherwise."""

    plate: np.ndarray  # [h, w, 3], above 1 in highlights
    hint: np.ndarray
    alpha: np.ndarray
    foreground: np.ndarray  # 0..1
    lit: np.ndarray  # linear
    screen: np.ndarray  # linear [3]
    mark: np.ndarray


def sown(seed: int) -> None:
    torch.manual_seed(seed)
    random.seed(seed)


@cache
def subjects(family, side: int, seed: int, count: int = COUNT, **force: bool) -> Tensor:
    """Elements of one family, premultiplied linear RGBA, ``[count, 4, side, side]``."""
    sown(seed)
    return make_elements(Draw(count, side, "cpu", force), family)[:, :4]


def fittest(elements: Tensor, wanted: Tensor) -> Tensor:
    """The `COUNT` elements in which most pixels are wanted."""
    order = wanted.float().mean((1, 2, 3)).argsort(descending=True, stable=True)
    return elements[order[:COUNT].sort().values]


def people(side: int) -> Tensor:
    """Figures that leave some screen in sight."""
    drawn = subjects(make_figure, side, 41, COUNT + 4)
    share = drawn[:, 3:4].mean((1, 2, 3), keepdim=True)
    return fittest(drawn, ((share > 0.08) & (share < 0.55)).expand_as(drawn))


def padded(image: Tensor, work, reach: int) -> Tensor:
    """A filter applied with the border repeated, so that nothing wraps round."""
    return work(F.pad(image, (reach,) * 4, mode="replicate"))[..., reach:-reach, reach:-reach]


def softened(image: Tensor, sigma: float) -> Tensor:
    width = torch.full((len(image), 1, 1, 1), sigma)
    return padded(image, lambda x: blur(x, width), 4 * math.ceil(sigma)).clamp(min=0)


def seen(element: Tensor, sigma: float = 0.6) -> Tensor:
    """The element through a lens; cover within 0.4 % of none or full becomes exact, as in `optics`."""
    return settled(softened(element, sigma))


def settled(element: Tensor) -> Tensor:
    alpha = element[:, 3:4]
    keep = (alpha > 0.004).float()
    alpha = torch.where(alpha > 0.996, torch.ones_like(alpha), alpha * keep)
    return torch.cat([torch.minimum(element[:, :3] * keep, alpha), alpha], 1)


def smeared(image: Tensor, angle: Tensor, length: Tensor, steps: int = 49) -> Tensor:
    """The mean of an image along a straight path of `length` pixels: an open shutter."""
    total = torch.zeros_like(image)
    for t in torch.linspace(-0.5, 0.5, steps):
        shift = torch.eye(2, 3).repeat(len(image), 1, 1)
        shift[:, 0, 2] = (t * length * angle.cos() * 2 / image.shape[-1]).flatten()
        shift[:, 1, 2] = (t * length * angle.sin() * 2 / image.shape[-2]).flatten()
        grid = F.affine_grid(shift, list(image.shape), align_corners=False)
        total += F.grid_sample(image, grid, padding_mode="border", align_corners=False)
    return total / steps


def grown(mask: Tensor, reach: int) -> Tensor:
    return F.max_pool2d(mask, 2 * reach + 1, 1, reach)


def shrunk(mask: Tensor, reach: int) -> Tensor:
    return 1 - grown(1 - mask, reach)


def soft(alpha: Tensor, low: float = 0.05, high: float = 0.95) -> Tensor:
    return ((alpha > low) & (alpha < high)).float()


def good_hint(alpha: Tensor, level: float = 0.5) -> Tensor:
    """A hint as CorridorKey's are: thresholded, eroded by about 8 px, blurred, a quarter of the size."""
    mask = shrunk((F.avg_pool2d(alpha, 4) > level).float(), 2)
    return F.interpolate(softened(mask, 1.5), scale_factor=4.0, mode="bilinear", align_corners=False).clamp(0, 1)


def calm_camera(draw: Draw) -> Camera:
    """Correct exposure, light grain, full colour, no compression."""
    one = torch.ones(draw.count, 1, 1, 1)
    return replace(
        Camera.drawn(draw), exposure=one, contrast=one, denoised=0 * one, mono=0 * one, shot=3e-4 * one,
        read=2e-3 * one, chroma=one, sharpening=0 * one, eight_bit=0 * one,
    )  # fmt: skip


def unrolled(x: Tensor) -> Tensor:
    """Inverse of `colour.shoulder`: the file's own values."""
    room, over = TOP - 1, (x - 1).clamp(min=0, max=TOP - 1 - 1e-4)
    return torch.where(x <= 1, x, 1 + room * over / (room - over))


def compose(
    draw: Draw, element: Tensor, clean: Tensor, base: Tensor, mark: Tensor, *,
    foreground: Tensor | None = None, dressed: Tensor | None = None, camera: Camera | None = None,
    hint: Tensor | None = None, veil=0.02, sheen=0.08, wrap=0.0,
) -> list[Shot]:  # fmt: skip
    """Shots of premultiplied elements before a screen.

    `foreground` overrides the element's straight colour, `dressed` the screen behind; `veil` is
    screen light that lies evenly on the subject, `sheen` gathers at its edges, `wrap` is the
    screen's glow over the lens.
    """
    alpha = element[:, 3:4].clamp(0, 1)
    foreground = filled_colour(element) if foreground is None else foreground
    behind = clean if dressed is None else dressed
    edge = 1 - wide_blur(alpha, torch.full_like(base[:, :1], 20.0)).clamp(0, 1)
    lit = foreground + base * (veil + sheen * edge)
    glow = wide_blur(behind * (1 - alpha), torch.full_like(base[:, :1], 16.0)).clamp(min=0) * wrap
    camera = calm_camera(draw) if camera is None else camera
    plate = unrolled(camera.shoot(draw, lit * alpha + behind * (1 - alpha) + glow))
    hint = good_hint(alpha) if hint is None else hint
    paint = to_srgb(foreground).clamp(0, 1)
    screen = clean.mean((2, 3)).numpy()
    colours = [t.permute(0, 2, 3, 1).numpy() for t in (plate, paint, lit.expand_as(plate))]
    greys = [t[:, 0].numpy() for t in (hint, alpha, mark.expand_as(alpha))]
    return [
        Shot(colours[0][k], greys[0][k], greys[1][k], colours[1][k], colours[2][k], screen[k], greys[2][k])
        for k in range(len(element))
    ]


def start(side: int, seed: int, **force: bool) -> tuple[Draw, Tensor, Tensor]:
    """A draw, a lit screen and its mean colour."""
    sown(seed)
    draw = Draw(COUNT, side, "cpu", QUIET | force)
    clean, base, _ = lit_screen(draw)
    return draw, clean, base


def dark_cloth(side: int) -> list[Shot]:
    """Subjects of linear luminance .01 to .06 under an even veil of screen light."""
    draw, clean, base = start(side, 101)
    element = seen(people(side))
    paint = filled_colour(element)
    tone = (paint * element[:, 3:4]).sum((1, 2, 3), keepdim=True) / (3 * element[:, 3:4].sum((1, 2, 3), keepdim=True))
    paint = lerp(paint, paint.mean(1, keepdim=True), draw.uniform(0.3, 0.9)) * draw.spread(0.01, 0.06) / tone
    solid = shrunk((element[:, 3:4] > 0.99).float(), 3)
    return compose(draw, element, clean, base, solid, foreground=paint.clamp(0, 1), veil=draw.uniform(0.03, 0.09))


def backlit_hair(side: int) -> list[Shot]:
    """Fur lit from behind: bodies dark, thin strands near white; the hint covers the strands too."""
    draw, clean, base = start(side, 102)
    element = seen(subjects(make_furry, side, 42, backlight=True))
    alpha = element[:, 3:4]
    thin = ((1 - softened(alpha, 5.0)) * 1.8).clamp(0, 1)
    paint = filled_colour(element)
    paint = lerp(paint * 0.4, 0.4 * paint + draw.uniform(0.35, 0.6) * torch.tensor([1.0, 0.95, 0.85]).view(1, 3, 1, 1), thin)
    hint = good_hint(grown(alpha, 6), 0.2)
    return compose(draw, element, clean, base, soft(alpha, 0.05, 0.8), foreground=paint, hint=hint, wrap=0.05, sheen=0.15)


def faint_glass(side: int) -> list[Shot]:
    """Glass, bubbles and plastic sheet, mostly of cover .05 to .2, inside the hint."""
    draw, clean, base = start(side, 103)
    drawn = subjects(make_glass, side, 43, 3 * COUNT)
    element = seen(fittest(drawn, soft(drawn[:, 3:4], 0.05, 0.2)))
    alpha = element[:, 3:4]
    return compose(draw, element, clean, base, soft(alpha, 0.05, 0.2), hint=good_hint(alpha, 0.04), sheen=0)


def standing(elements: Tensor, bottom: float, tall: float = 0.6) -> Tensor:
    """Elements scaled to `tall` of the picture's height, their lowest row at `bottom` (a share of it), centred."""
    count, side = len(elements), elements.shape[-1]
    turn = torch.zeros(count, 2, 3)
    for k, cover in enumerate(elements[:, 3] > 0.5):
        rows, columns = cover.any(1).nonzero().flatten() + 0.5, cover.any(0).nonzero().flatten() + 0.5
        top, low, left, right = (2 * v / side - 1 for v in (rows[0], rows[-1], columns[0], columns[-1]))
        grow = max(float(low - top) / (2 * tall), float(right - left) / 1.2)
        turn[k, 0, 0] = turn[k, 1, 1] = grow
        turn[k, 0, 2], turn[k, 1, 2] = (left + right) / 2, low - grow * (2 * bottom - 1)
    grid = F.affine_grid(turn, list(elements.shape), align_corners=False)
    return F.grid_sample(elements, grid, align_corners=False)


def taped(draw: Draw, base: Tensor) -> tuple[Tensor, Tensor]:
    """Crosses and squares of tape in a lattice, 12 to 40 px across: cover and colour."""
    pitch, arm = draw.uniform(70, 150), draw.uniform(6, 20)
    u, v = draw.turned(draw.normal(0.15))
    u, v = u / pitch + draw.uniform(), v / pitch + draw.uniform()
    u, v = (u - u.round()).abs() * pitch, (v - v.round()).abs() * pitch
    thin = arm * draw.uniform(0.15, 0.35)
    cross = torch.minimum(torch.maximum(u - arm, v - thin), torch.maximum(v - arm, u - thin))
    shape = torch.where(draw.chance(0.7) > 0, cross, torch.maximum(u, v) - arm * 0.7)
    tapes = torch.tensor([[0.9, 0.9, 0.9], [0.01, 0.01, 0.01], [0.8, 0.15, 0.02], [0.6, 0.02, 0.3], [0.05, 0.1, 0.7], [0.3, 0.3, 0.3]])
    tape = torch.cat([tapes, tapes[:2]])[: draw.count].view(-1, 3, 1, 1)
    tape = torch.where(draw.chance(0.3) > 0, base * draw.uniform(0.3, 0.6), tape)
    return (0.5 - shape).clamp(0, 1), tape


def marker_grid(side: int) -> list[Shot]:
    """A lattice of tape of any colour; what lies further than 24 px from the subject is looked at."""
    draw, clean, base = start(side, 104)
    element = seen(standing(people(side), 1.0, 0.7))
    tape, colour = taped(draw, base)
    far = 1 - grown((element[:, 3:4] > 0).float(), 24)
    return compose(draw, element, clean, base, (tape > 0.5).float() * far, dressed=lerp(clean, colour, softened(tape, 0.6)))


def hinted_props(side: int) -> list[Shot]:
    """Small balls, tiles and crosses in the colours of tape, which the hint covers, among tape, which it does not."""
    draw, clean, base = start(side, 113)
    props = make_props(draw, 24)
    element = seen(over(props, standing(people(side), 1.0, 0.7)))
    tape, colour = taped(draw, base)
    solid = seen(props)[:, 3:4]
    hint = torch.maximum(good_hint(element[:, 3:4]), softened(grown((solid > 0.5).float(), 2), 1.5)).clamp(max=1)
    return compose(draw, element, clean, base, (solid > 0.99).float(), dressed=lerp(clean, colour, softened(tape, 0.6)), hint=hint)


def floor_shadow(side: int) -> list[Shot]:
    """The subject's shadow along the floor, firm at its feet and softer further off, on a floor of another tone."""
    draw, clean, base = start(side, 105)
    foot = 0.78
    element = seen(standing(people(side), foot))
    alpha = element[:, 3:4]
    feet = side * foot
    line = 2 * foot - 1
    steep, slant = draw.uniform(0.25, 0.5) * (1 - 2 * draw.chance(0.5)), draw.normal(0.5)
    slant = slant + 0.5 * slant.sign()
    turn = torch.zeros(COUNT, 2, 3)  # rows below the feet (above, where steep > 0) show the body folded over, leaning aside
    turn[:, 0, 0] = 1
    turn[:, 0, 1:2], turn[:, 0, 2:3] = (slant / steep).flatten(1), (-slant / steep * line).flatten(1)
    turn[:, 1, 1:2], turn[:, 1, 2:3] = (1 / steep).flatten(1), (line * (1 - 1 / steep)).flatten(1)
    grid = F.affine_grid(turn, list(alpha.shape), align_corners=False)
    sharp, wide = (F.grid_sample(softened(alpha, s), grid, align_corners=False) for s in (1.5, 12.0))
    cast = lerp(sharp, wide, ((draw.y - feet).abs() / (0.3 * side)).clamp(0, 1))
    floor = torch.where(draw.y > 0.7 * side, draw.uniform(0.75, 1.1), torch.ones_like(draw.y))
    dark = clean * floor * (1 - cast * draw.uniform(0.4, 0.75))
    mark = (cast > 0.3).float() * (1 - grown((alpha > 0).float(), 8))
    return compose(draw, element, clean, base, mark, dressed=dark)


def screen_hued(side: int) -> list[Shot]:
    """Subjects of which large parts have the screen's own hue; the hint tells them apart."""
    draw, clean, base = start(side, 106)
    element = seen(people(side))
    paint = filled_colour(element)
    hued = ((field(draw, 1, (80, 200)) + 0.5) * 8).clamp(0, 1)
    grey = paint.mean(1, keepdim=True).clamp(min=0.03)
    paint = lerp(paint, (grey * base / base.mean(1, keepdim=True)).clamp(0, 1), hued * draw.uniform(0.5, 0.85))
    mark = (element[:, 3:4] > 0.99).float() * (hued > 0.9)
    return compose(draw, element, clean, base, mark, foreground=paint)


@cache
def plain_people(side: int) -> list[Shot]:
    """Figures with hair before a green screen, nothing else: what bad hints are compared on."""
    draw, clean, base = start(side, 107)
    element = seen(people(side))
    return compose(draw, element, clean, base, torch.ones_like(element[:, 3:4]))


def thin_structures(side: int) -> list[Shot]:
    """Twigs, cables, threads and nets, of which the hint keeps little."""
    draw, clean, base = start(side, 108)
    drawn = torch.cat([subjects(make_rods, side, 44), subjects(make_mesh, side, 45)])
    thin = drawn[:, 3:4] - grown(shrunk(drawn[:, 3:4], 3), 3) > 0.1
    element = seen(fittest(drawn, thin), 0.5)
    alpha = element[:, 3:4]
    mark = (alpha - grown(shrunk(alpha, 3), 3) > 0.05).float()
    return compose(draw, element, clean, base, mark)


def heavy_noise(side: int) -> list[Shot]:
    """Coarse grain, 4:2:0 colour, JPEG of quality about 50 and over-sharpening."""
    draw, clean, base = start(side, 109, jpeg=True)
    element = seen(people(side))
    one = torch.ones(COUNT, 1, 1, 1)
    bad = replace(
        calm_camera(draw), shot=draw.spread(1e-3, 4e-3), read=draw.spread(4e-3, 0.02), chroma=0 * one,
        jpeg=one, strength=draw.uniform(0.7, 1.1), sharpening=0.4 * one,
    )  # fmt: skip
    edge = grown(soft(element[:, 3:4], 1e-3, 0.999), 10)
    return compose(draw, element, clean, base, 1 - edge, camera=bad)


def motion_blur(side: int) -> list[Shot]:
    """Everything smeared by 12 to 48 px."""
    draw, clean, base = start(side, 110)
    element = settled(smeared(people(side), draw.uniform(0, math.pi), draw.spread(12, 48)))
    return compose(draw, element, clean, base, soft(element[:, 3:4]))


def highlights(side: int) -> list[Shot]:
    """Glints, flames and lamps of linear 2 to 30 on the subject, as HDR plates hold them."""
    draw, clean, base = start(side, 111, hdr=True)
    element = seen(people(side))
    spots = ((field(draw, 1, (4, 60)) - draw.uniform(0.8, 1.6)) * 3).clamp(0, 1)
    paint = filled_colour(element) + spots * draw.spread(2, 30)
    mark = (spots * element[:, 3:4] > 0.5).float()
    return compose(draw, element, clean, base, mark, foreground=paint, camera=replace(calm_camera(draw), ceiling=torch.full((COUNT, 1, 1, 1), 31.0)))


def before(blue: bool, side: int) -> list[Shot]:
    """The same mixed subjects before a blue or a green screen."""
    draw, clean, base = start(side, 112, blue=blue)
    element = seen(torch.cat([people(side)[:4], subjects(make_object, side, 46, 4)]))
    return compose(draw, element, clean, base, torch.ones_like(element[:, 3:4]))
