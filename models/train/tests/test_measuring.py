"""The measuring tools at tiny sizes: figures that follow from their definition, and that they run."""

import sys
import tomllib

import numpy as np
import onnx
import pytest
import torch

from keytrain import card, classical, clips, colour, failures, slices, steadiness, tiles
from keytrain.evaluate import Model, Plate, changed_hint, declared_range, plates, table_of
from keytrain.export import manifest, to_onnx
from keytrain.network import Keyer
from keytrain.pictures import over_grey, shoulder, to_linear, to_srgb, write

SIDE = 64
TITLES = ("Plates", "Hints", "Slices", "Steadiness, studio", "Steadiness, uneven", "Tiles")


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """An untrained network that depends on the whole frame, as a trained one does."""
    torch.manual_seed(21)
    net = Keyer()
    with torch.no_grad():
        for _ in range(3):
            net(torch.randn(2, 4, 64, 96), True)
        torch.nn.init.normal_(net.token.spread.weight, std=0.5)
        net.matte.bias.fill_(1)
    path = tmp_path_factory.mktemp("model") / "net.onnx"
    to_onnx(net.eval(), path)
    (path.parent / "model.toml").write_text(manifest(path, "0.0.1"))
    return path


def true_keyer(shot: failures.Shot):
    return shot.alpha, shot.foreground


def plain_shot() -> failures.Shot:
    """A grey box before a flat green screen, without spill or noise."""
    alpha = np.zeros((64, 64), np.float32)
    alpha[16:48, 16:48] = 1
    alpha[16:48, 12:16] = 0.5
    paint, screen = np.full((64, 64, 3), 0.5, np.float32), np.array([0.05, 0.5, 0.1], np.float32)
    light = to_linear(paint) * alpha[..., None] + screen * (1 - alpha[..., None])
    return failures.Shot(to_srgb(light).astype(np.float32), alpha, alpha, paint, to_linear(paint), screen, alpha)


def test_classical_keyer_solves_a_plain_plate():
    shot = plain_shot()
    alpha, fg = classical.key(shot.plate, shot.hint, shot.screen)
    assert np.abs(alpha - shot.alpha).max() < 0.03
    assert np.abs(over_grey(alpha, fg) - over_grey(shot.alpha, shot.foreground)).max() < 0.05
    measured = classical.measured_screen(shot.plate, shot.hint)
    assert np.abs(measured - shot.screen).max() < 0.02


@pytest.mark.parametrize("piece", slices.SLICES, ids=lambda s: s.name)
def test_every_slice_is_sound_and_the_truth_scores_nothing(piece):
    line, _ = slices.judge(replace_twin(piece), true_keyer, 96, {})
    assert line["u_mse"] == line["w_mse"] == line["comp"] == 0
    assert line["figure"] == pytest.approx(0, abs=1e-3)
    shots = piece.shots(96)
    assert piece.name != "highlights" or max(s.plate.max() for s in shots) > 2
    for shot in shots:
        assert all(np.isfinite(x).all() for x in (shot.plate, shot.hint, shot.alpha, shot.foreground, shot.lit))
        assert shot.hint.min() >= 0 and shot.hint.max() <= 1 and shot.plate.min() >= 0


def replace_twin(piece: slices.Slice) -> slices.Slice:
    """A ratio of two zeros says nothing: the slice's own error instead."""
    return slices.Slice(piece.name, piece.shots, piece.figure, slices.matte_error) if piece.twin else piece


def test_the_slices_figures_count_what_they_say():
    shot = plain_shot()
    shot.lit = shot.lit + 0.1 * shot.screen
    spilt = to_srgb(shot.lit)
    assert np.divide(*slices.spill_left(shot.alpha, spilt, shot)) == pytest.approx(1, abs=1e-3)
    assert np.divide(*slices.matte_error(shot.alpha - 0.25 * (shot.mark > 0), shot.foreground, shot)) == pytest.approx(0.25)
    assert np.divide(*slices.too_opaque(shot.alpha + 0.125, shot.foreground, shot)) == pytest.approx(0.125)


