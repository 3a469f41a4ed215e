"""Draws landscapes. The prompt determines the place and the time of day."""

from __future__ import annotations

import colorsys
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from langchain_pollinations.emulator.synthesis.images.canvas import Canvas, Colour, darker, lighter, mix


@dataclass(frozen=True)
class Light:
    """The colours of a time of day: the sky, the sun or moon, and the tint of all objects."""

    top: Colour
    bottom: Colour
    shine: Colour
    tint: Colour
    strength: float
    dark: bool = False
    stormy: bool = False


LIGHTS: Mapping[str, Light] = {
    "day": Light((84, 158, 214), (226, 240, 238), (255, 246, 205), (255, 255, 240), 0.05),
    "dawn": Light((126, 142, 204), (255, 214, 178), (255, 236, 190), (255, 190, 160), 0.20),
    "sunset": Light((74, 62, 132), (253, 172, 104), (255, 228, 156), (226, 116, 84), 0.17),
    "night": Light((10, 16, 48), (58, 78, 132), (246, 242, 214), (16, 24, 66), 0.55, dark=True),
    "storm": Light((44, 52, 74), (142, 150, 160), (214, 220, 224), (58, 66, 84), 0.42, stormy=True),
}
HOURS: Sequence[tuple[str, str]] = (
    (r"\b(storm\w*|rain\w*|thunder\w*|lightning|tempest|grey sky)\b", "storm"),
    (r"\b(night\w*|midnight|moon\w*|stars?|starry|dark|space|galaxy|aurora|lantern\w*|firefl\w+)\b", "night"),
    (r"\b(sunset|dusk|evening|golden|autumn|twilight)\b", "sunset"),
    (r"\b(dawn|sunrise|morning|spring|early)\b", "dawn"),
    (r"\b(noon|day|sunny|summer|bright)\b", "day"),
)
PLACES: Sequence[tuple[str, str]] = (
    (r"\b(space|planet|galaxy|rocket|astronaut|mars|alien)s?\b", "space"),
    (r"\b(desert|dunes?|camel|oasis|cactus|sahara|sand)s?\b", "desert"),
    (r"\b(snow\w*|winter|ice|icy|penguin|polar|glacier|frozen|arctic)s?\b", "snow"),
    (r"\b(sea|ocean|water|whale|ship|boat|island|lighthouse|harbou?r|fish|mermaid|coast|beach|wave|dolphin|lake|"
     r"river|sail\w*|pirate|octopus)s?\b", "sea"),  # fmt: skip
    (r"\b(city|cities|street|town|skyline|tokyo|york|paris|london|neon|building|market|rooftop|tram)s?\b", "city"),
    (r"\b(mountain|alps?|peak|cliff|goat|eagle|dragon|castle|valley|himalaya)s?\b", "mountain"),
    (r"\b(forest|woods?|trees?|jungle|bear|owl|deer|wolf|mushroom|fairy|fox|hedgehog|badger)s?\b", "forest"),
    (r"\b(garden|flower|meadow|rose|tulip|bee|butterfl\w+|field|blossom)s?\b", "garden"),
)  # fmt: skip


def hour_of(prompt: str, canvas: Canvas) -> Light:
    found = next((hour for pattern, hour in HOURS if re.search(pattern, prompt, re.I)), None)
    return LIGHTS[found or canvas.random.choice(("day", "dawn", "sunset", "day"))]


def place_of(prompt: str, canvas: Canvas) -> str:
    found = next((place for pattern, place in PLACES if re.search(pattern, prompt, re.I)), None)
    return found or canvas.random.choice(("hills", "hills", "garden", "mountain"))


def shifted(light: Light, amount: float) -> Light:
    """Shift the hues of a light slightly, so that skies differ from image to image."""

    def shift(colour: Colour) -> Colour:
        hue, value, depth = colorsys.rgb_to_hls(*(c / 255 for c in colour))
        red, green, blue = colorsys.hls_to_rgb((hue + amount) % 1, value, depth)
        return round(red * 255), round(green * 255), round(blue * 255)

    return Light(
        shift(light.top), shift(light.bottom), light.shine, shift(light.tint), light.strength, light.dark, light.stormy
    )


