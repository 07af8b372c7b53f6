"""From a render to a plate: lens, sensor and encoding; and from its true alpha to a hint.

Grain, veiling glare and the tone curve come last, as in a camera, so that they cover subject
and screen alike.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import OpenEXR


def read_exr(path: Path) -> np.ndarray:
    """Height x width x RGBA, float, scene-linear."""
    with OpenEXR.File(str(path)) as file:
        channels = file.channels()
        return np.asarray(channels["RGBA"].pixels, np.float32)


def lens(light: np.ndarray, glare: float = 0.03, softness: float = 0.55, vignette: float = 0.12) -> np.ndarray:
    """Veiling glare (the light wrap of a real lens), softness in pixels, and a darker edge."""
    height, width = light.shape[:2]
    near = cv2.GaussianBlur(light, (0, 0), width / 320)
    far = cv2.GaussianBlur(light, (0, 0), width / 40)
    light = (1 - glare) * light + glare * (0.65 * near + 0.35 * far)
    light = cv2.GaussianBlur(light, (0, 0), softness)
    y, x = np.mgrid[:height, :width].astype(np.float32)
    r2 = ((x / width - 0.5) ** 2 + ((y - height / 2) / width) ** 2) / 0.32
    return light * (1 - vignette * r2)[..., None]


def sensor(light: np.ndarray, grain: float, seed: int) -> np.ndarray:
    """Photon and read noise, slightly correlated as after a debayer; blue is the noisiest channel."""
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal(light.shape).astype(np.float32)
    luma = noise[..., :1]
    noise = 0.6 * luma + 0.8 * noise
    noise = cv2.GaussianBlur(noise, (0, 0), 0.65)
    noise /= noise.std()
    sigma = grain * np.sqrt(np.maximum(light, 0) * 0.18 + 0.0012)
    return light + sigma * noise * np.array([1.0, 0.8, 1.25], np.float32)


def encode(light: np.ndarray) -> np.ndarray:
    """Display sRGB with a soft shoulder above 0.7, 8 bits."""
    knee = 0.7
    over = np.maximum(light - knee, 0)
    light = np.where(light > knee, knee + (1 - knee) * (1 - np.exp(-over / (1 - knee) * 0.9)), light)
    light = np.clip(light, 0, 1)
    coded = np.where(light <= 0.0031308, 12.92 * light, 1.055 * np.power(light, 1 / 2.4) - 0.055)
    return np.round(coded * 255).astype(np.uint8)


def hint(alpha: np.ndarray) -> np.ndarray:
    """A rough matte as an artist blocks it in: drawn in straight strokes, inside the edge, and soft."""
    height, width = alpha.shape
    solid = (cv2.GaussianBlur(alpha, (0, 0), width / 480) > 0.5).astype(np.uint8)
    reach = max(1, round(width * 0.01))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    # Continued past the frame, so that a shape the frame cuts is not eaten from there.
    framed = cv2.copyMakeBorder(solid, reach, reach, reach, reach, cv2.BORDER_REPLICATE)
    eroded = cv2.erode(framed, kernel)
    brush = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach | 1, reach | 1))
    eroded = cv2.morphologyEx(eroded, cv2.MORPH_OPEN, brush)[reach:-reach, reach:-reach]
    contours, _ = cv2.findContours(eroded, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    drawn = np.zeros_like(eroded)
    strokes = [cv2.approxPolyDP(c, width * 0.0025, True) for c in contours if cv2.contourArea(c) > (width * 0.008) ** 2]
    cv2.drawContours(drawn, strokes, -1, 255, cv2.FILLED)
    return cv2.GaussianBlur(drawn, (0, 0), width * 0.004)


def write_png(path: Path, rgb: np.ndarray) -> None:
    """Writes RGB or grey, 8 bits."""
    cv2.imwrite(str(path), rgb[..., ::-1] if rgb.ndim == 3 else rgb, [cv2.IMWRITE_PNG_COMPRESSION, 9])


def through_log(light: np.ndarray, bits: int = 10) -> np.ndarray:
    """Rounds to what a camera's log recording keeps: equal steps of a curve linear near black."""
    toe, top, steps = 0.012, 64.0, 2**bits - 1
    span = np.log2(top / toe + 1)
    code = np.sign(light) * np.log2(np.abs(light) / toe + 1) / span
    code = np.round(np.clip(code, -0.05, 1) * steps) / steps
    return np.sign(code) * toe * (np.exp2(np.abs(code) * span) - 1)


def write_exr(path: Path, light: np.ndarray, header: dict) -> None:
    """Writes RGB as half floats."""
    header = {"compression": OpenEXR.PIZ_COMPRESSION, "type": OpenEXR.scanlineimage, **header}
    half = np.ascontiguousarray(light.astype(np.float16))
    with OpenEXR.File(header, {"RGB": half}) as file:
        file.write(str(path))
