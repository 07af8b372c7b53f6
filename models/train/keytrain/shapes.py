"""Silhouettes: signed distances in pixels (negative inside) and direct coverage masks."""

import math

import torch
from torch import Tensor

from .colour import from_hsv, to_linear
from .draw import Draw, lerp, soft_step
from .noise import field
from .textures import choose

FAR = 1e4


def capsule(draw: Draw, ax, ay, bx, by, start, end) -> Tensor:
    """Distance to a limb: a line from a to b with a radius at each end."""
    px, py, dx, dy = draw.x - ax, draw.y - ay, bx - ax, by - ay
    t = ((px * dx + py * dy) / (dx * dx + dy * dy + 1e-3)).clamp(0, 1)
    return ((px - dx * t).square() + (py - dy * t).square() + 1e-6).sqrt() - lerp(start, end, t)


def blend(one: Tensor, other: Tensor, radius: Tensor) -> Tensor:
    """Union whose joint is rounded over `radius` pixels."""
    overlap = (radius - (one - other).abs()).clamp(min=0)
    return torch.minimum(one, other) - overlap.square() / (4 * radius)


def figure(draw: Draw) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """A person-like figure from close-up to full length; returns distance and head (x, y, radius).

    Head, neck, shoulders, torso, two jointed arms that end in a hand of four fingers.  Proportions
    are loose on purpose: the network should learn limbs and gaps, not people.
    """
    tall = draw.spread(0.5, 4.5) * draw.size
    cx, cy = draw.uniform(0.15, 0.85) * draw.size, draw.uniform(0.0, 0.85) * draw.size
    lean = draw.normal(0.25)
    zero = torch.zeros_like(tall)

    def at(x, y):
        return cx + tall * (x * lean.cos() - y * lean.sin()), cy + tall * (x * lean.sin() + y * lean.cos())

    head = draw.uniform(0.08, 0.15)
    neck = head * draw.uniform(1.4, 2.0)
    limbs = [
        (at(zero, zero), at(zero, head * 0.5), head, head * 0.8),
        (at(zero, zero), at(zero, neck), head * 0.5, head * 0.55),
        (at(draw.uniform(-0.05, 0.05), neck), at(draw.uniform(-0.08, 0.08), draw.uniform(0.55, 0.85)), draw.uniform(0.12, 0.2), draw.uniform(0.11, 0.2)),
    ]
    for side in (-1, 1):
        sx, sy = side * draw.uniform(0.14, 0.28), neck * draw.uniform(1.0, 1.3)
        limbs.append((at(zero, neck), at(sx, sy), head * 0.5, head * 0.5))
        thick, swing = draw.uniform(0.03, 0.07), draw.uniform(0, 2 * math.pi)
        ex, ey = sx + draw.uniform(0.16, 0.34) * swing.cos(), sy + draw.uniform(0.16, 0.34) * swing.sin()
        swing = swing + draw.normal(1.0)
        hx, hy = ex + draw.uniform(0.15, 0.3) * swing.cos(), ey + draw.uniform(0.15, 0.3) * swing.sin()
        limbs += [(at(sx, sy), at(ex, ey), thick, thick * 0.9), (at(ex, ey), at(hx, hy), thick * 0.85, thick * 0.6)]
        for finger in (-1.5, -0.5, 0.5, 1.5):
            bend, reach = swing + finger * 0.3 + draw.normal(0.1), draw.uniform(0.05, 0.12)
            limbs.append((at(hx, hy), at(hx + reach * bend.cos(), hy + reach * bend.sin()), thick * 0.26, thick * 0.17))
    distance, joint = None, tall * 0.014 + 1
    for (ax, ay), (bx, by), start, end in limbs:
        limb = capsule(draw, ax, ay, bx, by, start * tall, end * tall)
        distance = limb if distance is None else blend(distance, limb, joint)
    return distance, *at(zero, zero), head * tall


