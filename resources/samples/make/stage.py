"""What the three sample sets share: a studio with a cloth screen, and helpers over Blender.

Units are metres, z is up, and the camera looks along +y. A subject stands near the origin,
the screen hangs behind it. Light bounces off the screen onto the subject inside the path
tracer, so the spill in a plate is computed and not painted.
"""

from __future__ import annotations

import math
from pathlib import Path

import bpy  # must come before the modules it provides
import bmesh
import numpy as np
from mathutils import Vector

# Reflectance of chroma-key cloth, scene-linear Rec. 709.
SCREEN_GREEN = (0.035, 0.36, 0.055)
SCREEN_BLUE = (0.025, 0.075, 0.47)


def fresh_scene(width: int, height: int, samples: int, threads: int) -> bpy.types.Scene:
    """Empties Blender and sets Cycles up for one frame of `width` x `height`."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    scene.render.engine = "CYCLES"
    scene.render.resolution_x, scene.render.resolution_y = width, height
    scene.render.resolution_percentage = 100
    scene.render.threads_mode, scene.render.threads = "FIXED", threads
    scene.view_settings.view_transform = "Raw"
    cycles = scene.cycles
    cycles.device = "CPU"
    cycles.samples = samples
    cycles.seed = 7
    cycles.use_adaptive_sampling = True
    cycles.adaptive_threshold = 0.03
    cycles.adaptive_min_samples = 8
    cycles.use_denoising = True
    cycles.denoiser = "OPENIMAGEDENOISE"
    cycles.denoising_input_passes = "RGB_ALBEDO_NORMAL"
    cycles.denoising_prefilter = "ACCURATE"
    cycles.max_bounces = 8
    cycles.diffuse_bounces = 3
    cycles.glossy_bounces = 3
    cycles.transmission_bounces = 6
    cycles.transparent_max_bounces = 16
    cycles.sample_clamp_indirect = 8.0
    cycles.caustics_reflective = False
    cycles.caustics_refractive = False
    cycles.pixel_filter_type = "BLACKMAN_HARRIS"
    cycles.filter_width = 1.5
    world = bpy.data.worlds.new("studio")
    scene.world = world
    world.use_nodes = True
    world.node_tree.nodes["Background"].inputs[0].default_value = (0.8, 0.9, 1.0, 1.0)
    world.node_tree.nodes["Background"].inputs[1].default_value = 0.03
    return scene


def add(name: str, data: bpy.types.ID) -> bpy.types.Object:
    """Links new object data into the scene."""
    thing = bpy.data.objects.new(name, data)
    bpy.context.scene.collection.objects.link(thing)
    return thing


def mesh(name: str, points, faces, material=None, smooth: bool = True) -> bpy.types.Object:
    """An object from vertices and faces."""
    data = bpy.data.meshes.new(name)
    data.from_pydata(np.asarray(points, float).tolist(), [], [list(map(int, f)) for f in faces])
    if smooth:
        data.shade_smooth()
    if material is not None:
        data.materials.append(material)
    return add(name, data)


def grid_faces(rows: int, columns: int, wrap: bool = False) -> np.ndarray:
    """Quads of a `rows` x `columns` lattice of points; `wrap` joins the last column to the first."""
    across = columns if wrap else columns - 1
    r, c = np.meshgrid(np.arange(rows - 1), np.arange(across), indexing="ij")
    n = (c + 1) % columns
    quads = np.stack([r * columns + c, r * columns + n, (r + 1) * columns + n, (r + 1) * columns + c], -1)
    return quads.reshape(-1, 4)


def lathe(name, profile, material=None, sides: int = 96, squash: float = 1.0, displace=None):
    """Turns (radius, height) pairs about z; `squash` scales depth, `displace(angle, height)` moves outward."""
    profile = np.asarray(profile, float)
    angle = np.linspace(0, 2 * math.pi, sides, endpoint=False)
    radius = np.repeat(profile[:, :1], sides, 1)
    height = np.repeat(profile[:, 1:], sides, 1)
    angles = np.repeat(angle[None], len(profile), 0)
    if displace is not None:
        radius = radius + displace(angles, height)
    points = np.stack([radius * np.cos(angles), squash * radius * np.sin(angles), height], -1)
    return mesh(name, points.reshape(-1, 3), grid_faces(len(profile), sides, wrap=True), material)


def smooth_profile(knots, count: int) -> np.ndarray:
    """A Catmull-Rom curve through (radius, height) knots, `count` points, evenly in parameter."""
    knots = np.asarray(knots, float)
    padded = np.concatenate([[2 * knots[0] - knots[1]], knots, [2 * knots[-1] - knots[-2]]])
    at = np.linspace(0, len(knots) - 1, count)
    i = np.minimum(at.astype(int), len(knots) - 2)
    t = (at - i)[:, None]
    p0, p1, p2, p3 = (padded[i + k] for k in range(4))
    return 0.5 * (2 * p1 + (p2 - p0) * t + (2 * p0 - 5 * p1 + 4 * p2 - p3) * t**2 + (3 * p1 - p0 - 3 * p2 + p3) * t**3)


def strands(name: str, lines: list[np.ndarray], radii: list[np.ndarray], material) -> bpy.types.Object:
    """Hair: one curve for each (points, radius at each point) pair."""
    data = bpy.data.hair_curves.new(name)
    data.add_curves([len(line) for line in lines])
    data.position_data.foreach_set("vector", np.concatenate(lines).astype(np.float32).ravel())
    width = data.attributes.get("radius") or data.attributes.new("radius", "FLOAT", "POINT")
    width.data.foreach_set("value", np.concatenate(radii).astype(np.float32).ravel())
    data.materials.append(material)
    return add(name, data)


def tube(name, points, radius: float, material, cyclic: bool = False) -> bpy.types.Object:
    """A round wire through `points`."""
    data = bpy.data.curves.new(name, "CURVE")
    data.dimensions, data.bevel_depth, data.bevel_resolution = "3D", radius, 5
    data.use_fill_caps = True
    spline = data.splines.new("POLY")
    spline.points.add(len(points) - 1)
    spline.points.foreach_set("co", np.c_[np.asarray(points, float), np.ones(len(points))].ravel())
    spline.use_cyclic_u, spline.use_smooth = cyclic, True
    data.materials.append(material)
    return add(name, data)


def sphere(name, centre, radius, material, scale=(1, 1, 1), detail: int = 5) -> bpy.types.Object:
    """A smooth ball."""
    data = bpy.data.meshes.new(name)
    build = bmesh.new()
    bmesh.ops.create_icosphere(build, subdivisions=detail, radius=radius)
    build.to_mesh(data)
    build.free()
    data.shade_smooth()
    data.materials.append(material)
    thing = add(name, data)
    thing.location, thing.scale = centre, scale
    return thing


def block(name, size, bevel: float, material) -> bpy.types.Object:
    """A box with rounded edges."""
    data = bpy.data.meshes.new(name)
    build = bmesh.new()
    bmesh.ops.create_cube(build, size=1)
    bmesh.ops.scale(build, vec=size, verts=build.verts[:])
    bmesh.ops.bevel(build, geom=build.edges[:], offset=bevel, segments=4, affect="EDGES")
    build.to_mesh(data)
    build.free()
    data.shade_smooth()
    data.materials.append(material)
    return add(name, data)


class Shader:
    """A material's node tree with a Principled surface and short ways to wire it."""

    def __init__(self, name: str, **inputs):
        self.material = bpy.data.materials.new(name)
        self.material.use_nodes = True
        self.tree = self.material.node_tree
        self.surface = self.tree.nodes["Principled BSDF"]
        self.output = self.tree.nodes["Material Output"]
        for key, value in inputs.items():
            self.set(self.surface, key.replace("_", " "), value)

    @staticmethod
    def set(node, socket, value):
        """Sets a socket by name or index; a three-number colour gets its alpha."""
        target = node.inputs[socket]
        if target.type == "RGBA" and len(value) == 3:
            value = (*value, 1.0)
        target.default_value = value

    def node(self, kind: str, settings: dict | None = None, **inputs):
        """Adds a node; an input that is a socket is linked, another is set."""
        made = self.tree.nodes.new(kind)
        for key, value in (settings or {}).items():
            setattr(made, key, value)
        for key, value in inputs.items():
            key = int(key[1:]) if key[0] == "i" and key[1:].isdigit() else key.replace("_", " ")
            if isinstance(value, bpy.types.NodeSocket):
                self.tree.links.new(value, made.inputs[key])
            else:
                self.set(made, key, value)
        return made

    def link(self, socket, target: str):
        """Feeds an input of the surface."""
        self.tree.links.new(socket, self.surface.inputs[target])

    def noise(self, scale: float, detail: float = 4.0, stretch=(1, 1, 1), space: str = "Object"):
        """The value (0..1) of a noise texture."""
        where = self.node("ShaderNodeTexCoord").outputs[space]
        mapped = self.node("ShaderNodeMapping", Vector=where, Scale=stretch).outputs[0]
        return self.node("ShaderNodeTexNoise", Vector=mapped, Scale=scale, Detail=detail).outputs[0]

    def ramp(self, value, stops):
        """Maps a value through (position, colour) stops."""
        made = self.node("ShaderNodeValToRGB", Fac=value)
        band = made.color_ramp
        while len(band.elements) < len(stops):
            band.elements.new(0.5)
        for element, (position, colour) in zip(band.elements, stops):
            element.position, element.color = position, (*colour, 1.0)
        return made.outputs[0]

    def math(self, operation: str, *values):
        """A math node over sockets and numbers."""
        return self.node("ShaderNodeMath", {"operation": operation}, **{f"i{i}": v for i, v in enumerate(values)}).outputs[0]

    def bump(self, height, strength: float, distance: float):
        """Bumps the surface by `height` (0..1) over `distance` metres."""
        made = self.node("ShaderNodeBump", Height=height, Strength=strength, Distance=distance)
        self.link(made.outputs[0], "Normal")


