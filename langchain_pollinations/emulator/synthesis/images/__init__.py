"""Images from prompts: a framed landscape with the objects that the prompt names, captioned with the prompt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from io import BytesIO
from random import Random

from PIL import Image, ImageChops, ImageDraw

from langchain_pollinations.emulator.synthesis.images import captions, edits, styles, svg
from langchain_pollinations.emulator.synthesis.images.canvas import Canvas, Colour
from langchain_pollinations.emulator.synthesis.images.motifs import populate
from langchain_pollinations.emulator.synthesis.images.scenery import landscape

PAPER: Colour = (250, 246, 236)
INK: Colour = (52, 48, 58)
FAINT: Colour = (150, 142, 140)
SMALLEST_CAPTION = 48  # pixels of the shorter side; smaller images have no caption, since it would be illegible
SVG = "image/svg+xml"


@dataclass(frozen=True)
class Wish:
    """The parameters of an image: everything that determines its look, except the source images of an edit."""

    prompt: str
    width: int
    height: int
    seed: int = 42
    model: str = ""
    transparent: bool = False
    remark: str = ""  # added to the note after model and seed

    @property
    def random(self) -> Random:
        """A random number generator seeded by prompt, seed and model."""
        words = f"{self.prompt}\n{self.seed}\n{self.model}"
        return Random(int.from_bytes(sha256(words.encode()).digest()[:8]))

    @property
    def note(self) -> str:
        said = f"emulated {self.model.rpartition('/')[2]}, seed {self.seed}"
        return f"{said}, {captions.legible(self.remark)}" if self.remark else said


def draw(wish: Wish, sources: Sequence[Image.Image] = ()) -> tuple[bytes, str]:
    """Return the bytes and the MIME type of an image. Equal arguments give equal bytes.

    With `sources`, the image is the first source, edited as the prompt says, with the other sources as insets.
    """
    if wish.transparent:
        return _png(_rounded(_edited(wish, sources)) if sources else _cut_out(wish)), "image/png"
    return jpeg(_edited(wish, sources) if sources else framed(wish)), "image/jpeg"


def vector(wish: Wish, sources: Sequence[Image.Image] = ()) -> tuple[bytes, str]:
    """Return the bytes and the MIME type of the image as SVG."""
    if sources:
        return svg.mosaic(_edited(wish, sources)), SVG
    return svg.drawn(wish.prompt, wish.width, wish.height, wish.random), SVG


def _edited(wish: Wish, sources: Sequence[Image.Image]) -> Image.Image:
    return edits.edited(wish.prompt, wish.random, (wish.width, wish.height), sources)


def view(words: str, width: int, height: int) -> Image.Image:
    """Return a scene for a text, without frame and caption."""
    return _painted(words, width, height, Wish(words, width, height).random)


def jpeg(image: Image.Image, quality: int = 88) -> bytes:
    out = BytesIO()
    image.save(out, "JPEG", quality=quality)
    return out.getvalue()


def _png(image: Image.Image) -> bytes:
    out = BytesIO()
    image.save(out, "PNG", compress_level=3)
    return out.getvalue()


def _painted(prompt: str, width: int, height: int, random: Random) -> Image.Image:
    """Paint the scene at about twice the size, then scale it down to get smooth edges."""
    canvas = _canvas(width, height, random)
    scene, place = landscape(canvas, prompt)
    populate(scene, prompt, place)
    return styles.styled(_shrunk(canvas, width, height), prompt)


def _canvas(width: int, height: int, random: Random) -> Canvas:
    longest = max(width, height)
    scale = min(max(2 * longest, 256), max(2048, longest)) / longest
    return Canvas(max(2, round(width * scale)), max(2, round(height * scale)), random)


def _shrunk(canvas: Canvas, width: int, height: int) -> Image.Image:
    halved = canvas.width >= 2 * width
    return canvas.image.resize((width, height), Image.Resampling.BOX if halved else Image.Resampling.LANCZOS)


def _cut_out(wish: Wish) -> Image.Image:
    """Return the objects that the prompt names on a transparent background.

    They are painted on black and on white; the difference gives the alpha channel.
    """
    black, white = (_figures_on(ground, wish) for ground in ("black", "white"))
    density = ImageChops.invert(ImageChops.difference(white, black)).getchannel("G")
    return Image.merge("RGBa", (*black.split(), density)).convert("RGBA")


def _figures_on(ground: str, wish: Wish) -> Image.Image:
    canvas = _canvas(wish.width, wish.height, wish.random)
    scene, place = landscape(canvas, wish.prompt)
    canvas.image.paste(ground, (0, 0, canvas.width, canvas.height))
    populate(scene, wish.prompt, place)
    return _shrunk(canvas, wish.width, wish.height)


def _rounded(image: Image.Image) -> Image.Image:
    """Return the image with rounded corners, transparent outside of them."""
    mask = Image.new("L", image.size, 0)
    radius = min(image.size) // 12
    ImageDraw.Draw(mask).rounded_rectangle((0, 0, image.width - 1, image.height - 1), radius, fill=255)
    result = image.convert("RGBA")
    result.putalpha(mask)
    return result


def framed(wish: Wish) -> Image.Image:
    """Return the framed scene for a prompt, with the prompt as its caption."""
    prompt, width, height = wish.prompt, wish.width, wish.height
    if min(width, height) < SMALLEST_CAPTION:
        return _painted(prompt, width, height, wish.random)
    mat = max(3, min(width, height) // 32)
    lines, font = captions.caption(prompt, width - 4 * mat, height)
    band = captions.line_height(font) * len(lines) + round(mat * 1.5)
    noted = min(width, height) >= 320
    band += round(mat * 0.9) if noted else 0
    inner = (width - 2 * mat, max(1, height - 2 * mat - band))
    image = Image.new("RGB", (width, height), PAPER)
    image.paste(_painted(prompt, *inner, wish.random), (mat, mat))
    brush = ImageDraw.Draw(image)
    brush.rectangle((mat - 1, mat - 1, mat + inner[0], mat + inner[1]), outline=(196, 186, 170))
    top = mat + inner[1] + round(mat * 0.75)
    for place, line in enumerate(lines):
        brush.text((width / 2, top + place * captions.line_height(font)), line, font=font, fill=INK, anchor="mt")
    if noted:
        small = captions.sized(max(9, mat // 2))
        note = captions.shortened(wish.note, small, width - 2 * mat)
        brush.text((width - mat, height - mat * 0.45), note, font=small, fill=FAINT, anchor="rb")
    return image