def heap(draw: Draw, parts: int = 7) -> Tensor:
    """A loose pile of rods, blobs and boxes: props, furniture, animals, products."""
    distance = None
    for part in range(parts):
        ax, ay = draw.uniform(-0.05, 1.05) * draw.size, draw.uniform(-0.05, 1.05) * draw.size
        angle, length = draw.uniform(0, 2 * math.pi), draw.spread(0.01, 0.9) * draw.size
        radius = draw.spread(0.1 if part == 0 else 0.008, 0.5) * draw.size
        if part % 3 < 2:
            bx, by = ax + length * angle.cos(), ay + length * angle.sin()
            piece = capsule(draw, ax, ay, bx, by, radius, radius * draw.spread(0.3, 1.5))
        else:
            dx, dy = draw.x - ax, draw.y - ay
            u = (dx * angle.cos() + dy * angle.sin()).abs() - radius
            v = (dy * angle.cos() - dx * angle.sin()).abs() - length * 0.5
            outside = (u.clamp(min=0).square() + v.clamp(min=0).square() + 1e-6).sqrt()
            piece = outside + torch.maximum(u, v).clamp(max=0)
        piece = piece + FAR * draw.chance(0.0 if part == 0 else 0.5)
        distance = piece if distance is None else torch.minimum(distance, piece)
    return distance


def weathered(draw: Draw, distance: Tensor) -> Tensor:
    """Displaces an outline (torn, folded, furry edges) and punches a few holes through it."""
    rough = field(draw, 2, (5, 130))
    distance = distance + rough[:, :1] * draw.sometimes(0.7, draw.spread(0.2, 18))
    distance = distance + rough[:, 1:].abs() * draw.sometimes(0.2, draw.uniform(0, 7))
    for _ in range(2):
        ax, ay, angle = draw.uniform() * draw.size, draw.uniform() * draw.size, draw.uniform(0, 2 * math.pi)
        length, radius = draw.spread(0.005, 0.2) * draw.size, draw.spread(0.006, 0.12) * draw.size
        hole = capsule(draw, ax, ay, ax + length * angle.cos(), ay + length * angle.sin(), radius, radius)
        distance = torch.maximum(distance, -(hole + FAR * (1 - draw.chance(0.3))))
    return distance


def cover(draw: Draw, distance: Tensor) -> Tensor:
    """Anti-aliased coverage of a distance; a few outlines are soft all along, some only in places."""
    soft = draw.spread(0.9, 1.6) + draw.sometimes(0.15, draw.spread(1, 22))
    width = soft * torch.where(draw.chance(0.3) > 0, (field(draw, 1, (50, 220)) * 0.6).exp().clamp(0.4, 3), torch.ones_like(draw.x))
    width = width.clamp(min=0.9)
    alpha = (0.5 - distance / width).clamp(0, 1)
    return torch.where(width > 3, soft_step(alpha), alpha)


def hashed(cx: Tensor, cy: Tensor, salt: Tensor) -> Tensor:
    """A repeatable random number 0..1 for each cell of a lattice."""
    return (torch.sin(cx * 127.1 + cy * 311.7 + salt) * 43758.5453).frac().abs()


def foliage(draw: Draw, colours: Tensor, layers: int = 9) -> tuple[Tensor, Tensor]:
    """Leaves, needles, petals, feathers or confetti strewn over branches; returns colour and alpha.

    Each layer is a turned lattice with one leaf a cell, its place, turn, size and colour drawn from
    the cell's number; layers cover one another, with gaps of every size between.
    """
    alpha = torch.zeros(draw.count, 1, draw.size, draw.size, device=draw.device)
    colour = torch.zeros(draw.count, 3, draw.size, draw.size, device=draw.device)
    density = field(draw, 1, (60, 300), (1.5, 3.0)) + draw.uniform(-0.6, 1.2)
    cell0, slim0, notch0 = draw.spread(14, 130), draw.spread(1.2, 9), draw.sometimes(0.4, draw.uniform(0.1, 0.55))
    lobes, heading0, order = 2 * draw.pick(4).view(-1, 1, 1, 1) + 3.0, draw.uniform(0, 2 * math.pi), draw.uniform(0, 3)
    twist = field(draw, 2, (60, 250), (2, 3)) * draw.uniform(0, 14)
    for layer in range(layers):
        along, across = draw.turned(draw.uniform(0, 2 * math.pi))
        cell = cell0 * draw.spread(0.6, 1.5)
        u, v = (along + twist[:, :1]) / cell + draw.uniform(0, 50), (across + twist[:, 1:]) / cell + draw.uniform(0, 50)
        cu, cv, salt = u.floor(), v.floor(), draw.uniform(0, 50)
        dice = [hashed(cu, cv, salt + 17.3 * k) for k in range(6)]
        turn = heading0 + (dice[0] - 0.5) * 2 * order
        du, dv = u - cu - 0.3 - 0.4 * dice[1], v - cv - 0.3 - 0.4 * dice[2]
        a, b = du * turn.cos() + dv * turn.sin(), dv * turn.cos() - du * turn.sin()
        reach = 0.24 + 0.22 * dice[3]
        radius, theta = (a.square() + b.square() + 1e-6).sqrt(), torch.atan2(b, a)
        blade = (a.square() + (b * slim0).square()).sqrt() * (1 + 0.35 * (a / reach).clamp(-1, 1))
        star = radius * (1 + notch0 * torch.sin(theta * lobes))
        shape = torch.where(notch0 > 0, star, blade)
        edge = ((reach - shape) * cell / slim0.clamp(max=3) + 0.5).clamp(0, 1)
        present = (dice[4] < (density * 0.35 + 0.35).clamp(0, 0.95)).float()
        leaf = edge * present
        vein = 1 - 0.35 * torch.exp(-(b * cell / 1.5).square())
        shade = (0.45 + 1.1 * dice[5]) * vein * (1 + (b / reach).clamp(-1, 1) * 0.35) * (0.5 + 0.5 * (layer + 1) / layers)
        colour = lerp(colour, choose(colours) * shade, leaf)
        alpha = alpha + leaf * (1 - alpha)
    return colour.clamp(0, 1.2), alpha


