"""`motion`: iced tea in a glass, citrus and mint tossed past it, before blue cloth.

Motion blur, a branch out of focus in the foreground, and glass, ice and flying drops that the
blue shines through.

    python motion.py RENDERS           # render (minutes), then finish
    python motion.py RENDERS --finish  # finish an earlier render again
"""

from __future__ import annotations

import math
from pathlib import Path

import bpy
import numpy as np

import command
import finish
import stage


def fly(thing, place, turn, velocity, spin) -> None:
    """Puts a thing at `place` in frame 1 and moves it by `velocity` (metres a frame) and `spin`."""
    for frame in (0, 1, 2):
        thing.location = np.add(place, np.multiply(velocity, frame - 1))
        thing.rotation_euler = np.add(turn, np.multiply(spin, frame - 1))
        thing.keyframe_insert("location", frame=frame)
        thing.keyframe_insert("rotation_euler", frame=frame)
    channels = thing.animation_data.action.fcurves
    for curve in channels:
        for key in curve.keyframe_points:
            key.interpolation = "LINEAR"


def citrus_shader(peel, pith, flesh) -> bpy.types.Material:
    """A slice seen from its axis: peel, pith, and segments of juice sacs with membranes between."""
    shader = stage.Shader("citrus", Roughness=0.30, Coat_Weight=0.15, Coat_Roughness=0.10)
    where = shader.node("ShaderNodeTexCoord").outputs["Object"]
    parts = shader.node("ShaderNodeSeparateXYZ", Vector=where)
    x, y = parts.outputs[0], parts.outputs[1]
    radius = shader.math("SQRT", shader.math("ADD", shader.math("MULTIPLY", x, x), shader.math("MULTIPLY", y, y)))
    angle = shader.math("ARCTAN2", y, x)
    sector = shader.math("FRACT", shader.math("MULTIPLY", angle, 10 / (2 * math.pi)))
    # Distance to the membrane, in units of radius: it keeps its thickness outward.
    wall = shader.math("MULTIPLY", shader.math("ABSOLUTE", shader.math("SUBTRACT", sector, 0.5)), -1.0)
    wall = shader.math("MULTIPLY", shader.math("ADD", wall, 0.5), radius)
    membrane = shader.ramp(wall, [(0.0, (1, 1, 1)), (0.0009, (0.7, 0.7, 0.7)), (0.0018, (0, 0, 0))])
    sacs = shader.node("ShaderNodeTexVoronoi", Scale=330.0).outputs["Distance"]
    dark, light = (tuple(min(c * k, 0.95) for c in flesh) for k in (0.75, 1.25))
    juice = shader.ramp(sacs, [(0.1, light), (0.7, dark)])
    inner = shader.node("ShaderNodeMix", {"data_type": "RGBA"}, i0=membrane)
    shader.tree.links.new(juice, inner.inputs[6])
    shader.set(inner, 7, pith)
    rim = shader.math("MULTIPLY", radius, 25.0)
    zone = shader.ramp(rim, [(0.0, (1, 1, 1)), (0.06, (1, 1, 1)), (0.09, (0, 0, 0)), (0.79, (0, 0, 0)), (0.83, (1, 1, 1)), (1.0, (1, 1, 1))])
    whole = shader.node("ShaderNodeMix", {"data_type": "RGBA"}, i0=zone)
    shader.tree.links.new(inner.outputs[2], whole.inputs[6])
    shader.set(whole, 7, pith)
    skin = shader.ramp(rim, [(0.0, (0, 0, 0)), (0.925, (0, 0, 0)), (0.945, (1, 1, 1)), (1.0, (1, 1, 1))])
    final = shader.node("ShaderNodeMix", {"data_type": "RGBA"}, i0=skin)
    shader.tree.links.new(whole.outputs[2], final.inputs[6])
    shader.set(final, 7, peel)
    shader.link(final.outputs[2], "Base Color")
    shader.surface.inputs["Subsurface Weight"].default_value = 0.25
    shader.surface.inputs["Subsurface Radius"].default_value = (0.008, 0.004, 0.001)
    shader.surface.inputs["Subsurface Scale"].default_value = 1.0
    shader.bump(sacs, 0.25, 0.0006)
    return shader.material


def slice_of(name, material, thick: float = 0.009) -> bpy.types.Object:
    """A round slice of 4 cm radius: the shader's zones are drawn for that size."""
    r, h = 0.038, thick / 2
    profile = [(1e-5, -h), (r * 0.5, -h), (r - 0.002, -h), (r - 0.0004, -h * 0.7), (r, 0), (r - 0.0004, h * 0.7), (r - 0.002, h), (r * 0.5, h), (1e-5, h)]
    return stage.lathe(name, stage.smooth_profile(profile, 60), material, 96)


