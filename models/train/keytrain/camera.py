"""From linear light to the picture a compositor receives: exposure, noise, chroma, compression."""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from .colour import shoulder, to_srgb
from .draw import Draw, lerp

LUMA = (0.299, 0.587, 0.114)
_LUMA_TABLE = """16 11 10 16 24 40 51 61 12 12 14 19 26 58 60 55 14 13 16 24 40 57 69 56 14 17 22 29 51 87 80 62
18 22 37 56 68 109 103 77 24 35 55 64 81 104 113 92 49 64 78 87 103 121 120 101 72 92 95 98 112 100 103 99"""
_CHROMA_TABLE = """17 18 24 47 99 99 99 99 18 21 26 66 99 99 99 99 24 26 56 99 99 99 99 99 47 66 99 99 99 99 99 99
""" + "99 " * 32


def split(rgb: Tensor) -> tuple[Tensor, Tensor]:
    """Luma and the two colour differences (JPEG's YCbCr, centred on zero)."""
    red, green, blue = rgb[:, :1], rgb[:, 1:2], rgb[:, 2:3]
    luma = red * LUMA[0] + green * LUMA[1] + blue * LUMA[2]
    return luma, torch.cat([(blue - luma) / 1.772, (red - luma) / 1.402], 1)


def join(luma: Tensor, chroma: Tensor) -> Tensor:
    blue, red = luma + chroma[:, :1] * 1.772, luma + chroma[:, 1:] * 1.402
    return torch.cat([red, (luma - LUMA[0] * red - LUMA[2] * blue) / LUMA[1], blue], 1)


def cosine_matrix(device) -> Tensor:
    n = torch.arange(8, device=device, dtype=torch.float32)
    matrix = torch.cos(math.pi * (2 * n + 1) * n[:, None] / 16) / 2
    matrix[0] *= math.sqrt(0.5)
    return matrix


def quantised(plane: Tensor, table: str, strength: Tensor) -> Tensor:
    """JPEG's loss: 8x8 cosine blocks rounded to the quantisation table times `strength`."""
    basis = cosine_matrix(plane.device)
    steps = torch.tensor([float(v) for v in table.split()], device=plane.device).view(8, 8) / 255
    n, c, h, w = plane.shape
    blocks = plane.view(n, c, h // 8, 8, w // 8, 8).transpose(3, 4)
    step = (steps * strength[..., None, None]).clamp(min=1 / 255)
    coded = torch.round(basis @ blocks @ basis.T / step) * step
    return (basis.T @ coded @ basis).transpose(3, 4).reshape(n, c, h, w)


@dataclass
class Camera:
    """One camera and codec a picture, ``[n, 1, 1, 1]`` each; every exposure draws its grain afresh."""

    exposure: Tensor
    contrast: Tensor
    ceiling: Tensor  # linear value at which the sensor clips; far above 1 for HDR plates
    noisy: Tensor
    denoised: Tensor  # grain softened by an in-camera denoiser
    mono: Tensor  # share of the grain that is the same in all channels
    shot: Tensor  # variance of the grain for each unit of light
    read: Tensor  # standard deviation of the grain in the dark
    chroma: Tensor  # below .35: halved both ways (4:2:0), below .5: halved across (4:2:2)
    jpeg: Tensor
    strength: Tensor  # of the compression, a factor on JPEG's tables; .06 … .9 is quality 97 … 55
    sharpening: Tensor
    eight_bit: Tensor

    @classmethod
    def drawn(cls, draw: Draw) -> "Camera":
        hdr = draw.chance(0.15, "hdr")
        return cls(
            exposure=torch.exp(draw.normal(0.25)),
            contrast=torch.exp(draw.normal(0.09)),
            ceiling=1 + hdr * 1000,
            noisy=draw.chance(0.85, "noise"),
            denoised=draw.chance(0.35),
            mono=draw.uniform(),
            shot=draw.spread(1e-5, 2e-3),
            read=draw.spread(2e-4, 0.008),
            chroma=torch.where(hdr > 0, torch.ones_like(hdr), draw.uniform()),
            jpeg=draw.chance(0.4, "jpeg") * (1 - hdr),
            strength=draw.spread(0.06, 0.9),
            sharpening=draw.sometimes(0.25, draw.uniform(0, 1.2)),
            eight_bit=draw.chance(0.5) * (1 - hdr),
        )

    def curve(self, linear: Tensor) -> Tensor:
        """Exposed linear light as the file's values: encoded, with the shoulder above white."""
        light = torch.minimum((linear * self.exposure).clamp(min=0), self.ceiling)
        return shoulder(to_srgb(light).pow(self.contrast))

    def shoot(self, draw: Draw, plate: Tensor) -> Tensor:
        light = torch.minimum((plate * self.exposure).clamp(min=0), self.ceiling)
        light = torch.minimum(self._grained(draw, light).clamp(min=0), self.ceiling)
        rgb = self._recorded(shoulder(to_srgb(light).pow(self.contrast))).clamp(min=0)
        rgb = torch.minimum(rgb, shoulder(self.ceiling))
        return lerp(rgb, (rgb * 255).round() / 255, self.eight_bit)

    def _grained(self, draw: Draw, light: Tensor) -> Tensor:
        """Shot noise that grows with light, read noise that does not; fresh, or denoised."""
        white = draw.grain(3)
        grain = torch.where(self.denoised > 0, F.avg_pool2d(white, 3, 1, 1) * 2.2, white)
        grain = lerp(grain, grain.mean(1, keepdim=True) * 1.7, self.mono)
        return light + grain * (light * self.shot + self.read.square()).sqrt() * self.noisy

    def _recorded(self, rgb: Tensor) -> Tensor:
        """Codec: 4:4:4, 4:2:2 or 4:2:0 colour, JPEG-like compression, over-sharpening."""
        luma, chroma = split(rgb)
        half = F.avg_pool2d(chroma, 2)
        coarse = F.avg_pool2d(chroma, (1, 2))
        half = lerp(half, quantised(half, _CHROMA_TABLE, self.strength), self.jpeg)
        luma = lerp(luma, quantised(luma, _LUMA_TABLE, self.strength), self.jpeg)
        size = rgb.shape[-2:]
        half, coarse = (F.interpolate(t, size=size, mode="bilinear", align_corners=False) for t in (half, coarse))
        chroma = torch.where((self.chroma < 0.35) | (self.jpeg > 0), half, torch.where(self.chroma < 0.5, coarse, chroma))
        rgb = join(luma, chroma)
        return rgb + (rgb - F.avg_pool2d(rgb, 3, 1, 1)) * self.sharpening
