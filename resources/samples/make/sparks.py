"""`sparks`: a grinding wheel throws sparks beside a bare filament lamp, before green cloth.

Scene-linear half floats: filament, sparks and reflections in steel are far above 1. Polished
steel mirrors the screen.

    python sparks.py RENDERS           # render (minutes), then finish
    python sparks.py RENDERS --finish  # finish an earlier render again
"""

from __future__ import annotations

import math
from pathlib import Path

import bpy
import numpy as np
import OpenEXR

import command
import finish
import stage

# Where the bar meets the wheel; sparks leave from here.
WHEEL, RADIUS = np.array([-0.03, 0.0, 0.155]), 0.085
CONTACT = WHEEL + RADIUS * np.array([math.cos(0.15), 0, math.sin(0.15)])


def glow(name, strength: float, colour) -> bpy.types.Material:
    shader = stage.Shader(name, Base_Color=(0, 0, 0), Emission_Color=colour, Emission_Strength=strength)
    return shader.material


def lying(thing, place, turn=(math.pi / 2, 0, 0)):
    thing.location, thing.rotation_euler = place, turn
    return thing


def build_grinder(rng) -> None:
    cast = stage.Shader("cast", Base_Color=(0.05, 0.075, 0.11), Roughness=0.38, Coat_Weight=0.5, Coat_Roughness=0.15)
    cast.bump(cast.noise(160, 4), 0.25, 0.001)
    steel = stage.Shader("steel", Base_Color=(0.62, 0.62, 0.63), Metallic=1.0, Roughness=0.13)
    steel.link(steel.math("MULTIPLY_ADD", steel.noise(60, 5), 0.22, 0.04), "Roughness")
    brushed = stage.Shader("brushed", Base_Color=(0.56, 0.56, 0.57), Metallic=1.0, Roughness=0.27, Anisotropic=0.8)
    scratches = brushed.noise(40, 6, (1, 60, 60))
    brushed.bump(scratches, 0.25, 0.0006)
    stone = stage.Shader("stone", Roughness=0.9)
    speck = stone.noise(900, 3)
    stone.link(stone.ramp(speck, [(0.35, (0.09, 0.10, 0.12)), (0.6, (0.34, 0.36, 0.40)), (0.7, (0.62, 0.63, 0.65))]), "Base Color")
    stone.bump(speck, 0.7, 0.001)

    # The wheel spins: its marks streak, its outline stays.
    h, r = 0.014, RADIUS
    profile = [(1e-5, -h), (0.02, -h), (r - 0.006, -h), (r - 0.001, -h + 0.001), (r, -h + 0.004), (r, h - 0.004), (r - 0.001, h - 0.001), (r - 0.006, h), (0.02, h), (1e-5, h)]
    wheel = stage.lathe("wheel", profile, stone.material, 160)
    label = stage.Shader("label", Base_Color=(0.50, 0.05, 0.03), Roughness=0.5)
    paper = stage.lathe("label", [(0.018, 0.0), (0.040, 0.0)], label.material, 96)
    chip = stage.Shader("chip", Base_Color=(0.75, 0.74, 0.70), Roughness=0.6)
    marks = [stage.block("mark", (0.012, 0.004, 0.0006), 0.0001, chip.material) for _ in range(5)]
    hub = stage.lathe("hub", [(1e-5, 0.012), (0.006, 0.012), (0.008, 0.010), (0.008, 0.004), (0.016, 0.003), (0.017, 0.0)], steel.material, 6 * 12)
    axle = bpy.data.objects.new("axle", None)
    bpy.context.scene.collection.objects.link(axle)
    for thing, lift in ((wheel, 0.0), (paper, h + 0.0004), (hub, h + 0.0004)):
        thing.parent, thing.location = axle, (0, 0, lift)
    for k, mark in enumerate(marks):
        turn = k * 2 * math.pi / 5 + 0.3 * (k % 2)
        mark.parent, mark.location = axle, (0.055 * math.cos(turn), 0.055 * math.sin(turn), h + 0.0006)
        mark.rotation_euler = (0, 0, turn)
    axle.location, axle.rotation_mode = WHEEL, "ZXY"
    for frame in (0, 1, 2):
        axle.rotation_euler = (math.pi / 2, 0, -1.1 * (frame - 1))
        axle.keyframe_insert("rotation_euler", frame=frame)
    for curve in axle.animation_data.action.fcurves:
        for key in curve.keyframe_points:
            key.interpolation = "LINEAR"

    # Guard over the left, motor behind, foot, tool rest.
    arc = np.linspace(math.radians(62), math.radians(262), 90)
    ring = []
    for inner, depth in ((0.094, -0.026), (0.101, -0.026), (0.101, 0.030), (0.094, 0.030)):
        ring.append(np.stack([WHEEL[0] + inner * np.cos(arc), np.full_like(arc, depth), WHEEL[2] + inner * np.sin(arc)], -1))
    points = np.stack(ring, 1).reshape(-1, 3)
    guard = stage.mesh("guard", points, stage.grid_faces(90, 4, wrap=True), cast.material, smooth=True)
    guard.modifiers.new("edges", "BEVEL").width = 0.0015
    body = stage.lathe("motor", stage.smooth_profile([(1e-5, -0.09), (0.045, -0.088), (0.062, -0.075), (0.066, 0.0), (0.062, 0.075), (0.045, 0.088), (1e-5, 0.09)], 90), cast.material, 96)
    lying(body, WHEEL + np.array([0, 0.125, 0]))
    stage.block("foot", (0.11, 0.12, 0.10), 0.012, cast.material).location = (WHEEL[0], 0.125, 0.045)
    stage.block("plinth", (0.17, 0.17, 0.022), 0.006, cast.material).location = (WHEEL[0], 0.125, 0.011)
    stage.block("rest", (0.040, 0.050, 0.006), 0.0015, brushed.material).location = CONTACT + np.array([0.024, 0, -0.011])
    stage.block("post", (0.010, 0.012, 0.13), 0.002, brushed.material).location = CONTACT + np.array([0.036, 0.012, -0.078])
    bar = stage.block("bar", (0.115, 0.014, 0.012), 0.0015, steel.material)
    bar.location, bar.rotation_euler = CONTACT + np.array([0.0585, -0.002, -0.0015]), (0, 0.03, 0.05)
    hot = glow("hot", 26.0, (1.0, 0.36, 0.07))
    stage.sphere("hot tip", CONTACT + np.array([0.0012, 0, -0.001]), 0.0042, hot, (0.5, 1.2, 1.0), 3)

    # On the bench: polished steel, which mirrors all of it.
    mirror = stage.Shader("mirror", Base_Color=(0.74, 0.74, 0.75), Metallic=1.0, Roughness=0.04)
    for place, size in (((0.165, -0.070, 0.021), 0.021), ((0.208, -0.045, 0.014), 0.014), ((0.118, -0.105, 0.011), 0.011)):
        stage.sphere("ball", place, size, mirror.material)
    nut = stage.lathe("nut", [(0.011, 0.0), (0.0205, 0.0), (0.022, 0.002), (0.022, 0.013), (0.0205, 0.015), (0.011, 0.015), (0.010, 0.013), (0.010, 0.002), (0.011, 0.0)], steel.material, 6)
    nut.data.shade_flat()
    lying(nut, (-0.175, -0.055, 0.0), (0, 0, 0.4))


