"""Generates 3D meshes from prompts and images, and encodes them as GLB or PLY."""

from __future__ import annotations

import json
import math
import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain
from random import Random

from PIL import Image

from langchain_pollinations.emulator.synthesis.images.canvas import Colour, darker, lighter, mix
from langchain_pollinations.emulator.synthesis.images.motifs import COLOURS

Triple = tuple[float, float, float]
Profile = Sequence[tuple[float, float]]  # radius and height, from the bottom up


@dataclass
class Mesh:
    """A triangle mesh. Each point has a colour."""

    points: list[Triple] = field(default_factory=list)
    colours: list[Colour] = field(default_factory=list)
    triangles: list[tuple[int, int, int]] = field(default_factory=list)

    def add(self, point: Triple, colour: Colour) -> int:
        self.points.append(point)
        self.colours.append(colour)
        return len(self.points) - 1

    def normals(self) -> list[Triple]:
        """Return the normal vector of each point, which is the mean normal of the adjacent triangles."""
        sums = [[0.0, 0.0, 0.0] for _ in self.points]
        for corners in self.triangles:
            facing = _facing(*(self.points[corner] for corner in corners))
            for corner in corners:
                for axis in range(3):
                    sums[corner][axis] += facing[axis]
        return [_unit(total) for total in sums]

    def flat(self) -> Mesh:
        """Return the mesh with hard edges. In the result, no two triangles share a point."""
        found = Mesh()
        for corners in self.triangles:
            first = len(found.points)
            for corner in corners:
                found.add(self.points[corner], self.colours[corner])
            found.triangles.append((first, first + 1, first + 2))
        return found


def _facing(a: Triple, b: Triple, c: Triple) -> Triple:
    u, v = [b[n] - a[n] for n in range(3)], [c[n] - a[n] for n in range(3)]
    return u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]


def _unit(vector: Sequence[float]) -> Triple:
    length = math.hypot(*vector)
    return (vector[0] / length, vector[1] / length, vector[2] / length) if length else (0.0, 1.0, 0.0)


# The profiles for words, and the number of sides of each.

BALL: Profile = tuple((0.5 * math.sin(math.pi * n / 24), 0.5 - 0.5 * math.cos(math.pi * n / 24)) for n in range(25))
FIR: Profile = ((0, 0), (0.09, 0), (0.09, 0.18), (0.42, 0.18), (0.2, 0.48), (0.32, 0.48), (0.14, 0.74), (0.22, 0.74),
                (0, 1.1))  # fmt: skip
TOWER: Profile = ((0, 0), (0.34, 0), (0.3, 0.06), (0.2, 0.9), (0.28, 0.92), (0.28, 0.98), (0.16, 0.98), (0.16, 1.16),
                  (0.22, 1.16), (0, 1.36))  # fmt: skip
VASE: Profile = ((0, 0), (0.22, 0), (0.24, 0.04), (0.36, 0.3), (0.38, 0.46), (0.28, 0.7), (0.15, 0.86), (0.16, 0.94),
                 (0.23, 1.02), (0.2, 1.02), (0.12, 0.9), (0, 0.88))  # fmt: skip
CUP: Profile = ((0, 0), (0.26, 0), (0.26, 0.03), (0.06, 0.08), (0.05, 0.42), (0.16, 0.5), (0.3, 0.66), (0.32, 0.96),
                (0.29, 0.96), (0.26, 0.68), (0, 0.56))  # fmt: skip
PAWN: Profile = ((0, 0), (0.34, 0), (0.34, 0.1), (0.24, 0.16), (0.14, 0.34), (0.11, 0.6), (0.22, 0.64), (0.12, 0.68),
                 (0.2, 0.78), (0.23, 0.88), (0.2, 0.98), (0.11, 1.06), (0, 1.08))  # fmt: skip
MUSHROOM: Profile = ((0, 0), (0.16, 0), (0.13, 0.3), (0.14, 0.52), (0.46, 0.5), (0.48, 0.56), (0.4, 0.74),
                     (0.24, 0.88), (0, 0.94))  # fmt: skip