class Scene:
    """A landscape in progress. `ground` returns the height of the ground at an x coordinate."""

    def __init__(self, canvas: Canvas, light: Light) -> None:
        self.canvas, self.light = canvas, light
        self.ground: Callable[[float], float] = lambda x: 0.8
        self.shore: Callable[[float], float] | None = None
        self.horizon = 0.6
        self.sun = (0.5, 0.3)

    def lit(self, colour: Colour, distance: float = 0.0) -> Colour:
        """Return a colour as it appears in the light of the scene. A `distance` of 1 gives the colour of the sky."""
        near = mix(colour, self.light.tint, self.light.strength)
        return mix(near, self.light.bottom, distance)


def sky(scene: Scene) -> None:
    canvas, light, random = scene.canvas, scene.light, scene.canvas.random
    canvas.gradient(light.top, light.bottom, 0, 0.78)
    scene.sun = (random.uniform(0.18, 0.82), random.uniform(0.16, 0.34))
    if light.dark:
        _stars(canvas)
        _moon(canvas, light, *scene.sun)
    elif light.stormy:
        for _ in range(9):
            _cloud(canvas, mix(light.top, light.bottom, random.uniform(0.05, 0.45)), 1.5)
        _bolt(canvas)
    else:
        canvas.glow(*scene.sun, 0.075, light.shine)
        canvas.circle(*scene.sun, 0.075, light.shine)
        for _ in range(random.randint(2, 4)):
            _cloud(canvas, mix(lighter(light.bottom, 0.55), light.top, random.uniform(0.0, 0.3)), 1.0)


def _stars(canvas: Canvas) -> None:
    for _ in range(110):
        x, y, size = canvas.random.random(), canvas.random.uniform(0, 0.62), canvas.random.uniform(0.0008, 0.0028)
        canvas.circle(x, y, size, (255, 252, 232), canvas.random.randint(110, 255))


def _moon(canvas: Canvas, light: Light, x: float, y: float) -> None:
    canvas.glow(x, y, 0.07, light.shine)
    canvas.circle(x, y, 0.07, light.shine)
    for dx, dy, size in ((-0.02, -0.015, 0.014), (0.022, 0.008, 0.01), (-0.004, 0.028, 0.012)):
        canvas.circle(x + canvas.x_of(dx), y + canvas.y_of(dy), size, darker(light.shine, 0.12))


def _cloud(canvas: Canvas, colour: Colour, size: float) -> None:
    x, y = canvas.random.uniform(0, 1), canvas.random.uniform(0.06, 0.36)
    for shade, drop in ((darker(colour, 0.06), 0.006), (colour, 0.0)):
        for step in range(5):
            spread = canvas.x_of((step - 2) * 0.048 * size)
            high = 0.036 * size * (1 - abs(step - 2) / 3.4)
            canvas.ellipse(x + spread, y + canvas.y_of(drop - high * 0.5), 0.046 * size, high, shade)


def _bolt(canvas: Canvas) -> None:
    x = canvas.random.uniform(0.2, 0.8)
    points = [(x, 0.1)]
    for step in range(1, 6):
        points.append((x + canvas.random.uniform(-0.04, 0.04), 0.1 + step * 0.085))
    canvas.line(points, (255, 250, 214), 0.012, 70)
    canvas.line(points, (255, 252, 230), 0.004)


def _conifer(scene: Scene, x: float, y: float, size: float, colour: Colour) -> None:
    canvas = scene.canvas
    canvas.shape(x, y, size, [(-0.05, 0.02), (0.05, 0.02), (0.04, -0.3), (-0.04, -0.3)], darker(colour, 0.5))
    for step in range(3):
        base, wide = -0.15 - 0.24 * step, 0.34 - 0.08 * step
        canvas.shape(x, y, size, [(-wide, base), (wide, base), (0, base - 0.46)], lighter(colour, 0.05 * step))


def _round_tree(scene: Scene, x: float, y: float, size: float, colour: Colour) -> None:
    canvas = scene.canvas
    trunk = [(-0.05, 0.02), (0.05, 0.02), (0.03, -0.5), (-0.03, -0.5)]
    canvas.shape(x, y, size, trunk, scene.lit((96, 68, 50)))
    for dx, dy, r in ((0, -0.68, 0.30), (-0.2, -0.52, 0.2), (0.2, -0.52, 0.2), (0.06, -0.82, 0.2)):
        shade = lighter(colour, 0.12) if dy < -0.7 else colour
        canvas.circle(x + canvas.x_of(dx * size), y + canvas.y_of(dy * size), r * size, shade)