def rods(draw: Draw, colours: Tensor, layers: int = 6) -> tuple[Tensor, Tensor]:
    """Twigs, wicker, cables, straw and ribbons: bands along the contours of smooth fields.

    Round shading across each band; later layers lie over earlier ones.
    """
    alpha = torch.zeros(draw.count, 1, draw.size, draw.size, device=draw.device)
    colour = torch.zeros(draw.count, 3, draw.size, draw.size, device=draw.device)
    width0, gap0 = draw.spread(1.2, 26), draw.spread(1.5, 9)
    for layer in range(layers):
        along, _ = draw.turned(draw.uniform(0, math.pi))
        bow = field(draw, 1, (120, 400), (2.5, 4)) * draw.spread(2, 110)
        width = width0 * draw.spread(0.7, 1.4)
        period = width * gap0 * draw.spread(0.8, 2.5) + 3
        phase = (along + bow) / period + draw.uniform()
        slope = 1 + torch.zeros_like(phase)
        off = (phase - phase.floor() - 0.5) * period
        fade = (field(draw, 1, (60, 200)) * 6 + draw.uniform(0, 10)).clamp(0, 1)
        band = ((width * 0.5 - off.abs()) * slope + 0.5).clamp(0, 1) * fade
        tube = (1 - (off / (width * 0.55)).square()).clamp(min=0.05).sqrt()
        light = 0.25 + 0.9 * tube + draw.uniform(-0.4, 0.4) * off / width
        colour = lerp(colour, choose(colours) * light * (0.45 + 0.55 * (layer + 1) / layers), band)
        alpha = alpha + band * (1 - alpha)
    return colour.clamp(0, 1.2), alpha


def litter(draw: Draw, colours: Tensor, pieces: int = 7) -> tuple[Tensor, Tensor]:
    """Lone leaves, straws, petals, feathers and flying crumbs anywhere in the frame; colour and alpha.

    What tells them from tracking marks: no lattice, every one another turn and size, shaded, pointed.
    """
    alpha = torch.zeros(draw.count, 1, draw.size, draw.size, device=draw.device)
    colour = torch.zeros(draw.count, 3, draw.size, draw.size, device=draw.device)
    for _ in range(pieces):
        x, y, turn = draw.uniform() * draw.size, draw.uniform() * draw.size, draw.uniform(0, 2 * math.pi)
        dx, dy = draw.x - x, draw.y - y
        along, across = dx * turn.cos() + dy * turn.sin(), dy * turn.cos() - dx * turn.sin()
        length = draw.spread(0.008, 0.12) * draw.size  # half of it
        width = (length / draw.spread(1.5, 30)).clamp(min=0.6)
        across = across - draw.normal(0.3) * (along.square() / length - length / 2)  # bent
        ends = (1 - (along / length).square()).clamp(min=0)
        outline = lerp((ends > 0).float(), ends.pow(draw.uniform(0.4, 1)), draw.chance(0.7))  # straw, or pointed
        bit = (width * outline - across.abs() + 0.5).clamp(0, 1) * (ends > 0) * draw.chance(0.6)
        round_ = 1 + (across / width).clamp(-1, 1) * draw.uniform(-0.5, 0.5) + (along / length).clamp(-1, 1) * draw.uniform(-0.3, 0.3)
        colour = lerp(colour, choose(colours) * round_, bit)
        alpha = alpha + bit * (1 - alpha)
    return (colour * draw.spread(0.5, 1.5)).clamp(0, 1.2), alpha