def lemon(rng, material) -> bpy.types.Object:
    """A whole lemon, 8 cm long, with a nub at either end."""
    z = np.linspace(-1, 1, 70)
    r = 0.029 * np.sqrt(np.maximum(1 - np.abs(z) ** 2.3, 0)) ** 0.92
    r = np.maximum(r, 0.0065 * np.sqrt(np.maximum(1 - ((np.abs(z) - 0.93) / 0.17) ** 2, 0)))
    profile = np.stack([np.maximum(r, 1e-5), z * 0.041 * (1 + 0.10 * (np.abs(z) > 0.96))], -1)
    return stage.lathe("lemon", profile, material, 80)


def leaf(name, material, length: float, width: float, curl: float) -> bpy.types.Object:
    """A pointed leaf along x, folded on its midrib and curled."""
    n, m = 36, 15
    t = np.linspace(0, 1, n)[:, None]
    w = np.linspace(-1, 1, m)[None]
    half = width / 2 * np.sin(math.pi * t**0.8) ** 0.85 * (1 + 0.05 * np.sin(70 * t))
    x, y = length * t + 0 * w, half * w
    z = 0.28 * np.abs(y) + curl * length * (t - 0.35) ** 2 + 0.012 * length * np.sin(34 * t - 5 * np.abs(w))
    return stage.mesh(name, np.stack([x, y, z], -1).reshape(-1, 3), stage.grid_faces(n, m), material)


def leaf_shader(name, dark, light) -> bpy.types.Material:
    shader = stage.Shader(name, Roughness=0.4, Transmission_Weight=0.0)
    shader.link(shader.ramp(shader.noise(60, 3), [(0.3, dark), (0.7, light)]), "Base Color")
    shader.bump(shader.noise(400, 3), 0.3, 0.0005)
    return shader.material


def build_glass(rng) -> None:
    """A tumbler of tea with ice, lemon and a straw: each surface where light bends is modelled."""
    glass = stage.Shader("glass", Base_Color=(0.98, 0.99, 0.99), Roughness=0.0, IOR=1.48, Transmission_Weight=1.0)
    tea = stage.Shader("tea", Base_Color=(1, 1, 1), Roughness=0.0, IOR=1.33, Transmission_Weight=1.0)
    absorb = tea.node("ShaderNodeVolumeAbsorption", Color=(0.88, 0.45, 0.10), Density=15.0)
    tea.tree.links.new(absorb.outputs[0], tea.output.inputs["Volume"])
    ice = stage.Shader("ice", Base_Color=(1, 1, 1), Roughness=0.04, IOR=1.31, Transmission_Weight=1.0)
    ice.bump(ice.noise(90, 3), 0.25, 0.003)

    outside = [(1e-5, 0.0), (0.028, 0.0), (0.0315, 0.002), (0.0325, 0.008), (0.036, 0.07), (0.0395, 0.150), (0.0392, 0.1518)]
    inside = [(0.0382, 0.1518), (0.0375, 0.150), (0.0342, 0.07), (0.0312, 0.020), (0.0285, 0.0145), (0.015, 0.0125), (1e-5, 0.012)]

    def facet(angle, height):
        """Cut flutes on the lower half."""
        low = np.clip((0.075 - height) / 0.02, 0, 1) * np.clip((height - 0.006) / 0.01, 0, 1)
        return -0.0011 * low * (0.5 + 0.5 * np.cos(angle * 16)) ** 2

    count = 240
    o = np.array(outside)
    profile = np.concatenate([np.stack([np.interp(np.linspace(0, 1, count), np.linspace(0, 1, len(o)), o[:, k]) for k in (0, 1)], -1), stage.smooth_profile(inside, 140)])
    body = stage.lathe("glass", profile, glass.material, 192)
    points = np.array([v.co for v in body.data.vertices])
    outer = np.zeros(len(points), bool)
    outer[: count * 192] = True
    polar = np.arctan2(points[:, 1], points[:, 0])
    radial = np.linalg.norm(points[:, :2], axis=1)
    moved = radial + np.where(outer, facet(polar, points[:, 2]), 0) * (radial > 0.02)
    points[:, :2] *= (moved / radial)[:, None]
    body.data.vertices.foreach_set("co", points.astype(np.float32).ravel())
    # Tea reaches a hair into the glass, so that no gap of air shows between them.
    level = 0.118
    z = np.linspace(0.0140, level, 60)
    wall = np.interp(z, [0.0125, 0.0145, 0.020, 0.07, 0.150], [0.015, 0.0285, 0.0312, 0.0342, 0.0375]) + 0.0003
    liquid = np.concatenate([[(1e-5, 0.0118), (0.012, 0.0121)], np.stack([wall, z], -1), [(0.034, level - 0.0012), (1e-5, level - 0.0014)]])
    stage.lathe("tea", liquid, tea.material, 160)
    for k in range(6):
        cube = stage.block("ice", (0.024, 0.024, 0.024), 0.003, ice.material)
        turn = k * 2.4
        cube.location = (0.0145 * math.cos(turn), 0.0145 * math.sin(turn), 0.060 + 0.0135 * k)
        cube.rotation_euler = rng.uniform(0, 3, 3)
    paper = stage.Shader("straw", Roughness=0.5)
    where = paper.node("ShaderNodeTexCoord").outputs["Object"]
    parts = paper.node("ShaderNodeSeparateXYZ", Vector=where)
    turn = paper.math("DIVIDE", paper.math("ARCTAN2", parts.outputs[1], parts.outputs[0]), 2 * math.pi)
    band = paper.math("FRACT", paper.math("MULTIPLY_ADD", parts.outputs[2], 70.0, turn))
    paper.link(paper.ramp(band, [(0.0, (0.85, 0.83, 0.78)), (0.5, (0.85, 0.83, 0.78)), (0.52, (0.62, 0.02, 0.03)), (1.0, (0.62, 0.02, 0.03))]), "Base Color")
    straw = stage.lathe("straw", [(0.0030, 0.0), (0.0030, 0.215), (0.0026, 0.215), (0.0026, 0.0)], paper.material, 40)
    straw.location, straw.rotation_euler = (-0.016, 0.004, 0.016), (-0.04, 0.20, 0)


