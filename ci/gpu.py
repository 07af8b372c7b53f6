#!/usr/bin/env python3
"""The plug-in on an NVIDIA GPU, beside the original network in PyTorch: right, and how fast.

    python3 ci/gpu.py BUNDLE [--device cuda] [--sizes 512x512 1024x1024 1920x1088 2048x2048]

For a machine with a GPU, where no other check runs. BUNDLE is one that was assembled with `--cuda`;
torch and numpy must be there, and NVIDIA's libraries are taken from torch's own packages unless
CORRIDORKEY_CUDA_LIBRARIES names others. What it does, all through the bundle's own command:

 1. `doctor` must say that the device works.
 2. The shipped model and a checkpoint of stand-in weights, imported for the purpose, run at each
    size in each precision that they have; alpha and foreground must be within 1e-2 (1e-3 on average)
    of the processor's fp32. The checkpoint's time is set beside PyTorch's in fp16, measured in turn.
 3. A plate is keyed through the headless host on the device and on the processor: the mattes must
    be within 1e-2.
 4. Sixteen frames are keyed, one and two at a time.

Prints a table, and ends with status 1 when something is wrong. `--device cpu` goes through the
motions on a machine without a GPU.
"""
import argparse
import json
import os
import pathlib
import statistics
import struct
import subprocess
import sys
import tempfile
import time
import zlib

import numpy as np
import torch

import greenformer_reference as reference
import pictures

FAULTS = []


def fault(sentence):
    FAULTS.append(sentence)
    print("FAULT " + sentence)


class Command:
    """The bundle's command, with folders of its own."""

    def __init__(self, bundle, folder):
        self.path = str(bundle / "Contents/Linux-x86-64/corridorkey")
        self.environment = dict(os.environ, CORRIDORKEY_MODELS=str(folder / "models"))
        if "CORRIDORKEY_CUDA_LIBRARIES" not in os.environ:
            nvidia = pathlib.Path(torch.__file__).parent.parent / "nvidia"
            self.environment["CORRIDORKEY_CUDA_LIBRARIES"] = str(nvidia)

    def __call__(self, *arguments, **more):
        run = subprocess.run(
            [self.path, *map(str, arguments)],
            env=dict(self.environment, **more),
            stdout=subprocess.PIPE,
            text=True,
        )
        if run.returncode:
            raise RuntimeError(f"corridorkey {' '.join(map(str, arguments))} ended with {run.returncode}")
        return [json.loads(line) for line in run.stdout.splitlines() if line.startswith("{")]


def checkpoint(folder):
    """A checkpoint of stand-in weights, as torch.save writes it, and the weights themselves."""
    weights = reference.Weights()
    with torch.inference_mode():
        reference.network(weights, reference.picture(64))
    path = folder / "CorridorKey.pth"
    torch.save({name: tensor.clone() for name, tensor in weights.items()}, path)
    return path, weights


@torch.inference_mode()
def eager(weights, width, height, device):
    """Milliseconds of the original network in PyTorch, fp16 on a GPU: the median of five runs."""
    half = torch.float16 if device == "cuda" else torch.float32
    own = reference.Weights({name: tensor.to(device, half) for name, tensor in weights.items()})
    x = torch.randn(1, 4, height, width, device=device, dtype=half)
    wait = torch.cuda.synchronize if device == "cuda" else lambda: None
    times = []
    for _ in range(7):
        wait()
        begin = time.perf_counter()
        reference.network(own, x)
        wait()
        times.append((time.perf_counter() - begin) * 1e3)
    return statistics.median(times[2:])


