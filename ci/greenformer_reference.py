#!/usr/bin/env python3
"""CorridorKey's network in plain PyTorch, to check the graph that this project builds.

    greenformer_reference.py SIDE OUT.json       sampled outputs at SIDE x SIDE
    greenformer_reference.py --check FOLDER      against the original engine's .npz files
    greenformer_reference.py --time SIDE [COMMAND]
                                                 seconds a frame here and in the corridorkey command,
                                                 by turns, and their ratio

Needs torch and numpy, and says how to get them where they are missing; no check runs it. COMMAND is
target/release/corridorkey where none is given, and needs the ONNX Runtime of a bundle or
CORRIDORKEY_ORT_DYLIB. The script was written from a description of the network and
shares nothing with src/network/greenformer: tokens stay in raster order, the decoders are computed
as they were trained, and normalisation is PyTorch's own. With --check it was within 3e-6 of the
original engine; with 1024 it then made tests/golden/greenformer1024.json, which
tests/greenformer.rs compares the graph with where the original's own values end.

Weights and pictures are made from numbers that tests/support/weights.rs and tests/greenformer.rs
make as well, bit for bit.
"""
import json
import math
import os
import pathlib
import subprocess
import sys
import tempfile
import time

try:
    import numpy as np
    import torch
    import torch.nn.functional as F
except ImportError as error:
    sys.exit(f"{error}; make an environment for it: python3 -m venv V && V/bin/pip install torch numpy")

GRID = 128
ENDS = (1, 4, 20, 23)


def uniform(name, count):
    """Numbers in [-1, 1) from a name: FNV-1a, then splitmix64."""
    seed = 0xCBF29CE484222325
    for byte in name.encode():
        seed = ((seed ^ byte) * 0x100000001B3) & (2**64 - 1)
    with np.errstate(over="ignore"):
        z = np.uint64(seed) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    return (z >> np.uint64(40)).astype(np.float32) * np.float32(2.0**-23) - np.float32(1)


class Weights(dict):
    """Stand-in tensors, made when they are asked for: weights(name, *shape)."""

    def __call__(self, name, *shape):
        if name not in self:
            offset, gain = self.rule(name, shape)
            values = np.float32(offset) + np.float32(gain) * uniform(name, math.prod(shape))
            self[name] = torch.from_numpy(values.reshape(shape))
        return self[name]

    @staticmethod
    def rule(name, shape):
        leaf = name.rsplit(".", 1)[1]
        if leaf == "running_var":
            return 1.0, 0.3
        if any(part in name for part in (".norm", ".bn.", ".gn", "refiner.stem.1.")):
            return (1.0, 0.1) if leaf == "weight" else (0.0, 0.1)
        if leaf == "pos_embed":
            return 0.0, 0.5
        if leaf == "bias":
            return 0.0, 0.05
        factor = 1.0
        if "attn.proj" in name or "mlp.fc2" in name:
            factor = 0.5
        elif "classifier" in name:
            factor = 3.0
        elif name.startswith("refiner.final"):
            factor = 0.12
        return 0.0, factor * math.sqrt(3.0 / math.prod(shape[1:]))

    def linear(self, x, name, inputs, outputs):
        return F.linear(x, self(name + ".weight", outputs, inputs), self(name + ".bias", outputs))

    def conv(self, x, name, inputs, outputs, side, **settings):
        weight = self(name + ".weight", outputs, inputs, side, side)
        return F.conv2d(x, weight, self(name + ".bias", outputs), **settings)

    def layer_norm(self, x, name):
        width = x.shape[-1]
        return F.layer_norm(x, (width,), self(name + ".weight", width), self(name + ".bias", width), 1e-6)


def pool(x):
    """[H, W, C] -> [H/2, W/2, C]"""
    return F.max_pool2d(x.permute(2, 0, 1)[None], 2)[0].permute(1, 2, 0)


