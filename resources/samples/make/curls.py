"""`curls`: a plush fellow with a mop of mohair curls and a scarf in the wind, before green cloth.

Curls, fly-aways, fuzz and a fringe finer than a pixel; spill in pale fur; uneven cloth.

    python curls.py RENDERS           # render (minutes), then finish
    python curls.py RENDERS --finish  # finish an earlier render again
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

import command
import finish
import stage

HEAD = np.array([0.0, 0.0, 0.10])
EYES = np.array([[-0.047, -0.098, 0.128], [0.047, -0.098, 0.128]])
NOSE = np.array([0.0, -0.158, 0.083])
FUR = (0.62, 0.36, 0.17)
CURLS = (0.44, 0.125, 0.028)


def unit(v: np.ndarray) -> np.ndarray:
    return v / np.maximum(np.linalg.norm(v, axis=-1, keepdims=True), 1e-9)


def head_distance(p: np.ndarray) -> np.ndarray:
    """Roughly the signed distance to the head: skull, muzzle, cheeks and brow melted together."""
    parts = [
        ((0.0, 0.0, 0.0), (0.122, 0.112, 0.125)),
        ((0.0, -0.100, -0.040), (0.064, 0.056, 0.046)),
        ((-0.062, -0.052, -0.052), (0.060, 0.060, 0.052)),
        ((0.062, -0.052, -0.052), (0.060, 0.060, 0.052)),
        ((0.0, -0.080, 0.062), (0.080, 0.042, 0.024)),
    ]
    total = 0.0
    for centre, radii in parts:
        r = np.array(radii)
        d = (np.linalg.norm((p - HEAD - np.array(centre)) / r, axis=-1) - 1) * r.min()
        total = total + np.exp(-d / 0.009)
    return -0.009 * np.log(np.maximum(total, 1e-30))


def head_normal(p: np.ndarray) -> np.ndarray:
    e = 1e-4
    return unit(np.stack([head_distance(p + np.eye(3)[k] * e) - head_distance(p - np.eye(3)[k] * e) for k in range(3)], -1))


def head_surface(direction: np.ndarray) -> np.ndarray:
    """Where a ray from the head's middle leaves it."""
    near, far = np.zeros(len(direction)), np.full(len(direction), 0.3)
    for _ in range(40):
        middle = (near + far) / 2
        inside = head_distance(HEAD + direction * middle[:, None]) < 0
        near, far = np.where(inside, middle, near), np.where(inside, far, middle)
    return HEAD + direction * near[:, None]


def scattered(rng, count: int) -> np.ndarray:
    return unit(rng.standard_normal((count, 3)))


