"""The generator: finite, varied, repeatable, and true to the compositing equation."""

import random

import pytest
import torch

from keytrain.camera import join, split
from keytrain.colour import TOP, fast_linear, fast_srgb, shoulder, to_linear, to_srgb
from keytrain.draw import Draw
from keytrain.elements import FAMILIES, Pool, make_elements
from keytrain.hints import make_hint
from keytrain.scene import make_scene


def seed(value: int = 1) -> None:
    torch.manual_seed(value)
    random.seed(value)


@pytest.fixture(scope="module")
def pool() -> Pool:
    seed(5)
    return Pool(12, 96, "cpu", chunk=2)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda f: f.__name__)
def test_every_family_makes_sound_elements(family):
    seed()
    element = make_elements(Draw(2, 80, "cpu"), family)
    colour, alpha = element[:, :3], element[:, 3:4]
    assert element.isfinite().all()
    assert element.min() >= 0 and alpha.max() <= 1
    assert (colour <= alpha + 1e-5).all(), "premultiplied colour above its cover"
    assert alpha.mean() > 0.001, "nothing drawn"
    assert not torch.equal(element[0], element[1]), "two elements alike"


def test_family_shares_add_up():
    assert sum(FAMILIES.values()) == pytest.approx(1)


def test_scenes_are_sound_and_varied(pool):
    seed(2)
    scene = make_scene(pool, 16, 64, again=2)
    for part in scene.tensors():
        assert part.isfinite().all() and part.min() >= 0 and part.max() <= TOP
    assert scene.rgb.max() > 1, "no plate with highlights"
    assert max(part.max() for part in (scene.alpha, scene.hint, scene.foreground, scene.screen)) <= 1
    share = scene.alpha.mean((1, 2, 3))
    assert share.std() > 0.05, "all scenes are covered alike"
    assert ((scene.alpha > 0.02) & (scene.alpha < 0.98)).float().mean() > 0.005, "no soft edges"
    screen = scene.screen.mean((2, 3))
    assert (screen.argmax(1) != 0).all(), "a screen that is neither green nor blue"


def test_plain_screen_shows_where_nothing_covers(pool):
    seed(3)
    scene = make_scene(pool, 16, 64)
    bare = (scene.alpha == 0).float()
    error = ((scene.rgb - scene.screen).abs() * bare).sum() / (3 * bare.sum())
    assert error < 0.12  # noise, marks and clutter stay, the rest must agree


def test_the_same_seed_gives_the_same_scene():
    scenes = []
    for _ in range(2):
        seed(7)
        scenes.append(make_scene(Pool(4, 64, "cpu", chunk=2), 2, 32))
    for one, other in zip(scenes[0].tensors(), scenes[1].tensors()):
        assert torch.equal(one, other)


def test_hints_cover_good_wrong_and_empty():
    seed(4)
    draw = Draw(96, 192, "cpu")
    alpha = torch.zeros(96, 1, 192, 192)
    alpha[:, :, 48:144, 48:144] = 1
    rgb, off = torch.rand(96, 3, 192, 192), torch.zeros(96, 1, 1, 1)
    hint = make_hint(draw, alpha, rgb, off, off)
    error = (hint - alpha).abs().mean((1, 2, 3))
    empty = (hint.amax((1, 2, 3)) == 0).float().mean()
    assert 0.02 < empty < 0.3
    assert (error < 0.15).float().mean() > 0.35
    assert (error > 0.2).float().mean() > 0.05
    cluttered = make_hint(draw, alpha, rgb, off, off + 1)
    assert (cluttered - alpha).abs().mean() < error.mean()


def test_curves():
    x = torch.linspace(0, 1, 1001)
    assert (to_linear(to_srgb(x)) - x).abs().max() < 1e-5
    wide = torch.linspace(0, TOP, 1001)
    assert (fast_srgb(fast_linear(wide)) - wide).abs().max() < 1e-4
    assert (fast_srgb(x) - to_srgb(x)).abs().max() < 7e-3
    rgb = torch.rand(2, 3, 4, 4)
    assert (join(*split(rgb)) - rgb).abs().max() < 1e-5


def test_shoulder_leaves_0_to_1_alone_and_bounds_the_rest():
    x = torch.tensor([0.0, 0.5, 1.0, 1.01, 2.0, 4.3, 1e6])
    y = shoulder(x)
    assert torch.equal(y[:3], x[:3])
    assert (y[1:] > y[:-1]).all() and y[-1] <= TOP
    assert y[3] - 1 == pytest.approx(0.01, rel=0.05)


def test_two_exposures_differ_by_their_grain_alone(pool):
    seed(6)
    scene = make_scene(pool, 8, 64, again=4, force={"noise": True})
    difference = (scene.again - scene.rgb[:4]).abs()
    assert 0 < difference.mean() < 0.05
    seed(6)
    still = make_scene(pool, 8, 64, again=4, force={"noise": False})
    assert torch.equal(still.again, still.rgb[:4])
