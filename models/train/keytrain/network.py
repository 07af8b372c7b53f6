"""The keying network: a small U-Net around an explicit model of how a screen plate is made.

A plate is ``C = alpha * (F + s * B) + (1 - alpha) * B`` in linear light: foreground ``F`` with
spill ``s`` of the screen ``B`` on it, over the screen.  Three parts follow that equation.

* ``LocalScreen`` measures ``B`` from the plate itself: the network only says which pixels are
  clean screen; the colour is a pyramid of weighted means, so that it is right for any screen and
  is filled in under the subject.
* the matte head refines a projection matte (how far along the line black-to-``B`` the pixel is).
* the foreground head estimates ``s`` and solves the equation for ``F``, then corrects the rest.

The heads work at half resolution: full-resolution pictures enter through 4x4 convolutions of
stride 2 and leave through a pixel shuffle.  That keeps every pixel in view at a quarter of the
activations, which is what limits speed and memory on a CPU.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .colour import TOP, fast_linear, fast_srgb

MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)
WIDTHS = (32, 64, 112, 160, 176)


def pack_input(rgb: Tensor, hint: Tensor) -> Tensor:
    """The network's input from an sRGB plate (0..`TOP`) and a hint (0..1)."""
    mean = torch.tensor(MEAN, device=rgb.device).view(1, 3, 1, 1)
    std = torch.tensor(STD, device=rgb.device).view(1, 3, 1, 1)
    return torch.cat([(rgb - mean) / std, hint], 1)


def unit(inputs: int, outputs: int, kernel: int = 3, stride: int = 1, dilation: int = 1) -> nn.Sequential:
    """Convolution, batch normalisation, ReLU."""
    pad = (kernel - 1) // 2 * dilation
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, pad, dilation, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


class Residual(nn.Module):
    """Two 3x3 convolutions around a shortcut; starts close to the identity."""

    def __init__(self, width: int, dilation: int = 1):
        super().__init__()
        self.first = unit(width, width, dilation=dilation)
        self.second = nn.Conv2d(width, width, 3, 1, dilation, dilation, bias=False)
        self.norm = nn.BatchNorm2d(width)
        nn.init.constant_(self.norm.weight, 0.25)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.norm(self.second(self.first(x))))


def branch(inputs: int, outputs: int, kernel: int = 1, stride: int = 1) -> nn.Sequential:
    """Convolution and batch normalisation without ReLU: one term of a sum."""
    pad = (kernel - stride + 1) // 2
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, pad, bias=False), nn.BatchNorm2d(outputs)
    )


class Settle(nn.Conv2d):
    """A 3x3 filter of each channel by itself, before a stride; starts as the identity.

    A stride aliases what is finer than its lattice, and the matte then changes as things move
    over that lattice.  Here each channel can learn to drop what the stride cannot carry, for
    9 multiplications a value at the coarse levels, where values are few.
    """

    def __init__(self, width: int):
        super().__init__(width, width, 3, 1, 1, groups=width, bias=False)
        with torch.no_grad():
            self.weight.zero_()
            self.weight[:, :, 1, 1] = 1


class Merge(nn.Module):
    """Brings a coarser level up by two and joins it with the encoder's level."""

    def __init__(self, coarse: int, width: int):
        super().__init__()
        self.narrow = branch(coarse, width)
        self.skip = branch(width, width)
        self.refine = Residual(width)

    def forward(self, coarse: Tensor, fine: Tensor) -> Tensor:
        return self.refine(F.relu(upsample(self.narrow(coarse), 2) + self.skip(fine)))


class GlobalToken(nn.Module):
    """One attention-pooled vector of the whole frame, added to the coarsest level.

    It tells every pixel what the shot is: screen hue, light, kind of subject.
    """

    def __init__(self, width: int):
        super().__init__()
        self.attend = nn.Conv2d(width, width, 1)
        self.spread = nn.Conv2d(width, width, 1)
        nn.init.zeros_(self.spread.weight)
        nn.init.zeros_(self.spread.bias)

    def forward(self, x: Tensor) -> Tensor:
        weight = torch.sigmoid(self.attend(x))
        token = F.adaptive_avg_pool2d(x * weight, 1) / (F.adaptive_avg_pool2d(weight, 1) + 1e-3)
        return x + self.spread(token)


