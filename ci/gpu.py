#!/usr/bin/env python3
"""The plug-in on an NVIDIA GPU, beside the original network in PyTorch: right, and how fast.

    python3 ci/gpu.py BUNDLE [--device cuda] [--sizes 512x512 1024x1024 1920x1088 2048x2048]

For a machine with a GPU, where no other check runs. BUNDLE is one that was assembled with `--cuda`;
torch and numpy must be there, and NVIDIA's libraries are taken from torch's own packages unless
CORRIDORKEY_CUDA_LIBRARIES names others. What it does, all through the bundle's own command:

 1. `doctor` must say that the device works.
 2. The shipped model and a checkpoint of stand-in weights, imported for the purpose, run at each
    size in both precisions; alpha and foreground must be within 1e-2 (1e-3 on average) of the
    processor's fp32. The checkpoint's time in fp16 is set beside PyTorch's in fp16, measured in turn.
 3. The checkpoint at the largest size must not take more than 4 GiB of the GPU's memory in fp16,
    and with less than it needs it must fail with a sentence.
 4. A plate is keyed by both models through the headless host on the device, in the precision that
    is automatic there, and on the processor: the mattes must be within 1e-2.
 5. Large frames of floats are rendered, from memory to memory: at most 1.8 times the network's time;
    sixteen of them two at a time must be 1.3 times as quick as one by one; and a render that is
    stopped in the middle must have ended within 100 ms and what the network takes.
 6. A sequence of files is interrupted while the network runs: the command must stop.

Prints a table, and ends with status 1 when something is wrong. What fails does not keep the rest
from being tried. `--device cpu` goes through the motions on a machine without a GPU; the bars for
speed are the GPU's alone. Comparing with the processor takes most of the time: --fast does it at the
smallest two sizes only.
"""
import argparse
import json
import os
import pathlib
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import zlib

import numpy as np
import torch

import greenformer_reference as reference
import pictures

FAULTS = []
# Long side at which the network sees a frame.
LONG = 2048


def fault(sentence):
    FAULTS.append(sentence)
    print("FAULT " + sentence, flush=True)


def attempt(work, *arguments):
    """Does it, and tells what went wrong as a fault."""
    try:
        return work(*arguments)
    except Exception as error:
        fault(f"{work.__name__}: {error}")
        traceback.print_exc()
        return None


class Command:
    """The bundle's command, with folders of its own."""

    def __init__(self, bundle, folder):
        self.path = str(bundle / "Contents/Linux-x86-64/corridorkey")
        self.environment = dict(os.environ, CORRIDORKEY_MODELS=str(folder / "models"))
        if "CORRIDORKEY_CUDA_LIBRARIES" not in os.environ:
            nvidia = pathlib.Path(torch.__file__).parent.parent / "nvidia"
            self.environment["CORRIDORKEY_CUDA_LIBRARIES"] = str(nvidia)

    def __call__(self, *arguments, **more):
        run = self.run(*arguments, **more)
        if run.returncode:
            raise RuntimeError(f"corridorkey {' '.join(map(str, arguments))} ended with {run.returncode}: {run.stderr.strip()}")
        return [json.loads(line) for line in run.stdout.splitlines() if line.startswith("{")]

    def run(self, *arguments, **more):
        environment = dict(self.environment, **more)
        return subprocess.run([self.path, *map(str, arguments)], env=environment, capture_output=True, text=True)


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


def compare(command, weights, model, precision, size, device, against):
    asked = ["benchmark", "--model", model, "--size", size, "--device", device, "--precision", precision, "--json"]
    if against:
        asked += ["--against", "cpu"]
    found = command(*asked)[0]["measured"][0]
    if found["device"] != device:
        fault(f"{model} ran on {found['device']} instead of {device}")
    line = f"{model:12} {precision:5} {size:10} {found['median_ms']:8.1f} ms  first {found['first_ms']:7.0f} ms"
    if against:
        for what in ("alpha", "foreground"):
            largest, mean = found["against"][f"{what}_largest"], found["against"][f"{what}_mean"]
            line += f"  {what} {largest:.1e} {mean:.1e}"
            if not (largest <= 1e-2 and mean <= 1e-3):
                fault(f"{model} {precision} {size}: {what} differs by {largest:.1e}, {mean:.1e} on average")
    if weights is not None:
        width, height = map(int, size.split("x"))
        theirs = eager(weights, width, height, device)
        line += f"  PyTorch {theirs:8.1f} ms  ratio {theirs / found['median_ms']:5.2f}"
    print(line, flush=True)


def used():
    """MiB of the GPU's memory that are in use."""
    free, total = torch.cuda.mem_get_info()
    return (total - free) / 2**20


def peak(command, size):
    """What a session takes at most, the driver's own share included."""
    torch.cuda.empty_cache()
    before, most, over = used(), [0.0], threading.Event()

    def watch():
        while not over.wait(0.002):
            most[0] = max(most[0], used())

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        command("benchmark", "--model", "corridorkey", "--size", size, "--device", "cuda", "--precision", "fp16", "--json")
    finally:
        over.set()
        watcher.join()
    print(f"GPU memory at {size} in fp16: {most[0] - before:.0f} MiB at most", flush=True)
    if most[0] - before > 4096:
        fault("that is more than 4 GiB")


def short_of_memory(command, size):
    """With less memory than it needs the command must say so, and name a size."""
    run = command.run("benchmark", "--model", "corridorkey", "--size", size, "--device", "cuda", "--precision", "fp16", CORRIDORKEY_CUDA_MB="700")
    print(f"with 700 MB: status {run.returncode}, {run.stderr.strip()[-600:]}", flush=True)
    if run.returncode != 5 or "ran out of memory" not in run.stderr or "half of it" not in run.stderr:
        fault("a lack of memory is not told as it should be")


