"""Draws icon.png: a key, lifted off a green screen onto the checker of transparency.

    python icon.py          # needs numpy and opencv-python-headless

Shapes are signed distances (negative inside) on a 64-unit square, so that one text draws the
icon at any size; hosts show it at 64 pixels or fewer.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np

OVERSAMPLING = 8


def box(x, y, cx, cy, half_width, half_height, corner=0.0):
    """Distance to a rectangle with rounded corners."""
    dx, dy = np.abs(x - cx) - half_width + corner, np.abs(y - cy) - half_height + corner
    return np.hypot(np.maximum(dx, 0), np.maximum(dy, 0)) + np.minimum(np.maximum(dx, dy), 0) - corner


def key(x, y):
    """A key that points to the lower right: a ring, a shaft and two teeth."""
    u, v = (x - 32 + y - 32) / np.sqrt(2), (y - x) / np.sqrt(2)
    ring = np.abs(np.hypot(u + 13.5, v) - 8.2) - 3.3
    shaft = box(u, v, 9.0, 0, 15.0, 3.0, 1.2)
    teeth = np.minimum(box(u, v, 13.2, -5.0, 2.3, 5.2, 0.8), box(u, v, 20.8, -4.2, 2.3, 4.4, 0.8))
    return np.minimum(np.minimum(ring, shaft), teeth)


def over(image, colour, coverage):
    """Lays a colour over the image."""
    return image + (np.asarray(colour, float) - image) * coverage[..., None]


def draw(size: int) -> np.ndarray:
    """RGBA, 8 bits, straight."""
    scale = 64 / (size * OVERSAMPLING)
    y, x = (np.mgrid[: size * OVERSAMPLING, : size * OVERSAMPLING] + 0.5) * scale

    def inside(distance, soft=scale):
        return np.clip(0.5 - distance / soft, 0, 1)

    light = 1.12 - 0.0062 * (x + y)
    image = np.array([38, 176, 84]) * light[..., None]
    checker = ((x // 8 + y // 8) % 2)[..., None]
    checker = np.array([58, 62, 68]) * (1 - checker) + np.array([92, 97, 104]) * checker
    # The edge between screen and checker runs across the key, square to it.
    image = over(image, checker, inside(64.5 - (x + y)))
    image = over(image, (8, 14, 12), 0.55 * inside(key(x - 1.0, y - 1.6) - 0.6, 4.0))
    image = over(image, (250, 251, 247), inside(key(x, y)))
    # Where the key still stands before the screen, green spills onto its rim.
    spill = inside(key(x, y)) * inside(-key(x, y) - 1.3, 2.2) * np.clip((64 - x - y) / 22, 0, 1)
    image = over(image, (150, 226, 168), 0.75 * spill)
    alpha = inside(box(x, y, 32, 32, 31, 31, 11))
    shape = (size, size)
    alpha_small = cv2.resize(alpha, shape, interpolation=cv2.INTER_AREA)
    colour = cv2.resize(image * alpha[..., None], shape, interpolation=cv2.INTER_AREA) / np.maximum(alpha_small, 1e-6)[..., None]
    rgba = np.concatenate([np.clip(colour, 0, 255), alpha_small[..., None] * 255], -1)
    return np.round(rgba).astype(np.uint8)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--size", type=int, default=64)
    options.add_argument("--out", type=Path, default=Path(__file__).with_name("icon.png"))
    given = options.parse_args()
    cv2.imwrite(str(given.out), cv2.cvtColor(draw(given.size), cv2.COLOR_RGBA2BGRA), [cv2.IMWRITE_PNG_COMPRESSION, 9])


if __name__ == "__main__":
    main()
