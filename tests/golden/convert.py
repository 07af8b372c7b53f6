#!/usr/bin/env python3
"""Writes the golden values that tests/golden.rs reads.

    convert.py FOLDER_OF_NPZ [FOLDER_TO_WRITE]

The originals are NumPy archives with the outputs of the original CorridorKey engine (PyTorch 2.8
in fp32 on a CPU, OpenCV 4.13) on stand-in weights. They weigh 22 MB. Here they become one NAME.bin
and one NAME.json each, small enough for a repository:

* arrays that nothing here tests are left out;
* predictions and resized predictions, all within 0..1, are stored as 16-bit fractions of 65535
  (off by 8e-6 at most, where 2e-4 is asked for), processed and comp as half floats (off by 5e-4
  of the value at most, where 2e-3 is asked for);
* of inputs and outputs the first, some middle and the last rows are kept, of everything that is
  an input of a step all.

NAME.json lists arrays: name, type (f32, f16, u8, unit = 16-bit fraction), shape of what is stored,
offset in NAME.bin, and, where rows were picked, `rows` with the number of each. Values are little
endian, row-major, rows from top to bottom; pictures are height, width, channels, tensors are
channels, height, width.
"""
import json
import pathlib
import sys

import numpy as np

UNITS = ["curve_in", "linear_to_srgb", "srgb_to_linear", "rgb", "despill_average_1",
         "despill_average_05", "despill_max_1", "matte_in", "matte_clean_300_25_5",
         "matte_clean_20_4_5", "matte_clean_60_25_5", "checker_300x200_srgb"]
RUNS = ["square256_srgb8", "square256_linear_hdr", "square256_upscaled", "square512_linear_hdr"]


def picked(height):
    """The rows that are kept of a picture."""
    if height <= 96:
        return list(range(height))
    middle = height // 2
    return [*range(24), *range(middle - 16, middle + 16), *range(height - 24, height)]


def encode(array, kind):
    if kind == "unit":
        assert array.min() >= 0 and array.max() <= 1
        return np.rint(array.astype(np.float64) * 65535).astype("<u2")
    return array.astype({"f32": "<f4", "f16": "<f2", "u8": "u1"}[kind])


def write(folder, name, arrays):
    """arrays: (name, kind, array, rows or None)"""
    entries, blob = [], b""
    for key, kind, array, rows in arrays:
        data = encode(array, kind)
        entry = {"name": key, "type": kind, "shape": list(data.shape), "offset": len(blob)}
        if rows is not None:
            entry["rows"] = rows
        entries.append(entry)
        blob += np.ascontiguousarray(data).tobytes()
        blob += bytes(-len(blob) % 4)
    (folder / f"{name}.bin").write_bytes(blob)
    lines = ",\n".join("  " + json.dumps(entry) for entry in entries)
    (folder / f"{name}.json").write_text(f"[\n{lines}\n]\n")


def main():
    source = pathlib.Path(sys.argv[1])
    target = pathlib.Path(sys.argv[2] if len(sys.argv) > 2 else pathlib.Path(__file__).parent)
    units = np.load(source / "units.npz")
    write(target, "units", [(key, "f32", units[key], None) for key in UNITS])
    for name in RUNS:
        run = np.load(source / f"{name}.npz")
        arrays = []
        if "plate_linear" in run.files:
            arrays.append(("plate_linear", "f16", run["plate_linear"], None))
        else:
            arrays.append(("plate_srgb_u8", "u8", run["plate_srgb_u8"], None))
        arrays.append(("hint", "f16", run["hint"], None))
        if "model_input" in run.files:
            tensor = run["model_input"][0]
            rows = picked(tensor.shape[1])
            arrays.append(("model_input", "f32", tensor[:, rows], rows))
        arrays.append(("model_alpha", "unit", run["model_alpha"][0], None))
        arrays.append(("model_fg", "unit", run["model_fg"][0], None))
        rows = picked(run["out_alpha"].shape[0])
        for key, kind in (("out_alpha", "unit"), ("out_fg", "unit"),
                          ("out_processed", "f16"), ("out_comp", "f16")):
            arrays.append((key, kind, run[key][rows], rows))
        arrays.append(("plate_size", "f32", np.array(run["out_alpha"].shape[:2]), None))
        write(target, name, arrays)
    # The network alone, and no square.
    run = np.load(source / "rect160x288.npz")
    write(target, "rect160x288", [("model_input", "f32", run["model_input"][0], None),
                                  ("model_alpha", "unit", run["model_alpha"][0], None),
                                  ("model_fg", "unit", run["model_fg"][0], None)])


if __name__ == "__main__":
    main()
