"""Foreground elements: finished cut-outs of one family each, and the pool that recombines them.

Drawing an element costs far more than keying it, so elements are kept in a pool on the GPU, a few
of them replaced at every step; each use turns, scales, crops and recolours one afresh.
"""

import math
import random
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from .colour import from_hsv, to_linear
from .draw import Draw, lerp
from .noise import field, wide_blur
from .shapes import capsule, cover, figure, foliage, heap, litter, mesh, props, rods, spatter, weathered
from .strands import strands
from .textures import palette, surface


def over(front: Tensor, back: Tensor) -> Tensor:
    """Premultiplied RGBA over premultiplied RGBA."""
    return front + back * (1 - front[:, 3:4])


def layer(colour: Tensor, alpha: Tensor) -> Tensor:
    return torch.cat([colour * alpha, alpha], 1)


def rimmed(draw: Draw, texture: Tensor, distance: Tensor) -> Tensor:
    """Light or shade that gathers at the outline: round bodies, and light from behind."""
    edge = torch.exp((distance / draw.spread(3, 40)).clamp(max=0))
    return texture * (1 + edge * draw.sometimes(0.6, draw.uniform(-0.75, 0.9)))


def hair_colour(draw: Draw, shade: Tensor, texture: Tensor) -> Tensor:
    """Natural, dyed or textured hair; a fifth is lit from behind, so that it glows where thin."""
    hue = torch.where(draw.chance(0.9) > 0, draw.uniform(0, 0.14), draw.uniform())
    tone = from_hsv(hue, draw.uniform(0, 0.8), 0.02 + draw.uniform().pow(1.5) * 0.9)
    tone = to_linear(tone.view(draw.count, 3, 1, 1))
    dark = tone * draw.uniform(0.08, 0.8)
    light = (tone * draw.uniform(1, 2.2) + draw.uniform(0, 0.18)).clamp(0, 1)
    colour = lerp(dark, light, shade)
    glow = draw.sometimes(0.2, draw.uniform(0.3, 1), event="backlight") * (0.4 + 0.6 * shade)
    colour = lerp(colour, torch.ones_like(colour) * draw.uniform(0.7, 1) * (0.6 + 0.4 * tone), glow)
    return lerp(colour, texture, draw.chance(0.2))


def haired(draw: Draw, element: Tensor, texture: Tensor, distance: Tensor, head=None) -> Tensor:
    alpha, shade = strands(draw, distance, head)
    hair = layer(hair_colour(draw, shade, texture), alpha * draw.uniform(0.75, 1))
    in_front = draw.chance(0.6)
    return lerp(over(element, hair), over(hair, element), in_front)


def make_figure(draw: Draw) -> tuple[Tensor, Tensor]:
    distance, hx, hy, radius = figure(draw)
    distance, texture = weathered(draw, distance), surface(draw)
    element = layer(rimmed(draw, texture, distance), cover(draw, distance))
    return haired(draw, element, texture, distance, (hx, hy, radius)), texture


def make_furry(draw: Draw) -> tuple[Tensor, Tensor]:
    distance, texture = weathered(draw, heap(draw, 4)), surface(draw)
    element = layer(rimmed(draw, texture, distance), cover(draw, distance))
    element = haired(draw, element, texture, distance)
    return haired(draw, element, texture, distance), texture


def make_object(draw: Draw) -> tuple[Tensor, Tensor]:
    distance, texture = weathered(draw, heap(draw)), surface(draw)
    alpha = cover(draw, distance)
    sheer = (field(draw, 1, (60, 250)) > 0.3).float() * draw.chance(0.2)  # a thin cloth in places
    alpha = alpha * lerp(torch.ones_like(alpha), draw.uniform(0.08, 0.95), sheer)
    return layer(rimmed(draw, texture, distance), alpha), texture


