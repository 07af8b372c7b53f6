"""The training loop: `python -m keytrain.train --help`.

A run is a number of legs.  Each leg goes on from the last one's checkpoint until its seconds are
up; the learning rate follows the step number, so that where the cuts fall does not matter.
"""

import argparse
import json
import math
import random
import time
from pathlib import Path

import torch

from . import checkpoint
from .elements import Pool
from .losses import backdrops, losses, total
from .network import Keyer, pack_input
from .scene import make_scene
from .validate import held_out, validate


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--out", type=Path, required=True, help="folder for the checkpoint")
    add("--resume", type=Path, help="folder of the checkpoint to go on from")
    add("--seconds", type=float, default=540, help="length of this leg, start-up included")
    add("--plan", type=int, required=True, help="steps of the whole run: the cosine ends there")
    add("--origin", type=int, default=0, help="step at which this run's schedule began (for a second run on top of a first)")
    add("--limit", type=int, default=0, help="stop after this many steps in this leg (0: no limit)")
    add("--seed", type=int, default=1)
    add("--batch", type=int, default=32)
    add("--crop", type=int, default=448)
    add("--element", type=int, default=576, help="side of the pool's elements in pixels")
    add("--pool", type=int, default=3000, help="elements kept on the device")
    add("--renew", type=float, default=0.3, help="chunks of 16 elements replaced a step")
    add("--rate", type=float, default=2e-3)
    add("--warm", type=int, default=300, help="steps of linear warm-up")
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


def main() -> None:
    o = options()
    begin = time.time()
    device = torch.device(o.device)
    cuda = device.type == "cuda"
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
    average = Average(net, smooth, o.decay)
    torch.manual_seed(o.seed * 1000003 + state["step"])
    random.seed(o.seed * 1000003 + state["step"])

    scenes = held_out(device, o.validation, size=o.crop)
    pool = Pool(o.pool, o.element, device)
    wait(cuda)
    print(f"pool of {len(pool.store)} elements after {time.time() - begin:.0f} s", flush=True)

    forward, measure, compose = (lambda x: net(x, True)), losses, make_scene
    if o.compile:
        forward, measure, compose = (torch.compile(f) for f in (forward, losses, make_scene))
    spent, last, first, debt = state["seconds"], time.time(), state["step"], 0.0
    step, mark = first, time.time()

    def keep() -> None:
        scores = validate(smooth, scenes)
        state["log"].append({"step": step, "seconds": round(spent + time.time() - mark), "rate": learning_rate(step, o), **recent, **scores})
        print(json.dumps(state["log"][-1]), flush=True)
        state.update(step=step, seconds=spent + time.time() - mark)
        checkpoint.save(o.out, net, smooth, optimiser, state)

    recent: dict = {}
    while time.time() - begin < o.seconds and step < o.plan and not (o.limit and step - first >= o.limit):
        debt += o.renew
        while debt >= 1:
            pool.renew()
            debt -= 1
        scene = compose(pool, o.batch, o.crop)
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(step, o)
        x = pack_input(scene.rgb, scene.hint).contiguous(memory_format=torch.channels_last)
        with torch.autocast(device.type, dtype=torch.bfloat16):
            out = forward(x)
        terms = measure(out, scene.rgb, scene.alpha, scene.foreground, scene.screen, backdrops(o.batch, device))
        loss = total(terms)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 2.0)
        optimiser.step()
        average.follow(step)
        step += 1
        if step - first in (1, 50) or step % 500 == 0:
            recent = {name: round(float(value.detach()), 4) for name, value in terms.items()}
            value = float(loss.detach())
            print(f"step {step} {time.time() - begin:.0f} s loss {value:.3f} {recent}", flush=True)
            if not math.isfinite(value):
                raise SystemExit("the loss is not finite")
        if time.time() - last > o.every:
            keep()
            last = time.time()
    keep()
    print(f"leg over after {time.time() - begin:.0f} s, {step - first} steps", flush=True)


def wait(cuda: bool) -> None:
    if cuda:
        torch.cuda.synchronize()


if __name__ == "__main__":
    main()