def render(command, folder, device, model):
    """The same plate through the headless host, on the device and on the processor."""
    mattes = {}
    for place in (device, "cpu"):
        out = folder / place
        command(
            "key", "--quiet", "--source", folder / "plate.png", "--hint", folder / "hint.png", "--device", place,
            "--model", model, "--output", "matte", "--format", "png", "--depth", "float", "--out", out,
        )
        mattes[place] = pictures.read(str(out / "plate.matte.png")).plane(0)
    largest = max(abs(a - b) for a, b in zip(mattes[device], mattes["cpu"]))
    print(f"{model} through the host: matte within {largest:.1e} of the processor's")
    if largest > 1e-2:
        fault("the rendered mattes differ")


def interrupt(command, folder, device):
    """Ctrl-C while frames are keyed: how long until the command says that it has stopped.

    Frames that are done are written before it does, which takes what it takes.
    """
    arguments = [
        command.path, "key", "--source", folder / "shot.%04d.png", "--device", device, "--model", "corridorkey",
        "--resolution", LONG, "--output", "matte", "--format", "png", "--depth", "float", "--out", folder / "stopped",
    ]
    run = subprocess.Popen(list(map(str, arguments)), env=command.environment, stderr=subprocess.PIPE, text=True)
    for line in run.stderr:
        if "frame 1:" in line:
            break
    time.sleep(0.02)
    begin = time.perf_counter()
    run.send_signal(signal.SIGINT)
    stopped = next((line for line in run.stderr if "stopped" in line), "it did not say so")
    took = (time.perf_counter() - begin) * 1e3
    run.wait()
    print(f"interrupted: {stopped.strip()}, {took:.0f} ms later", flush=True)
    if "stopped" not in stopped:
        fault("an interrupted command does not say that it stopped")


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


def shots(folder, times):
    """Sixteen different frames of `times` the plate's size; gives width and height."""
    plate = pictures.read(str(folder / "plate.png"))
    small = (np.array(plate.data).reshape(plate.height, plate.width, 3) * 255).round().astype(np.uint8)
    large = small.repeat(times, 0).repeat(times, 1)
    for frame in range(16):
        write_frame(folder / f"shot.{frame:04}.png", np.roll(large, 5 * frame, 1))
    return large.shape[1], large.shape[0]


def frames(command, device, model, plate):
    """Whole frames beside the network alone, one and two at a time, and one that is stopped."""
    width, height = plate
    found = command(
        "benchmark", "--model", model, "--plate", f"{width}x{height}", "--resolution", LONG, "--output", "processed,matte",
        "--device", device, "--runs", 16, "--json",
    )[0]
    network = found["measured"][0]["median_ms"]
    seen = "x".join(map(str, found["measured"][0]["network"]))
    bars = device == "cuda" and model == "corridorkey"
    for frame in found["frames"]:
        one, two, ratio = frame["one_at_a_time_ms"], frame["two_at_a_time_ms"], frame["of_network"]
        print(
            f"{model}: {frame['output']} of {width}x{height} in {frame['median_ms']:.1f} ms (least {frame['least_ms']:.1f}), the network "
            f"{network:.1f} ms at {seen} ({ratio:.2f} x); sixteen in {one:.0f} ms, two at a time in {two:.0f} ({one / two:.2f} x as quick); "
            f"stopped {frame['stopped_ms']} ms later",
            flush=True,
        )
        if bars and ratio > 1.8:
            fault("a frame takes more than 1.8 times the network's time")
        if bars and one / two < 1.3:
            fault("two frames at a time are not 1.3 times as quick")
        if frame["stopped_ms"] is None:
            fault("a frame was done before it could be stopped")
        elif device == "cuda" and frame["stopped_ms"] > 100 + network:
            fault("it took more than 100 ms and the network's time to stop")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=pathlib.Path)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--sizes", nargs="+", default=["512x512", "1024x1024", "1920x1088", "2048x2048"])
    parser.add_argument("--frames", type=int, default=10, help="side of the sequence's frames, in plates of 384x216")
    parser.add_argument("--fast", action="store_true", help="compare with the processor at the smallest two sizes only")
    parser.add_argument("--long", type=int, default=LONG, choices=(512, 1024, 1536, 2048), help="side at which the network sees them")
    arguments = parser.parse_args()
    globals()["LONG"] = arguments.long
    device, sizes = arguments.device, arguments.sizes
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        (folder / "models").mkdir()
        command = Command(arguments.bundle.absolute(), folder)
        checks = json.loads(command.run("doctor", "--json").stdout.splitlines()[0])["checks"]
        if not next(check for check in checks if check["name"].lower() == device)["ok"]:
            fault(f"{device} does not work here; `corridorkey doctor` says why")
        path, weights = checkpoint(folder)
        command("models", "import", path, "--folder", folder / "models", "--json")
        for precision in ("fp16", "fp32"):
            for index, size in enumerate(sizes):
                against = index < 2 or not arguments.fast
                attempt(compare, command, weights if precision == "fp16" else None, "corridorkey", precision, size, device, against)
                attempt(compare, command, None, "base", precision, size, device, against)
            if precision == "fp16" and device == "cuda":
                attempt(peak, command, sizes[-1])
                attempt(short_of_memory, command, sizes[-1])
        pictures.make(str(folder))
        plate = shots(folder, arguments.frames)
        for model in ("corridorkey", "base"):
            attempt(render, command, folder, device, model)
            attempt(frames, command, device, model, plate)
        attempt(interrupt, command, folder, device)
    print("nothing wrong" if not FAULTS else f"{len(FAULTS)} faults")
    return 1 if FAULTS else 0


if __name__ == "__main__":
    sys.exit(main())
