"""The generator: finite, varied, repeatable, and true to the compositing equation."""

import random

import pytest
import torch

from keytrain.camera import join, split
from keytrain.colour import TOP, fast_linear, fast_srgb, shoulder, to_linear, to_srgb
from keytrain.draw import Draw
from keytrain.elements import FAMILIES, Pool, make_elements
from keytrain.hints import make_hint
from keytrain.noise import blur, wide_blur
from keytrain.optics import REACH, kernels
from keytrain.plan import sow
from keytrain.scene import DISGUISED, backlit, disguised, drifted, drifted_back, make_scene
from keytrain.screens import BLUE, tracking_marks


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
    scene = make_scene(pool, 48, 64, again=2)
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
    hint = make_hint(draw, alpha, rgb, off, off, off)
    error = (hint - alpha).abs().mean((1, 2, 3))
    empty = (hint.amax((1, 2, 3)) == 0).float().mean()
    assert 0.02 < empty < 0.3
    assert (error < 0.15).float().mean() > 0.35
    assert (error > 0.2).float().mean() > 0.05
    cluttered = make_hint(draw, alpha, rgb, off, off + 1, off)
    assert (cluttered - alpha).abs().mean() < error.mean()
    marked = make_hint(draw, alpha, rgb, off, off, off + 1)
    assert marked.amax((1, 2, 3)).min() > 0, "a shot with tracking marks and an empty hint"
    thread = torch.zeros_like(alpha)
    thread[..., 96:98] = 1  # what eroding leaves nothing of
    assert (make_hint(draw, thread, rgb, off, off, off) * thread).sum((1, 2, 3)).min() == 0
    assert (make_hint(draw, thread, rgb, off, off, off + 1) * thread).sum((1, 2, 3)).min() > 0.1 * 2 * 192


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
    still = make_scene(pool, 8, 64, again=4, force={"noise": False, "drift": False})
    assert torch.equal(still.again, still.rgb[:4]) and torch.equal(still.again_alpha, still.alpha[:4])


def test_a_drifted_camera_moves_plate_and_matte_alike(pool):
    seed(6)
    scene = make_scene(pool, 16, 64, again=16, force={"noise": False, "drift": True, "jpeg": False})
    assert (scene.drift.abs().amax((1, 2, 3)) > 0).all() and scene.drift.abs().max() <= 0.5
    # Threads lose contrast on the way there and back, which a little blur makes nothing of.
    soft = lambda x: blur(x, torch.full((16, 1, 1, 1), 1.5))
    alpha, again = soft(scene.alpha), soft(scene.again_alpha)
    back, wrong = soft(drifted_back(scene.again_alpha, scene.drift)), soft(drifted_back(scene.again_alpha, -scene.drift))
    assert (back - alpha).abs().mean() < 0.3 * (again - alpha).abs().mean()
    assert (back - alpha).square().mean() < 0.1 * (wrong - alpha).square().mean()


def test_drift_is_to_the_right_and_down():
    x = torch.zeros(1, 1, 9, 9)
    x[..., 4, 4] = 1
    drift = torch.tensor([0.5, 0.25]).view(1, 2, 1, 1)
    (moved,) = drifted([x], drift)
    line = torch.arange(9.0)
    assert float((moved.sum(-2) * line).sum() / moved.sum()) == pytest.approx(4.5, abs=0.1)
    assert float((moved.sum(-1)[0, 0] * line).sum() / moved.sum()) == pytest.approx(4.25, abs=0.1)
    assert torch.equal(drifted([x], torch.zeros(1, 2, 1, 1))[0], x)


def test_blurs_do_not_wrap_round():
    x = torch.zeros(1, 1, 64, 64)
    x[..., :2] = 1
    sigma = torch.full((1, 1, 1, 1), 4.0)
    assert blur(x, sigma)[..., -1].max() < 1e-3 and wide_blur(x, sigma)[..., -1].max() < 1e-3
    assert blur(torch.ones(1, 1, 40, 40), sigma).sub(1).abs().max() < 1e-5


