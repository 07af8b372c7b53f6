"""The training loop: `python -m keytrain.train --help`.

A run is a plan (`keytrain.plan`) of legs.  One call works one leg, from the last one's checkpoint to
the leg's end, or until its seconds are up; the same call with `--resume` then goes on where it was.
Scenes, rates and what the pool holds follow from the plan's seed and the step, so that it does not
matter where the cuts fall.

Under `torchrun` every GPU draws scenes of its own and the gradients are averaged; only the first
one validates and writes.
"""

import argparse
import json
import math
import os
import random
import time
from collections.abc import Callable
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
from .plan import Plan, Settings, load, sow
from .scene import Scene, drifted_back, make_scene
from .validate import held_out, validate


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("plan", type=Path, help="the run's plan, a TOML file")
    add("--out", type=Path, required=True, help="folder for the checkpoint")
    add("--resume", type=Path, help="folder of the checkpoint to go on from")
    add("--seconds", type=float, default=560, help="stop after these, start-up included, even within a leg")
    add("--limit", type=int, default=0, help="stop after this many steps (0: no limit)")
    add("--every", type=float, default=120, help="seconds between validations and checkpoints")
    add("--device", default="cuda")
    add("--compile", action="store_true", help="compile network, losses and scene composition")
    add("--validation", type=int, default=6, help="batches of generated validation scenes")
    return parser.parse_args()


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
    paint, screen = scene.foreground[:again], scene.screen[:again]
    second = Scene(scene.again, scene.hint[:again], scene.again_alpha, paint, screen, scene.again, scene.again_alpha, scene.drift)
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


class Feeder:
    """Scenes of one leg, each a function of the plan's seed, the step and the GPU's number alone."""

    def __init__(self, plan: Plan, leg: int, done: int, rank: int, device: torch.device, compose: Callable = make_scene):
        """`done` steps of the leg lie behind."""
        self.seed, self.leg, self.rank, self.compose = plan.seed, leg, rank, compose
        self.settings = s = plan.legs[leg]
        self.pool = Pool(s.pool, s.element, device, sow=self._chunk, made=self._renewed(done))
        self.filled = self.pool.made - self._renewed(done)

    def _chunk(self, number: int) -> None:
        sow(self.seed, "elements", self.leg, self.rank, number)

    def _renewed(self, done: int) -> int:
        return math.floor(done * self.settings.renew + 1e-9)

    def scenes(self, done: int) -> tuple[Scene, Scene, tuple[int, int]]:
        """The batch after `done` steps of the leg, the second exposure of some of it, and how far that is moved."""
        while self.pool.made < self.filled + self._renewed(done):
            self.pool.renew()
        s = self.settings
        sow(self.seed, "scenes", self.leg, self.rank, done)
        scene, second, shift = windows(self.compose(self.pool, s.batch, s.crop + s.move, s.again), s.again, s.move, s.crop)
        covered = torch.rand(s.batch, 1, 1, 1, device=self.pool.device) < s.covering
        scene.hint = torch.where(covered, covering_hint(scene.alpha), scene.hint)
        second.hint = torch.where(covered[: s.again], covering_hint(second.alpha), second.hint)
        return scene, second, shift


def step_losses(forward: Callable, measure: Callable, scene: Scene, second: Scene, shift: tuple[int, int], s: Settings) -> dict[str, torch.Tensor]:
    """Every term of one step's loss, by name."""
    device = scene.rgb.device
    once, twice = grainy((scene.rgb[: s.again], second.rgb), s.grain)
    rgb = torch.cat([once, scene.rgb[s.again :], twice])
    x = pack_input(rgb, torch.cat([scene.hint, second.hint])).contiguous(memory_format=torch.channels_last)
    with torch.autocast(device.type, dtype=torch.bfloat16):
        out = forward(x)
    terms = measure(tuple(t[: s.batch] for t in out), scene.rgb, scene.alpha, scene.foreground, scene.screen, backdrops(s.batch, device))
    if s.again:
        first_error = out[0][: s.again].float() - scene.alpha[: s.again]
        second_error = drifted_back(out[0][s.batch :].float() - second.alpha, second.drift)
        terms["steady"] = unsteadiness(*shared(first_error, second_error, shift), shared(scene.alpha[: s.again], second.alpha, shift)[0])
    return terms