def hair_shader(name: str, colour, roughness: float = 0.35, variety: float = 0.4) -> bpy.types.Material:
    """Principled Hair with a colour that varies from strand to strand."""
    shader = Shader(name)
    hair = shader.node("ShaderNodeBsdfHairPrincipled", {"model": "CHIANG", "parametrization": "COLOR"}, Roughness=roughness)
    pick = shader.node("ShaderNodeHairInfo").outputs["Random"]
    dark, light = (tuple(min(c * k, 0.95) for c in colour) for k in (1 - variety, 1 + variety))
    shader.tree.links.new(shader.ramp(pick, [(0.0, dark), (1.0, light)]), hair.inputs["Color"])
    shader.set(hair, "Radial Roughness", 0.5)
    shader.tree.links.new(hair.outputs[0], shader.output.inputs["Surface"])
    shader.tree.nodes.remove(shader.surface)
    return shader.material


def area_light(name, place, target, size, watts, colour=(1, 1, 1), height=None) -> bpy.types.Object:
    """A rectangular soft box at `place` that faces `target`."""
    data = bpy.data.lights.new(name, "AREA")
    data.shape, data.size, data.size_y = "RECTANGLE", size, height or size
    data.energy, data.color = watts, colour
    thing = add(name, data)
    thing.location = place
    thing.rotation_euler = (Vector(target) - Vector(place)).to_track_quat("-Z", "Y").to_euler()
    thing.visible_camera = False
    return thing


