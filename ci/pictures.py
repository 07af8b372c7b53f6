#!/usr/bin/env python3
"""Pictures for the host checks, with nothing but Python's own library.

  pictures.py make DIR                  a green-screen plate whose true alpha is known, its hint
  pictures.py near A B --mean M         one-channel pictures: mean difference at most M
  pictures.py near A B --most M         the same for the largest difference
  pictures.py keyed PLATE OUT TRUTH     OUT (RGBA) is the plate keyed, not the plate passed through
  pictures.py same A B                  the very same pixels

Reads PFM and PNG (8 and 16 bits; grey, RGB, RGBA). The picture is asymmetric both ways, so that a
flipped result is far from the truth.
"""

import argparse
import math
import os
import struct
import sys
import zlib

WIDTH, HEIGHT = 384, 216


class Picture:
    """Rows from the top, interleaved floats; 8- and 16-bit files are read as 0..1."""

    def __init__(self, width, height, channels, data):
        self.width, self.height, self.channels, self.data = width, height, channels, data

    def plane(self, channel):
        return self.data[channel :: self.channels]


def fail(sentence):
    print("FAULT " + sentence)
    sys.exit(1)


# ---- files --------------------------------------------------------------------------------------


def read(path):
    if not os.path.exists(path):
        fail(f"{path} was not written")
    with open(path, "rb") as file:
        content = file.read()
    if content.startswith(b"\x89PNG"):
        return read_png(path, content)
    return read_pfm(path, content)


def read_pfm(path, content):
    magic, size, scale, data = content.split(b"\n", 3)
    channels = {b"PF": 3, b"Pf": 1}.get(magic)
    if channels is None or float(scale) >= 0:
        fail(f"{path} is not a little-endian PFM file")
    width, height = map(int, size.split())
    values = struct.unpack(f"<{width * height * channels}f", data)
    row = width * channels
    rows = [values[y * row : (y + 1) * row] for y in reversed(range(height))]
    return Picture(width, height, channels, [value for line in rows for value in line])


def read_png(path, content):
    position, packed, header = 8, b"", None
    while position < len(content):
        length, kind = struct.unpack_from(">I4s", content, position)
        body = content[position + 8 : position + 8 + length]
        if kind == b"IHDR":
            header = struct.unpack(">IIBBBBB", body)
        elif kind == b"IDAT":
            packed += body
        position += 12 + length
    width, height, bits, colour, _, _, interlaced = header
    channels = {0: 1, 2: 3, 4: 2, 6: 4}.get(colour)
    if channels is None or bits not in (8, 16) or interlaced:
        fail(f"{path}: PNG of colour type {colour} and {bits} bits is not read here")
    step = channels * bits // 8
    raw = unfilter(zlib.decompress(packed), width * step, height, step)
    if bits == 16:
        values = struct.unpack(f">{len(raw) // 2}H", raw)
        return Picture(width, height, channels, [value / 65535 for value in values])
    return Picture(width, height, channels, [value / 255 for value in raw])