def hills(scene: Scene) -> None:
    greens = ((104, 160, 92), (82, 144, 76), (58, 120, 66))
    for step, green in enumerate(greens):
        colour = scene.lit(green, 0.45 - 0.2 * step)
        scene.ground = scene.canvas.ridge(0.62 + 0.1 * step, 0.07, colour)
        for _ in range(5 + step):
            x = scene.canvas.random.random()
            size = 0.05 + 0.035 * step
            _round_tree(scene, x, scene.ground(x) + 0.01, size, darker(colour, 0.18))
    scene.ground = scene.canvas.ridge(0.86, 0.03, scene.lit((44, 100, 56)))


def sea(scene: Scene) -> None:
    canvas = scene.canvas
    scene.horizon = 0.58
    if canvas.random.random() < 0.6:
        canvas.ridge(0.575, 0.05, scene.lit((86, 104, 132), 0.5))
    far, near = scene.lit((62, 150, 176), 0.3), scene.lit((14, 62, 104))
    canvas.gradient(far, near, scene.horizon, 1.0)
    _glints(scene)
    for step in range(7):
        level = 0.62 + 0.055 * step
        _wave(canvas, level, 0.006 + 0.0022 * step, mix(far, near, step / 7), 150)
    scene.ground = lambda x: 0.8


def _glints(scene: Scene) -> None:
    """Draw the reflection of the sun or moon on the water."""
    canvas, (x, _) = scene.canvas, scene.sun
    for step in range(26):
        y = scene.horizon + 0.012 + step * 0.0145
        wide = canvas.random.uniform(0.012, 0.05) * (1 + step / 14)
        canvas.ellipse(x + canvas.random.gauss(0, 0.018), y, wide, 0.0022, scene.light.shine, 130)


def _wave(canvas: Canvas, level: float, swing: float, colour: Colour, alpha: int) -> None:
    phase, pace = canvas.random.uniform(0, math.tau), canvas.random.uniform(16, 26)
    crest = [(s / 120, level + swing * math.sin(pace * s / 120 + phase)) for s in range(121)]
    canvas.polygon([*crest, (1, 1.01), (0, 1.01)], darker(colour, 0.08), alpha)
    canvas.line(crest, lighter(colour, 0.35), 0.0022, 120)


def mountain(scene: Scene) -> None:
    canvas = scene.canvas
    canvas.ridge(0.60, 0.10, scene.lit((120, 136, 172), 0.55), sharp=True)
    for index in range(4):
        x = (index + canvas.random.uniform(0.1, 0.9)) / 4
        _peak(scene, x, canvas.random.uniform(0.24, 0.4), canvas.random.uniform(0.22, 0.34))
    canvas.ridge(0.72, 0.05, scene.lit((74, 112, 92), 0.2))
    scene.ground = canvas.ridge(0.80, 0.05, scene.lit((52, 92, 70)))
    for _ in range(16):
        x = canvas.random.random()
        _conifer(scene, x, scene.ground(x) + 0.015, canvas.random.uniform(0.05, 0.1), scene.lit((30, 74, 58)))


def _peak(scene: Scene, x: float, top: float, wide: float) -> None:
    canvas, rock = scene.canvas, scene.lit((96, 104, 132), 0.25)
    lean = canvas.random.uniform(-0.05, 0.05)
    canvas.polygon([(x - wide, 0.8), (x + lean, top), (x + wide, 0.8)], rock)
    canvas.polygon([(x + lean, top), (x + wide, 0.8), (x + wide * 0.15, 0.8)], darker(rock, 0.2))
    cap = 0.25
    left, right = x + lean - (wide + lean) * cap, x + lean + (wide - lean) * cap
    low = top + (0.8 - top) * cap
    zigzag = [(left, low), (x + lean - wide * 0.1, low - 0.02), (x + lean, low + 0.02), (x + lean + wide * 0.1, low)]
    canvas.polygon([(x + lean, top), *zigzag, (right, low)], scene.lit((244, 248, 252)))