def make_foliage(draw: Draw) -> tuple[Tensor, Tensor]:
    texture, colours = surface(draw), palette(draw, 6)
    colour, alpha = foliage(draw, colours)
    branch_colour, branch = rods(draw, palette(draw, 2) * 0.5, 3)
    colour = lerp(colour, colour * texture * 2, draw.sometimes(0.4, draw.uniform()))
    plant = lerp(over(layer(colour, alpha), layer(branch_colour, branch)), layer(colour, alpha), draw.chance(0.3))
    return plant, texture


def make_rods(draw: Draw) -> tuple[Tensor, Tensor]:
    texture = surface(draw)
    colour, alpha = rods(draw, palette(draw, 4))
    distance = heap(draw, 3) - 0.1 * draw.size
    inside = (0.5 - distance).clamp(0, 1)
    inside = lerp(inside, torch.ones_like(inside), draw.chance(0.4))
    return layer(lerp(colour, colour * texture * 2, draw.sometimes(0.5, draw.uniform())), alpha * inside), texture


def make_mesh(draw: Draw) -> tuple[Tensor, Tensor]:
    """Nets, lace and sieves by themselves, or in places of a body; two fifths dyed in one strong colour."""
    texture, distance = surface(draw), weathered(draw, heap(draw))
    strong = to_linear(from_hsv(draw.uniform(), draw.uniform(0.6, 1), draw.uniform(0.3, 1)).view(-1, 3, 1, 1))
    light = texture.mean(1, keepdim=True) / texture.mean((1, 2, 3), keepdim=True).clamp(min=0.05)
    texture = lerp(texture, strong * light, draw.chance(0.4, "dyed")).clamp(0, 1.2)
    body, net = cover(draw, distance), mesh(draw)
    region = (field(draw, 1, (70, 260)) * 6 + draw.uniform(-3, 5)).clamp(0, 1)
    lone = net * region
    pierced = body * (1 - net * region)
    worn = body * lerp(torch.ones_like(net), net, region)
    kind = draw.uniform()
    alpha = torch.where(kind < 0.4, lone, torch.where(kind < 0.7, worn, pierced))
    return layer(texture, alpha), texture


def make_spatter(draw: Draw) -> tuple[Tensor, Tensor]:
    texture, distance = surface(draw), weathered(draw, heap(draw, 4))
    body, bits = cover(draw, distance), spatter(draw)
    alpha = torch.where(draw.chance(0.5) > 0, bits, body * (1 - bits))
    return layer(texture, alpha), texture


def make_glass(draw: Draw) -> tuple[Tensor, Tensor]:
    """Glass, bottles, bubbles, veils and plastic sheet: clear inside, denser at the rim, with highlights.

    Some are tinted by what they hold or reflect, which gives them a surface of their own.
    """
    texture, distance = surface(draw), weathered(draw, heap(draw, 3))
    element = layer(texture, cover(draw, distance) * draw.chance(0.55))
    for _ in range(2):
        x, y, angle = draw.uniform() * draw.size, draw.uniform() * draw.size, draw.uniform(0, 2 * math.pi)
        length, radius = draw.spread(0.02, 0.6) * draw.size, draw.spread(0.04, 0.3) * draw.size
        shell = capsule(draw, x, y, x + length * angle.cos(), y + length * angle.sin(), radius, radius * draw.spread(0.4, 1.2))
        streaks = field(draw, 2, (20, 200), (1.5, 3.2), stretch=6)
        rim = draw.uniform(0, 0.9) * torch.exp(-shell.abs() / draw.spread(1.5, 16))
        shine = ((streaks[:, :1] - draw.uniform(0.9, 2.4)) * 3).clamp(0, 1) * draw.uniform(0.2, 1)
        haze = draw.spread(0.02, 0.8) * (1 + draw.uniform(0.1, 0.6) * streaks[:, 1:]).clamp(0.2, 2)
        alpha = (0.5 - shell).clamp(0, 1) * (haze + rim + shine).clamp(0, 1)
        tint = to_linear(from_hsv(draw.uniform(), draw.uniform().square() * 0.5, draw.uniform(0.05, 1)).view(-1, 3, 1, 1))
        colour = lerp(lerp(tint, texture, draw.sometimes(0.4, draw.uniform())), torch.ones_like(tint), shine)
        piece = layer(colour.expand(-1, -1, draw.size, draw.size), alpha)
        element = lerp(over(element, piece), over(piece, element), draw.chance(0.6))
    return element, texture