def test_slices_are_the_same_every_time():
    failures.subjects.cache_clear()
    first = failures.marker_grid(SIDE)
    failures.subjects.cache_clear()
    for one, other in zip(first, failures.marker_grid(SIDE)):
        assert np.array_equal(one.plate, other.plate) and np.array_equal(one.mark, other.mark)


def test_bad_hints():
    hint = plain_shot().hint
    assert changed_hint(hint, "none").max() == 0
    assert changed_hint(hint, "large").sum() > hint.sum()
    assert 0.7 < changed_hint(hint, "missing").sum() / hint.sum() < 0.85


@pytest.mark.parametrize("plan", [clips.UNEVEN[3], clips.STUDIO[3], clips.STUDIO[5]])
def test_a_shift_by_a_fraction_can_be_taken_back(plan):
    clip = clips.make_clip(plan, 128, 4)
    assert steadiness.deviation(clip.alphas, clip)["soft"] < 1e-3
    assert np.abs(clip.alphas[0] - clip.alphas[-1]).max() > 0.05, "nothing moves"
    noise = np.random.default_rng(1).normal(0, 0.02, clip.alphas.shape)
    found = steadiness.deviation(clip.alphas + noise, clip)
    assert found["soft"] == pytest.approx(0.02, rel=0.2) and found["solid"] == pytest.approx(0.02, rel=0.2)


def test_studio_screens_are_even_and_subjects_of_other_hues():
    for plan in clips.STUDIO:
        clip = clips.make_clip(plan, 128, 3)
        key = 2 if plan.blue else 1
        others = [c for c in range(3) if c != key]
        linear = to_linear(clip.still)
        screen, subject = linear[clip.alphas < 0.002], linear[clip.alphas > 0.998]
        assert len(screen) > 100, f"{clip.name}: no screen in sight"
        light = np.percentile(screen[:, key], [1, 99])
        assert light[0] > 0.6 * light[1], f"{clip.name}: uneven"
        assert (screen[:, key] > 1.5 * screen[:, others].max(1)).all(), f"{clip.name}: not a screen's colour"
        assert (subject[:, key] - subject[:, others].max(1)).max(initial=0) < 0.05, f"{clip.name}: has the screen's hue"
        assert clip.soft.any(), f"{clip.name}: no soft edge to look at"


def test_who_knows_both_colours_finds_alpha_in_a_change_of_light():
    alpha = torch.linspace(0.1, 0.9, 9).view(1, 1, 3, 3)
    subject, clean = (torch.tensor(c).view(1, 3, 1, 1).expand(1, 3, 3, 3) for c in ([0.5, 0.3, 0.2], [0.05, 0.4, 0.1]))
    light, more = (a * subject + (1 - a) * clean for a in (alpha, alpha + 1e-3))
    found = clips.informed(light, alpha, clean, colour.to_srgb(more) - colour.to_srgb(light))
    assert found == pytest.approx(torch.full_like(found, 1e-3), rel=0.02)
    clip = clips.make_clip(clips.UNEVEN[1], 96, 4)
    alone, together = (steadiness.averaged(clip.errors, sigma).std() for sigma in (0.01, 1.5))
    assert 0 < together < 0.5 * alone
    assert alone == pytest.approx(clip.errors.std(), rel=0.01)


def test_spans_cover_without_gaps_and_start_on_the_lattice():
    for length in (96, 512, 544, 800, 1088, 1920):
        found = tiles.spans(length, 512, 96)
        assert found[0].first == 0 and found[-1].last == length
        assert all(a.last == b.first for a, b in zip(found, found[1:]))
        assert all(s.start % tiles.ALIGN == 0 and s.start <= s.first < s.last <= s.stop for s in found)
        assert all(b.first - b.start >= 40 and a.stop - a.last >= 40 for a, b in zip(found, found[1:]))


