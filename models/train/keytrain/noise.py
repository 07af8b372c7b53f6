"""Smooth random fields, which are periodic, and blurs, which are not; both made in the frequency domain."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from .draw import Draw


def frequencies(height: int, width: int, device) -> tuple[Tensor, Tensor]:
    """Cycles a pixel along y and x, for `rfft2`."""
    fy = torch.fft.fftfreq(height, device=device).view(1, 1, height, 1)
    fx = torch.fft.rfftfreq(width, device=device).view(1, 1, 1, width // 2 + 1)
    return fy, fx


def field(draw: Draw, channels: int, scale=(8.0, 120.0), slope=(1.2, 3.0), stretch: float = 1.0) -> Tensor:
    """Gaussian fields of unit variance with a power-law spectrum: light, cloth, clouds, dirt.

    `scale` is the size in pixels above which the field stops growing, `slope` how fast detail
    fades (low: rough), `stretch` the largest elongation along a random direction.
    """
    fy, fx = frequencies(draw.size, draw.size, draw.device)
    reach, fall = draw.spread(*scale), draw.uniform(*slope)
    angle, ratio = draw.uniform(0, math.pi), draw.spread(1.0, max(stretch, 1.001)).sqrt()
    along = (fx * angle.cos() + fy * angle.sin()) * ratio
    across = (fy * angle.cos() - fx * angle.sin()) / ratio
    energy = (1 + (along.square() + across.square()) * reach.square()).pow(-(fall + 0.7) / 2)
    energy[..., 0, 0] = 0
    wave = torch.fft.rfft2(draw.grain(channels)) * energy
    out = torch.fft.irfft2(wave, s=(draw.size, draw.size))
    return out / (out.std((2, 3), keepdim=True) + 1e-6)


PAD = 48  # pixels of mirrored border around what is blurred: 2.4 sigma of the widest


def blur(image: Tensor, sigma: Tensor) -> Tensor:
    """Gaussian blur with one sigma (pixels, up to 20, ``[n, 1, 1, 1]``) a picture; mirrored at the border."""
    pad = min(PAD, min(image.shape[-2:]) - 1)
    wide = F.pad(image, (pad,) * 4, mode="reflect")
    return wrapping_blur(wide, sigma)[..., pad : pad + image.shape[-2], pad : pad + image.shape[-1]]


def wrapping_blur(image: Tensor, sigma: Tensor) -> Tensor:
    """`blur` of a picture that repeats beyond its borders."""
    height, width = image.shape[-2:]
    fy, fx = frequencies(height, width, image.device)
    kernel = torch.exp(-2 * math.pi**2 * (fx.square() + fy.square()) * sigma.square())
    return torch.fft.irfft2(torch.fft.rfft2(image) * kernel, s=(height, width))


def wide_blur(image: Tensor, sigma: Tensor, shrink: int = 4) -> Tensor:
    """`blur` for large sigmas, worked at a fraction of the size."""
    small = F.avg_pool2d(image, shrink)
    small = blur(small, (sigma / shrink).clamp(min=0.5))
    return F.interpolate(small, size=image.shape[-2:], mode="bilinear", align_corners=False)
