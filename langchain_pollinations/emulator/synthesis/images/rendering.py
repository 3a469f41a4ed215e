"""Renders the image for a prompt.

The image is a framed landscape with the objects that the prompt names. The caption is the prompt.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from io import BytesIO
from random import Random

from PIL import Image, ImageChops, ImageDraw

from langchain_pollinations.emulator.synthesis.images import captions, descriptions, edits, styles, svg
from langchain_pollinations.emulator.synthesis.images.canvas import Canvas, Colour
from langchain_pollinations.emulator.synthesis.images.motifs import populate
from langchain_pollinations.emulator.synthesis.images.scenery import landscape

PAPER: Colour = (250, 246, 236)
INK: Colour = (52, 48, 58)
FAINT: Colour = (150, 142, 140)
SMALLEST_CAPTION = 48  # pixels of the shorter side; smaller images have no caption, since it would be illegible
SVG = "image/svg+xml"


@dataclass(frozen=True)
class ImageSpec:
    """The parameters of an image. Together with the source images of an edit, they determine all pixels."""

    prompt: str
    width: int
    height: int
    seed: int = 42
    model: str = ""
    transparent: bool = False
    remark: str = ""  # added to the note after model and seed

    @property
    def random(self) -> Random:
        """A random number generator. Its seed is derived from the prompt, the seed and the model of the image."""
        words = f"{self.prompt}\n{self.seed}\n{self.model}"
        return Random(int.from_bytes(sha256(words.encode()).digest()[:8]))

    @property
    def note(self) -> str:
        text = f"emulated {self.model.rpartition('/')[2]}, seed {self.seed}"
        return f"{text}, {captions.legible(self.remark)}" if self.remark else text


def draw(spec: ImageSpec, sources: Sequence[Image.Image] = ()) -> tuple[bytes, str]:
    """Return the bytes and the MIME type of an image. The same arguments always give the same bytes.

    With `sources`, the first source is edited according to the prompt. The other sources become insets.
    """
    shown = descriptions.combined(spec.prompt, sources)
    if spec.transparent:
        image = _round_corners(_edit(spec, sources)) if sources else _on_transparent_background(spec)
        return _png(image, shown), "image/png"
    return jpeg(_edit(spec, sources) if sources else framed(spec), description=shown), "image/jpeg"


def vector(spec: ImageSpec, sources: Sequence[Image.Image] = ()) -> tuple[bytes, str]:
    """Return the bytes and the MIME type of an image in SVG format."""
    if sources:
        return svg.mosaic(_edit(spec, sources)), SVG
    return svg.render(spec.prompt, spec.width, spec.height, spec.random), SVG


def _edit(spec: ImageSpec, sources: Sequence[Image.Image]) -> Image.Image:
    if edits.describes_scene(spec.prompt):
        return _paint_scene(spec.prompt, spec.width, spec.height, spec.random)
    return edits.edited(spec.prompt, spec.random, (spec.width, spec.height), sources)


def view(words: str, width: int, height: int) -> Image.Image:
    """Return the scene for a text, without a frame and a caption."""
    return _paint_scene(words, width, height, ImageSpec(words, width, height).random)


def jpeg(image: Image.Image, quality: int = 88, description: str = "") -> bytes:
    out = BytesIO()
    image.save(out, "JPEG", quality=quality, comment=description.encode())
    return out.getvalue()


def _png(image: Image.Image, description: str) -> bytes:
    out = BytesIO()
    image.save(out, "PNG", compress_level=3, pnginfo=descriptions.png_metadata(description))
    return out.getvalue()


def _paint_scene(prompt: str, width: int, height: int, random: Random) -> Image.Image:
    """Paint the scene for a prompt. It is painted at about twice its size and scaled down, which smooths the edges."""
    canvas = _canvas(width, height, random)
    scene, place = landscape(canvas, prompt)
    populate(scene, prompt, place)
    return styles.styled(_scale_down(canvas, width, height), prompt)


def _canvas(width: int, height: int, random: Random) -> Canvas:
    longest = max(width, height)
    scale = min(max(2 * longest, 256), max(2048, longest)) / longest
    return Canvas(max(2, round(width * scale)), max(2, round(height * scale)), random)


def _scale_down(canvas: Canvas, width: int, height: int) -> Image.Image:
    halved = canvas.width >= 2 * width
    return canvas.image.resize((width, height), Image.Resampling.BOX if halved else Image.Resampling.LANCZOS)


def _on_transparent_background(spec: ImageSpec) -> Image.Image:
    """Return the objects that the prompt names, on a transparent background.

    The objects are painted once on black and once on white. The difference of the two images gives the alpha channel.
    """
    black, white = (_paint_objects(ground, spec) for ground in ("black", "white"))
    density = ImageChops.invert(ImageChops.difference(white, black)).getchannel("G")
    return Image.merge("RGBa", (*black.split(), density)).convert("RGBA")


def _paint_objects(ground: str, spec: ImageSpec) -> Image.Image:
    canvas = _canvas(spec.width, spec.height, spec.random)
    scene, place = landscape(canvas, spec.prompt)
    canvas.image.paste(ground, (0, 0, canvas.width, canvas.height))
    populate(scene, spec.prompt, place)
    return _scale_down(canvas, spec.width, spec.height)


def _round_corners(image: Image.Image) -> Image.Image:
    """Return the image with rounded corners. The area outside the corners is transparent."""
    mask = Image.new("L", image.size, 0)
    radius = min(image.size) // 12
    ImageDraw.Draw(mask).rounded_rectangle((0, 0, image.width - 1, image.height - 1), radius, fill=255)
    result = image.convert("RGBA")
    result.putalpha(mask)
    return result


def framed(spec: ImageSpec) -> Image.Image:
    """Return the scene for a prompt with a frame. The caption shows the prompt."""
    prompt, width, height = spec.prompt, spec.width, spec.height
    if min(width, height) < SMALLEST_CAPTION:
        return _paint_scene(prompt, width, height, spec.random)
    mat = max(3, min(width, height) // 32)
    lines, font = captions.caption(prompt, width - 4 * mat, height)
    band = captions.line_height(font) * len(lines) + round(mat * 1.5)
    noted = min(width, height) >= 320
    band += round(mat * 0.9) if noted else 0
    inner = (width - 2 * mat, max(1, height - 2 * mat - band))
    image = Image.new("RGB", (width, height), PAPER)
    image.paste(_paint_scene(prompt, *inner, spec.random), (mat, mat))
    brush = ImageDraw.Draw(image)
    brush.rectangle((mat - 1, mat - 1, mat + inner[0], mat + inner[1]), outline=(196, 186, 170))
    top = mat + inner[1] + round(mat * 0.75)
    for place, line in enumerate(lines):
        brush.text((width / 2, top + place * captions.line_height(font)), line, font=font, fill=INK, anchor="mt")
    if noted:
        small = captions.sized(max(9, mat // 2))
        note = captions.shortened(spec.note, small, width - 2 * mat)
        brush.text((width - mat, height - mat * 0.45), note, font=small, fill=FAINT, anchor="rb")
    return image
