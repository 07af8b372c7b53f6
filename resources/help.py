"""Makes the pictures of the help page: the sample plates, keyed with a control off and on.

    python help.py BUNDLE       # needs numpy, opencv-python-headless and OpenEXR

BUNDLE is a CorridorKey.ofx.bundle as `cargo run -p bundle -- assemble` makes it. Each picture is a
strip of panels, left to right as its caption in help/index.html says; panels are renders of the
command inside the bundle, shown as they are but for the exposure that an entry names.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import OpenEXR

HERE = Path(__file__).parent
SAMPLES = HERE / "samples"
# In linear light; what a key is shown over.
BACKDROP = np.array([0.035, 0.045, 0.07], np.float32)
# Pixels between panels, and the JPEG's quality.
GAP, QUALITY = 6, 80
# All pictures together, in bytes: the bundle is small, and stays so.
MOST = 500_000


@dataclass(frozen=True)
class Panel:
    """What is shown: `plate`, `key` (Processed over the backdrop), or an output of the node."""

    shown: str
    settings: tuple[str, ...] = ()
    hint: bool = True


@dataclass(frozen=True)
class Strip:
    """A picture of the page. `box` is x, y, width and height in the plate, `stops` the exposure."""

    name: str
    plate: str
    box: tuple[int, int, int, int]
    panels: tuple[Panel, ...]
    stops: float = 0.0
    width: int = 350
    resolution: str = "auto"


HAIR, EDGE = (640, 40, 480, 330), (1440, 600, 280, 192)
WHOLE = (0, 0, 1920, 1080)
STRIPS = [
    Strip("key", "curls", WHOLE, (Panel("plate"), Panel("hint"), Panel("key"))),
    Strip("auto-hint", "curls", WHOLE, (Panel("hint"), Panel("hint", hint=False), Panel("key", hint=False))),
    Strip("shape", "curls", WHOLE, (Panel("hint", ("hintGrow=-40",)), Panel("hint", ("hintGrow=40", "hintBlur=20")))),
    Strip("screen", "curls", WHOLE, (Panel("plate"), Panel("screen"))),
    Strip("status", "motion", (380, 30, 440, 303), (Panel("matte"), Panel("status"))),
    Strip("clip", "motion", (0, 190, 400, 330), (Panel("matte"), Panel("matte", ("clipBlack=0.15", "clipWhite=0.85")), Panel("matte", ("matteGamma=2",)))),
    Strip("despeckle", "curls", (200, 70, 540, 370), (Panel("matte", ("despeckle=false",)), Panel("matte"), Panel("matte", ("despeckleMethod=corridorKey",))), stops=2.0),
    Strip("edge", "curls", EDGE, (Panel("key", ("shrinkGrow=-3",)), Panel("key"), Panel("key", ("shrinkGrow=3",)), Panel("key", ("edgeBlur=3",))), width=256),
    Strip("upsampling", "curls", (700, 60, 240, 165), (Panel("key"), Panel("key", ("upsampling=guided",))), resolution="512"),
    Strip("despill", "curls", HAIR, (Panel("key", ("despillStrength=0",)), Panel("key"), Panel("key", ("despillStrength=1",)), Panel("key", ("despillStrength=1", "despillMethod=neutral"))), width=256),
    Strip("detail", "curls", (760, 560, 360, 250), (Panel("key"), Panel("key", ("sourceDetail=true",))), resolution="512"),
    Strip("range", "bright", (380, 100, 480, 330), (Panel("key", ("restoreRange=false",)), Panel("key", ("restoreRange=true",))), stops=-2.5),
    Strip("source-matte", "curls", HAIR, (Panel("sourceMatte"), Panel("processed"))),
]


def encode(light: np.ndarray) -> np.ndarray:
    light = np.clip(light, 0, 1)
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * np.power(light, 1 / 2.4) - 0.055)


def decode(value: np.ndarray) -> np.ndarray:
    return np.where(value <= 0.04045, value / 12.92, np.power((value + 0.055) / 1.055, 2.4))


def read_png(path: Path) -> np.ndarray:
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if picture is None:
        raise SystemExit(f"{path} cannot be read")
    return picture[..., ::-1].astype(np.float32) / 255


def read_exr(path: Path) -> np.ndarray:
    channels = OpenEXR.File(str(path)).channels()
    name = next(name for name in ("RGBA", "RGB", "Y") if name in channels)
    return np.atleast_3d(channels[name].pixels.astype(np.float32))


def bright_plate(folder: Path) -> Path:
    """The plate `motion` opened by two and a half stops, as a linear recording of it would be."""
    light = decode(read_png(SAMPLES / "motion.plate.png")) * 2**2.5
    path = folder / "bright.plate.exr"
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    OpenEXR.File(header, {"RGB": np.ascontiguousarray(light.astype(np.float16))}).write(str(path))
    return path


class Keyer:
    """Renders and remembers."""

    def __init__(self, bundle: Path, folder: Path):
        commands = sorted(bundle.glob("**/Contents/*/corridorkey"))
        if not commands:
            raise SystemExit(f"there is no corridorkey command in {bundle}; assemble the bundle first")
        self.command, self.folder = commands[0], folder
        self.bright = bright_plate(folder)
        self.done: dict[tuple, np.ndarray] = {}

    def plate(self, name: str) -> Path:
        return self.bright if name == "bright" else SAMPLES / f"{name}.plate.png"

    def output(self, strip: Strip, panel: Panel, output: str) -> np.ndarray:
        which = (strip.plate, strip.resolution, panel.settings, panel.hint, output)
        if which not in self.done:
            plate, out = self.plate(strip.plate), self.folder / str(len(self.done))
            hint = "motion" if strip.plate == "bright" else strip.plate
            line = [self.command, "key", "--quiet", "--source", plate, "--out", out, "--output", output]
            line += ["--depth", "float", "--device", "cpu", "--resolution", strip.resolution]
            line += ["--hint", SAMPLES / f"{hint}.hint.png"] if panel.hint else []
            for setting in panel.settings:
                line += ["--set", setting]
            subprocess.run(list(map(str, line)), check=True)
            self.done[which] = read_exr(out / f"{plate.stem}.{output}.exr")
        return self.done[which]

    def panel(self, strip: Strip, panel: Panel) -> np.ndarray:
        """The panel's part of the plate, as it is shown: 0..1."""
        if panel.shown == "plate":
            picture = read_png(self.plate(strip.plate))
        elif panel.shown == "key":
            key = self.output(strip, panel, "processed") * np.float32(2**strip.stops)
            alpha = key[..., 3:] / np.float32(2**strip.stops)
            picture = encode(key[..., :3] + (1 - alpha) * BACKDROP)
        elif panel.shown in ("matte", "hint"):
            picture = np.clip(np.repeat(self.output(strip, panel, panel.shown)[..., :1] * np.float32(2**strip.stops), 3, -1), 0, 1)
        else:
            picture = encode(self.output(strip, panel, panel.shown)[..., :3])
        x, y, width, height = strip.box
        picture = picture[y : y + height, x : x + width].astype(np.float32)
        size = (strip.width, round(strip.width * height / width))
        way = cv2.INTER_AREA if width > strip.width else cv2.INTER_CUBIC
        return np.clip(cv2.resize(picture, size, interpolation=way), 0, 1)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("bundle", type=Path)
    options.add_argument("--out", type=Path, default=HERE / "help", help="folder for the pictures")
    given = options.parse_args()
    total = 0
    with tempfile.TemporaryDirectory() as folder:
        keyer = Keyer(given.bundle, Path(folder))
        for strip in STRIPS:
            panels = [keyer.panel(strip, panel) for panel in strip.panels]
            gap = np.ones((panels[0].shape[0], GAP, 3), np.float32)
            row = [part for panel in panels for part in (panel, gap)][:-1]
            picture = np.rint(np.hstack(row)[..., ::-1] * 255).astype(np.uint8)
            path = given.out / f"{strip.name}.jpg"
            quality = [cv2.IMWRITE_JPEG_QUALITY, QUALITY, cv2.IMWRITE_JPEG_OPTIMIZE, 1]
            if not cv2.imwrite(str(path), picture, quality):
                raise SystemExit(f"{path} cannot be written")
            total += path.stat().st_size
            print(f"{path.name}: {picture.shape[1]} x {picture.shape[0]}, {path.stat().st_size} bytes")
    if total > MOST:
        raise SystemExit(f"the pictures take {total} bytes together, more than {MOST}")


if __name__ == "__main__":
    main()