class LocalScreen(nn.Module):
    """Screen colour at 1/8 resolution, measured on the plate where the network sees clean screen.

    The network gives each pixel a trust; trusted means are taken at four reaches (24 px, 96 px,
    about 400 px, whole frame), and the network says at each place how to mix them.
    """

    def __init__(self, width: int):
        super().__init__()
        self.judge = nn.Conv2d(width, 8, 3, 1, 1)  # trust, four reaches, a correction of the colour
        with torch.no_grad():
            self.judge.weight[5:].zero_()
            self.judge.bias.zero_()

    def forward(self, features: Tensor, thumbnail: Tensor) -> tuple[Tensor, Tensor]:
        """Features and the plate, both at 1/8; the screen's colour, sRGB-encoded, and the trust."""
        said = self.judge(features).float()
        trust, reach, adjust = torch.sigmoid(said[:, :1] * 2), said[:, 1:5], said[:, 5:]
        sums = torch.cat([thumbnail * trust, trust], 1)
        block = F.avg_pool2d(sums, 4)
        near = F.avg_pool2d(block, 3, 1, 1)
        wide = F.avg_pool2d(near, 13, 1, 6)
        whole = colour_of(F.adaptive_avg_pool2d(block, 1))
        means = (
            colour_of(F.avg_pool2d(sums, 3, 1, 1)),
            upsample(colour_of(near), 4),
            upsample(colour_of(wide), 4),
            whole,
        )
        share = torch.softmax(reach, 1)
        colour = sum(mean * share[:, k : k + 1] for k, mean in enumerate(means))
        return (colour + torch.tanh(adjust) * 0.15).clamp(0, TOP), trust


def colour_of(sums: Tensor) -> Tensor:
    """Weighted mean from a sum of weighted colours and the sum of the weights."""
    return sums[:, :3] / (sums[:, 3:] + 1e-4)


def upsample(x: Tensor, factor: int) -> Tensor:
    return F.interpolate(x, scale_factor=float(factor), mode="bilinear", align_corners=False)