ROCKET: Profile = ((0, 0.06), (0.16, 0), (0.34, 0.02), (0.22, 0.26), (0.24, 0.7), (0.17, 1.05), (0.06, 1.28), (0, 1.34))
CHEST: Profile = ((0, 0), (0.6, 0), (0.6, 0.72), (0.56, 0.72), (0.56, 0.78), (0, 0.78))
HOUSE: Profile = ((0, 0), (0.5, 0), (0.5, 0.56), (0.64, 0.54), (0, 1.02))
SHAPES: Sequence[tuple[str, Profile, int]] = (
    (r"balls?|spheres?|planets?|globes?|apples?|oranges?|eggs?|moons?|earth|marbles?", BALL, 32),
    (r"trees?|firs?|pines?|spruces?", FIR, 14),
    (r"towers?|lighthouses?|castles?|columns?|lamps?", TOWER, 24),
    (r"houses?|huts?|cottages?|cabins?|temples?|pyramids?|tents?", HOUSE, 4),
    (r"chests?|box(es)?|crates?|cubes?|dice|blocks?|robots?", CHEST, 4),
    (r"cups?|mugs?|goblets?|chalices?|glass(es)?|bowls?|trophy", CUP, 32),
    (r"pawns?|chess\w*|figurines?|statues?|bishops?", PAWN, 32),
    (r"mushrooms?|toadstools?|umbrellas?", MUSHROOM, 32),
    (r"rockets?|missiles?|spaceships?", ROCKET, 20),
    (r"vases?|pots?|jugs?|bottles?|urns?|amphorae?", VASE, 32),
)


def from_prompt(prompt: str, random: Random) -> Mesh:
    """Return a mesh with the shape and the colour that a prompt names.

    A prompt without a known shape gets a random solid of revolution. A prompt without a known colour gets a random
    colour.
    """
    found = next((each for each in SHAPES if re.search(rf"\b(?:{each[0]})\b", prompt, re.IGNORECASE)), None)
    _, profile, sides = found or ("", _by_chance(random), 32)
    named = (colour for word, colour in COLOURS.items() if re.search(rf"\b{word}\b", prompt, re.IGNORECASE))
    shades = [round(random.uniform(60, 225)) for _ in range(3)]
    mesh = _turned(profile, sides, next(named, (shades[0], shades[1], shades[2])))
    return mesh.flat() if sides < 8 else mesh


def _by_chance(random: Random) -> Profile:
    heights = sorted(random.uniform(0.08, 0.95) for _ in range(6))
    return [(0, 0), (0.3, 0), *((random.uniform(0.1, 0.42), height) for height in heights), (0, 1)]


def _turned(profile: Profile, sides: int, colour: Colour) -> Mesh:
    """Return the solid of revolution that results from turning a profile around the vertical axis."""
    mesh, top = Mesh(), max(height for _, height in profile)
    for place, (radius, height) in enumerate(profile):
        shade = mix(darker(colour, 0.25), lighter(colour, 0.3), height / top)
        shade = darker(shade, 0.35) if place % 4 == 3 else shade
        for side in range(sides):
            angle = math.tau * (side + 0.5) / sides
            mesh.add((radius * math.cos(angle), height, radius * math.sin(angle)), shade)
    for ring in range(len(profile) - 1):
        for side in range(sides):
            a, b = ring * sides + side, ring * sides + (side + 1) % sides
            c, d = a + sides, b + sides
            # A ring of radius 0 is a point: a triangle with two corners there has no area.
            mesh.triangles += [(a, c, b)] if profile[ring][0] else []
            mesh.triangles += [(b, c, d)] if profile[ring + 1][0] else []
    return mesh


DEPTH = 0.22
BACK = -0.1


def from_image(image: Image.Image, points: int) -> Mesh:
    """Return a relief of an image. Light areas are raised. The relief has sides and a back.

    Args:
        image: The image.
        points: The number of points along the longer side of the image.
    """
    share = points / max(image.size)
    wide, high = (max(2, round(side * share)) for side in image.size)
    small = image.resize((wide, high), Image.Resampling.BOX).convert("RGB")
    light = image.resize((wide, high), Image.Resampling.BOX).convert("L")
    scale, mesh = 1 / max(wide - 1, high - 1), Mesh()
    pixels, heights = small.tobytes(), light.tobytes()
    for front in (True, False):
        for place in range(wide * high):
            x, y = place % wide, place // wide
            z = DEPTH * heights[place] / 255 if front else BACK
            colour = (pixels[3 * place], pixels[3 * place + 1], pixels[3 * place + 2])
            point = ((x - (wide - 1) / 2) * scale, (high - 1 - y) * scale, z)
            mesh.add(point, colour if front else darker(colour, 0.5))
    for y in range(high - 1):
        for x in range(wide - 1):
            a = y * wide + x
            mesh.triangles += _quad(a, a + wide, a + wide + 1, a + 1)
    last = wide * high
    top, bottom = list(range(wide)), list(range(last - wide, last))
    left, right = list(range(0, last, wide)), list(range(wide - 1, last, wide))
    around = [*left, *bottom[1:], *right[-2::-1], *top[-2:0:-1]]
    for here, there in zip(around, [*around[1:], around[0]], strict=True):
        mesh.triangles += _quad(here, here + last, there + last, there)
    mesh.triangles += _quad(last, last + top[-1], last + bottom[-1], last + bottom[0])
    return mesh


