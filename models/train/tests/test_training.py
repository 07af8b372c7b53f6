"""Network, losses, checkpoint and export at tiny sizes."""

import random
import tomllib

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from keytrain import checkpoint, warm
from keytrain.elements import Pool
from keytrain.evaluate import Model, scores
from keytrain.export import manifest, rounded, store_half, to_onnx
from keytrain.half import to_half
from keytrain.losses import backdrops, losses, total, unsteadiness
from keytrain.network import Keyer, axis, macs_per_pixel, pack_input, projection_matte
from keytrain.scene import make_scene
from keytrain.train import Average, make_optimiser, shared, windows


@pytest.fixture(scope="module")
def scene():
    torch.manual_seed(11)
    random.seed(11)
    return make_scene(Pool(4, 80, "cpu", chunk=2), 4, 64)


@pytest.fixture(scope="module")
def net():
    """A network whose statistics have seen something, so that folding them is not the identity."""
    torch.manual_seed(12)
    net = Keyer()
    with torch.no_grad():
        for _ in range(3):
            net(torch.randn(2, 4, 64, 96), True)
        net.matte.bias.fill_(3)  # mostly covered: dividing by a small cover would magnify rounding
    return net.eval()


def step(net, optimiser, scene) -> float:
    torch.manual_seed(3)
    out = net(pack_input(scene.rgb, scene.hint), True)
    loss = total(losses(out, scene.rgb, scene.alpha, scene.foreground, scene.screen, backdrops(4, "cpu")))
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    return float(loss.detach())


def test_steps_lower_the_loss(scene):
    torch.manual_seed(1)
    net = Keyer()
    optimiser = make_optimiser(net, 1e-3)
    first = step(net, optimiser, scene)
    for _ in range(4):
        last = step(net, optimiser, scene)
    assert last < first * 0.9


def test_the_truth_costs_nothing(scene):
    coarse = torch.nn.functional.avg_pool2d(scene.alpha, 4)
    out = (scene.alpha, scene.foreground, scene.screen, coarse)
    terms = losses(out, scene.rgb, scene.alpha, scene.foreground, scene.screen, backdrops(4, "cpu"))
    assert all(float(value) < 1e-6 for value in terms.values())


def test_two_windows_show_the_same_place():
    torch.manual_seed(5)
    random.seed(5)
    scene = make_scene(Pool(4, 96, "cpu", chunk=2), 4, 80, again=2)
    for _ in range(5):
        one, other, shift = windows(scene, 2, 16, 64)
        mine, theirs = shared(one.alpha[:2], other.alpha, shift)
        assert mine.numel() and torch.equal(mine, theirs)
        assert unsteadiness(mine, theirs, mine) == 0
        assert unsteadiness(mine, (theirs + 0.1).clamp(0, 1), mine) > 0


def test_projection_matte_of_a_flat_screen():
    screen = torch.tensor([0.1, 0.5, 0.1]).view(1, 3, 1, 1).expand(1, 3, 2, 2)
    grey = torch.full((1, 3, 2, 2), 0.3)
    for alpha in (0.0, 0.25, 1.0):
        got = projection_matte(alpha * grey + (1 - alpha) * screen, axis(screen))
        assert (got - alpha).abs().max() < 2e-3


def test_bfloat16_autocast_runs(net):
    with torch.autocast("cpu", dtype=torch.bfloat16), torch.no_grad():
        out = net(torch.randn(1, 4, 64, 64), True)
    assert all(t.float().isfinite().all() for t in out)


def test_checkpoint_returns_what_was_saved(tmp_path, scene, monkeypatch):
    monkeypatch.setattr(checkpoint, "LIMIT", 4 * 2**20)
    torch.manual_seed(2)
    net, smooth = Keyer(), Keyer()
    smooth.load_state_dict(net.state_dict())
    optimiser = make_optimiser(net, 1e-3)
    step(net, optimiser, scene)
    Average(net, smooth, 0.9).follow(1)
    checkpoint.save(tmp_path, net, smooth, optimiser, {"step": 1})
    assert max(f.stat().st_size for f in tmp_path.iterdir()) < 5 * 2**20
    again, again_smooth = Keyer(), Keyer()
    fresh = make_optimiser(again, 1e-3)
    assert checkpoint.load(tmp_path, again, again_smooth, fresh)["step"] == 1
    for one, other in zip(net.state_dict().values(), again.state_dict().values()):
        assert torch.equal(one, other)
    step(again, fresh, scene)