def build_lamp() -> None:
    """A filament lamp on a cord."""
    at = np.array([-0.205, 0.03, 0.205])
    clear = stage.Shader("bulb", Base_Color=(1.0, 0.985, 0.95), Roughness=0.0, IOR=1.45, Transmission_Weight=1.0)
    outside = stage.smooth_profile([(1e-5, -0.062), (0.012, -0.0605), (0.030, -0.045), (0.037, -0.020), (0.033, 0.006), (0.021, 0.032), (0.0155, 0.048), (0.0145, 0.058)], 110)
    inside = outside[::-1] * np.array([1, 1]) - np.array([0.0009, 0]) + np.array([0, 0.0004])
    inside[:, 0] = np.maximum(inside[:, 0], 1e-5)
    stage.lathe("bulb", np.concatenate([outside, inside]), clear.material, 128).location = at
    brass = stage.Shader("brass", Base_Color=(0.72, 0.47, 0.17), Metallic=1.0, Roughness=0.22)
    threads = [(0.0155 + 0.0009 * math.cos(k * 1.3), 0.052 + 0.0008 * k) for k in range(36)]
    socket = [(1e-5, 0.0810)] + [(0.0185, 0.0805), (0.0200, 0.083), (0.0200, 0.112), (0.0175, 0.120), (0.006, 0.126), (0.004, 0.132), (1e-5, 0.133)]
    stage.lathe("thread", threads, brass.material, 64).location = at
    stage.lathe("socket", socket, brass.material, 64).location = at
    cord = stage.Shader("cord", Base_Color=(0.02, 0.016, 0.014), Roughness=0.8)
    z = np.linspace(0.128, 0.30, 30)
    stage.tube("cord", at + np.stack([0.004 * np.sin(z * 14), 0 * z, z], -1), 0.0024, cord.material)
    stem = stage.Shader("stem", Base_Color=(1, 1, 1), Roughness=0.02, IOR=1.45, Transmission_Weight=1.0)
    stage.lathe("stem", stage.smooth_profile([(0.010, 0.050), (0.006, 0.036), (0.0035, 0.020), (0.0042, 0.004), (1e-5, 0.001)], 40), stem.material, 40).location = at
    tungsten = glow("filament", 260.0, (1.0, 0.52, 0.17))
    wire = stage.Shader("wire", Base_Color=(0.4, 0.4, 0.4), Metallic=1.0, Roughness=0.4)
    loops = []
    for k in range(9):
        turn = math.pi * 2 * k / 9
        low = k % 2
        loops.append((0.0145 * math.cos(turn), 0.0145 * math.sin(turn), -0.034 if low else 0.010))
    knots = np.array(loops)
    t = np.linspace(0, len(knots) - 1, 240)
    zigzag = np.stack([np.interp(t, np.arange(len(knots)), knots[:, k]) for k in range(3)], -1)
    stage.tube("filament", at + zigzag, 0.00042, tungsten)
    for side in (-1, 1):
        stage.tube("lead", at + np.array([(side * 0.002, 0, 0.02), (side * 0.009, 0, 0.014), knots[0 if side > 0 else 5]]), 0.0004, wire.material)