def forest(scene: Scene) -> None:
    canvas = scene.canvas
    for step in range(4):
        colour = scene.lit(((96, 148, 122), (70, 126, 98), (46, 102, 78), (26, 72, 56))[step], 0.5 - 0.16 * step)
        ground = canvas.ridge(0.6 + 0.085 * step, 0.03, colour)
        count = 15 - 2 * step
        for index in range(count):
            x = (index + canvas.random.uniform(0, 1)) / count
            if step == 3 and 0.22 < x < 0.78:
                continue
            size = (0.16 + 0.09 * step) * canvas.random.uniform(0.8, 1.25)
            _conifer(scene, x, ground(x) + 0.02, size, colour)
    scene.ground = canvas.ridge(0.86, 0.02, scene.lit((34, 74, 50)))
    for _ in range(30):
        x = canvas.random.random()
        y = scene.ground(x)
        tuft = [(-0.3, 0), (0, -1), (0.05, 0), (0.4, -0.8), (0.4, 0)]
        canvas.shape(x, y + 0.008, 0.022, tuft, scene.lit((52, 102, 62)))


def desert(scene: Scene) -> None:
    canvas = scene.canvas
    for step, sand in enumerate(((236, 190, 132), (226, 168, 106), (208, 140, 84))):
        colour = scene.lit(sand, 0.3 - 0.12 * step)
        ridge = canvas.ridge(0.62 + 0.1 * step, 0.07, colour)
        shadow = [(x / 60, ridge(x / 60) + 0.012 + 0.05 * abs(math.sin(x / 9 + step))) for x in range(61)]
        canvas.polygon([*shadow, (1, 1.01), (0, 1.01)], darker(colour, 0.1), 130)
    scene.ground = canvas.ridge(0.87, 0.03, scene.lit((184, 116, 70)))
    for _ in range(3):
        x = canvas.random.uniform(0.04, 0.96)
        _cactus(scene, x, scene.ground(x) + 0.01, canvas.random.uniform(0.06, 0.12))


def _cactus(scene: Scene, x: float, y: float, size: float) -> None:
    canvas, green = scene.canvas, scene.lit((70, 122, 80))
    high, wide = canvas.y_of(size), canvas.x_of(size)
    canvas.line([(x, y), (x, y - high * 1.5)], green, size * 0.28)
    for side, low in ((-1, 0.55), (1, 0.8)):
        arm = [(x, y - high * low), (x + side * wide * 0.5, y - high * low), (x + side * wide * 0.5, y - high * 1.15)]
        canvas.line(arm, green, size * 0.2)


def snow(scene: Scene) -> None:
    canvas = scene.canvas
    canvas.ridge(0.58, 0.12, scene.lit((176, 194, 222), 0.35), sharp=True)
    for step, white in enumerate(((206, 220, 236), (224, 234, 244), (240, 246, 250))):
        scene.ground = canvas.ridge(0.66 + 0.09 * step, 0.05, scene.lit(white, 0.2 - 0.1 * step))
        for _ in range(7):
            x = canvas.random.random()
            _snowy(scene, x, scene.ground(x) + 0.015, 0.07 + 0.05 * step)
    for _ in range(120):
        x, y = canvas.random.random(), canvas.random.random()
        canvas.circle(x, y, canvas.random.uniform(0.001, 0.0042), (255, 255, 255), 190)


def _snowy(scene: Scene, x: float, y: float, size: float) -> None:
    _conifer(scene, x, y, size, scene.lit((52, 92, 98)))
    for step in range(3):
        top = -0.61 - 0.24 * step
        roof = [(-0.14, top + 0.2), (0, top), (0.14, top + 0.2), (0.05, top + 0.15), (-0.04, top + 0.18)]
        scene.canvas.shape(x, y, size, roof, scene.lit((246, 250, 254)))


def city(scene: Scene) -> None:
    canvas = scene.canvas
    for step in range(3):
        colour = scene.lit(((122, 128, 164), (84, 88, 128), (48, 50, 84))[step], 0.4 - 0.18 * step)
        x = -0.03
        while x < 1:
            wide = canvas.random.uniform(0.05, 0.11)
            top = canvas.random.uniform(0.3, 0.52) + 0.09 * step
            canvas.polygon([(x, 1), (x, top), (x + wide, top), (x + wide, 1)], colour)
            if canvas.random.random() < 0.4:
                canvas.polygon([(x, top), (x + wide / 2, top - 0.05), (x + wide, top)], colour)
            if step:
                _windows(scene, x, top, wide)
            x += wide + canvas.random.uniform(0, 0.012)
    scene.ground = canvas.ridge(0.88, 0.004, scene.lit((54, 54, 70)))


