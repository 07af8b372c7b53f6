"""The training loop: `python -m keytrain.train --help`.

A run is a number of legs.  Each leg goes on from the last one's checkpoint until its seconds are
up; the learning rate follows the step number, so that where the cuts fall does not matter.

Under `torchrun` every GPU draws scenes of its own and the gradients are averaged; only the first
one validates and writes.
"""

import argparse
import json
import math
import os
import random
import time
from datetime import timedelta
from pathlib import Path

import torch
import torch.distributed as dist

from . import checkpoint, warm
from .colour import TOP
from .elements import Pool
from .hints import covering_hint
from .losses import backdrops, losses, total, unsteadiness
from .network import Keyer, pack_input
from .scene import Scene, make_scene
from .validate import held_out, validate


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--out", type=Path, required=True, help="folder for the checkpoint")
    add("--resume", type=Path, help="folder of the checkpoint to go on from")
    add("--start", type=Path, help="exported model to go on from, where there is no checkpoint")
    add("--seconds", type=float, default=540, help="length of this leg, start-up included")
    add("--plan", type=int, required=True, help="steps of the whole run: the cosine ends there")
    add("--origin", type=int, default=0, help="step at which this run's schedule began (for a second run on top of a first)")
    add("--limit", type=int, default=0, help="stop after this many steps in this leg (0: no limit)")
    add("--seed", type=int, default=1)
    add("--batch", type=int, default=32, help="scenes a step on each GPU")
    add("--again", type=int, default=8, help="of them seen twice, with other grain and moved")
    add("--grain", type=float, default=0.024, help="the most grain added to them")
    add("--covering", type=float, default=0.15, help="share of hints that cover the faintest thing solidly")
    add("--move", type=int, default=16, help="how far, in pixels (a multiple of 8)")
    add("--crop", type=int, default=448)
    add("--element", type=int, default=576, help="side of the pool's elements in pixels")
    add("--pool", type=int, default=3000, help="elements kept on the device")
    add("--renew", type=float, default=0.3, help="chunks of 16 elements replaced a step")
    add("--rate", type=float, default=2.5e-3)
    add("--warm", type=int, default=500, help="steps of linear warm-up")
    add("--decay", type=float, default=0.9995, help="of the weights' running average")
    add("--every", type=float, default=120, help="seconds between validations and checkpoints")
    add("--device", default="cuda")
    add("--compile", action="store_true", help="compile network, losses and scene composition")
    add("--validation", type=int, default=6, help="batches of generated validation scenes")
    return parser.parse_args()


def learning_rate(step: int, o: argparse.Namespace) -> float:
    share = min((step - o.origin) / (o.plan - o.origin), 1.0)
    return o.rate * min(1.0, (step - o.origin + 1) / o.warm) * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * share)))


def make_optimiser(net: torch.nn.Module, rate: float):
    weights = [p for p in net.parameters() if p.ndim > 1]
    others = [p for p in net.parameters() if p.ndim <= 1]
    groups = [{"params": weights, "weight_decay": 1e-3}, {"params": others, "weight_decay": 0.0}]
    fused = next(net.parameters()).device.type == "cuda"
    return torch.optim.AdamW(groups, lr=rate, betas=(0.9, 0.99), fused=fused)


class Average:
    """Exponential running average of weights and normalisation statistics."""

    def __init__(self, net: torch.nn.Module, copy: torch.nn.Module, decay: float):
        self.decay = decay
        pairs = [(a, b) for a, b in zip(copy.state_dict().values(), net.state_dict().values()) if a.is_floating_point()]
        self.mine, self.theirs = [a for a, _ in pairs], [b for _, b in pairs]

    @torch.no_grad()
    def follow(self, step: int) -> None:
        share = 1 - min(self.decay, (step + 1) / (step + 20))
        torch._foreach_lerp_(self.mine, self.theirs, share)


class Crew:
    """The processes that train together: one, or one a GPU under `torchrun`."""

    def __init__(self, device: str):
        self.size, self.rank = int(os.environ.get("WORLD_SIZE", 1)), int(os.environ.get("RANK", 0))
        self.device = torch.device(device)
        if self.size > 1:
            if self.device.type == "cuda":
                self.device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
                torch.cuda.set_device(self.device)
            dist.init_process_group("nccl" if self.device.type == "cuda" else "gloo", timeout=timedelta(minutes=10))

    def average_gradients(self, net: torch.nn.Module) -> None:
        if self.size == 1:
            return
        gradients = [p.grad for p in net.parameters()]
        flat = torch.cat([g.reshape(-1) for g in gradients])
        dist.all_reduce(flat)
        parts = (flat / self.size).split([g.numel() for g in gradients])
        for gradient, part in zip(gradients, parts):
            gradient.copy_(part.view_as(gradient))

    def agreed(self, value: float) -> float:
        """The first process's word, so that all stop at the same step."""
        if self.size == 1:
            return value
        word = torch.tensor([value], device=self.device, dtype=torch.float64)
        dist.broadcast(word, 0)
        return float(word)

    def leave(self) -> None:
        if self.size > 1:
            dist.barrier()
            dist.destroy_process_group()


def windows(scene: Scene, again: int, move: int, size: int) -> tuple[Scene, Scene, tuple[int, int]]:
    """Two windows of scenes `move` pixels larger, and how far the second lies from the first."""
    x, y, u, v = (random.randrange(move + 1) for _ in range(4))
    second = Scene(scene.again, *(t[:again] for t in scene.tensors()[1:-1]), scene.again)
    return scene.window(x, y, size), second.window(u, v, size), (u - x, v - y)


