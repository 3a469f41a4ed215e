"""Generates SVG images. Scenes consist of vector shapes. Raster images are converted to mosaics."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from random import Random
from xml.sax.saxutils import escape

from PIL import Image

from langchain_pollinations.emulator.synthesis.images.canvas import Canvas, Colour, Point
from langchain_pollinations.emulator.synthesis.images.motifs import populate
from langchain_pollinations.emulator.synthesis.images.scenery import landscape

MOSAIC_TILES = 96  # tiles along the longer side of a mosaic
MAX_TITLE = 240  # characters of the prompt in the title


def _hex(colour: Colour) -> str:
    return "#" + "".join(f"{max(0, min(255, part)):02x}" for part in colour)


def _filled(colour: Colour, alpha: int, what: str = "fill") -> str:
    opacity = "" if alpha >= 255 else f' {what}-opacity="{alpha / 255:.2f}"'
    return f'{what}="{_hex(colour)}"{opacity}'


class SvgCanvas(Canvas):
    """A canvas that records its shapes as SVG elements."""

    def __init__(self, width: int, height: int, random: Random) -> None:
        super().__init__(1, 1, random)
        self.width, self.height, self.unit = width, height, min(width, height)
        self.elements: list[str] = []

    def _coordinates(self, points: Sequence[Point]) -> str:
        return " ".join(f"{x:.1f},{y:.1f}" for x, y in self._points(points))

    def gradient(self, top: Colour, bottom: Colour, start: float = 0.0, end: float = 1.0) -> None:
        name, high = f"g{len(self.elements)}", max(1.0, (end - start) * self.height)
        stops = f'<stop stop-color="{_hex(top)}"/><stop offset="1" stop-color="{_hex(bottom)}"/>'
        self.elements.append(f'<linearGradient id="{name}" x2="0" y2="1">{stops}</linearGradient>')
        place = f'y="{start * self.height:.1f}" width="{self.width}" height="{high:.1f}"'
        self.elements.append(f'<rect {place} fill="url(#{name})"/>')

    def polygon(self, points: Sequence[Point], colour: Colour, alpha: int = 255) -> None:
        if len(points) > 2:
            self.elements.append(f'<polygon points="{self._coordinates(points)}" {_filled(colour, alpha)}/>')

    def ellipse(self, x: float, y: float, wide: float, high: float, colour: Colour, alpha: int = 255) -> None:
        place = f'cx="{x * self.width:.1f}" cy="{y * self.height:.1f}"'
        size = f'rx="{abs(wide) * self.unit:.1f}" ry="{abs(high) * self.unit:.1f}"'
        self.elements.append(f"<ellipse {place} {size} {_filled(colour, alpha)}/>")

    def line(self, points: Sequence[Point], colour: Colour, thick: float, alpha: int = 255) -> None:
        stroke = f'{_filled(colour, alpha, "stroke")} stroke-width="{max(0.5, thick * self.unit):.1f}"'
        ends = 'fill="none" stroke-linecap="round" stroke-linejoin="round"'
        self.elements.append(f'<polyline points="{self._coordinates(points)}" {stroke} {ends}/>')


def _document(width: int, height: int, title: str, elements: Sequence[str]) -> bytes:
    size = f'width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
    legible = "".join(letter for letter in title[:MAX_TITLE] if letter.isprintable() or letter == " ")
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size}>\n<title>{escape(legible)}</title>'
    return "\n".join([head, *elements, "</svg>\n"]).encode("utf-8", "replace")


def render(prompt: str, width: int, height: int, random: Random) -> bytes:
    """Return the scene for a prompt as an SVG document."""
    canvas = SvgCanvas(width, height, random)
    scene, place = landscape(canvas, prompt)
    populate(scene, prompt, place)
    return _document(width, height, prompt, canvas.elements)


def mosaic(image: Image.Image) -> bytes:
    """Convert a raster image to an SVG mosaic. Neighbouring tiles of the same colour in a row are merged."""
    share = min(1.0, MOSAIC_TILES / max(image.size))
    small = image.resize((max(1, round(image.width * share)), max(1, round(image.height * share))))
    plain = small.quantize(40).convert("RGB")
    elements = []
    for y in range(plain.height):
        row: list[Colour] = [plain.getpixel((x, y)) for x in range(plain.width)]  # type: ignore[misc]  # the image is RGB
        x = 0
        for colour, same in groupby(row):
            count = len(list(same))
            elements.append(f'<path d="M{x} {y}h{count}v1h-{count}z" fill="{_hex(colour)}"/>')
            x += count
    scale = f"scale({image.width / plain.width:.4f} {image.height / plain.height:.4f})"
    group = [f'<g transform="{scale}" shape-rendering="crispEdges">', *elements, "</g>"]
    return _document(image.width, image.height, "A mosaic", group)