def _windows(scene: Scene, x: float, top: float, wide: float) -> None:
    canvas, columns = scene.canvas, max(2, int(wide / 0.022))
    for row in range(9):
        for column in range(columns):
            if canvas.random.random() < 0.55:
                continue
            left, high = x + wide * (column + 0.28) / columns, top + 0.03 + row * 0.04
            right = left + wide * 0.45 / columns
            glass = (255, 222, 142) if canvas.random.random() < 0.7 else (190, 220, 240)
            canvas.polygon([(left, high), (right, high), (right, high + 0.02), (left, high + 0.02)], glass, 210)


def space(scene: Scene) -> None:
    canvas, random = scene.canvas, scene.canvas.random
    canvas.gradient((8, 8, 34), mix((74, 36, 108), scene.light.top, 0.3), 0, 1)
    for _ in range(26):
        glow = random.choice(((120, 70, 170), (60, 90, 180), (190, 90, 130)))
        canvas.ellipse(
            random.random(), random.uniform(0, 0.7), random.uniform(0.1, 0.3), random.uniform(0.03, 0.1), glow, 14
        )
    _stars(canvas)
    x, y, size = random.uniform(0.62, 0.85), random.uniform(0.2, 0.36), random.uniform(0.09, 0.13)
    body = random.choice(((222, 150, 92), (110, 170, 190), (200, 110, 130)))
    canvas.glow(x, y, size, body, 1.2)
    canvas.circle(x, y, size, body)
    for band in (-0.4, 0.05, 0.45):
        reach = size * math.sqrt(1 - band * band) * 0.96
        canvas.ellipse(x, y + canvas.y_of(band * size), reach, size * 0.07, darker(body, 0.18), 170)
    ring = [
        (x + canvas.x_of(size * 1.9 * math.cos(a / 20)), y + canvas.y_of(size * 0.45 * math.sin(a / 20)))
        for a in range(126)
    ]
    canvas.line(ring[:63], lighter(body, 0.4), 0.008, 220)
    canvas.ridge(0.76, 0.05, (62, 44, 92))
    scene.ground = canvas.ridge(0.84, 0.03, (92, 70, 122))
    for _ in range(7):
        cx = random.random()
        canvas.ellipse(cx, scene.ground(cx) + 0.05, random.uniform(0.02, 0.05), 0.009, (66, 48, 96))


def garden(scene: Scene) -> None:
    canvas, random = scene.canvas, scene.canvas.random
    canvas.ridge(0.6, 0.05, scene.lit((126, 172, 116), 0.45))
    for _ in range(6):
        x = random.random()
        _round_tree(scene, x, 0.68, random.uniform(0.12, 0.2), scene.lit((76, 138, 78), 0.2))
    scene.ground = canvas.ridge(0.72, 0.03, scene.lit((84, 150, 76)))
    petals = ((232, 84, 96), (250, 188, 70), (240, 240, 250), (176, 110, 208), (244, 140, 170))
    for index in range(70):
        x, depth = random.random(), index / 70
        y = 0.75 + 0.24 * depth
        flower(canvas, x, y, 0.018 + 0.03 * depth, scene.lit(random.choice(petals)), scene.lit((56, 116, 60)))


def flower(canvas: Canvas, x: float, y: float, size: float, petal: Colour, stem: Colour) -> None:
    top = y - canvas.y_of(size * 1.9)
    canvas.line([(x, y), (x, top)], stem, size * 0.14)
    for step in range(6):
        angle = step * math.tau / 6
        dx, dy = canvas.x_of(size * 0.42 * math.cos(angle)), canvas.y_of(size * 0.42 * math.sin(angle))
        canvas.circle(x + dx, top + dy, size * 0.3, petal)
    canvas.circle(x, top, size * 0.26, (255, 214, 96))


GROUNDS: Mapping[str, Callable[[Scene], None]] = {
    "hills": hills,
    "sea": sea,
    "mountain": mountain,
    "forest": forest,
    "desert": desert,
    "snow": snow,
    "city": city,
    "space": space,
    "garden": garden,
}


def landscape(canvas: Canvas, prompt: str) -> tuple[Scene, str]:
    """Draw the sky and the ground for a prompt. Return the scene and the name of the place."""
    place = place_of(prompt, canvas)
    light = shifted(hour_of(prompt, canvas), canvas.random.uniform(-0.035, 0.035))
    scene = Scene(canvas, light)
    sky(scene)
    GROUNDS[place](scene)
    return scene, place
