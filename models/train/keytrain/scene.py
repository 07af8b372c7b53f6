"""Scenes: elements before a screen, with spill, light wrap and a camera; and the truth about them."""

from dataclasses import dataclass

import torch
from torch import Tensor

from .camera import Camera
from .draw import Draw, lerp
from .elements import Pool, filled_colour, over
from .hints import make_hint
from .noise import field, wide_blur
from .optics import photographed
from .screens import Screen, build_screen


@dataclass
class Scene:
    """A training batch; colours sRGB-encoded, all 0..1 but `rgb`, which ends at `colour.TOP`.

    `again` is a second photograph of the first few scenes: the same light, other grain.
    """

    rgb: Tensor
    hint: Tensor
    alpha: Tensor
    foreground: Tensor
    screen: Tensor
    again: Tensor

    def tensors(self) -> tuple[Tensor, ...]:
        return self.rgb, self.hint, self.alpha, self.foreground, self.screen, self.again

    def window(self, x: int, y: int, size: int) -> "Scene":
        return Scene(*(t[..., y : y + size, x : x + size] for t in self.tensors()))


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


def glare(draw: Draw, foreground: Tensor) -> Tensor:
    """Light far above white, linear: glints, flames, lamps and wet skin, as HDR plates hold them."""
    spots = ((field(draw, 1, (4, 90)) - draw.uniform(1.2, 2.8)) * draw.spread(1, 8)).clamp(0, 1)
    bright = draw.sometimes(0.3, draw.spread(0.5, 40), event="glare") * spots
    return foreground * (1 + bright) + bright * draw.uniform(0, 0.3)


@torch.no_grad()
def make_scene(pool: Pool, count: int, size: int, again: int = 0, force: dict[str, bool] | None = None) -> Scene:
    """`count` scenes, the first `again` of them photographed twice; `force` as for `Draw`."""
    draw = Draw(count, size, pool.device, force)
    front = pool.take(count, size)
    back = pool.take(count, size)
    element = front.element
    together = over(element, back.element)
    element = lerp(element, together, draw.chance(0.25, "crowd"))
    element = element * (1 - draw.chance(0.02, "empty"))
    element = photographed(draw, element)
    alpha = element[:, 3:4]
    foreground = filled_colour(element)
    screen = build_screen(draw, alpha, back.texture)
    disguise = draw.chance(0.07, "disguise")
    where = lerp(disguise, disguise * (field(draw, 1, (40, 200)) > 0).float(), draw.chance(0.5))
    foreground = screen_hued(draw, foreground, screen.base, where)
    foreground = glare(draw, foreground)
    lit = foreground + spill(draw, foreground, alpha, screen)
    plate = lit * alpha + screen.dressed * (1 - alpha)
    glow = wide_blur(screen.dressed * (1 - alpha), draw.spread(4, 40)).clamp(min=0)
    glow = glow * draw.sometimes(0.5, draw.uniform().square() * 0.07)  # light wrap, lens flare
    camera = Camera.drawn(draw)
    rgb = camera.shoot(draw, plate + glow)
    second = camera.shoot(draw, plate + glow)[:again]
    hint = make_hint(draw, alpha, rgb, screen.blue, torch.maximum(screen.cluttered, disguise))
    clean, behind = camera.curve(foreground).clamp(max=1), camera.curve(screen.clean + glow).clamp(max=1)
    return Scene(rgb, hint, alpha, clean, behind, second)
