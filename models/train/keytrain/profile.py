"""Times the parts of a training step: `python -m keytrain.profile`."""

import argparse
import time

import torch

from .draw import Draw
from .elements import FAMILIES, Pool, make_elements
from .losses import backdrops, losses, total
from .network import Keyer, pack_input
from .scene import make_scene
from .train import make_optimiser


def clock(label: str, work, repeats: int = 10) -> None:
    work()
    work()
    torch.cuda.synchronize()
    start = time.time()
    for _ in range(repeats):
        work()
    torch.cuda.synchronize()
    print(f"{label:24s} {(time.time() - start) / repeats * 1e3:8.1f} ms", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--crop", type=int, default=448)
    parser.add_argument("--element", type=int, default=576)
    o = parser.parse_args()
    device = torch.device("cuda")
    torch.backends.cudnn.benchmark = True
    torch.set_float32_matmul_precision("high")
    for family in FAMILIES:
        clock(family.__name__, lambda: make_elements(Draw(16, o.element, device), family))
    pool = Pool(200, o.element, device)
    clock("take", lambda: pool.take(o.batch, o.crop))
    clock("scene", lambda: make_scene(pool, o.batch, o.crop))
    scene = make_scene(pool, o.batch, o.crop)
    net = Keyer().to(device, memory_format=torch.channels_last)
    optimiser = make_optimiser(net, 1e-4)
    x = pack_input(scene.rgb, scene.hint).contiguous(memory_format=torch.channels_last)
    for compiled in (False, True):
        forward, measure = (lambda x: net(x, True)), losses
        if compiled:
            forward, measure = torch.compile(forward), torch.compile(losses)

        def step() -> None:
            with torch.autocast("cuda", dtype=torch.bfloat16):
                out = forward(x)
            loss = total(measure(out, scene.rgb, scene.alpha, scene.foreground, scene.screen, backdrops(o.batch, device)))
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()

        start = time.time()
        step()
        torch.cuda.synchronize()
        print(f"first step {time.time() - start:.0f} s, memory {torch.cuda.max_memory_allocated() / 2**30:.1f} GiB")
        clock("step compiled" if compiled else "step", step, 20)
    start = time.time()
    composed = torch.compile(make_scene)
    composed(pool, o.batch, o.crop)
    print(f"scene compiled in {time.time() - start:.0f} s")
    clock("scene compiled", lambda: composed(pool, o.batch, o.crop))


if __name__ == "__main__":
    main()