def spark_shader() -> bpy.types.Material:
    """Cooling along the trail: white-hot, then yellow, orange and red."""
    shader = stage.Shader("spark", Base_Color=(0, 0, 0))
    heat = shader.node("ShaderNodeAttribute", {"attribute_name": "heat"}).outputs["Fac"]
    shader.link(shader.ramp(heat, [(0.0, (0.9, 0.10, 0.01)), (0.35, (1.0, 0.30, 0.04)), (0.7, (1.0, 0.55, 0.16)), (1.0, (1.0, 0.80, 0.45))]), "Emission Color")
    shader.link(shader.math("MULTIPLY_ADD", shader.math("POWER", heat, 2.0), 130.0, 4.0), "Emission Strength")
    return shader.material


def build_sparks(rng) -> None:
    """Each spark is the trail that it draws while the shutter is open; many burst at the end."""
    lines, radii, heats = [], [], []

    def trail(start, velocity, seconds, hot, cool, thick):
        t = np.linspace(0, seconds, 14)[:, None]
        drag = 3.2
        path = start + velocity * (1 - np.exp(-drag * t)) / drag + np.array([0, 0, -4.9]) * t**2
        lines.append(path)
        radii.append(thick * np.interp(np.linspace(0, 1, 14), [0, 0.15, 0.8, 1], [0.35, 1, 0.9, 0.2]))
        heats.append(np.linspace(hot, cool, 14))
        return path[-1]

    shutter = 1 / 60
    for _ in range(620):
        # The wheel turns clockwise here, so the rim at the contact moves down.
        heading = -math.pi / 2 + 0.62 + rng.normal(0, 0.17) + 0.25 * rng.standard_exponential() * 0.5
        speed = rng.uniform(2.2, 5.2)
        velocity = speed * np.array([math.cos(heading), rng.normal(0, 0.17), math.sin(heading)])
        age = rng.uniform(0, 0.085) ** 1.0
        drag = 3.2
        place = CONTACT + velocity * (1 - math.exp(-drag * age)) / drag + np.array([0, 0, -4.9]) * age**2
        now = velocity * math.exp(-drag * age) + np.array([0, 0, -9.8]) * age
        if place[2] < 0.004:
            # Off the bench it bounces, slower.
            place[2] = 0.004
            now = now * np.array([0.55, 0.9, -0.38]) + rng.standard_normal(3) * 0.25
            place = place + now * rng.uniform(0, 0.03)
            if place[2] < 0.003:
                continue
        hot = np.clip(1.05 - age / 0.11, 0.1, 1.0) * rng.uniform(0.6, 1.0)
        length = shutter * rng.uniform(0.35, 1.0)
        if place[2] + now[2] * length < 0.002:
            length *= 0.3
        end = trail(place, now, length, hot, hot * 0.75, rng.uniform(0.00014, 0.00040))
        if rng.uniform() < 0.13 and age > 0.02:
            for _ in range(int(rng.uniform(4, 10))):
                burst = now * 0.35 + rng.standard_normal(3) * 1.2
                trail(end, burst, shutter * rng.uniform(0.2, 0.6), min(1.0, hot * 1.2), 0.3, 0.00014)
    for _ in range(160):
        # Dust from the wheel's face, close in and very bright.
        heading = -math.pi / 2 + rng.normal(0.35, 0.42)
        velocity = rng.uniform(1.0, 4.0) * np.array([math.cos(heading), rng.normal(0, 0.2), math.sin(heading)])
        trail(CONTACT + rng.standard_normal(3) * 0.0015, velocity, shutter * rng.uniform(0.15, 0.7), 1.0, 0.6, 0.00022)
    made = stage.strands("sparks", lines, radii, spark_shader())
    made.data.attributes.new("heat", "FLOAT", "POINT").data.foreach_set("value", np.concatenate(heats).astype(np.float32))
    light = bpy.data.lights.new("sparks", "POINT")
    light.energy, light.color, light.shadow_soft_size = 1.1, (1.0, 0.48, 0.14), 0.02
    stage.add("spark light", light).location = CONTACT + np.array([0.02, -0.03, -0.02])