def camera(place, target, millimetres, focus=None, stop=2.8) -> bpy.types.Object:
    """A full-frame camera; `focus` is the point held sharp."""
    data = bpy.data.cameras.new("camera")
    data.lens, data.sensor_width = millimetres, 36.0
    thing = add("camera", data)
    thing.location = place
    thing.rotation_euler = (Vector(target) - Vector(place)).to_track_quat("-Z", "Y").to_euler()
    if focus is not None:
        data.dof.use_dof = True
        data.dof.focus_distance = (Vector(focus) - Vector(place)).length
        data.dof.aperture_fstop = stop
        data.dof.aperture_blades = 8
    bpy.context.scene.camera = thing
    return thing


def field(rng, shape, spacing, wavelengths, sharp: float = 2.0) -> np.ndarray:
    """Smooth random relief in -1..1 whose features are about `wavelengths` (down, across) metres."""
    rows, columns = shape
    fy = np.fft.fftfreq(rows, spacing)[:, None] * wavelengths[0]
    fx = np.fft.rfftfreq(columns, spacing)[None] * wavelengths[1]
    gain = np.exp(-((fy**2 + fx**2) ** (sharp / 2)))
    relief = np.fft.irfft2(np.fft.rfft2(rng.standard_normal(shape)) * gain, shape)
    return relief / np.abs(relief).max()


