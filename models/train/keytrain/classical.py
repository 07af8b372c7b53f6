"""A classical colour-difference keyer with a garbage matte and a core: what a network has to beat."""

import cv2
import numpy as np

from .pictures import to_linear, to_srgb

REACHES = (0.01, 0.03, 0.1, 0.3)  # of the long side; where the screen is measured around a pixel


def excess(light: np.ndarray, channel: int) -> np.ndarray:
    """How far one channel stands above both others."""
    others = [c for c in range(3) if c != channel]
    return light[..., channel] - np.maximum(light[..., others[0]], light[..., others[1]])


def disc(radius: float) -> np.ndarray:
    side = 2 * max(round(radius), 1) + 1
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))


def key(plate: np.ndarray, hint: np.ndarray, screen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Matte and encoded foreground of an encoded plate, given the screen's linear colour.

    `screen` is one colour ``[3]`` or a clean plate ``[h, w, 3]``.  The hint's core is made solid and
    thin cover far from the hint removed, as an artist's core and garbage mattes would.
    """
    light, long = to_linear(plate), max(hint.shape)
    screen = np.broadcast_to(screen, light.shape)
    channel = int(screen.mean((0, 1)).argmax())
    alpha = 1 - np.clip(excess(light, channel) / np.maximum(excess(screen, channel), 1e-3), 0, 1)
    alpha = np.clip((alpha - 0.05) / 0.9, 0, 1)
    if hint.mean() > 0.001:
        core = cv2.erode(hint, disc(0.008 * long))
        near = cv2.dilate((hint > 0.02).astype(np.float32), disc(0.06 * long))
        near = cv2.GaussianBlur(near, (0, 0), 0.01 * long)
        alpha = np.maximum(alpha, np.clip((core - 0.7) / 0.25, 0, 1))
        alpha = np.where(alpha < 0.35, alpha * near, alpha)
    return alpha.astype(np.float32), to_srgb(despilt(unmixed(light, alpha, screen), channel)).astype(np.float32)


def unmixed(light: np.ndarray, alpha: np.ndarray, screen: np.ndarray) -> np.ndarray:
    """The foreground's light: the plate less the screen behind, divided by cover."""
    cover = alpha[..., None]
    solved = np.clip((light - (1 - cover) * screen) / np.maximum(cover, 0.05), 0, 1)
    return np.where(cover > 0.05, solved, light)


def despilt(light: np.ndarray, channel: int) -> np.ndarray:
    """The screen's channel held at or below the mean of the two others."""
    limit = np.delete(light, channel, 2).mean(2)
    out = light.copy()
    out[..., channel] = np.minimum(out[..., channel], limit)
    return out


def measured_screen(plate: np.ndarray, hint: np.ndarray) -> np.ndarray:
    """Linear clean plate guessed from the plate: means of the purest pixels far from the hint.

    Each place takes the nearest reach at which enough screen is in view.
    """
    light = to_linear(plate).astype(np.float32)
    free = hint < 0.02
    free = free if free.mean() > 0.02 else np.ones_like(free)
    purest = [np.percentile(excess(light, c)[free], 75) for c in (1, 2)]
    channel = 1 + int(np.argmax(purest))
    pure = free & (excess(light, channel) > 0.5 * max(purest))
    far = cv2.dilate((hint > 0.02).astype(np.uint8), disc(0.03 * max(hint.shape))) == 0
    trusted = far & pure if (far & pure).mean() > 0.02 else pure
    flat = np.median(light[trusted], 0)
    return filled(light, trusted.astype(np.float32), flat)


def filled(light: np.ndarray, weight: np.ndarray, flat: np.ndarray) -> np.ndarray:
    """Trusted pixels spread over the whole picture, small reaches first, one flat colour last."""
    height, width = weight.shape
    long = max(height, width)
    total, missing = np.zeros_like(light), np.ones_like(weight)
    for reach in REACHES:
        shrink = max(1, int(reach * long / 6))
        small = (max(2, width // shrink), max(2, height // shrink))
        sums = cv2.resize(light * weight[..., None], small, interpolation=cv2.INTER_AREA)
        count = cv2.resize(weight, small, interpolation=cv2.INTER_AREA)
        sums, count = (cv2.GaussianBlur(x, (0, 0), reach * long / shrink) for x in (sums, count))
        mean = cv2.resize(sums / np.maximum(count, 1e-4)[..., None], (width, height))
        share = np.clip(cv2.resize(count, (width, height)) * 4, 0, 1) * missing
        total, missing = total + mean * share[..., None], missing - share
    return total + missing[..., None] * flat
