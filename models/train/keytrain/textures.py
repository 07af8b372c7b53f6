"""Surfaces: what the inside of a foreground looks like, in linear light."""

import math

import torch
from torch import Tensor

from .colour import from_hsv, to_linear
from .draw import Draw, lerp
from .noise import field


def palette(draw: Draw, colours: int) -> Tensor:
    """`colours` linear colours a picture, ``[n, colours, 3]``, from the families that get keyed.

    Neutrals (cloth, metal, paper), skin of every tone, hair/leather/wood, greenish and bluish
    things that share the screen's hue without its purity, and anything at all.  Most palettes
    gather round one colour, as the parts of one object do.
    """
    shape, device = (draw.count, colours), draw.device

    def rand(low=0.0, high=1.0):
        return torch.rand(shape, device=device) * (high - low) + low

    families = [  # (share, hue, saturation, value)
        (0.29, rand(), rand(0, 0.13), rand().pow(1.6)),
        (0.22, rand(0.01, 0.11), rand(0.18, 0.7), rand(0.15, 1)),
        (0.19, rand(0.01, 0.15), rand(0.1, 0.85), rand(0.01, 0.55)),
        (0.10, rand(0.15, 0.72), rand(0.08, 0.8), rand(0.06, 1)),
        (0.20, rand(), rand(), rand(0.02, 1).pow(0.7)),
    ]
    choice = torch.multinomial(torch.tensor([f[0] for f in families], device=device), draw.count * colours, replacement=True)
    choice = choice.view(shape)
    hue, saturation, value = (torch.stack([f[i] for f in families]).gather(0, choice[None])[0] for i in (1, 2, 3))
    mixed = to_linear(from_hsv(hue, saturation, value))
    near = (torch.rand(draw.count, 1, 1, device=device) * 1.5).clamp(max=1.0)
    cousin = mixed[:, :1] * torch.exp(torch.randn(draw.count, colours, 1, device=device) * 0.45)
    return lerp(mixed, cousin, near * (torch.rand(draw.count, 1, 1, device=device) < 0.65)).clamp(0, 1)


def choose(colours: Tensor) -> Tensor:
    """One random colour of each picture's palette, ``[n, 3, 1, 1]``."""
    count, size = colours.shape[:2]
    index = torch.randint(0, size, (count,), device=colours.device)
    return colours[torch.arange(count, device=colours.device), index].view(count, 3, 1, 1)


def patches(draw: Draw, colours: Tensor, pieces: int = 16) -> Tensor:
    """Overlapping rounded patches, large to small: clothing, faces, printed things, occlusion edges."""
    out = choose(colours).expand(-1, -1, draw.size, draw.size)
    sizes = torch.stack([draw.spread(0.03, 0.8) for _ in range(pieces)]).sort(0, descending=True).values * draw.size / 2
    wobble = field(draw, 2, (10, 70)) * draw.spread(0.3, 14)
    for size in sizes:
        dx = draw.x - draw.uniform() * draw.size + wobble[:, :1]
        dy = draw.y - draw.uniform() * draw.size + wobble[:, 1:]
        angle, flat = draw.uniform(0, math.pi), draw.spread(1, 5)
        u = (dx * angle.cos() + dy * angle.sin()) / size
        v = (dy * angle.cos() - dx * angle.sin()) / size * flat
        power = draw.uniform(2, 6)  # 2: ellipse, 6: nearly a box
        distance = (u.abs().pow(power) + v.abs().pow(power) + 1e-9).pow(1 / power)
        cover = ((1 - distance) * size / flat.sqrt() + 0.5).clamp(0, 1)
        light = (1 + (u * draw.uniform(-0.5, 0.5)).clamp(-0.7, 0.7))
        out = lerp(out, choose(colours) * light, cover)
    return out


def bands(draw: Draw, colours: Tensor) -> Tensor:
    """Noise, stripes or checks run through a palette: fur markings, knitwear, marble, plaid."""
    rough = field(draw, 2, (3, 160), (0.8, 3.0), stretch=8)
    along, across = draw.turned(draw.uniform(0, math.pi))
    period = draw.spread(3, 90)
    bend = rough[:, 1:] * draw.uniform(0, 1.4)
    stripe = torch.sin(2 * math.pi * (along / period + bend))
    check = stripe * torch.sin(2 * math.pi * (across / period + bend))
    kind = draw.uniform()
    value = rough[:, :1]
    value = torch.where(kind < 0.25, stripe * draw.spread(0.7, 6), value)
    value = torch.where((kind > 0.25) & (kind < 0.35), check * 4, value)
    value = torch.where((kind > 0.35) & (kind < 0.5), torch.sin(value * draw.uniform(2, 9)) * 1.5, value)
    value = torch.where((kind > 0.5) & (kind < 0.62), 2 - 3 * value.abs(), value)
    steps = colours.shape[1] - 1
    place = torch.sigmoid(value * draw.spread(0.4, 4)) * steps
    low = place.floor().clamp(0, steps - 1)
    index = low.long().flatten(1)[:, :, None].expand(-1, -1, 3)
    shape = (draw.count, draw.size, draw.size, 3)
    dark, light = colours.gather(1, index).view(shape), colours.gather(1, index + 1).view(shape)
    return lerp(dark, light, (place - low).permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


def surface(draw: Draw) -> Tensor:
    """A finished surface ``[n, 3, size, size]``: colours, light falling on it, pores and glints."""
    patch, band = patches(draw, palette(draw, 6)), bands(draw, palette(draw, 4))
    mask = (field(draw, 1, (40, 220)) * 10 + draw.uniform(-14, 14)).sigmoid()
    out = lerp(patch, band, mask)
    detail = field(draw, 3, (1.5, 200), (0.4, 3.0))
    light = field(draw, 1, (60, 300), (2.0, 3.5)) * draw.uniform(0, 0.8)
    calm = draw.chance(0.5)  # skin, plain cloth, paint: one colour, little detail
    plain = out.mean((2, 3), keepdim=True)
    out = lerp(out, plain, calm * draw.uniform(0.6, 1))
    rough = draw.uniform(0, 0.5) * (1 - 0.7 * calm)
    out = out * torch.exp(light + detail[:, :1] * rough) * (1 + detail[:, 1:2] * draw.uniform(0, 0.15))
    glint = ((detail[:, 2:] - draw.uniform(1.5, 3)) * 3).clamp(0, 1) * draw.sometimes(0.4, draw.uniform())
    return lerp(out, torch.ones_like(out), glint).clamp(0, 1.2)
