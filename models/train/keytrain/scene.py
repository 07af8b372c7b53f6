"""Scenes: elements before a screen, with spill, light wrap and a camera; and the truth about them."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from .camera import Camera
from .draw import Draw, lerp
from .elements import Pool, filled_colour, make_litter, make_props, over
from .hints import held, make_hint
from .noise import field, wide_blur
from .optics import REACH, photographed
from .screens import BLUE, Screen, build_screen

DISGUISED = 0.07  # share of subjects in the screen's hue


@dataclass
class Scene:
    """A training batch; colours sRGB-encoded, all 0..1 but `rgb`, which ends at `colour.TOP`.

    `again` is a second photograph of the first few scenes: the same light, other grain, and for
    some of them a camera that has drifted: what it shows lies `drift` pixels (x, y) further right
    and down, at most half a pixel, with the matte `again_alpha`.
    """

    rgb: Tensor
    hint: Tensor
    alpha: Tensor
    foreground: Tensor
    screen: Tensor
    again: Tensor
    again_alpha: Tensor
    drift: Tensor  # [again, 2, 1, 1]

    def tensors(self) -> tuple[Tensor, ...]:
        """All that are pictures."""
        return self.rgb, self.hint, self.alpha, self.foreground, self.screen, self.again, self.again_alpha

    def window(self, x: int, y: int, size: int) -> "Scene":
        return Scene(*(t[..., y : y + size, x : x + size] for t in self.tensors()), self.drift)


def spill(draw: Draw, foreground: Tensor, alpha: Tensor, screen: Screen) -> Tensor:
    """Screen light on the subject, linear, to be added to its own colour.

    Three parts, each seen on real plates: a veil all over (bounce and lens haze, as strong on black
    cloth as on white), a sheen that gathers towards edges turned to the screen, and light tinted
    by the subject's own colour.
    """
    depth = wide_blur(alpha, draw.spread(6, 60)).clamp(0, 1)
    edge = (1 - depth).clamp(0, 1)
    nearby = wide_blur(screen.dressed * (1 - alpha), draw.spread(8, 60)).clamp(min=0)
    light = lerp(screen.base.expand_as(nearby), nearby * 2, draw.uniform())
    patchy = 1 + (wide_blur(draw.grain(), draw.spread(15, 60)) * draw.spread(15, 60) * 3).clamp(-0.9, 2) * draw.uniform(0, 0.6)
    veil = draw.sometimes(0.94, draw.uniform(0.0, 0.09)) * patchy.clamp(0.05, 3)
    sheen = draw.sometimes(0.85, draw.uniform().pow(1.5) * 0.30) * edge.pow(draw.uniform(0.6, 2.0))
    diffuse = draw.sometimes(0.6, draw.uniform().square() * 0.5) * (edge + draw.uniform(0, 0.3))
    grey = foreground.mean(1, keepdim=True)
    return screen.base * veil + light * sheen + light * diffuse * (0.5 * foreground + 0.5 * grey)


def screen_hued(draw: Draw, foreground: Tensor, base: Tensor, where: Tensor) -> Tensor:
    """Subjects in the screen's own hue (a green dress, a plant, a logo): only a hint can tell them apart."""
    grey = foreground.mean(1, keepdim=True)
    hue = base / base.mean(1, keepdim=True)
    return lerp(foreground, (grey * hue).clamp(0, 1), where * draw.uniform(0.4, 0.95))


def disguised(draw: Draw, blue: Tensor) -> Tensor:
    """One for the subjects in the screen's hue: as many before blue screens as before green ones."""
    half = DISGUISED / 2
    return torch.where(blue > 0, draw.chance(half / BLUE, "disguise"), draw.chance(half / (1 - BLUE), "disguise"))


def glare(draw: Draw, foreground: Tensor) -> Tensor:
    """Light far above white, linear: glints, flames, lamps and wet skin, as HDR plates hold them."""
    spots = ((field(draw, 1, (4, 90)) - draw.uniform(1.2, 2.8)) * draw.spread(1, 8)).clamp(0, 1)
    bright = draw.sometimes(0.3, draw.spread(0.5, 40), event="glare") * spots
    return foreground * (1 + bright) + bright * draw.uniform(0, 0.3)


def backlit(draw: Draw, foreground: Tensor, alpha: Tensor) -> Tensor:
    """A lamp behind the subject: its body falls into shade, its rim and all that is thin glows."""
    thin = ((1 - wide_blur(alpha, draw.spread(3, 14), 2)) * draw.uniform(1.2, 2.2)).clamp(0, 1)
    lamp = torch.cat([torch.ones_like(thin[:, :, :1, :1]), draw.uniform(0.8, 1), draw.uniform(0.55, 1)], 1) * draw.uniform(0.3, 0.9)
    lit = lerp(foreground * draw.uniform(0.1, 0.7), foreground * 0.4 + lamp, thin)
    return lerp(foreground, lit.clamp(0, 1), draw.chance(0.14, "backlight"))