def build(samples: int, threads: int, width: int, height: int) -> stage.Screen:
    scene = stage.fresh_scene(width, height, samples, threads)
    scene.cycles.max_bounces, scene.cycles.transmission_bounces = 9, 9
    scene.cycles.sample_clamp_indirect = 12.0
    scene.render.use_motion_blur, scene.render.motion_blur_shutter = True, 0.5
    scene.frame_set(1)
    rng = np.random.default_rng(31)
    screen = stage.Screen(0.95, stage.SCREEN_GREEN, width=3.4, height=2.2, centre=0.1, folds=1.2, seed=23)
    tape = stage.Shader("tape", Base_Color=(0.055, 0.50, 0.085), Roughness=0.6)
    for x, z, turn in ((0.40, 0.40, 0.1), (0.14, 0.43, 0.0), (0.44, 0.12, -0.1)):
        screen.cross(x, z, 0.036, tape.material, turn)
    bench = stage.Shader("bench", Roughness=0.5)
    grain = bench.noise(12, 6, (0.6, 12, 1))
    bench.link(bench.ramp(grain, [(0.3, (0.030, 0.018, 0.011)), (0.55, (0.095, 0.055, 0.030)), (0.7, (0.17, 0.105, 0.06))]), "Base Color")
    bench.bump(grain, 0.35, 0.0015)
    stage.block("bench", (1.8, 0.62, 0.05), 0.005, bench.material).location = (0, 0.05, -0.025)
    build_grinder(rng)
    build_lamp()
    build_sparks(rng)
    stage.area_light("key", (0.55, -0.75, 0.75), (0, 0, 0.1), 0.35, 7.5, (0.92, 0.96, 1.0))
    stage.area_light("strip", (-0.75, -0.25, 0.35), (-0.05, 0, 0.12), 0.10, 3.5, (1.0, 0.93, 0.85), 0.6)
    stage.area_light("back", (-0.45, 0.60, 0.65), (0, 0, 0.15), 0.18, 5, (0.9, 0.96, 1.0))
    stage.area_light("cloth left", (-1.3, 0.15, 0.7), (-0.25, 0.95, 0.1), 0.4, 17, (1, 1, 1), 0.9)
    stage.area_light("cloth right", (1.3, 0.2, 0.4), (0.45, 0.95, 0.1), 0.4, 9, (1, 0.98, 0.95), 0.9)
    stage.camera((0.03, -1.30, 0.235), (0.0, 0, 0.158), 75, focus=(0.02, -0.02, 0.12), stop=5.6)
    return screen


def develop(light: np.ndarray, out: Path) -> None:
    """Lens, sensor and a logarithmic recording; the highlights stay."""
    light = finish.through_log(finish.sensor(finish.lens(light), grain=0.022, seed=3))
    header = {
        # 10:04:27:13, then no flags and no user bits.
        "timeCode": OpenEXR.TimeCode(10, 4, 27, 13, *[0] * 14),
        # Rec. 709 primaries, D65.
        "chromaticities": (0.64, 0.33, 0.30, 0.60, 0.15, 0.06, 0.3127, 0.3290),
    }
    finish.write_exr(out / "sparks.plate.exr", light, header)


if __name__ == "__main__":
    command.run(__doc__, "sparks", (1280, 720), 16, build, develop, glass=True)
