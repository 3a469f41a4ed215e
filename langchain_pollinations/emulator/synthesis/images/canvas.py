"""Basic drawing functions: a canvas with relative coordinates, and functions that mix colours."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from random import Random

from PIL import Image, ImageDraw

Colour = tuple[int, int, int]
Point = tuple[float, float]


def mix(one: Colour, other: Colour, share: float) -> Colour:
    """Return a colour between two colours. `share` (0 to 1) is the share of `other`."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return red, green, blue


def lighter(colour: Colour, share: float = 0.25) -> Colour:
    return mix(colour, (255, 255, 255), share)


def darker(colour: Colour, share: float = 0.25) -> Colour:
    return mix(colour, (8, 10, 24), share)


class Canvas:
    """A canvas to draw an image on.

    The coordinates x and y run from 0 to 1. Sizes are fractions of the shorter side of the image.
    """

    def __init__(self, width: int, height: int, random: Random) -> None:
        self.width, self.height, self.random = width, height, random
        self.unit = min(width, height)
        self.image = Image.new("RGB", (width, height))
        self._draw = ImageDraw.Draw(self.image, "RGBA")

    def x_of(self, size: float) -> float:
        """Convert a size to a fraction of the width."""
        return size * self.unit / self.width

    def y_of(self, size: float) -> float:
        """Convert a size to a fraction of the height."""
        return size * self.unit / self.height

    def _points(self, points: Sequence[Point]) -> list[tuple[float, float]]:
        return [(x * self.width, y * self.height) for x, y in points]

    def gradient(self, top: Colour, bottom: Colour, start: float = 0.0, end: float = 1.0) -> None:
        """Fill the whole width between two heights with a vertical gradient."""
        first, last = round(start * self.height), max(round(start * self.height) + 1, round(end * self.height))
        column = Image.new("RGB", (1, 64))
        for step in range(64):
            column.putpixel((0, step), mix(top, bottom, step / 63))
        strip = column.resize((1, last - first), Image.Resampling.BILINEAR)
        strip = strip.resize((self.width, last - first), Image.Resampling.NEAREST)
        self.image.paste(strip, (0, first))

    def polygon(self, points: Sequence[Point], colour: Colour, alpha: int = 255) -> None:
        if len(points) > 2:
            self._draw.polygon(self._points(points), fill=(*colour, alpha))

    def shape(self, x: float, y: float, size: float, points: Sequence[Point], colour: Colour, alpha: int = 255) -> None:
        """Draw a polygon around (x, y). The unit of its points is `size`. A negative y is above the centre."""
        wide, high = self.x_of(size), self.y_of(size)
        self.polygon([(x + px * wide, y + py * high) for px, py in points], colour, alpha)

    def ellipse(self, x: float, y: float, wide: float, high: float, colour: Colour, alpha: int = 255) -> None:
        rx, ry = wide * self.unit, high * self.unit
        cx, cy = x * self.width, y * self.height
        self._draw.ellipse((cx - rx, cy - ry, cx + rx, cy + ry), fill=(*colour, alpha))

    def circle(self, x: float, y: float, radius: float, colour: Colour, alpha: int = 255) -> None:
        self.ellipse(x, y, radius, radius, colour, alpha)

    def glow(self, x: float, y: float, radius: float, colour: Colour, reach: float = 3.2) -> None:
        """Draw a light around (x, y). The light fades outwards."""
        for ring in range(24, 0, -1):
            self.circle(x, y, radius * (1 + reach * ring / 24), colour, 5)

    def line(self, points: Sequence[Point], colour: Colour, thick: float, alpha: int = 255) -> None:
        wide = max(1, round(thick * self.unit))
        self._draw.line(self._points(points), fill=(*colour, alpha), width=wide, joint="curve")

    def ridge(self, level: float, swing: float, colour: Colour, *, sharp: bool = False) -> Callable[[float], float]:
        """Draw a ridge and fill the area below it. Return a function from x to the height of the ridge."""
        phases = [self.random.uniform(0, math.tau) for _ in range(4)]
        pace = self.random.uniform(0.8, 1.4) * max(1.0, self.width / self.height)

        def height(x: float) -> float:
            total = sum(math.sin(x * pace * math.pi * (n + 1) * 1.3 + p) / (n + 1) for n, p in enumerate(phases))
            if sharp:
                total = abs(total) * 1.4 - 1 + 0.12 * math.sin(x * 60 + phases[0])
            return level - swing * total * 0.6

        steps = 96
        line = [(step / steps, height(step / steps)) for step in range(steps + 1)]
        self.polygon([*line, (1, 1.01), (0, 1.01)], colour)
        return height