def begin(plan: Plan, resume: Path | None, net: Keyer, smooth: Keyer, optimiser, device: torch.device) -> dict:
    """Fills network, average and optimiser from a checkpoint, or as the plan says; the state to go on from."""
    if resume:
        return checkpoint.load(resume, net, smooth, optimiser)
    if plan.start:
        s = plan.legs[0]
        sow(plan.seed, "calibration")  # every process sees the same scenes
        scene = make_scene(Pool(2 * s.batch, s.element, device), s.batch, s.crop)
        warm.load(net, plan.start)
        warm.calibrate(net, pack_input(scene.rgb, scene.hint).contiguous(memory_format=torch.channels_last))
    smooth.load_state_dict(net.state_dict())
    return {"step": 0, "seconds": 0.0, "log": []}


def main() -> None:
    o, begun = options(), time.time()
    plan = load(o.plan)
    crew = Crew(o.device)
    device = crew.device
    torch.backends.cudnn.benchmark = True
    torch.set_float32_matmul_precision("high")
    o.out.mkdir(parents=True, exist_ok=True)

    sow(plan.seed, "weights")
    net = Keyer().to(device, memory_format=torch.channels_last)
    smooth = Keyer().to(device, memory_format=torch.channels_last).eval()
    optimiser = make_optimiser(net, plan.rate)
    state = begin(plan, o.resume, net, smooth, optimiser, device)
    step = first = state["step"]
    number, end = plan.leg(step)
    settings = plan.legs[number]
    if crew.size != settings.gpus:
        raise SystemExit(f"leg {number + 1} of {o.plan} is for {settings.gpus} processes, this is one of {crew.size}: another number gives another model")
    start, costs = end - settings.steps, settings.costs()
    average = Average(net, smooth, plan.decay)
    scenes = held_out(device, o.validation, size=min(448, settings.crop)) if crew.rank == 0 else []
    forward, measure, compose = (lambda x: net(x, True)), losses, make_scene
    if o.compile:
        forward, measure, compose = (torch.compile(f) for f in (forward, losses, make_scene))
    feeder = Feeder(plan, number, step - start, crew.rank, device, compose)
    wait(device)
    say = print if crew.rank == 0 else (lambda *_, **__: None)
    say(f"leg {number + 1} of {len(plan.legs)}, {crew.size} at work; pool of {len(feeder.pool.store)} elements after {time.time() - begun:.0f} s", flush=True)
    spent, mark, last = state["seconds"], time.time(), time.time()
    recent: dict = {}

    def keep() -> None:
        if crew.rank:
            return
        scores = validate(smooth, scenes)
        line = {"step": step, "seconds": round(spent + time.time() - mark), "rate": plan.learning_rate(step), **recent, **scores}
        state["log"].append(line)
        print(json.dumps(line), flush=True)
        state.update(step=step, seconds=spent + time.time() - mark)
        checkpoint.save(o.out, net, smooth, optimiser, state)

    if step == 0 and scenes:
        say(json.dumps({"step": 0, **validate(smooth, scenes)}), flush=True)
    while step < end and not (o.limit and step - first >= o.limit):
        if step % 20 == 0:
            if crew.agreed(time.time() - begun) > o.seconds:
                break
            if time.time() - last > o.every:
                keep()
                last = time.time()
        for group in optimiser.param_groups:
            group["lr"] = plan.learning_rate(step)
        terms = step_losses(forward, measure, *feeder.scenes(step - start), settings)
        loss = total(terms, costs)
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
            say(f"step {step} {time.time() - begun:.0f} s loss {value:.3f} {recent}", flush=True)
            if not math.isfinite(value):
                raise SystemExit("the loss is not finite")
    keep()
    left = f", {end - step} left of it: resume with the same plan" if step < end else ""
    say(f"stopped in leg {number + 1} after {time.time() - begun:.0f} s and {step - first} steps{left}", flush=True)
    crew.leave()


def wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


if __name__ == "__main__":
    main()