def build_drops(rng) -> None:
    """A thrown ribbon of tea breaking up: drops drawn out along their flight."""
    water = stage.Shader("drops", Base_Color=(0.95, 0.66, 0.30), Roughness=0.0, IOR=1.33, Transmission_Weight=1.0)
    for k in range(70):
        t = rng.uniform(0, 1) ** 0.8
        place = np.array([0.03 + 0.19 * t, -0.02, 0.155 + 0.17 * t - 0.125 * t * t]) + rng.standard_normal(3) * (0.004 + 0.016 * t)
        heading = np.array([0.19, 0, 0.17 - 0.25 * t])
        heading = heading / np.linalg.norm(heading)
        size = 0.0011 + 0.0042 * rng.uniform() ** 3
        drop = stage.sphere("drop", place, size, water.material, (rng.uniform(1.0, 2.2), 1, 1), 4)
        turn = (0, -math.atan2(heading[2], heading[0]), 0)
        fly(drop, place, turn, heading * rng.uniform(0.006, 0.016), (0, 0, 0))


def build(samples: int, threads: int, width: int, height: int) -> stage.Screen:
    scene = stage.fresh_scene(width, height, samples, threads)
    scene.cycles.max_bounces, scene.cycles.transmission_bounces = 10, 10
    scene.render.use_motion_blur = True
    scene.render.motion_blur_shutter = 0.5
    scene.frame_set(1)
    rng = np.random.default_rng(8)
    screen = stage.Screen(0.85, stage.SCREEN_BLUE, width=3.0, height=2.0, centre=0.1, folds=1.2, seed=11)
    tape = stage.Shader("tape", Base_Color=(0.040, 0.115, 0.66), Roughness=0.6)
    for x, z, turn in ((-0.33, 0.30, 0.1), (0.36, 0.05, -0.1), (0.05, 0.34, 0.0)):
        screen.cross(x, z, 0.035, tape.material, turn)

    # The bar top.
    wood = stage.Shader("wood", Roughness=0.55, Specular_IOR_Level=0.3)
    grain = wood.noise(9, 6, (0.6, 9, 1))
    wood.link(wood.ramp(grain, [(0.3, (0.055, 0.022, 0.009)), (0.5, (0.16, 0.070, 0.028)), (0.7, (0.27, 0.13, 0.055))]), "Base Color")
    wood.bump(grain, 0.25, 0.001)
    stage.block("bar", (1.6, 0.46, 0.04), 0.006, wood.material).location = (0, 0.02, -0.02)

    build_glass(rng)
    build_drops(rng)

    orange = citrus_shader((0.80, 0.22, 0.004), (0.80, 0.55, 0.25), (0.76, 0.19, 0.004))
    yellow = citrus_shader((0.84, 0.55, 0.012), (0.82, 0.74, 0.42), (0.78, 0.56, 0.07))
    peel = stage.Shader("peel", Base_Color=(0.86, 0.58, 0.015), Roughness=0.38, Coat_Weight=0.2, Coat_Roughness=0.2)
    peel.bump(peel.node("ShaderNodeTexVoronoi", Scale=430.0).outputs["Distance"], 0.5, 0.0007)
    mint = leaf_shader("mint", (0.035, 0.16, 0.03), (0.10, 0.30, 0.06))

    still = slice_of("on the rim", yellow, 0.006)
    still.location, still.rotation_euler, still.scale = (0.037, -0.010, 0.160), (1.45, 0.25, 0.35), (0.82, 0.82, 0.82)
    fly(slice_of("orange", orange), (-0.135, -0.02, 0.175), (1.05, 0.35, 0.0), (0.004, 0, -0.042), (0.25, 0.1, 0.5))
    fly(slice_of("orange", orange), (0.180, 0.03, 0.218), (1.25, -0.5, 0.6), (0.030, 0, 0.012), (0.1, -0.3, 0.9))
    fly(slice_of("lemon slice", yellow), (-0.235, 0.06, 0.060), (0.9, -0.5, 0.3), (-0.012, 0, -0.050), (0.5, 0.2, 0.2))
    fly(lemon(rng, peel.material), (0.205, -0.01, 0.070), (0.4, 1.1, 0.2), (0.050, 0, -0.028), (0.0, 0.5, 0.2))
    fly(lemon(rng, peel.material), (-0.068, 0.05, 0.262), (0.6, 0.5, 0.9), (0.006, 0, 0.006), (0.1, 0.12, 0.0))
    for place, turn, velocity, spin in (
        ((0.095, -0.03, 0.262), (0.6, 0.4, 0.9), (0.018, 0, -0.006), (0.4, 0.2, 0.4)),
        ((-0.195, -0.02, 0.240), (1.1, 0.2, 2.2), (-0.010, 0, 0.022), (0.3, 0.5, 0.1)),
        ((0.118, 0.00, 0.118), (0.3, 1.0, 0.2), (0.022, 0, -0.020), (0.8, 0.1, 0.5)),
        ((-0.105, -0.04, 0.078), (0.9, 0.7, 1.4), (-0.004, 0, -0.014), (0.2, 0.3, 0.6)),
    ):
        fly(leaf("mint", mint, 0.046, 0.027, 0.5), place, turn, velocity, spin)
    sprig = leaf("mint on top", mint, 0.045, 0.028, 0.6)
    sprig.location, sprig.rotation_euler = (-0.004, -0.012, 0.124), (0.5, -1.05, 0.5)
    second = leaf("mint on top", mint, 0.040, 0.024, 0.6)
    second.location, second.rotation_euler = (0.002, -0.006, 0.124), (-0.3, -1.15, -0.6)

    # Close to the lens: a sprig of leaves, far out of focus.
    blade = leaf_shader("branch", (0.10, 0.17, 0.02), (0.22, 0.30, 0.05))
    bark = stage.Shader("bark", Base_Color=(0.10, 0.05, 0.03), Roughness=0.8)
    t = np.linspace(0, 1, 30)
    stem = np.stack([-0.150 + 0.085 * t, np.full(30, -0.60), 0.085 + 0.125 * t - 0.045 * t * t], -1)
    stage.tube("stem", stem, 0.0016, bark.material)
    for k, s in enumerate(np.linspace(0.15, 1.0, 8)):
        at = stem[min(29, int(s * 29))]
        one = leaf("branch leaf", blade, rng.uniform(0.035, 0.048), 0.017, 0.4)
        one.location = at
        one.rotation_euler = (rng.uniform(0.8, 1.5), -0.9 + (1.5 if k % 2 else -0.5) + rng.uniform(-0.3, 0.3), rng.uniform(-0.2, 0.2))

    stage.area_light("key", (-0.75, -0.55, 0.75), (0, 0, 0.12), 0.40, 9, (1.0, 0.95, 0.88))
    stage.area_light("strip", (0.62, -0.15, 0.35), (0, 0, 0.12), 0.10, 5, (0.9, 0.95, 1.0), 0.7)
    stage.area_light("back", (0.35, 0.55, 0.75), (0, 0, 0.15), 0.20, 5, (1.0, 0.95, 0.85))
    stage.area_light("front", (-0.45, -1.15, 0.55), (-0.10, -0.6, 0.12), 0.25, 2.2, (1.0, 0.97, 0.92))
    stage.area_light("cloth left", (-1.2, 0.15, 0.7), (-0.2, 0.85, 0.05), 0.4, 17, (1, 1, 1), 0.9)
    stage.area_light("cloth right", (1.2, 0.2, 0.3), (0.4, 0.85, 0.0), 0.4, 7.5, (1, 0.98, 0.95), 0.9)
    stage.camera((0.0, -1.25, 0.20), (0.0, 0, 0.138), 85, focus=(0, -0.03, 0.12), stop=3.2)
    return screen


def develop(light: np.ndarray, out: Path) -> None:
    """Lens, sensor and display encoding."""
    finish.write_png(out / "motion.plate.png", finish.encode(finish.sensor(finish.lens(light), grain=0.030, seed=2)))


if __name__ == "__main__":
    command.run(__doc__, "motion", (1280, 720), 24, build, develop, glass=True)