def test_staged_tiles_equal_the_whole_frame(file):
    model, staged = Model(file, 1), tiles.Staged(file, tiles.Seams(), 1)
    rng = np.random.default_rng(2)
    plate, hint = rng.random((160, 416, 3), dtype=np.float32), rng.random((160, 416), dtype=np.float32)
    found = tiles.differences(model, staged, Plate("noise", plate, hint, hint, plate), 256, 160)
    assert found["alpha"] < 1e-4 and found["fg"] < 1e-3
    assert found["plain alpha"] > 20 * found["alpha"] + 1e-4, "the graph does not look at the whole frame: this proves nothing"


def test_a_cut_that_needs_more_is_refused(file):
    with pytest.raises(SystemExit, match="is needed too"):
        tiles.cut(onnx.load(file), [tiles.Seams.features], ["alpha"])
    with pytest.raises(SystemExit, match="no tensor nowhere"):
        tiles.cut(onnx.load(file), ["input"], ["nowhere"])


@pytest.mark.parametrize("declared, at_two", [("", 1.0), ("range = [0.0, 1.5]", 1.5), ("range = [0.0, 1.25]\nshoulder = 1.0", 1.2)])
def test_range_comes_from_the_manifest(tmp_path, declared, at_two):
    path = tmp_path / "net.onnx"
    manifest = tmp_path / "model.toml"
    manifest.write_text(f'file = "net.onnx"\n[input]\n{declared}\n')
    assert tomllib.loads(manifest.read_text())
    x = np.array([-0.5, 0.25, 1.0, 2.0])
    assert declared_range(path)(x) == pytest.approx([0, 0.25, 1, at_two])
    assert declared_range(tmp_path / "other.onnx")(x)[-1] == 1, "the manifest is another file's"


def test_array_shoulder_is_the_tensors():
    from keytrain import colour

    x = torch.linspace(0, 20, 200)
    assert np.abs(shoulder(x.numpy(), 1.0, colour.TOP) - colour.shoulder(x).numpy()).max() < 1e-6
    assert (failures.unrolled(colour.shoulder(x)) - x).abs().max() < 2e-3


def stored(shot: failures.Shot, folder) -> None:
    write(folder / "plate.png", shot.plate)
    write(folder / "fg_gt.png", shot.foreground)
    write(folder / "hint.png", shot.hint)
    write(folder / "alpha_gt.png", shot.alpha)


def test_evaluation_draws_a_sheet_and_compares(tmp_path, file, capsys):
    stored(plain_shot(), tmp_path / "plates" / "box")
    mine, theirs = table_of(Model(file, 1), tmp_path / "plates", "given", tmp_path / "out")
    assert theirs[0]["u_mse"] < 5 < mine[0]["u_mse"], "an untrained network beats the classical keyer on its own ground"
    assert (tmp_path / "out" / "sheet.png").stat().st_size > 1000
    assert "better than classical on 0 of 1 plates" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="holds no plates"):
        list(plates(tmp_path / "out"))


def test_the_card_prints_every_table(tmp_path, file, capsys, monkeypatch):
    stored(plain_shot(), tmp_path / "plates" / "box")
    monkeypatch.setattr(slices, "SLICES", slices.SLICES[3:4])
    monkeypatch.setattr(clips, "SETS", {name: plans[:1] for name, plans in clips.SETS.items()})
    monkeypatch.setattr(tiles, "TILE", 32)
    monkeypatch.setattr(tiles, "OVERLAP", 0)
    monkeypatch.setattr(sys, "argv", ["card", str(file), str(tmp_path / "plates"), "--side", "96", "--clip-side", "96", "--frames", "3"])
    card.main()
    text = capsys.readouterr().out
    assert [line for line in text.splitlines() if line.startswith("###")] == [f"### {t}" for t in TITLES]
    assert text.count("| box |") == 2, "the plate is missing from the scores or from the tiles"
    assert "| **mean** |" in text and "marker grid" in text and "nan" not in text