class Screen:
    """A hung, creased cloth at depth `y`, with tape crosses on it."""

    def __init__(self, y: float, colour, width=4.0, height=2.8, centre=0.0, folds=1.0, seed=3):
        rng = np.random.default_rng(seed)
        step = 0.01
        rows, columns = int(height / step), int(width / step)
        self.y, self.step, self.width, self.bottom = y, step, width, centre - height / 2
        drape = field(rng, (rows, columns), step, (1.6, 0.35))
        slack = field(rng, (rows, columns), step, (0.5, 0.7))
        # Creases from folding: sharp where a smooth relief changes sign.
        crease = np.exp(-np.abs(field(rng, (rows, columns), step, (0.35, 0.25))) * 18)
        crinkle = field(rng, (rows, columns), step, (0.05, 0.04))
        self.relief = folds * (0.030 * drape + 0.016 * slack - 0.0035 * crease + 0.0011 * crinkle)
        x = np.linspace(-width / 2, width / 2, columns)
        z = np.linspace(self.bottom, self.bottom + height, rows)
        xx, zz = np.meshgrid(x, z)
        shader = Shader("cloth", Base_Color=colour, Roughness=0.85, Sheen_Weight=0.15, Specular_IOR_Level=0.25)
        weave = shader.noise(900, 2, space="Object")
        patch = shader.noise(1.6, 5, space="Object")
        dark, light = (tuple(c * k for c in colour) for k in (0.86, 1.1))
        shader.link(shader.ramp(patch, [(0.3, dark), (0.7, light)]), "Base Color")
        shader.bump(weave, 0.25, 0.0006)
        points = np.stack([xx, y + self.relief, zz], -1).reshape(-1, 3)
        self.objects = [mesh("screen", points, grid_faces(rows, columns), shader.material)]

    def depth(self, x: float, z: float) -> float:
        """The cloth's depth at (x, z)."""
        column = int((x + self.width / 2) / self.step)
        row = int((z - self.bottom) / self.step)
        return self.y + float(self.relief[row, column])

    def cross(self, x: float, z: float, size: float, material, turn: float = 0.0):
        """Two strips of tape, laid on the cloth."""
        for k in (0, 1):
            along = turn + k * math.pi / 2
            a, b = np.array([math.cos(along), math.sin(along)]), np.array([-math.sin(along), math.cos(along)])
            points = []
            for s in np.linspace(-size / 2, size / 2, 13):
                for w in (-size * 0.09, size * 0.09):
                    px, pz = x + a[0] * s + b[0] * w, z + a[1] * s + b[1] * w
                    points.append((px, self.depth(px, pz) - 0.003 - 0.001 * k, pz))
            self.objects.append(mesh("tape", points, grid_faces(13, 2), material))


def render(path: Path) -> None:
    """Renders scene-linear float EXR to `path`."""
    scene = bpy.context.scene
    scene.render.image_settings.file_format = "OPEN_EXR"
    scene.render.image_settings.color_mode = "RGBA"
    scene.render.image_settings.color_depth = "32"
    scene.render.filepath = str(path)
    bpy.ops.render.render(write_still=True)


def render_pair(folder: Path, name: str, screen: Screen, alpha_samples: int = 16, glass: bool = False) -> None:
    """Renders the plate, then the same frame with the screen unseen: its alpha is the truth."""
    scene = bpy.context.scene
    folder.mkdir(parents=True, exist_ok=True)
    render(folder / f"{name}.beauty.exr")
    scene.render.film_transparent = True
    scene.cycles.film_transparent_glass = glass
    scene.cycles.use_denoising = False
    scene.cycles.use_adaptive_sampling = False
    scene.cycles.samples = alpha_samples
    if not glass:
        scene.cycles.max_bounces = 0
    for thing in screen.objects:
        thing.visible_camera = False
    render(folder / f"{name}.truth.exr")