def make_smoke(draw: Draw) -> tuple[Tensor, Tensor]:
    """Smoke, steam, dust, veils and blown snow: broad clouds of partial cover, before or behind a body."""
    texture, distance = surface(draw), weathered(draw, heap(draw, 4))
    element = layer(texture, cover(draw, distance) * draw.chance(0.6))
    cloud = field(draw, 2, (40, 260), (1.4, 3.4), stretch=3)
    alpha = ((cloud[:, :1] * 0.4 + draw.uniform(-0.3, 0.7)) * draw.uniform(0.1, 1.1)).clamp(0, 0.98)
    tint = to_linear(from_hsv(draw.uniform(), draw.uniform().square() * 0.6, draw.uniform(0.1, 1)).view(-1, 3, 1, 1))
    colour = (tint * torch.exp(cloud[:, 1:] * 0.2)).clamp(0, 1)
    piece = layer(colour, alpha)
    return lerp(over(element, piece), over(piece, element), draw.chance(0.6)), texture


def make_full(draw: Draw) -> tuple[Tensor, Tensor]:
    """Subject from edge to edge, or almost: a close-up in which little or no screen is seen."""
    texture, distance = surface(draw), heap(draw, 5) - draw.uniform(0.05, 0.5) * draw.size
    return layer(texture, cover(draw, distance)), texture


def make_litter(draw: Draw) -> Tensor:
    """Small things far from the subject, premultiplied linear RGBA."""
    return layer(*litter(draw, palette(draw, 4)))


def make_props(draw: Draw, largest: float = 80) -> Tensor:
    """Subjects that look like tracking marks, premultiplied linear RGBA."""
    return layer(*props(draw, largest))


FAMILIES = {
    make_figure: 0.22,
    make_furry: 0.21,
    make_object: 0.11,
    make_foliage: 0.15,
    make_rods: 0.05,
    make_mesh: 0.09,
    make_spatter: 0.01,
    make_glass: 0.09,
    make_smoke: 0.05,
    make_full: 0.02,
}


@torch.no_grad()
def make_elements(draw: Draw, family=None) -> Tensor:
    """A batch of one family: premultiplied linear RGBA and an opaque surface, ``[n, 7, s, s]``."""
    if family is None:
        family = random.choices(list(FAMILIES), list(FAMILIES.values()))[0]
    element, texture = family(draw)
    alpha = element[:, 3:4].clamp(0, 1)
    colour = torch.minimum(element[:, :3].clamp(min=0), alpha)
    return torch.cat([colour, alpha, texture.clamp(0, 1)], 1)


@dataclass
class Pick:
    """What a scene takes from the pool."""

    element: Tensor  # premultiplied linear RGBA, [n, 4, s, s]
    texture: Tensor  # opaque linear RGB of unrelated elements, [n, 3, s, s]


