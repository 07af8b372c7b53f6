"""The command line that the three scripts share: build a scene, render it twice, finish it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Callable

import numpy as np

import finish
import stage


def run(
    about: str,
    name: str,
    size: tuple[int, int],
    samples: int,
    build: Callable[[int, int, int, int], stage.Screen],
    develop: Callable[[np.ndarray, Path], None],
    glass: bool,
) -> None:
    """Renders `build(samples, threads, width, height)`; `develop` writes the plate from its light.

    With `glass`, what is seen through glass counts as the background's in the true alpha.
    """
    options = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("renders", type=Path, help="folder for the float renders")
    options.add_argument("--finish", action="store_true", help="only finish an earlier render again")
    options.add_argument("--samples", type=int, default=samples, help="paths for each pixel (%(default)s)")
    options.add_argument("--threads", type=int, default=2, help="(%(default)s)")
    options.add_argument("--scale", type=float, default=1.0, help=f"of {size[0]}x{size[1]}, for trials")
    options.add_argument("--out", type=Path, default=Path(__file__).parent.parent, help="folder for plate and hint")
    given = options.parse_args()
    if not given.finish:
        width, height = (round(side * given.scale) for side in size)
        screen = build(given.samples, given.threads, width, height)
        stage.render_pair(given.renders, name, screen, glass=glass)
    light = finish.read_exr(given.renders / f"{name}.beauty.exr")[..., :3]
    alpha = finish.read_exr(given.renders / f"{name}.truth.exr")[..., 3]
    given.out.mkdir(parents=True, exist_ok=True)
    develop(light, given.out)
    finish.write_png(given.out / f"{name}.hint.png", finish.hint(alpha))
