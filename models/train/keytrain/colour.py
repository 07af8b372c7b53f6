"""Colour curves and colour-space helpers shared by the generator, the network and the losses."""

import torch
from torch import Tensor


def to_linear(x: Tensor) -> Tensor:
    """Exact sRGB decoding; negative values are treated as zero."""
    x = x.clamp(min=0)
    curve = ((x.clamp(min=0.04045) + 0.055) / 1.055).pow(2.4)
    return torch.where(x <= 0.04045, x / 12.92, curve)


def to_srgb(x: Tensor) -> Tensor:
    """Exact sRGB encoding; negative values are treated as zero."""
    x = x.clamp(min=0)
    curve = 1.055 * x.clamp(min=0.0031308).pow(1 / 2.4) - 0.055
    return torch.where(x <= 0.0031308, x * 12.92, curve)


TOP = 1.25


def shoulder(x: Tensor) -> Tensor:
    """Encoded values as the network sees them: 0..1 unchanged, above white rolled off towards `TOP`.

    Slope one at white, so that nothing kinks; an encoded 2 (linear 4.9) becomes 1.2, and no
    highlight, however bright, leaves the range that was trained.
    """
    room = TOP - 1
    over = (x - 1).clamp(min=0)
    return torch.where(x <= 1, x, 1 + room * over / (room + over))


# `fast_srgb` fits the sRGB curve with one square root; `fast_linear` is its exact inverse, so that
# a pixel the network leaves alone comes back unchanged.  Both stay within 7e-3 of the true curve.
_ROOT, _SLOPE, _LIFT, _SHIFT = 1.24788, 0.227633, 0.0003, -0.027018
_CENTRE = _ROOT / (2 * _SLOPE)
_INNER = (_ROOT**2 + 4 * _SLOPE * (_SLOPE * _LIFT + _SHIFT)) / (2 * _SLOPE) ** 2


def fast_linear(x: Tensor) -> Tensor:
    """Inverse of `fast_srgb` on 0..1: one square root instead of a power."""
    root = _CENTRE - (_INNER - x / _SLOPE).sqrt()
    return root * root - _LIFT


def fast_srgb(x: Tensor) -> Tensor:
    """Square-root stand-in for `to_srgb`, good up to the linear light that `TOP` stands for."""
    root = (x.clamp(-1e-4, 2.0) + _LIFT).sqrt()
    return root * (_ROOT - _SLOPE * root) + (_SLOPE * _LIFT + _SHIFT)


def from_hsv(hue: Tensor, saturation: Tensor, value: Tensor) -> Tensor:
    """HSV (each 0..1, any equal shape) to RGB on a new last axis."""
    channels = []
    for offset in (5.0, 3.0, 1.0):
        k = (offset + hue * 6.0) % 6.0
        channels.append(value - value * saturation * torch.minimum(k, 4.0 - k).clamp(0, 1))
    return torch.stack(channels, -1)
