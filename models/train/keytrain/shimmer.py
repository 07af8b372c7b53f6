"""Where an unsteady matte comes from: `python -m keytrain.shimmer MODEL.onnx`.

Still pictures are keyed again and again, each time changed by something that must not matter, and
the matte is brought back into place.  Figures are the standard deviation of alpha in soft edges
(.05 < alpha < .95), in root mean square over the pictures of a set:

* *noise*: fresh noise of sigma .012 in the plate, and the same with only one of the network's
  tensors having seen it (the others are those of the picture without noise);
* *moves by 32, 16, 8, 4, 2, 1*: four windows over the picture, so many pixels apart.  A stride of
  the network cannot show at multiples of it: "32" is what borders and global pooling alone do,
  "16" adds the lattice of the coarsest level, "1" has all of them;
* *fractions*: the picture moved by parts of a pixel, its spectrum's phase turned;
* *mean of k*: the first three again where every matte is the mean of k mattes of moved windows,
  which is the most that averaging could take away at k times the cost.

Pictures: the middle frames of the uneven clips and two of every slice of `slices`.
"""

import argparse
import random
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from . import failures, warm
from .clips import NOISE, UNEVEN, make_clip, moved
from .colour import shoulder
from .failures import Shot, softened, sown
from .network import Keyer, pack_input
from .slices import SLICES

WINDOW, ROOM = 256, 64  # sides of what is keyed, and by how much the picture is larger; multiples of 32
LENS = 0.6  # softening in pixels, so that a spectrum can be shifted without ringing
RIM = 24  # pixels along the window's border that are not looked at
STEPS = (32, 16, 8, 4, 2, 1)
PARTS = ("plate", "x1", "x2", "y3", "screen8")


@dataclass
class Picture:
    """Encoded plate (shoulder applied), hint and true matte ``[1, c, WINDOW + ROOM, same]``."""

    plate: Tensor
    hint: Tensor
    alpha: Tensor