class Pool:
    """Elements on the GPU in half precision, renewed a few at a time.

    Chunks of elements are numbered; the pool holds the last ones made.  `sow`, where given, is told
    a chunk's number before it is drawn: then what the pool holds follows from the numbers alone,
    and one that is made anew with the number `made` of another holds the same.
    """

    def __init__(self, capacity: int, size: int, device, chunk: int = 16, sow: Callable[[int], None] | None = None, made: int = 0):
        self.chunk, self.size, self.device, self.sow, self.made = chunk, size, device, sow, made
        capacity = max(capacity // chunk, 1) * chunk
        self.store = torch.empty(capacity, 7, size, size, dtype=torch.half, device=device)
        for _ in range(capacity // chunk):
            self.renew()

    def renew(self) -> None:
        if self.sow:
            self.sow(self.made)
        place = self.made * self.chunk % len(self.store)
        self.store[place : place + self.chunk] = make_elements(Draw(self.chunk, self.size, self.device)).half()
        self.made += 1

    @torch.no_grad()
    def take(self, count: int, size: int) -> Pick:
        """Random elements, turned, scaled and recoloured; half of them keep their own pixels."""
        draw = Draw(count, size, self.device)
        index = torch.randint(0, len(self.store), (2, count), device=self.device)
        raw = self.store[index[0], :4].float()
        element = recoloured(draw, F.grid_sample(raw, self._views(draw), padding_mode="reflection", align_corners=False))
        texture = self.store[index[1], 4:].float()
        return Pick(element, F.grid_sample(texture, self._views(draw), padding_mode="reflection", align_corners=False))

    def _views(self, draw: Draw) -> Tensor:
        """Sampling grids: whole-pixel shifts and quarter turns for half, any affine map for the rest."""
        exact = draw.chance(0.5)
        quarter = (draw.pick(4) * (math.pi / 2)).view(-1, 1, 1, 1)
        angle = torch.where(exact > 0, quarter, draw.uniform(0, 2 * math.pi))
        scale = torch.where(exact > 0, torch.ones_like(angle), draw.spread(0.6, 1.5))
        flip = 1 - 2 * draw.chance(0.5)
        room = max(self.size - draw.size, 0)
        shift = (draw.uniform(-0.5, 0.5, 2) * room * torch.where(exact > 0, torch.ones_like(scale), 1.3 / scale)).round()
        centre = (self.size - draw.size) % 2 * 0.5
        x, y = (draw.x - draw.size / 2) / scale * flip, (draw.y - draw.size / 2) / scale
        sx = x * angle.cos() - y * angle.sin() + shift[:, :1] + centre
        sy = x * angle.sin() + y * angle.cos() + shift[:, 1:] + centre
        return torch.cat([sx, sy], 1).permute(0, 2, 3, 1) * (2 / self.size)


def recoloured(draw: Draw, element: Tensor) -> Tensor:
    """Gain, tint, warm light, desaturation and a rare swap of channels: linear, so cover stays true."""
    colour, alpha = element[:, :3], element[:, 3:4].clamp(0, 1)
    order = torch.rand(draw.count, 3, device=draw.device).argsort(1)
    swapped = colour.gather(1, order.view(-1, 3, 1, 1).expand_as(colour))
    colour = torch.where(draw.chance(0.1) > 0, swapped, colour)
    colour = lerp(colour, colour.mean(1, keepdim=True), draw.sometimes(0.3, draw.uniform()))
    gain = draw.spread(0.3, 1.6) * torch.exp(draw.normal(0.15, 3))
    one = torch.ones_like(gain[:, :1])
    lamp = torch.cat([one, draw.uniform(0.55, 1), draw.uniform(0.03, 0.8)], 1)  # tungsten, candles, dusk
    gain = gain * torch.where(draw.chance(0.3) > 0, lamp, torch.ones_like(lamp))
    return torch.cat([torch.minimum(colour * gain, alpha), alpha], 1)


def filled_colour(element: Tensor) -> Tensor:
    """Straight colour everywhere: where nothing covers, that of the nearest cover, fading out."""
    alpha = element[:, 3:4]
    broad = wide_blur(element, torch.full_like(alpha[:, :, :1, :1], 6.0)).clamp(min=0)
    spread = broad[:, :3] / (broad[:, 3:4] + 1e-3)
    own = element[:, :3] / alpha.clamp(min=0.02)
    return torch.where(alpha > 0.02, own, spread).clamp(0, 1)
