"""Scores on generated pictures of a fixed seed: a quick gauge while training, no judge of quality."""

import random

import torch
from torch import Tensor, nn

from .colour import to_linear, to_srgb
from .elements import Pool
from .losses import unknown
from .network import pack_input
from .scene import Scene, drifted_back, make_scene


def held_out(device, batches: int = 6, count: int = 8, size: int = 448, seed: int = 90210) -> list[Scene]:
    """Scenes from a seed of their own; the caller's random state is left as it was."""
    before, python = torch.random.get_rng_state(), random.getstate()
    device_state = torch.cuda.get_rng_state() if torch.device(device).type == "cuda" else None
    torch.manual_seed(seed)
    random.seed(seed)
    pool = Pool(batches * count * 2, size + 128, device)
    scenes = [make_scene(pool, count, size, again=count) for _ in range(batches)]
    torch.random.set_rng_state(before)
    random.setstate(python)
    if device_state is not None:
        torch.cuda.set_rng_state(device_state)
    return scenes


def measures(alpha: Tensor, paint: Tensor, scene: Scene) -> dict[str, float]:
    """Mean errors x 1000: matte in all and in unknown pixels, colour where covered, grey composite."""
    soft, covered = unknown(scene.alpha, 10), (scene.alpha > 0.02).float()
    error = (alpha - scene.alpha).abs()
    mine = to_srgb(alpha * to_linear(paint) + (1 - alpha) * 0.18)
    true = to_srgb(scene.alpha * to_linear(scene.foreground) + (1 - scene.alpha) * 0.18)
    weight = covered * scene.alpha
    return {
        "matte": 1e3 * error.mean().item(),
        "u_mse": 1e3 * ((error.square() * soft).sum() / soft.sum()).item(),
        "paint": 1e3 * (((paint - scene.foreground).abs() * weight).sum() / (3 * weight.sum())).item(),
        "comp": 1e3 * ((mine - true).abs() * covered).sum().item() / (3 * covered.sum().item()),
    }


@torch.no_grad()
def validate(net: nn.Module, scenes: list[Scene]) -> dict[str, float]:
    rows = []
    for scene in scenes:
        x, again = (pack_input(rgb, scene.hint).contiguous(memory_format=torch.channels_last) for rgb in (scene.rgb, scene.again))
        alpha, paint = net(x)
        soft = (scene.alpha > 0.05) & (scene.alpha < 0.95)
        error = drifted_back(net(again)[0] - scene.again_alpha, scene.drift)
        flicker = (error - (alpha - scene.alpha))[soft].square().mean().sqrt() / 2**0.5
        rows.append(measures(alpha, paint, scene) | {"flicker": 1e3 * flicker.item()})
    return {f"val_{k}": round(sum(r[k] for r in rows) / len(rows), 3) for k in (rows[0] if rows else ())}