def tape_colour(draw: Draw) -> Tensor:
    """What gaffer tape, paint and plastic come in, linear: mostly saturated, else white or black."""
    hue = from_hsv(draw.uniform(), draw.uniform(0.7, 1), draw.uniform(0.35, 1)).view(draw.count, 3, 1, 1)
    bare = torch.where(draw.chance(0.5) > 0, draw.uniform(0.7, 0.95), draw.uniform(0, 0.04))
    return torch.where(draw.uniform() < 0.7, to_linear(hue), bare.expand_as(hue))


def props(draw: Draw, largest: float = 80, pieces: int = 4) -> tuple[Tensor, Tensor]:
    """Balls, buttons, tiles, crosses and rings in the colours of tape: subjects that look like tracking marks.

    Half are flat, as tape is, the others shaded as a ball; radii are 2 to `largest` pixels.  Colour
    and alpha.
    """
    alpha = torch.zeros(draw.count, 1, draw.size, draw.size, device=draw.device)
    colour = torch.zeros(draw.count, 3, draw.size, draw.size, device=draw.device)
    for _ in range(pieces):
        x, y, turn = draw.uniform(0.08, 0.92) * draw.size, draw.uniform(0.08, 0.92) * draw.size, draw.uniform(0, math.pi / 2)
        dx, dy = draw.x - x, draw.y - y
        u, v = dx * turn.cos() + dy * turn.sin(), dy * turn.cos() - dx * turn.sin()
        radius = draw.spread(2, largest)
        far = (u.square() + v.square() + 1e-6).sqrt()
        disc, square = far - radius, torch.maximum(u.abs(), v.abs()) - radius
        thin = radius * draw.uniform(0.2, 0.45)
        cross = torch.minimum(torch.maximum(u.abs() - radius, v.abs() - thin), torch.maximum(v.abs() - radius, u.abs() - thin))
        ring = (far - radius + thin * 0.5).abs() - thin * 0.5
        kind = draw.uniform()
        distance = torch.where(kind < 0.5, disc, torch.where(kind < 0.7, square, torch.where(kind < 0.85, cross, ring)))
        cover = (0.5 - distance).clamp(0, 1) * draw.chance(0.6)
        lit = (u * draw.uniform(-1, 1) + v * draw.uniform(-1, 1)) / radius
        ball = (0.55 + 0.45 * (1 - (far / radius).square()).clamp(min=0).sqrt()) * (1 + 0.4 * lit.clamp(-1, 1))
        shade = lerp(torch.ones_like(ball), ball, draw.chance(0.5))
        colour = lerp(colour, tape_colour(draw) * shade, cover)
        alpha = alpha + cover * (1 - alpha)
    return colour.clamp(0, 1.2), alpha


def mesh(draw: Draw) -> Tensor:
    """Nets, lace, fences, sieves: two families of threads, warped; or round holes in a sheet.

    Two fifths are fine: threads of half a pixel to two.
    """
    warp = field(draw, 2, (20, 200), (1.8, 4)) * draw.spread(0.3, 10)
    angle, period = draw.uniform(0, math.pi), draw.spread(4, 60)
    thread = torch.where(draw.chance(0.4, "fine") > 0, draw.spread(0.5, 2), draw.spread(0.5, 5))
    thread = torch.minimum(thread, period * 0.45)
    u, v = draw.turned(angle)
    skew = draw.uniform(-0.5, 0.5)
    out = torch.zeros_like(warp[:, :1])
    for off, on in ((u + warp[:, :1], 1.0), (v + u * skew + warp[:, 1:], 0.75)):
        phase = off / period
        line = (thread * 0.5 - (phase - phase.round()).abs() * period + 0.5).clamp(0, 1) * draw.chance(on)
        out = out + line - out * line
    pu, pv = (u + warp[:, :1]) / period, (v + warp[:, 1:]) / period
    centre = ((pu - pu.round()).square() + (pv - pv.round()).square() + 1e-6).sqrt() * period
    sheet = (centre - period * draw.uniform(0.15, 0.48) + 0.5).clamp(0, 1)
    return torch.where(draw.chance(0.25) > 0, sheet, out)


def spatter(draw: Draw) -> Tensor:
    """Loose bits of any form: sparks, splashes, torn paper, crumbs, snow."""
    rough = field(draw, 1, (2.5, 60), (1.6, 4), stretch=5)
    return ((rough - draw.uniform(0.2, 2.3)) * draw.spread(1.5, 14) + 0.5).clamp(0, 1)