def picture(plate: Tensor, hint: Tensor, alpha: Tensor) -> Picture:
    """From ``[h, w, 3]`` and two ``[h, w]``: the middle of them, softened."""
    planes = torch.cat([shoulder(torch.as_tensor(plate)).permute(2, 0, 1), torch.as_tensor(hint)[None], torch.as_tensor(alpha)[None]])[None].float()
    spare = [(s - WINDOW - ROOM) // 2 for s in planes.shape[-2:]]
    planes = softened(planes, LENS)[..., spare[0] : spare[0] + WINDOW + ROOM, spare[1] : spare[1] + WINDOW + ROOM]
    return Picture(planes[:, :3], planes[:, 3:4].clamp(0, 1), planes[:, 4:].clamp(0, 1))


def sets(count: int, only: list[str] | None = None) -> dict[str, list[Picture]]:
    """Pictures by the name of what they show, at most `count` of each slice; or only those named."""

    def of(shot: Shot) -> Picture:
        return picture(shot.plate, shot.hint, shot.alpha)

    side = WINDOW + ROOM
    found: dict[str, list[Picture]] = {}
    if not only or "clips" in only:
        clips = [make_clip(plan, side, 3) for plan in UNEVEN]
        found["clips"] = [picture(c.still[1], c.hints[1], c.alphas[1]) for c in clips]
    for piece in SLICES:
        if piece.name in only if only else piece.twin is None:
            found[piece.name] = [of(s) for s in piece.shots(side)[:count]]
    return found


def window(image: Tensor, x: int, y: int) -> Tensor:
    return image[..., y : y + WINDOW, x : x + WINDOW]


@torch.no_grad()
def matte(net: Keyer, plate: Tensor, hint: Tensor) -> Tensor:
    return net(pack_input(plate, hint))[0]


def in_place(alpha: Tensor, x: int, y: int) -> Tensor:
    """A window's matte where it belongs in the picture; not-a-number outside, and along its border."""
    out = torch.full((1, 1, WINDOW + ROOM, WINDOW + ROOM), torch.nan)
    out[..., y + RIM : y + WINDOW - RIM, x + RIM : x + WINDOW - RIM] = alpha[..., RIM:-RIM, RIM:-RIM]
    return out


def variance(mattes: list[Tensor], alpha: Tensor) -> tuple[float, int]:
    """Variance of alpha summed over the soft pixels all mattes show, and the number of those."""
    stack = torch.cat(mattes)
    where = ((alpha > 0.05) & (alpha < 0.95) & stack.isfinite().all(0, keepdim=True))[0]
    return float(stack.var(0)[where].sum()), int(where.sum())


def by_moves(net: Keyer, one: Picture, step: int) -> tuple[float, int]:
    """Variance over four windows `step` pixels apart along either side."""
    near = (ROOM // 2, ROOM // 2 + step)
    mattes = [in_place(matte(net, window(one.plate, x, y), window(one.hint, x, y)), x, y) for x in near for y in near]
    return variance(mattes, one.alpha)


def by_fractions(net: Keyer, one: Picture, count: int) -> tuple[float, int]:
    """Variance over pictures moved by up to half a pixel, at one place of the lattice."""
    middle, mattes = ROOM // 2, []
    for _ in range(count):
        dx, dy = random.uniform(-0.5, 0.5), random.uniform(-0.5, 0.5)
        plate, hint = (moved(t, dx, dy).clamp(min=0) for t in (one.plate, one.hint))
        alpha = matte(net, window(plate, middle, middle), window(hint, middle, middle).clamp(max=1))
        mattes.append(in_place(moved(alpha, -dx, -dy), middle, middle))
    return variance(mattes, one.alpha)


@torch.no_grad()
def by_noise(net: Keyer, one: Picture, count: int, parts: tuple[str, ...] = PARTS) -> tuple[float, int]:
    """Variance over fresh noise that only the named tensors have seen."""
    middle = ROOM // 2
    plate, hint = (window(t, middle, middle) for t in (one.plate, one.hint))

    def tensors(x: Tensor) -> dict[str, Tensor]:
        x1, x2, x3 = net.encode(x)
        y3, screen8, _ = net.survey(x3, net.thumbnail(x))
        return {"plate": x, "x1": x1, "x2": x2, "y3": y3, "screen8": screen8}

    still, mattes = tensors(pack_input(plate, hint)), []
    for _ in range(count):
        noisy = tensors(pack_input((plate + torch.randn_like(plate) * NOISE).clamp(min=0), hint))
        mixed = {name: (noisy if name in parts else still)[name] for name in PARTS}
        mattes.append(in_place(net.finish(*mixed.values())[0], middle, middle))
    return variance(mattes, one.alpha)


def averaged(net: Keyer, k: int) -> Callable[[Tensor], Tensor]:
    """The network as the mean over `k` x `k` windows moved by whole pixels, borders repeated."""

    def keyed(x: Tensor, train: bool = False) -> tuple[Tensor]:
        wide = F.pad(x, (0, 32, 0, 32), mode="replicate")
        total = torch.zeros_like(x[:, :1])
        for y in range(k):
            for z in range(k):
                # Odd and even offsets on every level's lattice.
                dy, dz = y * 5, z * 5
                rolled = F.pad(wide, (dz, 0, dy, 0), mode="replicate")[..., : wide.shape[-2], : wide.shape[-1]]
                total += net(rolled)[0][..., dy : dy + x.shape[-2], dz : dz + x.shape[-1]]
        return (total / k**2,)

    return keyed


def averaged_noise(net: Callable, one: Picture, count: int) -> tuple[float, int]:
    """`by_noise` of a network that cannot be taken apart."""
    middle = ROOM // 2
    plate, hint = (window(t, middle, middle) for t in (one.plate, one.hint))
    noisy = ((plate + torch.randn_like(plate) * NOISE).clamp(min=0) for _ in range(count))
    return variance([in_place(matte(net, p, hint), middle, middle) for p in noisy], one.alpha)


def deviation(found: list[tuple[float, int]]) -> float:
    total, pixels = (sum(f[i] for f in found) for i in (0, 1))
    return (total / max(pixels, 1)) ** 0.5


def measures(count: int) -> dict[str, Callable[[Keyer, Picture], tuple[float, int]]]:
    """Everything the header names but the means of k, by name."""
    table: dict[str, Callable[[Keyer, Picture], tuple[float, int]]] = {"noise": lambda n, p: by_noise(n, p, count)}
    for part in PARTS:
        table[f"noise in {part}"] = lambda n, p, part=part: by_noise(n, p, count, (part,))
    for step in STEPS:
        table[f"moves by {step}"] = lambda n, p, step=step: by_moves(n, p, step)
    table["fractions"] = lambda n, p: by_fractions(n, p, count)
    return table


def means_of(k: int, count: int) -> dict[str, Callable[[Keyer, Picture], tuple[float, int]]]:
    return {
        f"mean of {k * k}: noise": lambda n, p: averaged_noise(averaged(n, k), p, count),
        f"mean of {k * k}: moves by 1": lambda n, p: by_moves(averaged(n, k), p, 1),
        f"mean of {k * k}: fractions": lambda n, p: by_fractions(averaged(n, k), p, count),
    }


def measure(net: Keyer, pictures: dict[str, list[Picture]], table: dict, seed: int = 5) -> dict[str, dict[str, float]]:
    """Deviation by set and measure; every measure starts from the same seed."""
    out: dict[str, dict[str, float]] = {}
    for name, shown in pictures.items():
        out[name] = {}
        for what, work in table.items():
            sown(seed)
            out[name][what] = deviation([work(net, one) for one in shown])
            print(f"{name}: {what} {1e4 * out[name][what]:.1f}", file=sys.stderr, flush=True)
    return out


def printed(table: dict[str, dict[str, float]]) -> str:
    lines = [f"{'alpha deviation x 1e4':22s}" + "".join(f"{name[:15]:>17s}" for name in table)]
    for what in next(iter(table.values())):
        lines.append(f"{what:22s}" + "".join(f"{1e4 * line[what]:17.1f}" for line in table.values()))
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--count", type=int, default=6, help="times each picture is keyed for each line")
    parser.add_argument("--pictures", type=int, default=2, help="of each slice")
    parser.add_argument("--only", nargs="+", help="sets to look at, by name")
    parser.add_argument("--mean", type=int, nargs="*", default=[], help="also the mean of this many windows each way")
    parser.add_argument("--lines", nargs="+", help="of the table, by the beginning of their names; all of them otherwise")
    parser.add_argument("--threads", type=int, default=1)
    o = parser.parse_args()
    torch.set_num_threads(o.threads)
    net = Keyer().eval()
    warm.load(net, o.model)
    shown = sets(o.pictures, o.only)
    table = measures(o.count)
    for k in o.mean:
        table |= means_of(k, o.count)
    if o.lines:
        table = {name: work for name, work in table.items() if name.startswith(tuple(o.lines))}
    print(printed(measure(net, shown, table)))


if __name__ == "__main__":
    main()