class Keyer(nn.Module):
    """Plate and hint in; matte and clean foreground out.

    Everything that looks further than 100 px happens in `survey`, at 1/8 resolution.  A frame too
    large for memory is encoded in tiles, surveyed once as a whole and finished in tiles, with
    the same result.
    """

    def __init__(self, widths=WIDTHS, head: int = 48, paint: int = 32):
        super().__init__()
        w1, w2, w3, w4, w5 = widths
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(STD).view(1, 3, 1, 1), persistent=False)
        # At the start: hardly any spill, nearly all of the solution.
        self.register_buffer("shares", torch.tensor([3.0, -2.0]).view(1, 2, 1, 1), persistent=False)
        self.stem = unit(6, w1, 4, 2)
        self.level1 = unit(w1, w1)
        self.down2 = unit(w1, w2, stride=2)
        self.level2 = Residual(w2)
        self.settle3 = Settle(w2)
        self.down3 = unit(w2, w3, stride=2)
        self.level3 = nn.Sequential(Residual(w3), Residual(w3))
        self.settle4 = Settle(w3)
        self.down4 = unit(w3, w4, stride=2)
        self.level4 = nn.Sequential(Residual(w4), Residual(w4, 2))
        self.settle5 = Settle(w4)
        self.down5 = unit(w4, w5, stride=2)
        self.level5 = nn.Sequential(Residual(w5), Residual(w5, 2), Residual(w5))
        self.token = GlobalToken(w5)
        self.merge4 = Merge(w5, w4)
        self.merge3 = Merge(w4, w3)
        self.merge2 = Merge(w3, w2)
        self.screen = LocalScreen(w3)
        self.coarse = nn.Conv2d(w2, 1, 3, 1, 1)
        self.matte_deep = branch(w2, head)
        self.matte_fine = branch(w1, head)
        self.matte_full = branch(5, head, 4, 2)
        self.matte_screen = branch(3, head)
        self.matte_mix = unit(head, head)
        self.matte = nn.Conv2d(head, 4, 3, 1, 1)
        self.paint_deep = branch(head, paint)
        self.paint_full = branch(7, paint, 4, 2)
        self.paint = nn.Conv2d(paint, 14, 3, 1, 1)  # 12: a correction at full resolution; spill; gate

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Features at 1/2, 1/4 and 1/8 of the normalised plate and hint."""
        rgb = x[:, :3] * self.std + self.mean
        red, green, blue = rgb[:, 0:1], rgb[:, 1:2], rgb[:, 2:3]
        greenness = (green - torch.maximum(red, blue)) * 4
        blueness = (blue - torch.maximum(red, green)) * 4
        x1 = self.level1(self.stem(torch.cat([x, greenness, blueness], 1)))
        x2 = self.level2(self.down2(x1))
        return x1, x2, self.level3(self.down3(self.settle3(x2)))

    def thumbnail(self, x: Tensor) -> Tensor:
        """The plate at 1/8, sRGB-encoded."""
        return F.avg_pool2d(x[:, :3], 8) * self.std + self.mean

    def survey(self, x3: Tensor, thumbnail: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What the whole frame says about each place, at 1/8: features, screen colour, trust."""
        x4 = self.level4(self.down4(self.settle4(x3)))
        x5 = self.token(self.level5(self.down5(self.settle5(x4))))
        y3 = self.merge3(self.merge4(x5, x4), x3)
        with torch.autocast(x3.device.type, enabled=False):
            screen8, trust = self.screen(y3.float(), thumbnail.float())
        return y3, screen8, trust

    def finish(self, x: Tensor, x1: Tensor, x2: Tensor, y3: Tensor, screen8: Tensor, train: bool = False):
        rgb = x[:, :3] * self.std + self.mean
        y2 = self.merge2(y3, x2)
        with torch.autocast(x.device.type, enabled=False):
            light8 = fast_linear(screen8)
            plate, screen = fast_linear(rgb), upsample(light8, 8)
            key = projection_matte(plate, upsample(axis(light8), 8))
        feature = upsample(self.matte_deep(y2), 2) + self.matte_fine(x1)
        feature = feature + self.matte_full(torch.cat([x, key], 1))
        feature = F.relu(feature + upsample(self.matte_screen(screen8), 4))
        feature = self.matte_mix(feature)
        logit = F.pixel_shuffle(self.matte(feature).float(), 2)
        alpha = (torch.sigmoid(logit) * 1.04 - 0.02).clamp(0, 1)

        with torch.autocast(x.device.type, enabled=False):
            held, behind = (alpha.detach(), screen.detach()) if train else (alpha, screen)
            over = (plate - (1 - held) * behind) / held.clamp(min=0.05)
            solved = (over.clamp(0, 4) + 1e-4).sqrt()
        paint = self.paint_deep(feature) + self.paint_full(torch.cat([solved, x[:, :3], held], 1))
        paint = self.paint(F.relu(paint)).float()
        with torch.autocast(x.device.type, enabled=False):
            correction = F.pixel_shuffle(paint[:, :12], 2) * 0.25
            shares = upsample(torch.sigmoid(paint[:, 12:] - self.shares), 2)
            clean = fast_srgb(over - shares[:, :1] * behind)
            fg = (rgb + shares[:, 1:] * (clean - rgb) + correction).clamp(0, 1)
        if train:
            return alpha, fg, upsample(screen8, 8), torch.sigmoid(self.coarse(y2).float())
        return alpha, fg

    def forward(self, x: Tensor, train: bool = False):
        """Normalised plate and hint ``[n, 4, h, w]``, sides multiples of 32; alpha and foreground."""
        x1, x2, x3 = self.encode(x)
        y3, screen8, _ = self.survey(x3, self.thumbnail(x))
        return self.finish(x, x1, x2, y3, screen8, train)


def axis(screen: Tensor) -> Tensor:
    """The direction, over its squared length, along which the screen's chroma is measured (linear)."""
    toward = screen - screen.mean(1, keepdim=True)
    return toward / (toward.square().sum(1, keepdim=True) + 1e-4)


def projection_matte(plate: Tensor, along: Tensor) -> Tensor:
    """One minus the share of the screen's chroma found in the pixel; `along` as from `axis`.

    The plate's own grey part needs no removing: the axis has none.
    """
    return (1 - (plate * along).sum(1, keepdim=True)).clamp(0, 1)


def macs_per_pixel(net: nn.Module, size: int = 256) -> float:
    """Multiply-accumulates of all convolutions for each input pixel."""
    total = 0

    def count(module, _inputs, output):
        nonlocal total
        total += output.shape[-1] * output.shape[-2] * module.weight.numel()

    hooks = [m.register_forward_hook(count) for m in net.modules() if isinstance(m, nn.Conv2d)]
    with torch.no_grad():
        net(torch.zeros(1, 4, size, size))
    for hook in hooks:
        hook.remove()
    return total / size / size
