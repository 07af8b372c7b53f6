"""Hints: the coarse mattes a user or another tool gives, good, crude, wrong or absent."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from .draw import Draw
from .noise import blur, field

SHRINK = 4
STEPS = 12


def grown(mask: Tensor) -> Tensor:
    return F.max_pool2d(mask, 3, 1, 1)


def offsets(mask: Tensor) -> Tensor:
    """The mask eroded by STEPS … 0 … dilated by STEPS small pixels, ``[n, 2 * STEPS + 1, h, w]``."""
    wider, narrower = [mask], [mask]
    for _ in range(STEPS):
        wider.append(grown(wider[-1]))
        narrower.append(1 - grown(1 - narrower[-1]))
    return torch.cat(narrower[:0:-1] + wider, 1)


def level(stack: Tensor, steps: Tensor) -> Tensor:
    index = (steps.round().long() + STEPS).clamp(0, 2 * STEPS)
    return stack.gather(1, index.expand(-1, 1, *stack.shape[-2:]))


def coarse_hint(draw: Draw, alpha: Tensor) -> Tensor:
    """What CorridorKey-style hints are: thresholded, mostly eroded, blurred, low in resolution.

    A tenth is grown instead; some lack a small part or carry a small extra one.
    """
    small = F.avg_pool2d(alpha, SHRINK)
    mask = (small > draw.uniform(0.2, 0.8)).float()
    steps = torch.where(draw.chance(0.75) > 0, -draw.uniform(0, 1).square() * 7, draw.uniform(0, 4))
    mask = level(offsets(mask), steps)
    patch = field(draw, 2, (40, 160))[:, :, ::SHRINK, ::SHRINK]
    mask = mask * (1 - (patch[:, :1] > draw.uniform(1.1, 2)).float() * draw.chance(0.1))
    mask = torch.maximum(mask, (patch[:, 1:] > draw.uniform(1.4, 2.4)).float() * draw.chance(0.08))
    mask = torch.where(draw.chance(0.85) > 0, blur(mask, draw.spread(0.3, 7)), mask).clamp(0, 1)
    blocky = F.interpolate(F.avg_pool2d(mask, 4), scale_factor=4.0, mode="nearest")
    return enlarge(torch.where(draw.chance(0.1) > 0, blocky, mask), alpha)


def enlarge(mask: Tensor, like: Tensor) -> Tensor:
    return F.interpolate(mask, size=like.shape[-2:], mode="bilinear", align_corners=False)


def wrong_hint(draw: Draw, alpha: Tensor, good: Tensor) -> Tensor:
    """Badly wrong: a fifth or more of the subject missing, far too wide, moved, or of another shot."""
    u, _ = draw.turned(draw.uniform(0, 2 * math.pi))
    cut = good * (u > draw.normal(0.2) * draw.size).float()
    blob = field(draw, 1, (60, 200))
    bitten = good * (blob < draw.uniform(-0.2, 0.9)).float()
    spilt = torch.maximum(good, (blob > draw.uniform(0.2, 1.2)).float())
    wide = enlarge(level(offsets((F.avg_pool2d(alpha, SHRINK) > 0.3).float()), draw.uniform(4, STEPS + 0.4)), alpha)
    turn = torch.eye(2, 3, device=draw.device).repeat(draw.count, 1, 1)
    turn[:, :, 2] = draw.uniform(-0.25, 0.25, 2)[:, :, 0, 0]
    moved = F.grid_sample(good, F.affine_grid(turn, list(good.shape), align_corners=False), align_corners=False)
    other = good.roll(1, 0)
    choice = draw.pick(12)
    table = [cut, cut, bitten, bitten, bitten, spilt, spilt, wide, wide, wide, moved, other]
    out = torch.stack(table)[choice, torch.arange(draw.count, device=draw.device)]
    return torch.where(draw.chance(0.7) > 0, blur(out, draw.spread(1, 20)), out).clamp(0, 1)


def automatic_hint(draw: Draw, rgb: Tensor, blue: Tensor) -> Tensor:
    """A crude chroma key of the noisy plate itself, as an automatic hint would be."""
    red, green, azure = rgb[:, :1], rgb[:, 1:2], rgb[:, 2:3]
    excess = torch.where(blue > 0, azure - torch.maximum(red, green), green - torch.maximum(red, azure))
    key = (1 - (excess - draw.uniform(0.02, 0.2)) / draw.spread(0.02, 0.25)).clamp(0, 1)
    return torch.where(draw.chance(0.6) > 0, blur(key, draw.spread(0.5, 10)), key).clamp(0, 1)


def make_hint(draw: Draw, alpha: Tensor, rgb: Tensor, blue: Tensor, cluttered: Tensor, marked: Tensor) -> Tensor:
    """One hint a picture.  Shots with clutter only get hints that can tell what to leave out.

    Shots with tracking marks never come without a hint, nor with one that misses nine tenths of the
    subject: nothing else tells a lone mark from a lone prop, and the network would have to learn to keep both.
    """
    good = coarse_hint(draw, alpha)
    near = torch.where(draw.chance(0.6) > 0, blur(alpha, draw.spread(0.4, 4)), alpha)
    near = (near + draw.grain() * draw.uniform(0, 0.05)).clamp(0, 1)
    kind = draw.uniform()
    hint = torch.where(kind < 0.07, near, good)
    free = cluttered < 0.5
    hint = torch.where(free & (kind > 0.70) & (kind <= 0.83), wrong_hint(draw, alpha, good), hint)
    hint = torch.where(free & (kind > 0.83) & (kind <= 0.90), automatic_hint(draw, rgb, blue), hint)
    hint = torch.where(free & (marked < 0.5) & (kind > 0.90) & (kind <= 0.98), torch.zeros_like(hint), hint)
    hint = torch.where(free & (kind > 0.98), torch.ones_like(hint), hint)
    missed = (hint * alpha).sum((1, 2, 3), keepdim=True) < 0.1 * alpha.sum((1, 2, 3), keepdim=True)
    return torch.where((marked > 0.5) & missed, near, hint)


def held(draw: Draw, hint: Tensor, props: Tensor, marked: Tensor) -> Tensor:
    """The hint with the props in it that look like tracking marks: only a hint tells the two apart.

    Where there are marks every prop is hinted, elsewhere wherever there is a hint at all.
    """
    mask = (F.max_pool2d(props, SHRINK) > draw.uniform(0.2, 0.8)).float()
    mask = level(offsets(mask), draw.uniform(-0.4, 3))
    mask = enlarge(torch.where(draw.chance(0.7) > 0, blur(mask, draw.spread(0.3, 3)), mask).clamp(0, 1), props)
    shown = (hint.amax((1, 2, 3), keepdim=True) > 0) | (marked > 0.5)
    return torch.where(shown, torch.maximum(hint, mask), hint)


def covering_hint(alpha: Tensor) -> Tensor:
    """What a user draws round glass and thin hair: solid over all that covers anything at all."""
    count = len(alpha)
    least = torch.exp(torch.empty(count, 1, 1, 1, device=alpha.device).uniform_(math.log(0.015), math.log(0.2)))
    mask = (F.avg_pool2d(alpha, SHRINK) > least).float()
    wider = torch.rand(count, 1, 1, 1, device=alpha.device) < 0.5
    mask = torch.where(wider, grown(mask), mask)
    return enlarge(F.avg_pool2d(F.pad(mask, (1, 1, 1, 1), mode="replicate"), 3, 1), alpha)