def windows(x, side):
    """[H, W, C] -> [windows, side * side, C]; side 0 is one window of everything."""
    height, width, channels = x.shape
    if side == 0:
        return x.reshape(1, height * width, channels)
    x = x.reshape(height // side, side, width // side, side, channels)
    return x.permute(0, 2, 1, 3, 4).reshape(-1, side * side, channels)


def unwindow(x, side, height, width):
    channels = x.shape[-1]
    if side == 0:
        return x.reshape(height, width, channels)
    x = x.reshape(height // side, width // side, side, side, channels)
    return x.permute(0, 2, 1, 3, 4).reshape(height, width, channels)


def encoder(w, x):
    x = w.conv(x, "encoder.model.patch_embed.proj", 4, 112, 7, stride=4, padding=3)
    position = w("encoder.model.pos_embed", 1, GRID * GRID, 112).reshape(1, GRID, GRID, 112).permute(0, 3, 1, 2)
    if x.shape[-2:] != (GRID, GRID):
        position = F.interpolate(position, size=x.shape[-2:], mode="bicubic", align_corners=False)
    x = (x + position)[0].permute(1, 2, 0)
    side, found = 8, []
    for index in range(24):
        name = f"encoder.model.blocks.{index}."
        inputs = x.shape[-1]
        pools = index in (2, 5, 21)
        outputs = inputs * 2 if pools else inputs
        window = side if index <= 5 else 0
        normal = w.layer_norm(x, name + "norm1")
        query, key, value = w.linear(normal, name + "attn.qkv", inputs, 3 * outputs).chunk(3, -1)
        if pools:
            x = pool(w.linear(normal, name + "proj", inputs, outputs))
            query = pool(query)
            side //= 2
        height, width = query.shape[:2]

        def heads(tokens, window):
            tokens = windows(tokens, window)
            return tokens.reshape(*tokens.shape[:2], outputs // 56, 56).transpose(1, 2)

        after = side if index <= 5 else 0
        seen = F.scaled_dot_product_attention(heads(query, after), heads(key, window), heads(value, window))
        seen = unwindow(seen.transpose(1, 2).flatten(2), after, height, width)
        x = x + w.linear(seen, name + "attn.proj", outputs, outputs)
        wide = F.gelu(w.linear(w.layer_norm(x, name + "norm2"), name + "mlp.fc1", outputs, 4 * outputs))
        x = x + w.linear(wide, name + "mlp.fc2", 4 * outputs, outputs)
        if index in ENDS:
            found.append(x)
    return found


def decoder(w, features, name, planes):
    size = features[0].shape[:2]
    levels = []
    for number in (4, 3, 2, 1):
        x = features[number - 1]
        x = w.linear(x, f"{name}.linear_c{number}.proj", x.shape[-1], 256).permute(2, 0, 1)[None]
        levels.append(F.interpolate(x, size=size, mode="bilinear", align_corners=False))
    x = F.conv2d(torch.cat(levels, 1), w(f"{name}.linear_fuse.weight", 256, 1024, 1, 1))
    parts = [w(f"{name}.bn.{part}", 256) for part in ("running_mean", "running_var", "weight", "bias")]
    x = F.relu(F.batch_norm(x, *parts, training=False, eps=1e-5))
    return w.conv(x, f"{name}.classifier", 256, planes, 1)


def refiner(w, x):
    def norm(x, name):
        return F.group_norm(x, 8, w(name + ".weight", 64), w(name + ".bias", 64), 1e-5)

    x = F.relu(norm(w.conv(x, "refiner.stem.0", 7, 64, 3, padding=1), "refiner.stem.1"))
    for block in range(1, 5):
        name, far = f"refiner.res{block}.", 2 ** (block - 1)
        y = w.conv(x, name + "conv1", 64, 64, 3, padding=far, dilation=far)
        y = F.relu(norm(y, name + "gn1"))
        y = w.conv(y, name + "conv2", 64, 64, 3, padding=far, dilation=far)
        x = F.relu(norm(y, name + "gn2") + x)
    return 10 * w.conv(x, "refiner.final", 64, 4, 1)


@torch.inference_mode()
def network(w, x, strength=1.0):
    """[1, 4, H, W] -> alpha [1, 1, H, W], foreground [1, 3, H, W]"""
    features = encoder(w, x)
    logits = torch.cat([decoder(w, features, "alpha_decoder", 1), decoder(w, features, "fg_decoder", 3)], 1)
    logits = F.interpolate(logits, scale_factor=4, mode="bilinear", align_corners=False)
    delta = refiner(w, torch.cat([x[:, :3], torch.sigmoid(logits)], 1))
    out = torch.sigmoid(logits + strength * delta)
    return out[:, :1], out[:, 1:]


def picture(side):
    """Ramps that begin anew again and again, with some noise; the hint has none."""
    y, x = np.mgrid[:side, :side]
    noise = uniform("picture", 3 * side * side).reshape(3, side, side)
    ramps = [((x * (3 + c) + y * (5 - c)) % 256).astype(np.float32) / np.float32(64) - np.float32(2) for c in range(3)]
    plate = np.stack(ramps) + np.float32(0.25) * noise
    hint = ((x + 2 * y) % 257).astype(np.float32) / np.float32(256)
    return torch.from_numpy(np.concatenate([plate, hint[None]])[None])


def sample(side, target):
    alpha, fg = network(Weights(), picture(side))
    out = torch.cat([alpha, fg], 1)[0].double().numpy()
    places = [[(index * 7919 + 13) % side, (index * 104729 + 31) % side] for index in range(200)]
    places += [[y, x] for y in (0, side - 1) for x in (0, side // 2, side - 1)]
    result = {
        "side": side,
        "torch": torch.__version__,
        "mean": [round(float(plane.mean()), 9) for plane in out],
        "samples": [[y, x, *(round(float(plane[y, x]), 8) for plane in out)] for y, x in places],
    }
    lines = json.dumps(result).replace("[[", "[\n[").replace("], [", "],\n[")
    pathlib.Path(target).write_text(lines + "\n")


def check(folder):
    weights = Weights()
    for path in sorted(pathlib.Path(folder).glob("*.npz")):
        run = np.load(path)
        if "model_input" in run.files:
            outputs = network(weights, torch.from_numpy(run["model_input"]))
            worst = [float(np.abs(out.numpy() - run[key]).max()) for out, key in zip(outputs, ("model_alpha", "model_fg"))]
            print(f"{path.stem}: alpha {worst[0]:.2e}, fg {worst[1]:.2e}")


ROUNDS = 5


def measure(side, command):
    """PyTorch and the command by turns, so that both meet the same machine; the least of each counts."""
    weights, x = Weights(), picture(side)
    with tempfile.TemporaryDirectory() as folder:
        network(weights, picture(64))  # makes every tensor
        counters = {f"{name}.bn.num_batches_tracked": torch.tensor(0) for name in ("alpha_decoder", "fg_decoder")}
        torch.save({"state_dict": weights | counters}, f"{folder}/stand-in.pth")
        # Only what is asked for: no model, library or setting of the user's own.
        surroundings = os.environ | {"CORRIDORKEY_MODELS": folder, "CORRIDORKEY_THREADS": str(torch.get_num_threads())}

        def run(*arguments):
            done = subprocess.run([command, *arguments, "--json"], env=surroundings, stdout=subprocess.PIPE, text=True)
            if done.returncode != 0:
                sys.exit(f"{command} {' '.join(arguments)} failed: {done.stdout}")
            return json.loads(done.stdout.strip().splitlines()[-1])

        run("models", "import", f"{folder}/stand-in.pth", "--id", "stand-in", "--folder", folder)
        times = {"PyTorch": [], "CorridorKey": []}
        network(weights, x)
        for _ in range(ROUNDS):
            begin = time.perf_counter()
            network(weights, x)
            times["PyTorch"].append(time.perf_counter() - begin)
            answer = run("benchmark", "--model", "stand-in", "--size", f"{side}x{side}", "--device", "cpu", "--runs", "2")
            times["CorridorKey"].append(answer["measured"][0]["least_ms"] / 1e3)
    print(f"{side} x {side}, {torch.get_num_threads()} threads, least and median seconds of {ROUNDS} turns")
    for name, seconds in times.items():
        print(f"{name:<12} {min(seconds):7.3f} {sorted(seconds)[ROUNDS // 2]:7.3f}")
    print(f"ratio        {min(times['CorridorKey']) / min(times['PyTorch']):7.3f}")


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["--check", folder]:
            check(folder)
        case ["--time", side]:
            measure(int(side), pathlib.Path(__file__).parents[1] / "target/release/corridorkey")
        case ["--time", side, command]:
            measure(int(side), command)
        case [side, target]:
            sample(int(side), target)
        case _:
            sys.exit(__doc__)
