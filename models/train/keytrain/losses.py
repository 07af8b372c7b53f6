"""What the network is asked to get right."""

import torch
import torch.nn.functional as F
from torch import Tensor

from .colour import fast_linear

WEIGHTS = {"matte": 2.0, "coarse": 0.5, "paint": 3.5, "paint_edges": 0.6, "composite": 1.6, "screen": 0.6, "steady": 5.0}


def unknown(alpha: Tensor, reach: int = 6) -> Tensor:
    """One within `reach` pixels of any partial cover: where mattes are won or lost."""
    size = 2 * reach + 1
    high, low = F.max_pool2d(alpha, size, 1, reach), -F.max_pool2d(-alpha, size, 1, reach)
    return ((high > 0.02) & (low < 0.98)).float()


def steps(x: Tensor) -> tuple[Tensor, Tensor]:
    """Differences between neighbours along x and y."""
    return x[..., :, 1:] - x[..., :, :-1], x[..., 1:, :] - x[..., :-1, :]


def pyramid(error: Tensor, levels: int = 4) -> Tensor:
    """L1 of a Laplacian pyramid of an error: each octave of detail, coarser ones weighing more."""
    taps = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0], device=error.device) / 16
    kernel = (taps[:, None] * taps[None]).view(1, 1, 5, 5)
    total = error.abs().mean() * 2
    for octave in range(levels):
        smooth = F.conv2d(F.pad(error, (2, 2, 2, 2), mode="replicate"), kernel)
        coarse = F.avg_pool2d(smooth, 2)
        band = error - F.interpolate(coarse, scale_factor=2.0, mode="bilinear", align_corners=False)
        total = total + band.abs().mean() * 1.6**octave
        error = coarse
    return total


def root(linear: Tensor) -> Tensor:
    """Square root with a foot: evens out dark and light as the eye does."""
    return (linear.clamp(min=0) + 1e-3).sqrt()


def losses(out: tuple[Tensor, ...], rgb: Tensor, alpha: Tensor, foreground: Tensor, screen: Tensor, backdrop: Tensor) -> dict[str, Tensor]:
    """Every term by name; `backdrop` is one flat colour a picture, ``[n, 3, 1, 1]``."""
    got, paint, got_screen, coarse = (t.float() for t in out[:4])
    soft = unknown(alpha)
    error = got - alpha
    ex, ey = steps(error)
    fine = thin(alpha)
    matte = (error.abs() * (1 + 2 * soft + 3 * fine)).mean() + (error.square() * (0.5 + 2 * soft + 3 * fine)).mean()
    matte = matte + 0.5 * pyramid(error) + 0.4 * (ex.abs().mean() + ey.abs().mean())

    covered = (alpha > 0.01).float()
    weight = covered * (0.25 + 0.75 * alpha) * (1 + soft + 2 * fine)
    miss = (paint - foreground) * covered
    painted = (miss.abs() * weight).sum() / (3 * weight.sum() + 1000)
    mx, my = steps(miss)
    near = soft * covered
    edges = ((mx.abs() * near[..., 1:]).sum() + (my.abs() * near[..., 1:, :]).sum()) / (3 * near.sum() + 1000)

    near_screen = F.avg_pool2d(1 - alpha, 33, 1, 16) + 0.05  # the screen cannot be known far inside

    other = torch.where(backdrop < 0, rgb.roll(1, 0), backdrop)
    behind = fast_linear(other)
    mine = root(got * fast_linear(paint) + (1 - got) * behind)
    true = root(alpha * fast_linear(foreground) + (1 - alpha) * behind)
    return {
        "matte": matte,
        "coarse": F.l1_loss(coarse, F.avg_pool2d(alpha, 4)),
        "paint": painted,
        "paint_edges": edges,
        "composite": ((mine - true).abs() * (1 + soft)).mean(),
        "screen": ((got_screen - screen).abs() * near_screen).sum() / (3 * near_screen.sum()),
    }


def unsteadiness(one: Tensor, other: Tensor, alpha: Tensor) -> Tensor:
    """How far two mattes of one scene differ that saw other grain and lay elsewhere on the lattice.

    Given are their errors, so that pictures that were moved by parts of a pixel, whose truths differ
    a little, can be compared too.  Partial cover counts most: that is where the eye sees a shimmer.
    Threads and hairs count less: steadiest of all is not to see them, and that is what was learnt
    without this (LOG.md, "Not shipped").
    """
    soft = unknown(alpha) + partial(alpha)
    difference = (one.float() - other.float()) * (1 - 0.6 * thin(alpha))
    return (difference.abs() * (1 + 2 * soft)).mean() + (difference.square() * (1 + 6 * soft)).mean()


def partial(alpha: Tensor) -> Tensor:
    return ((alpha > 0.03) & (alpha < 0.97)).float()


def thin(alpha: Tensor, reach: int = 3) -> Tensor:
    """Cover that belongs to things less than `2 * reach + 1` pixels across: threads, straws, hair."""
    size = 2 * reach + 1
    core = -F.max_pool2d(-alpha, size, 1, reach)
    return (alpha - F.max_pool2d(core, size, 1, reach)).clamp(min=0)


def total(terms: dict[str, Tensor], weights: dict[str, float] = WEIGHTS) -> Tensor:
    return sum(weights[name] * value for name, value in terms.items())


def backdrops(count: int, device) -> Tensor:
    """Flat colours to composite over; negative marks "use another picture of the batch"."""
    flat = torch.rand(count, 3, 1, 1, device=device)
    return torch.where(torch.rand(count, 1, 1, 1, device=device) < 0.5, flat, -torch.ones_like(flat))