def compare(command, weights, model, precision, size, device):
    found = command(
        "benchmark", "--model", model, "--size", size, "--device", device,
        "--precision", precision, "--against", "cpu", "--json",
    )[0]["measured"][0]
    if found["device"] != device:
        fault(f"{model} ran on {found['device']} instead of {device}")
    against = found["against"]
    for what in ("alpha", "foreground"):
        largest, mean = against[f"{what}_largest"], against[f"{what}_mean"]
        if largest > 1e-2 or mean > 1e-3:
            fault(f"{model} {precision} {size}: {what} differs by {largest:.1e}, {mean:.1e} on average")
    line = f"{model:12} {precision:5} {size:10} {found['median_ms']:8.1f} ms  first {found['first_ms']:7.0f} ms"
    line += f"  alpha {against['alpha_largest']:.1e}  fg {against['foreground_largest']:.1e}"
    if weights is not None:
        width, height = map(int, size.split("x"))
        theirs = eager(weights, width, height, device)
        line += f"  PyTorch {theirs:8.1f} ms  ratio {theirs / found['median_ms']:5.2f}"
    print(line, flush=True)


def render(command, folder, device):
    """The same plate through the headless host, on the device and on the processor."""
    mattes = {}
    for place in (device, "cpu"):
        out = folder / place
        command(
            "key", "--quiet", "--source", folder / "plate.png", "--hint", folder / "hint.png", "--device", place,
            "--output", "matte", "--format", "png", "--depth", "float", "--out", out,
        )
        mattes[place] = pictures.read(str(out / "plate.matte.png")).plane(0)
    largest = max(abs(a - b) for a, b in zip(mattes[device], mattes["cpu"]))
    print(f"through the host: matte within {largest:.1e} of the processor's")
    if largest > 1e-2:
        fault("the rendered mattes differ")


def write_frame(path, picture):
    """An 8-bit PNG of [height, width, 3]; pictures.py would take minutes at this size."""
    height, width, _ = picture.shape
    lines = np.zeros((height, 1 + width * 3), np.uint8)
    lines[:, 1:] = picture.reshape(height, -1)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    with open(path, "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n")
        for kind, body in ((b"IHDR", header), (b"IDAT", zlib.compress(lines.tobytes(), 1)), (b"IEND", b"")):
            file.write(struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)))


def sequence(command, folder, device, times):
    """Seconds for sixteen different frames of `times` the plate's size, one and two at a time."""
    plate = pictures.read(str(folder / "plate.png"))
    small = (np.array(plate.data).reshape(plate.height, plate.width, 3) * 255).round().astype(np.uint8)
    large = small.repeat(times, 0).repeat(times, 1)
    for frame in range(16):
        write_frame(folder / f"shot.{frame:04}.png", np.roll(large, 5 * frame, 1))
    seconds = {}
    for frames in (1, 2):
        begin = time.perf_counter()
        command(
            "key", "--quiet", "--source", folder / "shot.%04d.png", "--device", device, "--output", "matte",
            "--format", "png", "--depth", "byte", "--out", folder / f"out{frames}", CORRIDORKEY_FRAMES=str(frames),
        )
        seconds[frames] = time.perf_counter() - begin
    ratio = seconds[1] / seconds[2]
    print(f"sixteen frames {large.shape[1]}x{large.shape[0]}: {seconds[1]:.2f} s one at a time, {seconds[2]:.2f} s two ({ratio:.2f} x)")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=pathlib.Path)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--sizes", nargs="+", default=["512x512", "1024x1024", "1920x1088", "2048x2048"])
    parser.add_argument("--frames", type=int, default=10, help="side of the sequence's frames, in plates of 384x216")
    arguments = parser.parse_args()
    device = arguments.device
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        (folder / "models").mkdir()
        command = Command(arguments.bundle.absolute(), folder)
        checks = command("doctor", "--json")[0]["checks"]
        if not next(check for check in checks if check["name"].lower() == device)["ok"]:
            fault(f"{device} does not work here; `corridorkey doctor` says why")
        path, weights = checkpoint(folder)
        command("models", "import", path, "--folder", folder / "models", "--json")
        for size in arguments.sizes:
            compare(command, None, "base", "fp32", size, device)
            for precision in ("fp32", "fp16"):
                compare(command, weights, "corridorkey", precision, size, device)
        pictures.make(str(folder))
        render(command, folder, device)
        sequence(command, folder, device, arguments.frames)
    print("nothing wrong" if not FAULTS else f"{len(FAULTS)} faults")
    return 1 if FAULTS else 0


if __name__ == "__main__":
    sys.exit(main())