def build_head(rng) -> None:
    rows, columns = 160, 240
    polar, around = np.linspace(1e-3, math.pi - 1e-3, rows), np.linspace(0, 2 * math.pi, columns, endpoint=False)
    t, a = np.meshgrid(polar, around, indexing="ij")
    direction = np.stack([np.sin(t) * np.cos(a), np.sin(t) * np.sin(a), np.cos(t)], -1).reshape(-1, 3)
    skin = stage.Shader("skin", Base_Color=tuple(c * 0.75 for c in FUR), Roughness=0.95, Specular_IOR_Level=0.1)
    stage.mesh("head", head_surface(direction), stage.grid_faces(rows, columns, wrap=True), skin.material)

    # Plastic safety eyes: a black pupil, an amber ring, a hard clear coat.
    eye = stage.Shader("eye", Roughness=0.25, Coat_Weight=1.0, Coat_Roughness=0.02)
    where = eye.node("ShaderNodeTexCoord").outputs["Object"]
    toward = eye.node("ShaderNodeSeparateXYZ", Vector=where).outputs[1]
    ring = eye.ramp(
        eye.math("MULTIPLY_ADD", toward, -25.0, 0.5),
        [(0.0, (0.02, 0.008, 0.003)), (0.80, (0.04, 0.014, 0.004)), (0.84, (0.30, 0.10, 0.012)), (0.925, (0.42, 0.17, 0.02)), (0.94, (0.002, 0.002, 0.002)), (1.0, (0.002, 0.002, 0.002))],
    )
    eye.link(ring, "Base Color")
    lid = stage.Shader("lid", Base_Color=(0.36, 0.17, 0.07), Roughness=0.9, Sheen_Weight=0.6)
    for side, at in zip((-1, 1), EYES):
        ball = stage.sphere("eye", at, 0.020, eye.material)
        ball.rotation_euler = (0.05, 0, -side * 0.10)
        arc = np.linspace(0, math.pi / 2.25, 20)
        shell = stage.lathe("lid", np.stack([0.0222 * np.sin(arc) + 1e-5, 0.0222 * np.cos(arc)], -1), lid.material, 64)
        shell.location, shell.rotation_euler = at, (-0.10, side * 0.22, 0)
    nose = stage.Shader("nose", Base_Color=(0.022, 0.010, 0.008), Roughness=0.45, Sheen_Weight=0.1, Coat_Weight=0.3)
    nose.bump(nose.noise(700, 2), 0.5, 0.0006)
    stage.sphere("nose", NOSE, 1.0, nose.material, (0.021, 0.015, 0.015))

    thread = stage.Shader("thread", Base_Color=(0.05, 0.02, 0.015), Roughness=0.7, Sheen_Weight=0.5)
    x = np.linspace(-0.045, 0.045, 60)
    smile = np.stack([x, np.full_like(x, -0.2), 0.043 + 9.0 * x**2 - 0.006 * np.cos(x * 90)], -1)
    stage.tube("smile", head_surface(unit(smile - HEAD)) + np.array([0, -0.006, 0]), 0.0017, thread.material)
    z = np.linspace(0.037, 0.072, 12)
    seam = np.stack([np.zeros_like(z), np.full_like(z, -0.2), z], -1)
    stage.tube("seam", head_surface(unit(seam - HEAD)) + np.array([0, -0.006, 0]), 0.0014, thread.material)


def build_glasses() -> None:
    brass = stage.Shader("brass", Base_Color=(0.75, 0.52, 0.22), Metallic=1.0, Roughness=0.18)
    around = np.linspace(0, 2 * math.pi, 96, endpoint=False)
    for side, at in zip((-1, 1), EYES):
        centre = at + np.array([side * 0.004, -0.030, -0.003])
        rim = centre + np.stack([0.034 * np.cos(around), side * 0.006 * np.cos(around), 0.032 * np.sin(around)], -1)
        stage.tube("rim", rim, 0.0011, brass.material, cyclic=True)
        hinge = centre + np.array([side * 0.034, 0.006, 0.008])
        temple = np.array([hinge, hinge + [side * 0.018, 0.02, 0.002], hinge + [side * 0.034, 0.14, 0.004]])
        stage.tube("temple", temple, 0.0011, brass.material)
    x = np.linspace(-0.017, 0.017, 20)
    stage.tube("bridge", np.stack([x, np.full_like(x, -0.133), 0.133 - 20 * x**2 + 0.004], -1), 0.0011, brass.material)


def fuzz(rng, roots, normals, comb, length, radius, points: int = 4):
    """Short fur: each hair leaves along the normal and bends to the comb direction."""
    count = len(roots)
    long = length * rng.uniform(0.55, 1.25, (count, 1))
    lean = unit(normals * 0.75 + comb + 0.45 * rng.standard_normal((count, 3)))
    fall = unit(lean + 0.8 * comb + 0.35 * rng.standard_normal((count, 3)))
    lines = [roots]
    for k in range(1, points):
        s = k / (points - 1)
        lines.append(roots + long * (s * (1 - 0.5 * s) * lean + 0.5 * s * s * fall))
    lines = np.stack(lines, 1)
    taper = np.linspace(1, 0.25, points) * radius
    return list(lines), [taper] * count