def _quad(a: int, b: int, c: int, d: int) -> list[tuple[int, int, int]]:
    return [(a, b, c), (a, c, d)]


# Formats.

ARRAY_BUFFER, ELEMENT_ARRAY_BUFFER = 34962, 34963
UNSIGNED_BYTE, UNSIGNED_INT, FLOAT = 5121, 5125, 5126


def _linear(part: int) -> int:
    """Convert a colour channel (0 to 255) from sRGB to linear RGB. glTF requires linear RGB."""
    return round(255 * math.pow(part / 255, 2.2))


def _floats(triples: Sequence[Triple]) -> bytes:
    return struct.pack(f"<{3 * len(triples)}f", *chain.from_iterable(triples))


def _bounds(points: Sequence[Triple]) -> dict[str, list[float]]:
    """Return the minimum and the maximum of each coordinate. The coordinates are rounded to 32-bit floats first."""
    axes = [struct.unpack(f"<{len(axis)}f", struct.pack(f"<{len(axis)}f", *axis)) for axis in zip(*points, strict=True)]
    return {"min": [min(axis) for axis in axes], "max": [max(axis) for axis in axes]}


def glb(mesh: Mesh) -> bytes:
    """Encode a mesh as a GLB file (binary glTF 2.0). The file has a header, a JSON chunk and a binary chunk."""
    count = len(mesh.points)
    colours = bytes(chain.from_iterable((*map(_linear, colour), 255) for colour in mesh.colours))
    corners = struct.pack(f"<{3 * len(mesh.triangles)}I", *chain.from_iterable(mesh.triangles))
    parts = [_floats(mesh.points), _floats(mesh.normals()), colours, corners]  # each a multiple of 4 bytes
    views, start = [], 0
    for part in parts:
        target = ELEMENT_ARRAY_BUFFER if part is corners else ARRAY_BUFFER
        views.append({"buffer": 0, "byteOffset": start, "byteLength": len(part), "target": target})
        start += len(part)
    accessors = [
        {"componentType": FLOAT, "count": count, "type": "VEC3", **_bounds(mesh.points)},
        {"componentType": FLOAT, "count": count, "type": "VEC3"},
        {"componentType": UNSIGNED_BYTE, "count": count, "type": "VEC4", "normalized": True},
        {"componentType": UNSIGNED_INT, "count": 3 * len(mesh.triangles), "type": "SCALAR"},
    ]
    attributes = {"POSITION": 0, "NORMAL": 1, "COLOR_0": 2}
    surface = {"pbrMetallicRoughness": {"metallicFactor": 0, "roughnessFactor": 0.8}, "doubleSided": True}
    document = {
        "asset": {"version": "2.0", "generator": "langchain-pollinations emulator"},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0}],
        "meshes": [{"primitives": [{"attributes": attributes, "indices": 3, "material": 0}]}],
        "materials": [surface],
        "accessors": [{"bufferView": place, **accessor} for place, accessor in enumerate(accessors)],
        "bufferViews": views,
        "buffers": [{"byteLength": start}],
    }
    text = json.dumps(document, separators=(",", ":")).encode()
    chunks = _chunk(b"JSON", text + b" " * (-len(text) % 4)) + _chunk(b"BIN\0", b"".join(parts))
    return struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack("<I4s", len(data), kind) + data


SPLAT = (
    "x", "y", "z", "nx", "ny", "nz", "f_dc_0", "f_dc_1", "f_dc_2", "opacity", "scale_0", "scale_1", "scale_2",
    "rot_0", "rot_1", "rot_2", "rot_3",
)  # fmt: skip
HARMONIC = 0.28209479177387814  # colours are divided by this constant of the spherical harmonic of degree 0
OPAQUE = 4.0  # an opacity as a logit


def ply(mesh: Mesh) -> bytes:
    """Encode the points of a mesh as a PLY file with Gaussian splats."""
    size = math.log(1 / math.sqrt(len(mesh.points)))
    head = ["ply", "format binary_little_endian 1.0", f"element vertex {len(mesh.points)}"]
    head += [*(f"property float {name}" for name in SPLAT), "end_header", ""]
    rows = []
    for point, normal, colour in zip(mesh.points, mesh.normals(), mesh.colours, strict=True):
        shade = [(part / 255 - 0.5) / HARMONIC for part in colour]
        rows.append(struct.pack("<17f", *point, *normal, *shade, OPAQUE, size, size, size, 1, 0, 0, 0))
    return "\n".join(head).encode() + b"".join(rows)