def test_smears_are_as_long_and_as_frequent_as_said():
    seed(8)
    draw = Draw(256, 144, "cpu")
    response = torch.fft.irfft2(kernels(draw), s=(144, 144))
    peak = response.amax((1, 2, 3))
    x = torch.where(draw.x > 72, draw.x - 144, draw.x) - 0.5
    y = torch.where(draw.y > 72, draw.y - 144, draw.y) - 0.5
    moments = [(response * a * b).sum((1, 2, 3)) for a, b in ((x, x), (y, y), (x, y))]
    half = (moments[0] + moments[1]) / 2
    spread = ((moments[0] - moments[1]).square() / 4 + moments[2].square()).sqrt()
    long = (half + spread) > 20 * (half - spread).clamp(min=0.15)
    assert 0.08 < long.float().mean() < 0.2, "smears longer than about 9 px"
    assert (12 * (half + spread)).sqrt().max() > 40
    assert ((x.abs().maximum(y.abs()) > REACH) * (response > 1e-5 * peak.view(-1, 1, 1, 1))).sum() == 0, "light from further than REACH"


def test_small_things_far_from_the_hint(pool):
    seed(9)
    force = {"litter": True, "far": True, "empty": False, "marks": False, "clutter": False, "props": False}
    shown = make_scene(pool, 48, 64, force=force)
    seed(9)
    bare = make_scene(pool, 48, 64, force=force | {"litter": False})
    more = (shown.alpha - bare.alpha).amax((1, 2, 3))
    assert (more > 0.25).float().mean() > 0.3, "no litter"
    assert (shown.hint - bare.hint).abs().mean() < 0.01, "the hint shows what it should lack"


def test_props_among_marks_are_subject_and_hinted(pool):
    seed(12)
    force = {"props": True, "marks": True, "empty": False, "clutter": False}
    shown = make_scene(pool, 16, 64, force=force)
    seed(12)
    bare = make_scene(pool, 16, 64, force=force | {"props": False})
    prop = ((shown.alpha > 0.99) & (bare.alpha < 0.01)).float()
    assert prop.sum() > 100, "no props"
    assert (shown.hint * prop).sum() > 0.9 * prop.sum(), "a prop without a hint beside marks without one"


def test_tape_is_opaque_and_strong():
    seed(10)
    draw = Draw(64, 256, "cpu", {"marks": True, "tape": True})
    grey = torch.full((64, 3, 256, 256), 0.5)
    out, marked = tracking_marks(draw, grey, grey[..., :1, :1])
    cover = ((out - 0.5).abs().amax(1) > 0.1).float().mean((1, 2))
    assert marked.min() == 1 and (cover > 1e-3).float().mean() > 0.8 and cover.max() < 0.6
    strong = (out.amax(1) - out.amin(1)).amax((1, 2)) > 0.1
    assert strong.float().mean() > 0.5


def test_backlight_darkens_bodies_and_lights_rims():
    seed(11)
    draw = Draw(16, 96, "cpu", {"backlight": True})
    alpha = torch.zeros(16, 1, 96, 96)
    alpha[..., 24:72, 24:72] = 1
    lit = backlit(draw, torch.full((16, 3, 96, 96), 0.3), alpha)
    assert (lit[..., 48, 48] < 0.25).all() and (lit[..., 24, 24].mean(1) > lit[..., 48, 48].mean(1)).all()


def test_disguises_are_as_frequent_on_blue_as_on_green():
    seed(12)
    draw = Draw(40000, 1, "cpu")
    blue = draw.chance(BLUE)
    hit = disguised(draw, blue)
    on_blue, on_green = float((hit * blue).mean()), float((hit * (1 - blue)).mean())
    assert on_blue == pytest.approx(on_green, rel=0.15) and on_blue + on_green == pytest.approx(DISGUISED, rel=0.1)


def test_the_pool_follows_from_its_numbers():
    first = Pool(4, 64, "cpu", chunk=2, sow=lambda n: sow(1, n))
    first.renew()
    again = Pool(4, 64, "cpu", chunk=2, sow=lambda n: sow(1, n), made=1)
    assert first.made == again.made == 3 and torch.equal(first.store, again.store)