def build_fur(rng) -> None:
    direction = scattered(rng, 120_000)
    roots = head_surface(direction)
    clear = np.min([np.linalg.norm(roots - e, axis=1) for e in EYES], 0) > 0.0225
    clear &= np.linalg.norm(roots - NOSE, axis=1) > 0.019
    clear &= direction[:, 1] < 0.35
    roots = roots[clear]
    normals = head_normal(roots)
    # Combed away from the nose and a little down.
    comb = unit(roots - NOSE)
    comb = unit(comb - normals * (comb * normals).sum(1, keepdims=True)) * 0.9 + np.array([0, 0, -0.25])
    near = np.clip((np.linalg.norm(roots - NOSE, axis=1) - 0.02) / 0.09, 0.35, 1)[:, None]
    lines, radii = fuzz(rng, roots, normals, comb, 0.0115 * near, 0.00010)
    stage.strands("fur", lines, radii, stage.hair_shader("fur", FUR, 0.5, 0.25))


def build_ears(rng) -> None:
    skin = stage.Shader("ear", Base_Color=tuple(c * 0.7 for c in FUR), Roughness=0.95)
    lines, radii = [], []
    for side in (-1, 1):
        centre, scale = np.array([side * 0.137, 0.01, 0.150]), np.array([0.034, 0.014, 0.042])
        ear = stage.sphere("ear", centre, 1.0, skin.material, scale)
        ear.rotation_euler = (0, side * 0.5, side * 0.25)
        n = scattered(rng, 9000)
        turn = np.array(ear.rotation_euler.to_matrix())
        roots = centre + (n * scale) @ turn.T
        normals = unit((n / scale) @ turn.T)
        comb = unit(roots - np.array([side * 0.10, 0, 0.12])) * 0.8
        l, r = fuzz(rng, roots, normals, comb, 0.017, 0.00009, 5)
        lines, radii = lines + l, radii + r
    stage.strands("ear fur", lines, radii, stage.hair_shader("ear fur", tuple(c * 0.95 for c in FUR), 0.5, 0.3))


def guide(rng, root, start, length, step, fall, wander):
    """The middle of a lock: it leaves the scalp, sinks under its weight and slides over the head."""
    line, heading = [root], start
    for _ in range(int(length / step)):
        heading = unit(heading + np.array([0, 0, -fall]) + wander * rng.standard_normal(3))
        p = line[-1] + heading * step
        inside = head_distance(p[None])[0] - 0.010
        if inside < 0:
            normal = head_normal(p[None])[0]
            p = p - normal * inside
            heading = unit(heading - normal * min(0.0, float(heading @ normal)))
        line.append(p)
    return np.array(line)


def frames(line: np.ndarray):
    """Tangent and two normals along a line, without twist jumps."""
    tangent = unit(np.gradient(line, axis=0))
    side = np.empty_like(tangent)
    last = unit(np.cross(tangent[0], [0.3, 0.5, 0.8]))
    for i, t in enumerate(tangent):
        last = unit(last - t * (last @ t))
        side[i] = last
    return tangent, side, np.cross(tangent, side)