def grainy(pictures: tuple[torch.Tensor, ...], top: float) -> list[torch.Tensor]:
    """Exposures of the same scenes with more grain, even over the encoded values, up to `top`.

    Film shows it so, and a lifted grade.
    """
    strength = torch.rand(len(pictures[0]), 1, 1, 1, device=pictures[0].device) * top
    return [(rgb + torch.randn_like(rgb) * strength).clamp(0, TOP) for rgb in pictures]


def shared(one: torch.Tensor, other: torch.Tensor, shift: tuple[int, int]) -> tuple[torch.Tensor, torch.Tensor]:
    """The parts of two windows that show the same place."""
    dx, dy = shift
    height, width = one.shape[-2:]
    mine = one[..., max(dy, 0) : height + min(dy, 0), max(dx, 0) : width + min(dx, 0)]
    theirs = other[..., max(-dy, 0) : height + min(-dy, 0), max(-dx, 0) : width + min(-dx, 0)]
    return mine, theirs


def main() -> None:
    o = options()
    begin = time.time()
    crew = Crew(o.device)
    device = crew.device
    torch.backends.cudnn.benchmark = True
    torch.set_float32_matmul_precision("high")
    o.out.mkdir(parents=True, exist_ok=True)

    torch.manual_seed(o.seed)
    net = Keyer().to(device, memory_format=torch.channels_last)
    smooth = Keyer().to(device, memory_format=torch.channels_last).eval()
    smooth.load_state_dict(net.state_dict())
    optimiser = make_optimiser(net, o.rate)
    state = {"step": 0, "seconds": 0.0, "log": []}
    if o.resume:
        state = checkpoint.load(o.resume, net, smooth, optimiser)
    seed = o.seed * 1000003 + state["step"] + crew.rank * 7919
    torch.manual_seed(seed)
    random.seed(seed)

    scenes = held_out(device, o.validation, size=o.crop) if crew.rank == 0 else []
    pool = Pool(o.pool, o.element, device)
    if o.start:
        torch.manual_seed(o.seed)  # every process sees the same scenes
        random.seed(o.seed)
        scene = make_scene(pool_of(o, device), o.batch, o.crop)
        warm.load(net, o.start)
        warm.calibrate(net, pack_input(scene.rgb, scene.hint).contiguous(memory_format=torch.channels_last))
        smooth.load_state_dict(net.state_dict())
        torch.manual_seed(seed + 1)
        random.seed(seed + 1)
    average = Average(net, smooth, o.decay)
    wait(device)
    say = print if crew.rank == 0 else (lambda *_, **__: None)
    say(f"{crew.size} at work; pool of {len(pool.store)} elements after {time.time() - begin:.0f} s", flush=True)

    forward, measure, compose = (lambda x: net(x, True)), losses, make_scene
    if o.compile:
        forward, measure, compose = (torch.compile(f) for f in (forward, losses, make_scene))
    spent, last, first, debt = state["seconds"], time.time(), state["step"], 0.0
    step, mark = first, time.time()

    def keep() -> None:
        if crew.rank:
            return
        scores = validate(smooth, scenes)
        state["log"].append({"step": step, "seconds": round(spent + time.time() - mark), "rate": learning_rate(step, o), **recent, **scores})
        print(json.dumps(state["log"][-1]), flush=True)
        state.update(step=step, seconds=spent + time.time() - mark)
        checkpoint.save(o.out, net, smooth, optimiser, state)

    recent: dict = {}
    while step < o.plan and not (o.limit and step - first >= o.limit):
        if step % 20 == 0:
            if crew.agreed(time.time() - begin) > o.seconds:
                break
            if time.time() - last > o.every:
                keep()
                last = time.time()
        debt += o.renew
        while debt >= 1:
            pool.renew()
            debt -= 1
        scene, second, shift = windows(compose(pool, o.batch, o.crop + o.move, o.again), o.again, o.move, o.crop)
        covered = torch.rand(o.batch, 1, 1, 1, device=device) < o.covering
        scene.hint = torch.where(covered, covering_hint(scene.alpha), scene.hint)
        second.hint = torch.where(covered[: o.again], covering_hint(second.alpha), second.hint)
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(step, o)
        once, twice = grainy((scene.rgb[: o.again], second.rgb), o.grain)
        rgb = torch.cat([once, scene.rgb[o.again :], twice])
        hint = torch.cat([scene.hint, second.hint])
        x = pack_input(rgb, hint).contiguous(memory_format=torch.channels_last)
        with torch.autocast(device.type, dtype=torch.bfloat16):
            out = forward(x)
        terms = measure(tuple(t[: o.batch] for t in out), scene.rgb, scene.alpha, scene.foreground, scene.screen, backdrops(o.batch, device))
        if o.again:
            one, other = shared(out[0][: o.again], out[0][o.batch :], shift)
            terms["steady"] = unsteadiness(one, other, shared(scene.alpha[: o.again], second.alpha, shift)[0])
        loss = total(terms)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        crew.average_gradients(net)
        torch.nn.utils.clip_grad_norm_(net.parameters(), 2.0)
        optimiser.step()
        average.follow(step)
        step += 1
        if step - first in (1, 50) or step % 500 == 0:
            recent = {name: round(float(value.detach()), 4) for name, value in terms.items()}
            value = float(loss.detach())
            say(f"step {step} {time.time() - begin:.0f} s loss {value:.3f} {recent}", flush=True)
            if not math.isfinite(value):
                raise SystemExit("the loss is not finite")
    keep()
    say(f"leg over after {time.time() - begin:.0f} s, {step - first} steps", flush=True)
    crew.leave()


def pool_of(o: argparse.Namespace, device: torch.device) -> Pool:
    """A small pool of its own, for one batch."""
    return Pool(2 * o.batch, o.element, device)


def wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


if __name__ == "__main__":
    main()
