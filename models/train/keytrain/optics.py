"""Lens and shutter: defocus and motion smear, applied to premultiplied layers."""

import math

import torch
from torch import Tensor

from .draw import Draw

SMEAR, DEFOCUS = 0.16, 0.09  # shares of pictures
REACH = 36  # pixels a kernel can carry light: half the longest smear, and what its bend adds


def kernels(draw: Draw) -> Tensor:
    """One blur kernel a picture, centred on pixel 0 with wrap-around, as `rfft2`.

    Most pictures get a small Gaussian (lens and sensor), some a disc (defocus), some a slightly
    bent line of 4 to 64 px (shutter), as a 1/48 s exposure gives a moving arm.
    """
    x, y = draw.x - 0.5, draw.y - 0.5
    x = torch.where(x > draw.size / 2, x - draw.size, x)
    y = torch.where(y > draw.size / 2, y - draw.size, y)
    squared = x.square() + y.square()
    kind = draw.uniform()
    sigma = torch.where(kind < 0.6, draw.uniform(0.2, 0.75), draw.spread(0.5, 2.4))
    gauss = torch.exp(-squared / (2 * sigma.square()))
    disc = (draw.spread(1, 14) + 0.5 - squared.sqrt()).clamp(0, 1)
    angle, length = draw.uniform(0, math.pi), draw.spread(4, 64)
    along = x * angle.cos() + y * angle.sin()
    across = y * angle.cos() - x * angle.sin() - draw.normal(0.006) * along.square()
    smear = (length / 2 + 0.5 - along.abs()).clamp(0, 1) * (1.2 - across.abs()).clamp(0, 1)
    kernel = torch.where(kind > 1 - DEFOCUS, disc, torch.where(kind > 1 - DEFOCUS - SMEAR, smear, gauss))
    return torch.fft.rfft2(kernel / kernel.sum((2, 3), keepdim=True))


def photographed(draw: Draw, element: Tensor) -> Tensor:
    """The element as the lens draws it, `REACH` pixels less on every side: light comes in from beyond the frame.

    Premultiplied RGBA, and any further covers, which take the same way.  Cover within 0.4 % of none
    or full becomes exact.  `draw` is of the element's size.
    """
    seen = torch.fft.irfft2(torch.fft.rfft2(element) * kernels(draw), s=element.shape[-2:]).clamp(min=0)
    seen = seen[..., REACH:-REACH, REACH:-REACH]
    alpha = seen[:, 3:4]
    keep = (alpha > 0.004).float()
    full = (alpha > 0.996).float()
    alpha = lerp_to(alpha * keep, 1.0, full)
    return torch.cat([torch.minimum(seen[:, :3] * keep, alpha), alpha, seen[:, 4:].clamp(max=1)], 1)


def lerp_to(value: Tensor, target: float, share: Tensor) -> Tensor:
    return value + (target - value) * share
