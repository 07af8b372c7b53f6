"""Pictures as NumPy arrays ``[h, w, 3]`` or ``[h, w]``: files, curves, labelled sheets."""

from pathlib import Path

import cv2
import numpy as np

GREY = 0.18  # linear; what composites are judged over
LABEL = 22  # height of a sheet's text lines in pixels


def to_linear(x: np.ndarray) -> np.ndarray:
    """Exact sRGB decoding; values above 1 follow the same curve."""
    return np.where(x <= 0.04045, x / 12.92, ((np.maximum(x, 0) + 0.055) / 1.055) ** 2.4)


def to_srgb(x: np.ndarray) -> np.ndarray:
    """Exact sRGB encoding of 0..1; what lies outside is clipped."""
    x = np.clip(x, 0, 1)
    return np.where(x <= 0.0031308, x * 12.92, 1.055 * np.maximum(x, 1e-9) ** (1 / 2.4) - 0.055)


def shoulder(x: np.ndarray, knee: float, top: float) -> np.ndarray:
    """`colour.shoulder` for arrays: unchanged up to `knee`, above it rolled off towards `top`."""
    room, over = top - knee, np.maximum(x - knee, 0)
    return np.where(x <= knee, x, knee + room * over / (room + over))


def over_grey(alpha: np.ndarray, fg: np.ndarray) -> np.ndarray:
    """Encoded composite over middle grey, worked in linear light."""
    return to_srgb(alpha[..., None] * to_linear(fg) + (1 - alpha[..., None]) * GREY)


def read(path: Path, grey: bool = False) -> np.ndarray:
    """A picture file as 0..1, RGB or one channel."""
    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if image is None:
        raise FileNotFoundError(f"{path} is missing or is not a picture")
    image = image.astype(np.float32) / np.iinfo(image.dtype).max
    if image.ndim == 3:
        image = image[..., 2::-1]
        return image.mean(2) if grey else image
    return image if grey else np.repeat(image[..., None], 3, 2)


def write(path: Path, image: np.ndarray, depth: type = np.uint16) -> None:
    """Writes 0..1 (what lies outside is clipped) and makes the folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    top = np.iinfo(depth).max
    image = image[..., ::-1] if image.ndim == 3 else image
    if not cv2.imwrite(str(path), np.round(np.clip(image, 0, 1) * top).astype(depth)):
        raise OSError(f"{path} could not be written")


def text_line(text: str, width: int, scale: float = 0.5) -> np.ndarray:
    """White text on dark grey, ``[LABEL, width, 3]``."""
    line = np.full((LABEL, width, 3), 30, np.uint8)
    cv2.putText(line, text, (5, LABEL - 7), cv2.FONT_HERSHEY_SIMPLEX, scale, (240,) * 3, 1, cv2.LINE_AA)
    return line.astype(np.float32) / 255


def cell(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Any picture as RGB of (height, width), clipped to 0..1, with a dark gap at its right."""
    image = np.repeat(image[..., None], 3, 2) if image.ndim == 2 else image
    height, width = size
    shrunk = cv2.resize(np.clip(image, 0, 1).astype(np.float32), (width, height), interpolation=cv2.INTER_AREA)
    return np.pad(shrunk, ((0, 0), (0, 4), (0, 0)), constant_values=0.12)


def row(cells: dict[str, np.ndarray], title: str = "", height: int = 320) -> np.ndarray:
    """Labelled pictures side by side under a title; all share the first one's shape."""
    first = next(iter(cells.values()))
    size = (height, round(first.shape[1] * height / first.shape[0]))
    columns = [np.concatenate([text_line(name, size[1] + 4), cell(image, size)]) for name, image in cells.items()]
    strip = np.concatenate(columns, 1)
    return np.concatenate([text_line(title, strip.shape[1], 0.6), strip]) if title else strip


def stack(rows: list[np.ndarray]) -> np.ndarray:
    """Rows of any width as one sheet."""
    width = max(r.shape[1] for r in rows)
    return np.concatenate([np.pad(r, ((0, 6), (0, width - r.shape[1]), (0, 0)), constant_values=0.12) for r in rows])