def unfilter(raw, row_bytes, height, step):
    result = bytearray()
    above = bytearray(row_bytes)
    for y in range(height):
        start = y * (row_bytes + 1)
        kind, line = raw[start], bytearray(raw[start + 1 : start + 1 + row_bytes])
        for i in range(row_bytes):
            left = line[i - step] if i >= step else 0
            corner = above[i - step] if i >= step else 0
            if kind == 1:
                line[i] = (line[i] + left) & 255
            elif kind == 2:
                line[i] = (line[i] + above[i]) & 255
            elif kind == 3:
                line[i] = (line[i] + (left + above[i]) // 2) & 255
            elif kind == 4:
                guess = left + above[i] - corner
                _, nearest = min(
                    (abs(guess - value), order)
                    for order, value in enumerate((left, above[i], corner))
                )
                line[i] = (line[i] + (left, above[i], corner)[nearest]) & 255
        result += line
        above = line
    return bytes(result)


def write_pfm(path, picture):
    row = picture.width * picture.channels
    with open(path, "wb") as file:
        magic = "PF" if picture.channels == 3 else "Pf"
        file.write(f"{magic}\n{picture.width} {picture.height}\n-1.0\n".encode())
        for y in reversed(range(picture.height)):
            file.write(struct.pack(f"<{row}f", *picture.data[y * row : (y + 1) * row]))


def write_png(path, picture, bits):
    top = (1 << bits) - 1
    code = "H" if bits == 16 else "B"
    row = picture.width * picture.channels
    lines = b""
    for y in range(picture.height):
        values = [round(value * top) for value in picture.data[y * row : (y + 1) * row]]
        lines += b"\0" + struct.pack(f">{row}{code}", *values)
    colour = {1: 0, 3: 2, 4: 6}[picture.channels]
    header = struct.pack(">IIBBBBB", picture.width, picture.height, bits, colour, 0, 0, 0)
    with open(path, "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n")
        for kind, body in ((b"IHDR", header), (b"IDAT", zlib.compress(lines)), (b"IEND", b"")):
            file.write(struct.pack(">I", len(body)) + kind + body)
            file.write(struct.pack(">I", zlib.crc32(kind + body)))


# ---- the picture --------------------------------------------------------------------------------


def encode(value):
    return 12.92 * value if value <= 0.0031308 else 1.055 * value ** (1 / 2.4) - 0.055


def capsule(x, y, ax, ay, bx, by, radius):
    """Signed distance to a thick line."""
    dx, dy = bx - ax, by - ay
    along = ((x - ax) * dx + (y - ay) * dy) / (dx * dx + dy * dy)
    along = min(max(along, 0.0), 1.0)
    return math.hypot(x - ax - along * dx, y - ay - along * dy) - radius


def figure(x, y):
    """Signed distance to a figure left of the middle that raises an arm to the upper right."""
    body = capsule(x, y, 130, 230, 130, 150, 44)
    head = math.hypot(x - 128, (y - 76) * 0.85) - 34
    arm = capsule(x, y, 160, 140, 262, 58, 13)
    return min(body, head, arm), head < min(body, arm)


def make(folder):
    os.makedirs(folder, exist_ok=True)
    truth, plate = [], []
    for y in range(HEIGHT):
        for x in range(WIDTH):
            distance, is_head = figure(x + 0.5, y + 0.5)
            alpha = min(max(0.5 - distance / 2.5, 0.0), 1.0)
            light = 0.85 + 0.3 * x / WIDTH - 0.15 * y / HEIGHT
            screen = (0.055 * light, 0.36 * light, 0.085 * light)
            weave = 1 + 0.15 * math.sin(0.9 * x) * math.sin(0.7 * y)
            front = (0.42, 0.23, 0.16) if is_head else (0.30 * weave, 0.07 * weave, 0.09 * weave)
            truth.append(alpha)
            for channel in range(3):
                value = encode(alpha * front[channel] + (1 - alpha) * screen[channel])
                # What an 8-bit file holds, so that every host starts from the same numbers.
                plate.append(round(value * 255) / 255)
    hint = [0.0] * (WIDTH * HEIGHT)
    for y in range(HEIGHT):
        for x in range(WIDTH):
            # Coarse on purpose: eroded by six pixels, soft over eight.
            distance, _ = figure(x + 0.5, y + 0.5)
            value = min(max(0.5 - (distance + 6) / 8, 0.0), 1.0)
            hint[y * WIDTH + x] = round(value * 255) / 255
    for name, channels, data in (("plate", 3, plate), ("hint", 1, hint), ("truth", 1, truth)):
        picture = Picture(WIDTH, HEIGHT, channels, data)
        write_pfm(os.path.join(folder, name + ".pfm"), picture)
        write_png(os.path.join(folder, name + ".png"), picture, 8)
    opaque = []
    for i in range(WIDTH * HEIGHT):
        opaque += plate[3 * i : 3 * i + 3] + [1.0]
    write_png(os.path.join(folder, "plate16.png"), Picture(WIDTH, HEIGHT, 4, opaque), 16)


# ---- comparisons --------------------------------------------------------------------------------


def differences(a, b, what):
    if len(a) != len(b):
        fail(f"{what}: the pictures are not of the same size")
    return [abs(x - y) for x, y in zip(a, b)]


def near(arguments):
    first, second = read(arguments.a), read(arguments.b)
    what = f"{arguments.a} and {arguments.b}"
    apart = differences(first.plane(0), second.plane(0), what)
    mean, most = sum(apart) / len(apart), max(apart)
    print(f"      {what}: mean difference {mean:.5f}, largest {most:.5f}")
    if not mean <= arguments.mean or not most <= arguments.most:
        fail(f"{what} are too far apart")


def keyed(arguments):
    plate, out, truth = read(arguments.plate), read(arguments.out), read(arguments.truth)
    if out.channels != 4:
        fail(f"{arguments.out} has no alpha channel")
    alpha = out.plane(3)
    if min(alpha) > 0.5:
        fail(f"{arguments.out} is opaque: the plate was passed through")
    apart = differences(alpha, truth.plane(0), arguments.out)
    mean = sum(apart) / len(apart)
    # Where the figure is solid its colour stays; a flipped or empty picture has another one.
    solid = [i for i, value in enumerate(truth.plane(0)) if value == 1.0 and alpha[i] > 0.98]
    if len(solid) < 1000:
        fail(f"{arguments.out}: hardly anything of the figure is solid")
    colour = 0.0
    for channel in (0, 2):
        a, b = plate.plane(channel), out.plane(channel)
        colour += sum(abs(a[i] - b[i]) for i in solid) / len(solid) / 2
    green = [i for i, value in enumerate(truth.plane(0)) if value == 0.0]
    left = sum(alpha[i] for i in green) / len(green)
    print(
        f"      {arguments.out}: alpha {mean:.4f} from the truth, "
        f"{left:.4f} left on the screen, colour {colour:.4f} from the plate"
    )
    if mean > 0.02 or left > 0.02 or colour > 0.04:
        fail(f"{arguments.out} is not a key of the plate")


def same(arguments):
    with open(arguments.a, "rb") as first, open(arguments.b, "rb") as second:
        if first.read() == second.read():
            return
    first, second = read(arguments.a), read(arguments.b)
    if first.data != second.data:
        apart = differences(first.data, second.data, arguments.b)
        fail(f"{arguments.a} and {arguments.b} differ by up to {max(apart):.5f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("make")
    command.add_argument("folder")
    command.set_defaults(run=lambda arguments: make(arguments.folder))
    command = commands.add_parser("near")
    command.add_argument("a")
    command.add_argument("b")
    command.add_argument("--mean", type=float, default=1.0)
    command.add_argument("--most", type=float, default=1.0)
    command.set_defaults(run=near)
    command = commands.add_parser("keyed")
    for name in ("plate", "out", "truth"):
        command.add_argument(name)
    command.set_defaults(run=keyed)
    command = commands.add_parser("same")
    for name in ("a", "b"):
        command.add_argument(name)
    command.set_defaults(run=same)
    arguments = parser.parse_args()
    arguments.run(arguments)


if __name__ == "__main__":
    main()
