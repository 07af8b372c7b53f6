"""Runs the shipped graph on a CUDA device, in fp32 and in half, and compares with the CPU.

    python -m keytrain.cuda BASE.onnx PLATE.png HINT.png

Needs an ONNX Runtime with the CUDA provider.  Prints the largest and mean difference from fp32 on
the CPU, and milliseconds a frame with tensors kept on the device.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort

from .evaluate import read
from .half import to_half
from .network import MEAN, STD

SIZES = ((512, 512), (544, 960), (1088, 1920))


def tensor(plate: np.ndarray, hint: np.ndarray, height: int, width: int) -> np.ndarray:
    """The top left of the plate and hint at this size, repeated by reflection where they are smaller."""
    x = np.concatenate([(plate - MEAN) / STD, hint[..., None]], 2).astype(np.float32)[:height, :width]
    x = np.pad(x, ((0, height - x.shape[0]), (0, width - x.shape[1]), (0, 0)), mode="reflect")
    return np.ascontiguousarray(x.transpose(2, 0, 1)[None])


def session(model: onnx.ModelProto, provider: str) -> ort.InferenceSession:
    settings = ort.SessionOptions()
    settings.log_severity_level = 3
    providers = list(dict.fromkeys([provider, "CPUExecutionProvider"]))
    made = ort.InferenceSession(model.SerializeToString(), settings, providers=providers)
    if made.get_providers()[0] != provider:
        raise SystemExit(f"{provider} is not available: {made.get_providers()}")
    return made


def timed(made: ort.InferenceSession, x: np.ndarray, repeats: int) -> float:
    """Milliseconds a frame, inputs and outputs on the device."""
    binding = made.io_binding()
    binding.bind_ortvalue_input("input", ort.OrtValue.ortvalue_from_numpy(x, "cuda", 0))
    for name in ("alpha", "fg"):
        binding.bind_output(name, "cuda", 0)
    for _ in range(3):
        made.run_with_iobinding(binding)
    start = time.time()
    for _ in range(repeats):
        made.run_with_iobinding(binding)
    binding.synchronize_outputs()
    return (time.time() - start) / repeats * 1e3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("plate", type=Path)
    parser.add_argument("hint", type=Path)
    parser.add_argument("--provider", default="CUDAExecutionProvider")
    parser.add_argument("--repeats", type=int, default=30)
    o = parser.parse_args()
    plate, hint = read(o.plate), read(o.hint, True)
    full = onnx.load(o.model)
    reference, devices = session(full, "CPUExecutionProvider"), {"fp32": session(full, o.provider), "half": session(to_half(full), o.provider)}
    for height, width in SIZES:
        x = tensor(plate, hint, height, width)
        truth = reference.run(["alpha", "fg"], {"input": x})
        for name, device in devices.items():
            got = device.run(["alpha", "fg"], {"input": x})
            gaps = [np.abs(a - b) for a, b in zip(got, truth)]
            line = f"{width}x{height} {name}: alpha max {gaps[0].max():.1e} mean {gaps[0].mean():.1e}, foreground max {gaps[1].max():.1e} mean {gaps[1].mean():.1e}"
            speed = f", {timed(device, x, o.repeats):.1f} ms" if o.provider.startswith("CUDA") else ""
            print(line + speed, flush=True)


if __name__ == "__main__":
    main()