def build_curls(rng) -> None:
    step = 0.0022
    lines, radii = [], []

    def wind(line, radius, pitch, phase, offset, frizz, thick):
        n = len(line)
        s = np.arange(n) * step
        _, u, v = frames(line)
        grow = np.clip(s / 0.035, 0, 1)
        turn = phase + 2 * math.pi * s / pitch
        loose = 0.25 + 0.75 * np.clip(s / s[-1], 0, 1) ** 1.3
        wave = np.cumsum(rng.standard_normal((n, 2)) * frizz, 0) * grow[:, None]
        a = radius * grow * np.cos(turn) + offset[0] * loose + wave[:, 0]
        b = radius * grow * np.sin(turn) + offset[1] * loose + wave[:, 1]
        lines.append(line + u * a[:, None] + v * b[:, None])
        radii.append(thick * np.interp(np.linspace(0, 1, n), [0, 0.7, 1], [1, 0.85, 0.2]))

    direction = scattered(rng, 4000)
    crown = direction[:, 2] + 0.62 * direction[:, 1] > 0.30
    crown &= ~((direction[:, 1] < -0.45) & (direction[:, 2] < 0.62))
    roots = head_surface(direction[crown][:330])
    normals = head_normal(roots)
    for root, normal in zip(roots, normals):
        length = rng.uniform(0.075, 0.155) * (0.72 if normal[1] < -0.2 else 1.0)
        start = unit(normal + 0.35 * rng.standard_normal(3) + np.array([0, 0, 0.25]))
        middle = guide(rng, root, start, length, step, rng.uniform(0.045, 0.075), 0.05)
        radius, pitch = rng.uniform(0.005, 0.011), rng.uniform(0.016, 0.028) * rng.choice([-1, 1])
        phase = rng.uniform(0, 2 * math.pi)
        for _ in range(int(rng.uniform(30, 50))):
            spread = rng.standard_normal(2) * 0.0042
            cut = max(12, int(len(middle) * rng.uniform(0.75, 1.0)))
            wind(middle[:cut], radius * rng.normal(1, 0.13), pitch, phase + rng.normal(0, 0.30), spread, 0.00010, 0.000085)
    # Fly-aways: single hairs that left their lock.
    loose = head_surface(unit(direction[crown][:1300] + 0.1 * rng.standard_normal((len(direction[crown][:1300]), 3))))
    for root, normal in zip(loose, head_normal(loose)):
        start = unit(normal + 0.5 * rng.standard_normal(3) + np.array([0.12, 0, 0.3]))
        middle = guide(rng, root, start, rng.uniform(0.09, 0.21), step, rng.uniform(0.012, 0.05), 0.07)
        radius, pitch = rng.uniform(0.002, 0.010), rng.uniform(0.014, 0.045) * rng.choice([-1, 1])
        wind(middle, radius, pitch, rng.uniform(0, 6.3), rng.standard_normal(2) * 0.003, 0.00022, 0.000055)
    stage.strands("curls", lines, radii, stage.hair_shader("curls", CURLS, 0.28, 0.45))


