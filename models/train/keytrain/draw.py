"""Random parameters for a batch of pictures, one value a picture, shaped to broadcast over pixels.

Everything is drawn from PyTorch's global generators: `torch.manual_seed` makes a run repeatable.
"""

import math

import torch
from torch import Tensor


class Draw:
    """Draws for `count` square pictures of `size` pixels on one device.

    Values come as ``[count, channels, 1, 1]``; ``x`` and ``y`` are pixel centres ``[1, 1, size, size]``.
    Events may have names; `force` makes named ones certain or impossible, for pictures that show
    one effect.
    """

    def __init__(self, count: int, size: int, device, force: dict[str, bool] | None = None):
        self.count, self.size, self.device, self.force = count, size, torch.device(device), force or {}
        line = torch.arange(size, device=self.device, dtype=torch.float32) + 0.5
        self.y = line.view(1, 1, size, 1).expand(1, 1, size, size)
        self.x = line.view(1, 1, 1, size).expand(1, 1, size, size)

    def uniform(self, low=0.0, high=1.0, channels: int = 1) -> Tensor:
        return torch.rand(self.count, channels, 1, 1, device=self.device) * (high - low) + low

    def spread(self, low: float, high: float, channels: int = 1) -> Tensor:
        """Log-uniform: every octave is as likely as the next."""
        return self.uniform(math.log(low), math.log(high), channels).exp()

    def normal(self, scale=1.0, channels: int = 1) -> Tensor:
        return torch.randn(self.count, channels, 1, 1, device=self.device) * scale

    def chance(self, probability: float, event: str = "") -> Tensor:
        """One for the pictures an effect falls on, zero for the others."""
        probability = float(self.force.get(event, probability))
        return (torch.rand(self.count, 1, 1, 1, device=self.device) < probability).float()

    def sometimes(self, probability: float, value: Tensor, otherwise=0.0, event: str = "") -> Tensor:
        hit = self.chance(probability, event) > 0
        return torch.where(hit, value, torch.as_tensor(otherwise, device=self.device, dtype=value.dtype))

    def pick(self, options: int) -> Tensor:
        return torch.randint(0, options, (self.count,), device=self.device)

    def grain(self, channels: int = 1) -> Tensor:
        """White Gaussian noise, one value a pixel."""
        return torch.randn(self.count, channels, self.size, self.size, device=self.device)

    def turned(self, angle: Tensor) -> tuple[Tensor, Tensor]:
        """Pixel coordinates along and across a direction, from the picture's centre."""
        x, y = self.x - self.size / 2, self.y - self.size / 2
        cos, sin = angle.cos(), angle.sin()
        return x * cos + y * sin, y * cos - x * sin


def lerp(start: Tensor, end: Tensor, share: Tensor) -> Tensor:
    return start + (end - start) * share


def soft_step(x: Tensor) -> Tensor:
    """0..1 ramp with smooth ends."""
    x = x.clamp(0, 1)
    return x * x * (3 - 2 * x)