def plate_like(height: int, width: int) -> torch.Tensor:
    """Soft shapes rather than white noise, on which fp32 itself is not exact to 1e-5."""
    torch.manual_seed(height)
    coarse = torch.rand(1, 4, height // 16, width // 16)
    picture = torch.nn.functional.interpolate(coarse, size=(height, width), mode="bicubic").clamp(0, 1)
    return pack_input(picture[:, :3], picture[:, 3:])


def run(model: onnx.ModelProto, x: np.ndarray):
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"input": x})


def test_export_agrees_with_torch(tmp_path, net):
    path = tmp_path / "net.onnx"
    to_onnx(net, path)
    model = onnx.load(path)
    assert not any(n.op_type == "BatchNormalization" for n in model.graph.node)
    assert all(not n.domain for n in model.graph.node)
    for height, width in ((64, 64), (96, 160), (192, 64)):
        x = plate_like(height, width)
        with torch.no_grad():
            alpha, fg = net(x)
        got_alpha, got_fg = run(model, x.numpy())
        assert np.abs(got_alpha - alpha.numpy()).max() <= 1e-5
        assert np.abs(got_fg - fg.numpy()).max() <= 1e-5


def test_half_storage_is_small_and_close(tmp_path, net):
    path = tmp_path / "net.onnx"
    to_onnx(net, path)
    full = onnx.load(path)
    half = store_half(onnx.load(path))
    assert half.ByteSize() < 10e6
    x = plate_like(64, 64).numpy()
    for one, other in zip(run(full, x), run(half, x)):
        assert np.abs(one - other).max() < 2e-2
    onnx.save(half, path)
    table = tomllib.loads(manifest(path, "9.9.9"))
    assert table["format"] == 1 and table["version"] == "9.9.9" and len(table["sha256"]) == 64


def test_half_graph_loads_and_stays_close(tmp_path, net):
    path = tmp_path / "net.onnx"
    rounded(net, path)
    stored = onnx.load(path)
    half = to_half(stored)
    kinds = {w.name: w.data_type for w in half.graph.initializer}
    convolutions = [n for n in half.graph.node if n.op_type == "Conv"]
    assert convolutions and all(kinds[n.input[1]] == onnx.TensorProto.FLOAT16 for n in convolutions)
    x = plate_like(96, 160).numpy()
    for one, other in zip(run(stored, x), run(half, x)):
        assert np.abs(one - other).max() < 5e-3


def test_training_goes_on_from_an_exported_model(tmp_path, net, scene):
    path = tmp_path / "net.onnx"
    rounded(net, path)
    again = Keyer().eval()
    warm.load(again, path)
    x = pack_input(scene.rgb, scene.hint)
    with torch.no_grad():
        wanted = run(onnx.load(path), x.numpy()[:1])
        loaded = again(x)
        warm.calibrate(again, x)
        calibrated, trained = again(x), again.train()(x)
    assert all(np.abs(a[:1].numpy() - b).max() < 1e-4 for a, b in zip(loaded, wanted))
    # With its statistics adopted the batch gives the same in training as in evaluation.
    for kind in (calibrated, trained):
        assert all((a - b).abs().max() < 1e-3 for a, b in zip(kind, loaded))


def test_any_plate_size_and_scores(tmp_path, net):
    path = tmp_path / "net.onnx"
    to_onnx(net, path)
    rng = np.random.default_rng(1)
    plate, hint = rng.random((71, 93, 3), dtype=np.float32), rng.random((71, 93), dtype=np.float32)
    alpha, fg = Model(path)(plate, hint)
    assert alpha.shape == (71, 93) and fg.shape == (71, 93, 3)
    perfect = scores(alpha, fg, alpha, fg)
    assert perfect["u_mse"] == 0 and perfect["comp"] == 0


def test_cost_stays_within_reach():
    assert macs_per_pixel(Keyer().eval()) < 45e3
