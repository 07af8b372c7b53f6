"""Hair, fur, whiskers and grass: thousands of curves finer than a pixel, drawn by splatting points."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from .draw import Draw

TUFTS, FOLLOWERS, POINTS = 110, 12, 192


def roots_on_outline(draw: Draw, distance: Tensor, depth: float = 6.0) -> tuple[Tensor, Tensor, Tensor]:
    """Root points near an outline, more on some stretches of it; with the outward direction."""
    step = 4
    low = F.avg_pool2d(distance, step)[:, 0].clamp(-80, 80)
    side = low.shape[-1]
    gy, gx = torch.gradient(low, dim=(1, 2))
    patch = torch.randn(draw.count, 1, 7, 7, device=draw.device)
    patch = F.interpolate(patch, (side, side), mode="bicubic", align_corners=False)[:, 0]
    patch = patch > draw.uniform(-1.2, 0.7)[:, 0]
    weight = torch.exp(-(low / depth).square()) * (patch + 0.003) + 1e-9
    index = torch.multinomial(weight.flatten(1), TUFTS, replacement=True)
    jitter = torch.rand(2, draw.count, TUFTS, device=draw.device)
    x = (index % side + jitter[0]) * step
    y = (torch.div(index, side, rounding_mode="floor") + jitter[1]) * step
    out = torch.atan2(gy.flatten(1).gather(1, index), gx.flatten(1).gather(1, index))
    return x, y, out


def strands(draw: Draw, distance: Tensor, head=None) -> tuple[Tensor, Tensor]:
    """Coverage and shade (0 dark … 1 light) of hair on an outline, or on a head where one is given.

    A tuft shares its path; its strands start a little apart and draw together towards the tips
    (wet, combed) or spread out (frizzy).  Density runs from a few whiskers to a solid coat.
    """
    n, size, device = draw.count, draw.size, draw.device

    def one(low=0.0, high=1.0):  # one value a picture
        return torch.rand(n, 1, device=device) * (high - low) + low

    def octave(low, high):
        return one(math.log(low), math.log(high)).exp()

    x, y, out = roots_on_outline(draw, distance)
    length = octave(6, 110)
    if head is not None:
        hx, hy, radius = (t.view(n, 1) for t in head)
        angle = (torch.rand(n, TUFTS, device=device) * 2 - 1) * one(0.7, math.pi) - math.pi / 2
        reach = radius * (1 - 0.5 * torch.rand(n, TUFTS, device=device).square())
        on_head = torch.rand(n, 1, device=device) < 0.6
        x, y = torch.where(on_head, hx + reach * angle.cos(), x), torch.where(on_head, hy + reach * angle.sin(), y)
        out = torch.where(on_head, angle, out)
        length = torch.where(on_head, (octave(0.4, 3.5) * radius).clamp(5, size * 0.6), length)
    stray = torch.rand(n, TUFTS, device=device) < one(0, 0.06) * (one() < 0.3)
    x, y = (torch.where(stray, torch.rand(n, TUFTS, device=device) * size, t) for t in (x, y))
    comb = one(0, 2 * math.pi)
    combed = one() * (one() < 0.4)
    out = out + combed * torch.sin(comb - out) + torch.randn(n, TUFTS, device=device) * one(0.03, 0.8)

    def leader(scale):  # one value a tuft, shared by its strands
        return (torch.randn(n, TUFTS, 1, device=device) * scale[..., None]).expand(-1, -1, FOLLOWERS).flatten(1)[..., None]

    def own(scale):  # one value a strand
        return torch.randn(n, TUFTS * FOLLOWERS, 1, device=device) * scale[..., None]

    def shared(value):
        return value[..., None].expand(-1, -1, FOLLOWERS).flatten(1)[..., None]

    wild = one(0.02, 0.6)
    t = torch.linspace(0, 1, POINTS, device=device).view(1, 1, POINTS)
    length = (shared(length * torch.exp(torch.randn(n, TUFTS, device=device) * 0.35)) * torch.exp(own(one(0.05, 0.4)))).clamp(2, size * 0.7)
    bend = leader(one(0, 1.2)) + own(wild) + (torch.randn(n, 1, device=device) * 0.7)[..., None]
    curl = (one(0, 1.2) * (one() < 0.55))[..., None] * torch.exp(own(one(0.1, 0.5)))
    waves = octave(0.7, 7)[..., None] * torch.exp(leader(one(0, 0.3)))
    phase = leader(one(0, 6)) + own(wild * 2)
    heading = shared(out) + own(wild) * 0.5 + bend * t + curl * torch.sin(2 * math.pi * waves * t + phase)
    step = length / POINTS
    px = torch.cumsum(heading.cos() * step, 2)
    py = torch.cumsum(heading.sin() * step, 2) + (one(-0.1, 0.9)[..., None] * t.square() * length * 0.6)
    gather = 1 - one(-0.6, 0.95)[..., None] * t
    tuft = octave(0.8, 12)
    px = shared(x) + px + own(tuft) * gather
    py = shared(y) + py + own(tuft) * gather

    thickness = octave(0.15, 1.3)[..., None] * torch.exp(own(one(0.1, 0.4))) * (1 - 0.8 * t.square())
    thickness = thickness * (1 + (one(0.5, 1.6) * (one() < 0.12))[..., None])
    kept = torch.rand(n, TUFTS * FOLLOWERS, 1, device=device) < octave(0.05, 1.4)[..., None]
    across = (torch.rand_like(px) - 0.5) * thickness
    px, py = px - heading.sin() * across, py + heading.cos() * across
    weight = thickness * step * kept
    sheen = one(0, 0.8)[..., None] * torch.exp(-((t - one()[..., None]) / 0.16).square())
    shade = one(0.2, 0.6)[..., None] + own(one(0.02, 0.3)) + sheen + (torch.randn(n, 1, device=device) * 0.3)[..., None] * t
    return splat(px, py, weight, shade.clamp(0, 1), size)


def splat(px: Tensor, py: Tensor, weight: Tensor, shade: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Adds points into pixels bilinearly; overlapping hair saturates like layered coverage."""
    count = px.shape[0]
    density = torch.zeros(count * size * size, device=px.device)
    shaded = torch.zeros_like(density)
    base = torch.arange(count, device=px.device).view(-1, 1, 1) * (size * size)
    left, top = (px - 0.5).floor(), (py - 0.5).floor()
    fx, fy = px - 0.5 - left, py - 0.5 - top
    for oy in (0, 1):
        for ox in (0, 1):
            ix, iy = (left + ox).long(), (top + oy).long()
            inside = (ix >= 0) & (ix < size) & (iy >= 0) & (iy < size)
            amount = weight * (fx if ox else 1 - fx) * (fy if oy else 1 - fy) * inside
            index = (base + iy.clamp(0, size - 1) * size + ix.clamp(0, size - 1)).flatten()
            density.index_add_(0, index, amount.flatten())
            shaded.index_add_(0, index, (amount * shade).flatten())
    density, shaded = (t.view(count, 1, size, size) for t in (density, shaded))
    return 1 - torch.exp(-1.4 * density), shaded / (density + 1e-4)
