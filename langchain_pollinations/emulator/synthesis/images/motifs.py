"""Draws the objects that a prompt names as simple figures."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence

from langchain_pollinations.emulator.synthesis.images.canvas import Colour, Point, darker, lighter
from langchain_pollinations.emulator.synthesis.images.scenery import Scene, flower

Figure = Callable[[Scene, float, float, float, Colour | None], None]

COLOURS: Mapping[str, Colour] = {
    "red": (206, 58, 52),
    "orange": (232, 130, 50),
    "yellow": (244, 204, 76),
    "golden": (232, 186, 76),
    "green": (74, 146, 84),
    "blue": (58, 110, 190),
    "purple": (124, 80, 164),
    "violet": (124, 80, 164),
    "pink": (236, 142, 172),
    "black": (40, 40, 50),
    "white": (244, 244, 240),
    "grey": (140, 144, 152),
    "gray": (140, 144, 152),
    "brown": (128, 88, 60),
    "silver": (188, 194, 204),
}


def lighthouse(scene: Scene, x: float, y: float, size: float, colour: Colour | None) -> None:
    canvas = scene.canvas
    rock = [(-0.62, 0.16), (-0.4, -0.06), (-0.1, -0.12), (0.22, -0.1), (0.5, 0.02), (0.7, 0.16)]
    canvas.shape(x, y, size, rock, scene.lit((84, 78, 82)))
    red, white = scene.lit(colour or (200, 62, 54)), scene.lit((246, 242, 234))
    for step in range(5):
        low, high = -0.08 - 0.2 * step, -0.28 - 0.2 * step
        wide, narrow = 0.17 - 0.014 * step, 0.156 - 0.014 * step
        canvas.shape(
            x, y, size, [(-wide, low), (wide, low), (narrow, high), (-narrow, high)], red if step % 2 else white
        )
        canvas.shape(
            x, y, size, [(wide * 0.4, low), (wide, low), (narrow, high), (narrow * 0.4, high)], (20, 20, 40), 40
        )
    lamp = y + canvas.y_of(-1.17 * size)
    for side in (-1, 1):
        reach = [(0, -1.17), (side * 12, -2.4), (side * 12, -0.1)]
        canvas.shape(x, y, size, reach, (255, 244, 190), 46 if scene.light.dark or scene.light.stormy else 26)
    canvas.shape(x, y, size, [(-0.15, -1.08), (0.15, -1.08), (0.15, -1.05), (-0.15, -1.05)], darker(red, 0.5))
    canvas.shape(x, y, size, [(-0.085, -1.08), (0.085, -1.08), (0.085, -1.27), (-0.085, -1.27)], (255, 236, 160))
    canvas.glow(x, lamp, size * 0.08, (255, 240, 180))
    canvas.shape(x, y, size, [(-0.12, -1.26), (0.12, -1.26), (0, -1.42)], darker(red, 0.15))


def _curve(points: Sequence[Point], steps: int = 8) -> list[Point]:
    """Return the points of a smooth closed curve through the given points."""
    count, found = len(points), []
    for i in range(count):
        p0, p1, p2, p3 = (points[(i + n - 1) % count] for n in range(4))
        for step in range(steps):
            t = step / steps
            found.append(
                (
                    _spline(p0[0], p1[0], p2[0], p3[0], t),
                    _spline(p0[1], p1[1], p2[1], p3[1], t),
                )
            )
    return found


def _spline(a: float, b: float, c: float, d: float, t: float) -> float:
    return 0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t * t + (3 * b - a - 3 * c + d) * t**3)


WHALE = ((-0.98, -0.02), (-0.9, -0.3), (-0.5, -0.46), (0.0, -0.42), (0.45, -0.26), (0.78, -0.2), (0.98, -0.5),
         (1.06, -0.2), (0.84, -0.04), (0.4, 0.1), (-0.3, 0.2), (-0.8, 0.14))  # fmt: skip


def whale(scene: Scene, x: float, y: float, size: float, colour: Colour | None) -> None:
    canvas, skin = scene.canvas, scene.lit(colour or (58, 88, 122))
    canvas.shape(x, y, size, _curve(WHALE), skin)
    fluke = ((0.9, -0.3), (0.72, -0.66), (0.98, -0.6), (1.06, -0.46), (1.26, -0.7), (1.28, -0.36), (1.06, -0.2))
    canvas.shape(x, y, size, _curve(fluke), darker(skin, 0.1))
    belly = ((-0.96, 0.0), (-0.5, -0.02), (0.1, 0.02), (0.42, 0.06), (-0.2, 0.19), (-0.76, 0.14))
    canvas.shape(x, y, size, _curve(belly), lighter(skin, 0.45))
    canvas.circle(x + canvas.x_of(-0.66 * size), y + canvas.y_of(-0.12 * size), size * 0.03, (20, 24, 36))
    for side in (-1, 1):
        spray = [
            (
                x + canvas.x_of((-0.5 + side * 0.16 * t / 8) * size),
                y + canvas.y_of((-0.46 - 0.34 * math.sin(t / 3.4)) * size),
            )
            for t in range(9)
        ]
        canvas.line(spray, (236, 246, 250), size * 0.05, 200)
    for step in range(5):
        canvas.ellipse(
            x,
            y + canvas.y_of((0.1 + 0.035 * step) * size),
            size * (1.05 + 0.1 * step),
            size * 0.02,
            (232, 244, 248),
            60,
        )


def boat(scene: Scene, x: float, y: float, size: float, colour: Colour | None) -> None:
    canvas = scene.canvas
    canvas.shape(x, y, size, [(-0.5, -0.08), (0.5, -0.08), (0.36, 0.14), (-0.34, 0.14)], scene.lit((122, 76, 52)))
    canvas.shape(x, y, size, [(-0.02, -0.08), (0.02, -0.08), (0.02, -0.98), (-0.02, -0.98)], scene.lit((92, 64, 50)))
    canvas.shape(x, y, size, [(0.05, -0.14), (0.48, -0.14), (0.05, -0.94)], scene.lit(colour or (246, 240, 226)))
    canvas.shape(x, y, size, [(-0.05, -0.14), (-0.38, -0.14), (-0.05, -0.8)], scene.lit(colour or (230, 218, 200)))


def house(scene: Scene, x: float, y: float, size: float, colour: Colour | None) -> None:
    canvas, wall = scene.canvas, scene.lit(colour or (238, 222, 196))
    canvas.shape(x, y, size, [(-0.4, 0.03), (0.4, 0.03), (0.4, -0.44), (-0.4, -0.44)], wall)
    canvas.shape(x, y, size, [(0.2, -0.6), (0.3, -0.6), (0.3, -0.92), (0.2, -0.92)], darker(wall, 0.4))
    canvas.shape(x, y, size, [(-0.5, -0.42), (0.5, -0.42), (0, -0.9)], scene.lit((164, 74, 60)))
    canvas.shape(x, y, size, [(-0.09, 0.03), (0.09, 0.03), (0.09, -0.24), (-0.09, -0.24)], scene.lit((108, 72, 52)))
    for left in (-0.32, 0.18):
        pane = [(left, -0.14), (left + 0.14, -0.14), (left + 0.14, -0.3), (left, -0.3)]
        canvas.shape(x, y, size, pane, (255, 226, 146))


def castle(scene: Scene, x: float, y: float, size: float, colour: Colour | None) -> None:
    canvas, stone = scene.canvas, scene.lit(colour or (170, 162, 168))
    for left, wide, high in ((-0.5, 0.24, 0.8), (0.26, 0.24, 0.8), (-0.3, 0.6, 0.5), (-0.13, 0.26, 1.05)):
        tone = stone if wide < 0.5 else darker(stone, 0.1)
        canvas.shape(x, y, size, [(left, 0.03), (left + wide, 0.03), (left + wide, -high), (left, -high)], tone)
        if wide < 0.5:
            roof = [(left - 0.03, -high), (left + wide + 0.03, -high), (left + wide / 2, -high - 0.3)]
            canvas.shape(x, y, size, roof, scene.lit((92, 78, 140)))
            slit = [(left + wide * 0.4, -high + 0.2), (left + wide * 0.6, -high + 0.2)]
            canvas.shape(x, y, size, [*slit, (slit[1][0], -high + 0.08), (slit[0][0], -high + 0.08)], (255, 226, 146))
    canvas.shape(x, y, size, [(-0.1, 0.03), (0.1, 0.03), (0.1, -0.16), (0, -0.26), (-0.1, -0.16)], darker(stone, 0.6))


SITTING = ((-0.3, 0.02), (-0.32, -0.22), (-0.2, -0.5), (0.0, -0.6), (0.2, -0.48), (0.32, -0.2), (0.3, 0.02))


def _animal(
    scene: Scene, x: float, y: float, size: float, fur: Colour, ears: Sequence[Point], *, tail: float, snout: float
) -> None:
    """Draw a sitting animal with two ears. `tail` is the thickness of its tail."""
    canvas = scene.canvas
    if tail:
        sweep = [
            (x + canvas.x_of((0.22 + 0.36 * math.sin(t / 6)) * size), y + canvas.y_of((0.0 - 0.55 * t / 14) * size))
            for t in range(15)
        ]
        canvas.line(sweep, darker(fur, 0.08), tail * size)
        canvas.circle(*sweep[-1], tail * size * 0.5, lighter(fur, 0.5))
    canvas.shape(x, y, size, _curve(SITTING), fur)
    canvas.shape(
        x, y, size, _curve([(-0.14, 0.02), (-0.14, -0.24), (0, -0.4), (0.14, -0.24), (0.14, 0.02)]), lighter(fur, 0.4)
    )
    head = y + canvas.y_of(-0.72 * size)
    for side in (-1, 1):
        canvas.shape(x, y, size, [(side * px, py) for px, py in ears], fur)
        inner = [(side * (0.14 + (px - 0.14) * 0.55), -0.84 + (py + 0.84) * 0.6) for px, py in ears]
        canvas.shape(x, y, size, inner, lighter(fur, 0.45))
    canvas.ellipse(x, head, 0.25 * size, 0.21 * size, fur)
    canvas.ellipse(x, head + canvas.y_of(0.09 * size), (0.1 + snout) * size, 0.085 * size, lighter(fur, 0.5))
    canvas.ellipse(x, head + canvas.y_of(0.05 * size), 0.035 * size, 0.026 * size, (40, 30, 34))
    for side in (-1, 1):
        canvas.ellipse(
            x + canvas.x_of(side * 0.1 * size),
            head - canvas.y_of(0.04 * size),
            0.026 * size,
            0.036 * size,
            (28, 26, 34),
        )


POINTED = ((0.06, -0.86), (0.24, -0.78), (0.22, -1.06))
ROUND = ((0.08, -0.88), (0.26, -0.8), (0.27, -0.9), (0.22, -0.98), (0.14, -0.97))
LONG = ((0.06, -0.88), (0.17, -0.86), (0.2, -1.3), (0.13, -1.36), (0.07, -1.28))
FLAT = ((0.16, -0.88), (0.24, -0.86), (0.36, -0.62), (0.28, -0.56), (0.2, -0.66))
ANIMALS: Mapping[str, tuple[Colour, Sequence[Point], float, float]] = {
    "cat": ((112, 104, 112), POINTED, 0.1, 0.0),
    "fox": ((216, 112, 54), POINTED, 0.24, 0.04),
    "wolf": ((120, 126, 138), POINTED, 0.18, 0.05),
    "dog": ((176, 128, 84), FLAT, 0.1, 0.05),
    "bear": ((112, 78, 56), ROUND, 0.0, 0.04),
    "mouse": ((160, 154, 158), ROUND, 0.03, 0.0),
    "rabbit": ((206, 192, 178), LONG, 0.0, 0.0),
    "deer": ((168, 118, 78), POINTED, 0.06, 0.03),
}
KINDS = {
    "kitten": "cat", "tiger": "cat", "lion": "cat", "puppy": "dog", "hare": "rabbit", "bunny": "rabbit",
    "panda": "bear", "badger": "bear", "hedgehog": "mouse", "squirrel": "fox", "goat": "deer", "horse": "deer",
}  # fmt: skip


def animal(kind: str) -> Figure:
    fur, ears, tail, snout = ANIMALS[kind]

    def figure(scene: Scene, x: float, y: float, size: float, colour: Colour | None) -> None:
        _animal(scene, x, y, size, scene.lit(colour or fur), ears, tail=tail, snout=snout)

    return figure


def person(scene: Scene, x: float, y: float, size: float, colour: Colour | None) -> None:
    canvas = scene.canvas
    coat = scene.lit(
        colour or scene.canvas.random.choice(((222, 172, 62), (178, 66, 66), (66, 96, 150), (92, 124, 92)))
    )
    canvas.shape(
        x,
        y,
        size,
        _curve([(-0.2, 0.02), (-0.14, -0.4), (-0.06, -0.56), (0.06, -0.56), (0.14, -0.4), (0.2, 0.02)]),
        coat,
    )
    canvas.circle(x, y + canvas.y_of(-0.66 * size), 0.11 * size, scene.lit((234, 196, 164)))
    hat = [(-0.13, -0.68), (0.13, -0.68), (0.09, -0.8), (0, -0.84), (-0.09, -0.8)]
    canvas.shape(x, y, size, hat, darker(coat, 0.3))
    arm = [
        (x + canvas.x_of(0.1 * size), y + canvas.y_of(-0.42 * size)),
        (x + canvas.x_of(0.3 * size), y + canvas.y_of(-0.36 * size)),
    ]
    canvas.line(arm, darker(coat, 0.12), 0.07 * size)
    lamp = (arm[1][0], arm[1][1] + canvas.y_of(0.1 * size))
    canvas.glow(*lamp, 0.05 * size, (255, 226, 140))
    canvas.circle(*lamp, 0.05 * size, (255, 236, 170))


def robot(scene: Scene, x: float, y: float, size: float, colour: Colour | None) -> None:
    canvas, steel = scene.canvas, scene.lit(colour or (150, 170, 184))
    for left in (-0.2, 0.06):
        canvas.shape(
            x, y, size, [(left, 0.02), (left + 0.14, 0.02), (left + 0.14, -0.2), (left, -0.2)], darker(steel, 0.3)
        )
    canvas.shape(x, y, size, [(-0.28, -0.18), (0.28, -0.18), (0.24, -0.62), (-0.24, -0.62)], steel)
    canvas.shape(x, y, size, [(-0.22, -0.66), (0.22, -0.66), (0.22, -1.0), (-0.22, -1.0)], lighter(steel, 0.15))
    for side in (-1, 1):
        arm = [
            (x + canvas.x_of(side * 0.27 * size), y + canvas.y_of(-0.54 * size)),
            (x + canvas.x_of(side * 0.46 * size), y + canvas.y_of(-0.24 * size)),
        ]
        canvas.line(arm, darker(steel, 0.2), 0.07 * size)
        canvas.circle(x + canvas.x_of(side * 0.1 * size), y + canvas.y_of(-0.85 * size), 0.06 * size, (255, 240, 180))
        canvas.circle(x + canvas.x_of(side * 0.1 * size), y + canvas.y_of(-0.85 * size), 0.028 * size, (40, 60, 90))
    canvas.line([(x, y + canvas.y_of(-1.0 * size)), (x, y + canvas.y_of(-1.16 * size))], steel, 0.03 * size)
    canvas.circle(x, y + canvas.y_of(-1.19 * size), 0.05 * size, (226, 92, 80))
    canvas.circle(x, y + canvas.y_of(-0.4 * size), 0.07 * size, (226, 92, 80))


def rocket(scene: Scene, x: float, y: float, size: float, colour: Colour | None) -> None:
    canvas, hull = scene.canvas, (238, 238, 242)
    y -= canvas.y_of(0.25 * size)
    canvas.shape(x, y, size, [(-0.1, 0), (0.1, 0), (0, 0.42)], (255, 196, 84), 230)
    fins = scene.lit(colour or (206, 66, 60))
    for side in (-1, 1):
        canvas.shape(x, y, size, [(side * 0.14, -0.3), (side * 0.32, 0.06), (side * 0.1, 0)], fins)
    canvas.shape(
        x,
        y,
        size,
        _curve([(-0.13, 0), (-0.2, -0.4), (-0.1, -0.85), (0, -1.05), (0.1, -0.85), (0.2, -0.4), (0.13, 0)]),
        hull,
    )
    canvas.circle(x, y + canvas.y_of(-0.55 * size), 0.09 * size, (84, 140, 190))


def tree(scene: Scene, x: float, y: float, size: float, colour: Colour | None) -> None:
    canvas, green = scene.canvas, scene.lit(colour or (72, 132, 70))
    canvas.shape(x, y, size, [(-0.09, 0.03), (0.09, 0.03), (0.05, -0.6), (-0.05, -0.6)], scene.lit((98, 70, 52)))
    for dx, dy, r in (
        (-0.28, -0.62, 0.24),
        (0.28, -0.62, 0.24),
        (0, -0.72, 0.34),
        (-0.14, -0.94, 0.24),
        (0.16, -0.92, 0.24),
    ):
        canvas.circle(
            x + canvas.x_of(dx * size), y + canvas.y_of(dy * size), r * size, lighter(green, max(0.0, -dy - 0.7) * 0.6)
        )


def kite(scene: Scene, x: float, y: float, size: float, colour: Colour | None) -> None:
    canvas, cloth = scene.canvas, colour or (214, 62, 58)
    y = 0.36
    canvas.shape(x, y, size, [(0, -0.5), (0.34, 0), (0, 0.6), (-0.34, 0)], cloth)
    canvas.shape(x, y, size, [(0, -0.5), (0.34, 0), (0, 0.6)], darker(cloth, 0.18))
    tail = [
        (x + canvas.x_of(0.1 * size * math.sin(t / 2)), y + canvas.y_of((0.6 + t * 0.06) * size)) for t in range(16)
    ]
    canvas.line(tail, (250, 246, 236), 0.018 * size)
    for place in tail[3::4]:
        canvas.circle(*place, 0.05 * size, (250, 210, 100))


def balloon(scene: Scene, x: float, y: float, size: float, colour: Colour | None) -> None:
    canvas, cloth = scene.canvas, colour or (226, 96, 76)
    y = 0.34
    canvas.ellipse(x, y, 0.42 * size, 0.48 * size, cloth)
    canvas.ellipse(x, y, 0.26 * size, 0.48 * size, (250, 226, 150))
    canvas.ellipse(x, y, 0.1 * size, 0.48 * size, cloth)
    for side in (-1, 1):
        rope = [
            (x + canvas.x_of(side * 0.28 * size), y + canvas.y_of(0.36 * size)),
            (x + canvas.x_of(side * 0.09 * size), y + canvas.y_of(0.68 * size)),
        ]
        canvas.line(rope, (96, 76, 60), 0.012 * size)
    canvas.shape(x, y, size, [(-0.1, 0.68), (0.1, 0.68), (0.08, 0.84), (-0.08, 0.84)], (140, 96, 62))


def owl(scene: Scene, x: float, y: float, size: float, colour: Colour | None) -> None:
    canvas, down = scene.canvas, scene.lit(colour or (136, 104, 78))
    canvas.shape(
        x, y, size, _curve([(-0.3, -0.1), (-0.32, -0.6), (0, -0.86), (0.32, -0.6), (0.3, -0.1), (0, 0.04)]), down
    )
    for side in (-1, 1):
        canvas.shape(x, y, size, [(side * 0.1, -0.76), (side * 0.3, -0.98), (side * 0.3, -0.6)], down)
        canvas.shape(x, y, size, _curve([(side * 0.2, -0.5), (side * 0.34, -0.3), (side * 0.2, 0)]), darker(down, 0.2))
        eye = (x + canvas.x_of(side * 0.13 * size), y - canvas.y_of(0.6 * size))
        canvas.circle(*eye, 0.13 * size, (250, 240, 214))
        canvas.circle(*eye, 0.06 * size, (34, 30, 36))
    canvas.ellipse(x, y - canvas.y_of(0.24 * size), 0.17 * size, 0.2 * size, lighter(down, 0.35))
    canvas.shape(x, y, size, [(-0.05, -0.52), (0.05, -0.52), (0, -0.4)], (236, 170, 70))


def birds(scene: Scene, x: float, y: float, size: float, colour: Colour | None) -> None:
    canvas, ink = scene.canvas, colour or darker(scene.light.top, 0.55)
    for index in range(5):
        bx, by = x + (index - 2) * 0.055, 0.22 + 0.03 * abs(index - 2)
        wing, lift = canvas.x_of(0.1 * size), canvas.y_of(0.05 * size)
        canvas.line([(bx - wing, by - lift), (bx, by), (bx + wing, by - lift)], ink, 0.018 * size)


def bloom(scene: Scene, x: float, y: float, size: float, colour: Colour | None) -> None:
    flower(scene.canvas, x, y, size * 0.5, scene.lit(colour or (226, 84, 100)), scene.lit((62, 124, 66)))


def fish(scene: Scene, x: float, y: float, size: float, colour: Colour | None) -> None:
    canvas, skin = scene.canvas, scene.lit(colour or (238, 140, 70))
    canvas.shape(
        x, y, size, _curve([(-0.5, -0.2), (-0.2, -0.42), (0.2, -0.36), (0.42, -0.2), (0.2, -0.04), (-0.2, 0.02)]), skin
    )
    canvas.shape(x, y, size, [(0.36, -0.2), (0.66, -0.42), (0.6, -0.2), (0.66, 0.02)], darker(skin, 0.12))
    canvas.circle(x + canvas.x_of(-0.3 * size), y + canvas.y_of(-0.24 * size), 0.035 * size, (20, 24, 36))


DRAGON = ((-0.7, -0.78), (-0.5, -0.9), (-0.36, -0.76), (-0.3, -0.5), (0.0, -0.44), (0.3, -0.34), (0.62, -0.1),
          (0.95, -0.16), (0.6, 0.04), (-0.1, 0.04), (-0.42, -0.2), (-0.5, -0.6))  # fmt: skip


def dragon(scene: Scene, x: float, y: float, size: float, colour: Colour | None) -> None:
    canvas, skin = scene.canvas, scene.lit(colour or (82, 140, 96))
    wing = [(-0.1, -0.44), (0.1, -1.2), (0.34, -0.86), (0.66, -1.02), (0.56, -0.62), (0.36, -0.4)]
    canvas.shape(x, y, size, wing, darker(skin, 0.2))
    canvas.shape(x, y, size, _curve(DRAGON), skin)
    canvas.shape(x, y, size, [(-0.68, -0.78), (-1.16, -0.96), (-1.02, -0.78), (-1.2, -0.64)], (255, 178, 72), 220)
    canvas.circle(x + canvas.x_of(-0.52 * size), y + canvas.y_of(-0.8 * size), 0.03 * size, (250, 240, 180))


# A pattern of words, the figure for them, and its size relative to the others.
FIGURES: Sequence[tuple[str, Figure, float]] = (
    (r"lighthouses?", lighthouse, 0.34),
    (r"whales?|dolphins?", whale, 0.2),
    (r"boats?|ships?|sail\w*|pirates?", boat, 0.26),
    (r"castles?|palace|fortress", castle, 0.34),
    (r"rockets?|spaceships?", rocket, 0.34),
    (r"dragons?", dragon, 0.26),
    (r"robots?|androids?", robot, 0.26),
    (r"kites?", kite, 0.3),
    (r"balloons?", balloon, 0.3),
    *((rf"{kind}s?|{kind}es", animal(kind), 0.28) for kind in ANIMALS),
    *((rf"{word}s?", animal(kind), 0.28) for word, kind in KINDS.items()),
    (r"fish(?:es)?|goldfish", fish, 0.22),
    (r"houses?|cottages?|cabins?|huts?|village", house, 0.26),
    (r"keeper|girl|boy|child|man|woman|knight|princess|prince|king|queen|wizard|witch|astronaut|traveller|weaver|"
     r"musician|baker|captain|fisherman|gardener|farmer|person|people|brothers?|sisters?|grandmother|grandfather|"
     r"explorer|sailor|clockmaker|violinist|friends?", person, 0.22),  # fmt: skip
    (r"owls?|penguins?", owl, 0.26),
    (r"birds?|gulls?|seagulls?|swallows?|ravens?|crows?|eagles?|herons?|storks?", birds, 0.3),
    (r"roses?|flowers?|tulips?|sunflowers?", bloom, 0.2),
    (r"(?:oak|apple|old|lonely|big|tall) tree|trees?", tree, 0.32),
)  # fmt: skip
MAX_FIGURES = 3
CLOTHES = re.compile(
    r"\s+(?:in|wearing) (?:an? |the )?(\w+) (?:\w+ )?(?:cape|cloak|coat|dress|hat|jacket|raincoat|robe|suit|sweater)\b",
    re.IGNORECASE,
)
PLACES: Sequence[Sequence[float]] = ((0.5,), (0.34, 0.68), (0.24, 0.52, 0.78))


def named(prompt: str) -> list[tuple[int, Figure, float, Colour | None]]:
    """Return the figures that a prompt names, in the order of the prompt. A colour word before a figure sets its
    colour, and so does the colour of clothes after it, as in `a keeper in a yellow coat`.
    """
    found: dict[Figure, tuple[int, Figure, float, Colour | None]] = {}
    for pattern, figure, size in FIGURES:
        match = re.search(rf"\b(?:{pattern})\b", prompt, re.IGNORECASE)
        if match is None or figure in found:
            continue
        before = prompt[: match.start()].lower().split()[-3:]
        clothes = CLOTHES.match(prompt, match.end())
        words = [*before, *([clothes[1].lower()] if clothes else [])]
        colour = next((COLOURS[w.strip(",.")] for w in reversed(words) if w.strip(",.") in COLOURS), None)
        found[figure] = (match.start(), figure, size, colour)
    return sorted(found.values(), key=lambda entry: entry[0])[:MAX_FIGURES]


AFLOAT = (whale, boat, fish, lighthouse, kite, balloon, birds)


def _shore(scene: Scene) -> None:
    """Draw a strip of beach in front of the sea. Figures that do not swim are drawn on the beach."""
    scene.canvas.ridge(0.865, 0.012, scene.lit((250, 246, 232), 0.1))
    scene.shore = scene.canvas.ridge(0.88, 0.012, scene.lit((222, 194, 150)))


def populate(scene: Scene, prompt: str, place: str) -> None:
    """Draw the figures that a prompt names into a landscape. If the prompt names none, draw birds."""
    figures = named(prompt)
    if place == "sea" and any(figure not in AFLOAT for _, figure, _, _ in figures):
        _shore(scene)
    random = scene.canvas.random
    if not figures:
        birds(scene, random.uniform(0.3, 0.7), 0.3, 0.26, None)
        return
    places = list(PLACES[len(figures) - 1])
    if random.random() < 0.5:
        places.reverse()
    for (_, figure, size, colour), middle in zip(figures, places, strict=True):
        x = middle + random.uniform(-0.04, 0.04)
        ashore = scene.shore is not None and figure not in AFLOAT
        level = scene.shore(x) + 0.05 if scene.shore is not None and ashore else scene.ground(x) + 0.02
        alone = 1.2 if len(figures) == 1 else 1.0
        figure(scene, x, level, size * alone * random.uniform(0.92, 1.1), colour)