def knit(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Stocking stitch: the height (0..1) of V-shaped stitches, one to each unit of u and v."""
    leg = np.abs(2 * (u - np.floor(u)) - 1)
    along = v + 0.55 * leg
    along = along - np.floor(along)
    return np.sin(math.pi * np.clip(leg, 0, 1)) ** 0.6 * np.sqrt(np.sin(math.pi * along) + 1e-6)


def build_sweater(rng) -> None:
    profile = stage.smooth_profile(
        [(0.215, -0.42), (0.212, -0.30), (0.200, -0.20), (0.168, -0.125), (0.115, -0.075), (0.078, -0.050), (0.072, -0.02), (0.074, 0.0)], 620
    )
    stitches, rows = 150, 92
    wool = stage.Shader("wool", Roughness=0.95, Sheen_Weight=0.5, Sheen_Roughness=0.5)
    tint = wool.noise(240, 3)
    wool.link(wool.ramp(tint, [(0.3, (0.10, 0.13, 0.22)), (0.7, (0.20, 0.25, 0.37))]), "Base Color")
    wool.bump(wool.noise(1500, 2), 0.6, 0.0008)

    def relief(angle, height):
        stitch = knit(angle / (2 * math.pi) * stitches, (height + 0.42) / 0.42 * rows)
        fold = 0.006 * np.sin(3 * angle + 9 * height) * np.clip(-height * 5, 0, 1)
        return 0.0032 * stitch + fold

    body = stage.lathe("sweater", profile, wool.material, 1500, 0.62, relief)
    points, outward = [], []

    def gather(thing, count, axis):
        """Picks places for lint, with their outward directions."""
        turn = np.array(thing.rotation_euler.to_matrix())
        local = np.array([v.co for v in thing.data.vertices])
        local = local[rng.integers(0, len(local), count)]
        points.append(local @ turn.T + np.array(thing.location))
        outward.append(unit((local * np.array([1, axis, 0]) + np.array([0, 0, 0.03])) @ turn.T))

    gather(body, 26_000, 1.6)
    sleeve = stage.smooth_profile([(0.068, -0.40), (0.066, -0.28), (0.070, -0.16), (0.073, -0.08), (0.064, -0.03), (0.040, -0.006), (0.002, 0.002)], 560)

    def stitches_of_sleeve(angle, height):
        edge = np.clip(-height / 0.03, 0, 1)
        crease = 0.005 * np.sin(2 * angle + 34 * height) * np.clip(-height * 6, 0, 1)
        return (0.0030 * knit(angle / (2 * math.pi) * 48, (height + 0.42) / 0.42 * rows) + crease) * edge

    for side in (-1, 1):
        arm = stage.lathe("sleeve", sleeve, wool.material, 520, 0.95, stitches_of_sleeve)
        arm.location = (side * 0.142, -0.012, -0.092)
        arm.rotation_euler = (-0.10, -side * 0.34, 0)
        gather(arm, 13_000, 1.0)
    # Lint that stands off the wool.
    picked, outward = np.concatenate(points), np.concatenate(outward)
    lines, radii = fuzz(rng, picked, outward, 0.7 * rng.standard_normal(picked.shape), 0.0065, 0.000045, 5)
    stage.strands("lint", lines, radii, stage.hair_shader("lint", (0.30, 0.36, 0.50), 0.6, 0.2))


def build_scarf(rng) -> None:
    wool = stage.Shader("scarf", Roughness=0.95, Sheen_Weight=0.5)
    along = wool.node("ShaderNodeAttribute", {"attribute_name": "along"}).outputs["Fac"]
    stripe = wool.math("FRACT", wool.math("MULTIPLY", along, 9.0))
    wool.link(wool.ramp(stripe, [(0.0, (0.30, 0.012, 0.022)), (0.62, (0.30, 0.012, 0.022)), (0.64, (0.70, 0.50, 0.22)), (0.98, (0.70, 0.50, 0.22)), (1.0, (0.30, 0.012, 0.022))]), "Base Color")
    wool.bump(wool.noise(1500, 2), 0.6, 0.0008)

    def sheet(name, middle, across, width, stitches, rows):
        """A knitted band along `middle`; `across` is its width direction at each point."""
        n, m = len(middle), 90
        w = np.linspace(-0.5, 0.5, m)
        t = np.linspace(0, 1, n)
        tangent = unit(np.gradient(middle, axis=0))
        normal = unit(np.cross(tangent, across))
        tt, ww = np.meshgrid(t, w, indexing="ij")
        bulge = 0.012 * (1 - (2 * ww) ** 2) + 0.0022 * knit(ww * stitches, tt * rows)
        points = middle[:, None] + across[:, None] * (ww * width)[..., None] + normal[:, None] * bulge[..., None]
        band = stage.mesh(name, points.reshape(-1, 3), stage.grid_faces(n, m), wool.material)
        band.data.attributes.new("along", "FLOAT", "POINT").data.foreach_set("value", tt.astype(np.float32).ravel())
        thick = band.modifiers.new("thick", "SOLIDIFY")
        thick.thickness, thick.offset = 0.005, -1
        return points

    # Twice round the neck ...
    turn = np.linspace(0, 2 * math.pi, 500)
    for k, (high, reach) in enumerate(((-0.030, 0.105), (-0.062, 0.120))):
        ring = np.stack([reach * np.cos(turn), 0.86 * reach * np.sin(turn) - 0.005, high + 0.010 * np.sin(turn + 1 + 2 * k)], -1)
        lean = unit(np.stack([0.35 * np.cos(turn), 0.35 * np.sin(turn), -np.ones_like(turn)], -1))
        sheet("scarf", ring, lean, 0.062, 15, 160)
    # ... and out into the wind.
    s = np.linspace(0, 1, 460)
    tail = np.stack([0.080 + 0.262 * s, -0.085 + 0.045 * np.sin(9 * s) + 0.05 * s, -0.050 - 0.040 * np.sin(6.4 * s) + 0.050 * s**2], -1)
    across = unit(np.stack([0.30 * np.sin(6 * s), 0.60 * np.sin(6 * s + 0.6), -np.ones_like(s)], -1))
    points = sheet("tail", tail, across, 0.085, 20, 110)
    lines, radii = [], []
    flow = unit(tail[-1] - tail[-12])
    for root in points[-1][2:-2:4]:
        bend = unit(flow + 0.22 * rng.standard_normal(3) + np.array([0, 0, -0.12]))
        sag = np.array([0, 0, -0.022 * rng.uniform(0.4, 1.4)])
        t = np.linspace(0, 1, 26)[:, None]
        core = root + bend * t * rng.uniform(0.036, 0.052) + sag * t**2
        for _ in range(46):
            ply = rng.uniform(0, 6.3) + 16 * t[:, 0]
            r = 0.0015 * (0.6 + 0.9 * t[:, 0] ** 3) * rng.uniform(0.3, 1.1)
            fray = rng.standard_normal(3) * 0.006 * t**4
            lines.append(core + np.stack([0 * ply, r * np.cos(ply), r * np.sin(ply)], -1) + fray)
            radii.append(np.full(26, 0.00009))
    stage.strands("fringe", lines, radii, stage.hair_shader("fringe", (0.72, 0.52, 0.24), 0.5, 0.2))


def build(samples: int, threads: int, width: int, height: int) -> stage.Screen:
    scene = stage.fresh_scene(width, height, samples, threads)
    # Light that went five times between hairs no longer shows.
    scene.cycles.max_bounces, scene.cycles.diffuse_bounces = 5, 2
    scene.cycles.glossy_bounces, scene.cycles.transmission_bounces = 2, 4
    rng = np.random.default_rng(20)
    screen = stage.Screen(1.15, stage.SCREEN_GREEN, width=4.4, height=3.0, centre=0.1, folds=1.15, seed=5)
    tape = stage.Shader("tape", Base_Color=(0.055, 0.50, 0.085), Roughness=0.6)
    for x, z, turn in ((-0.47, 0.31, 0.05), (0.50, 0.32, -0.1), (-0.50, -0.12, 0.2), (0.60, -0.16, 0.0)):
        screen.cross(x, z, 0.05, tape.material, turn)
    build_head(rng)
    build_glasses()
    build_fur(rng)
    build_ears(rng)
    build_curls(rng)
    build_sweater(rng)
    build_scarf(rng)
    stage.area_light("key", (-1.3, -1.7, 1.15), (0, 0, 0.08), 0.7, 44, (1.0, 0.94, 0.86))
    stage.area_light("fill", (1.7, -1.5, 0.35), (0, 0, 0.05), 1.1, 6.5, (0.86, 0.93, 1.0))
    stage.area_light("rim", (0.75, 0.85, 0.95), (0, 0, 0.12), 0.30, 19, (1.0, 0.93, 0.82))
    stage.area_light("cloth left", (-1.9, 0.05, 0.9), (-0.25, 1.2, 0.05), 0.5, 34, (1, 1, 1), 1.1)
    stage.area_light("cloth right", (2.0, 0.15, 0.5), (0.6, 1.2, -0.05), 0.5, 17, (1, 0.97, 0.92), 1.1)
    stage.camera((0.10, -2.45, 0.15), (0.048, 0, 0.074), 95, focus=(0, -0.09, 0.1), stop=4.0)
    return screen


def develop(light: np.ndarray, out: Path) -> None:
    """Lens, sensor and display encoding."""
    finish.write_png(out / "curls.plate.png", finish.encode(finish.sensor(finish.lens(light), grain=0.030, seed=1)))


if __name__ == "__main__":
    command.run(__doc__, "curls", (1920, 1080), 24, build, develop, glass=False)
