"""The shimmer figures, on networks whose answer is known."""

import math

import pytest
import torch
import torch.nn.functional as F

from keytrain import shimmer
from keytrain.failures import sown
from keytrain.network import STD
from keytrain.clips import NOISE


@pytest.fixture(autouse=True)
def small(monkeypatch):
    for name, value in (("WINDOW", 96), ("ROOM", 32), ("RIM", 8)):
        monkeypatch.setattr(shimmer, name, value)


def a_picture() -> shimmer.Picture:
    """Smooth waves, half covered everywhere."""
    line = torch.arange(128.0)
    wave = 0.5 + 0.2 * torch.sin(line * math.pi / 16).view(-1, 1) * torch.cos(line * math.pi / 16)
    return shimmer.Picture(wave.expand(1, 3, -1, -1), wave[None, None], torch.full((1, 1, 128, 128), 0.5))


class Plain:
    """Answers with the plate's red, from `seen`; like the real one it comes in parts."""

    def __init__(self, seen: str, shrink: int = 1):
        self.seen, self.shrink = seen, shrink

    def encode(self, x):
        return x, x, x

    def thumbnail(self, x):
        return x

    def survey(self, x3, thumbnail):
        return x3, thumbnail, None

    def finish(self, x, x1, x2, y3, screen8):
        red = {"plate": x, "x1": x1, "x2": x2, "y3": y3, "screen8": screen8}[self.seen][:, :1] * STD[0]
        small = red[..., :: self.shrink, :: self.shrink]
        return (F.interpolate(small, scale_factor=float(self.shrink), mode="nearest") if self.shrink > 1 else red,)

    def __call__(self, x):
        return self.finish(x, *self.encode(x)[:2], x, x)


def found(work, *arguments) -> float:
    sown(1)
    return shimmer.deviation([work(*arguments)])


def test_noise_is_found_where_it_enters():
    net, one = Plain("x2"), a_picture()
    assert found(shimmer.by_noise, net, one, 6) == pytest.approx(NOISE, rel=0.05)
    assert found(shimmer.by_noise, net, one, 6, ("x2",)) == pytest.approx(NOISE, rel=0.05)
    assert found(shimmer.by_noise, net, one, 6, ("plate", "x1", "y3", "screen8")) == 0
    assert found(shimmer.averaged_noise, net, one, 6) == pytest.approx(NOISE, rel=0.05)


def test_a_stride_shows_only_between_its_lattice():
    one = a_picture()
    assert found(shimmer.by_moves, Plain("plate"), one, 1) < 1e-6
    strided = Plain("plate", 4)
    assert found(shimmer.by_moves, strided, one, 4) < 1e-6
    assert found(shimmer.by_moves, strided, one, 2) > 0.01
    assert found(shimmer.by_moves, shimmer.averaged(strided, 2), one, 2) < found(shimmer.by_moves, strided, one, 2)


def test_fractions_of_a_pixel_are_taken_back():
    one = a_picture()
    assert found(shimmer.by_fractions, Plain("plate"), one, 4) < 1e-4
    assert found(shimmer.by_fractions, Plain("plate", 4), one, 4) > 1e-3


def test_means_of_windows_stay_in_place():
    one = a_picture()
    plate, hint = shimmer.window(one.plate, 0, 0), shimmer.window(one.hint, 0, 0)
    net = Plain("plate")
    assert (shimmer.matte(shimmer.averaged(net, 3), plate, hint) - shimmer.matte(net, plate, hint)).abs().max() < 1e-6


def test_the_table_names_every_line():
    one = a_picture()
    table = {name: work for name, work in shimmer.measures(2).items() if name in ("noise", "moves by 1")}
    text = shimmer.printed(shimmer.measure(Plain("plate"), {"waves": [one]}, table))
    assert "waves" in text and "noise" in text and "moves by 1" in text and "nan" not in text