def drifted(pictures: list[Tensor], drift: Tensor) -> list[Tensor]:
    """Pictures moved by up to half a pixel, right and down where `drift` is positive; the unmoved stay as they are."""
    if not len(drift):
        return pictures
    still = (drift == 0).all(1, keepdim=True)
    height, width = pictures[0].shape[-2:]
    place = torch.eye(2, 3, device=drift.device).repeat(len(drift), 1, 1)
    place[:, :, 2] = -2 * drift[:, :, 0, 0] / torch.tensor([width, height], device=drift.device)
    grid = F.affine_grid(place, [len(drift), 1, height, width], align_corners=False)
    moved = (F.grid_sample(p, grid, mode="bicubic", padding_mode="border", align_corners=False).clamp(min=0) for p in pictures)
    return [torch.where(still, old, new) for old, new in zip(pictures, moved)]


def drifted_back(image: Tensor, drift: Tensor) -> Tensor:
    """A picture that lies `drift` (x, y; up to a pixel) too far right and down, put back; linear between pixels."""
    for axis, share in ((-1, drift[:, :1]), (-2, drift[:, 1:])):
        before, after = neighbours(image, axis)
        image = image * (1 - share.abs()) + after * share.clamp(min=0) + before * (-share).clamp(min=0)
    return image


def neighbours(image: Tensor, axis: int) -> tuple[Tensor, Tensor]:
    """Every pixel's predecessor and successor along an axis; the border repeats itself."""
    length = image.shape[axis]
    before = torch.cat([image.narrow(axis, 0, 1), image.narrow(axis, 0, length - 1)], axis)
    after = torch.cat([image.narrow(axis, 1, length - 1), image.narrow(axis, length - 1, 1)], axis)
    return before, after


@torch.no_grad()
def make_scene(pool: Pool, count: int, size: int, again: int = 0, force: dict[str, bool] | None = None) -> Scene:
    """`count` scenes, the first `again` of them photographed twice; `force` as for `Draw`."""
    draw = Draw(count, size, pool.device, force)
    wide = Draw(count, size + 2 * REACH, pool.device, force)
    front = pool.take(count, wide.size)
    back = pool.take(count, wide.size)
    element = front.element
    together = over(element, back.element)
    element = lerp(element, together, draw.chance(0.25, "crowd"))
    props = make_props(wide) * draw.chance(0.16, "props")
    element = lerp(over(props, element), over(element, props), draw.chance(0.3))
    main = element[:, 3:4]
    element = over(make_litter(wide) * draw.chance(0.12, "litter"), element)
    element = torch.cat([element, main, props[:, 3:]], 1) * (1 - draw.chance(0.02, "empty"))
    element = photographed(wide, element)
    alpha, hinted = element[:, 3:4], lerp(element[:, 3:4], element[:, 4:5], draw.chance(0.75, "far"))
    props = element[:, 5:]
    element = element[:, :4]
    foreground = backlit(draw, filled_colour(element), alpha)
    screen = build_screen(draw, alpha, back.texture[..., REACH:-REACH, REACH:-REACH])
    disguise = disguised(draw, screen.blue)
    where = lerp(disguise, disguise * (field(draw, 1, (40, 200)) > 0).float(), draw.chance(0.5))
    foreground = screen_hued(draw, foreground, screen.base, where)
    foreground = glare(draw, foreground)
    lit = foreground + spill(draw, foreground, alpha, screen)
    plate = lit * alpha + screen.dressed * (1 - alpha)
    glow = wide_blur(screen.dressed * (1 - alpha), draw.spread(4, 40)).clamp(min=0)
    glow = glow * draw.sometimes(0.5, draw.uniform().square() * 0.07)  # light wrap, lens flare
    camera = Camera.drawn(draw)
    rgb = camera.shoot(draw, plate + glow)
    drift = (draw.uniform(-0.5, 0.5, 2) * draw.chance(0.5, "drift"))[:again]
    moved, again_alpha = drifted([(plate + glow)[:again], alpha[:again]], drift)
    second = camera.shoot(draw, torch.cat([moved, (plate + glow)[again:]]))[:again]
    hint = make_hint(draw, hinted, rgb, screen.blue, torch.maximum(screen.cluttered, disguise), screen.marked)
    hint = held(draw, hint, props, screen.marked)
    clean, behind = camera.curve(foreground).clamp(max=1), camera.curve(screen.clean + glow).clamp(max=1)
    return Scene(rgb, hint, alpha, clean, behind, second, again_alpha.clamp(max=1), drift)
