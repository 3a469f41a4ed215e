"""Pictures from words: a landscape with what the prompt names, in a frame, with the prompt as its caption."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from hashlib import sha256
from io import BytesIO
from random import Random

from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageFont

from .brush import Canvas, Colour
from .motifs import populate
from .scenery import landscape

PAPER: Colour = (250, 246, 236)
INK: Colour = (52, 48, 58)
FAINT: Colour = (150, 142, 140)
SMALLEST_CAPTION = 48  # below this many pixels a caption would only be noise
MOST_LINES = 3
LONGEST_CAPTION = 600  # characters, more than the lines can hold
PLAIN_LETTERS = str.maketrans(
    {"ß": "ss", "æ": "ae", "Æ": "AE", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L", "đ": "d", "ı": "i", "—": "-", "–": "-"}
)
OTHER_SCRIPT = "[a prompt in letters that this font lacks]"

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


def draw(prompt: str, width: int, height: int, seed: int, model: str, transparent: bool = False) -> tuple[bytes, str]:
    """Bytes and type of the picture for a prompt: always the same for the same arguments."""
    random = Random(int.from_bytes(sha256(f"{prompt}\n{seed}\n{model}".encode()).digest()[:8]))
    width, height = max(1, width), max(1, height)
    image = _framed(prompt, width, height, random, f"emulated {model.rpartition('/')[2]}, seed {seed}")
    out = BytesIO()
    if transparent:
        _rounded(image).save(out, "PNG", compress_level=3)
        return out.getvalue(), "image/png"
    image.save(out, "JPEG", quality=88)
    return out.getvalue(), "image/jpeg"


def _painted(prompt: str, width: int, height: int, random: Random) -> Image.Image:
    """The scene at twice the size or so, then made smaller, so that edges are smooth."""
    longest = max(width, height)
    scale = min(max(2 * longest, 256), max(2048, longest)) / longest
    canvas = Canvas(max(2, round(width * scale)), max(2, round(height * scale)), random)
    scene, place = landscape(canvas, prompt)
    populate(scene, prompt, place)
    small = canvas.image.resize((width, height), Image.Resampling.BOX if scale >= 2 else Image.Resampling.LANCZOS)
    return _styled(small, prompt, random)


def _styled(image: Image.Image, prompt: str, random: Random) -> Image.Image:
    """The scene in the manner that the prompt asks for."""
    if re.search(r"\bpixel", prompt, re.IGNORECASE):
        side = max(1, max(image.size) // 96)
        small = image.resize((max(1, image.width // side), max(1, image.height // side)), Image.Resampling.BOX)
        return small.quantize(48).convert("RGB").resize(image.size, Image.Resampling.NEAREST)
    if re.search(
        r"\b(pencil|charcoal|black and white|monochrome|ink drawing|engraving|woodcut)\b", prompt, re.IGNORECASE
    ):
        return image.convert("L").convert("RGB")
    if re.search(r"\b(watercolou?r|gouache|painting|pastel)\b", prompt, re.IGNORECASE) and min(image.size) >= 64:
        return _washed(image)
    return image


def _washed(image: Image.Image) -> Image.Image:
    """Colours that run a little, on paper with a grain."""
    soft = image.filter(ImageFilter.BoxBlur(max(image.size) / 700))
    return ImageChops.multiply(soft, _grain(image.width, image.height))


@lru_cache(maxsize=4)
def _grain(width: int, height: int) -> Image.Image:
    random = Random(7)
    tile = Image.new("L", (128, 128))
    tile.putdata([random.randint(236, 255) for _ in range(128 * 128)])
    tile = tile.filter(ImageFilter.BoxBlur(0.6))
    paper = Image.new("L", (width, height))
    for x in range(0, width, 128):
        for y in range(0, height, 128):
            paper.paste(tile, (x, y))
    return paper.convert("RGB")


def _rounded(image: Image.Image) -> Image.Image:
    """The picture with round corners, and nothing outside of them."""
    mask = Image.new("L", image.size, 0)
    radius = min(image.size) // 12
    ImageDraw.Draw(mask).rounded_rectangle((0, 0, image.width - 1, image.height - 1), radius, fill=255)
    result = image.convert("RGBA")
    result.putalpha(mask)
    return result


@lru_cache(maxsize=32)
def _font(size: int) -> Font:
    return ImageFont.load_default(size=size)


def _framed(prompt: str, width: int, height: int, random: Random, note: str) -> Image.Image:
    if min(width, height) < SMALLEST_CAPTION:
        return _painted(prompt, width, height, random)
    mat = max(3, min(width, height) // 32)
    lines, font = _caption(prompt, width - 4 * mat, height)
    band = _line_height(font) * len(lines) + round(mat * 1.5)
    noted = min(width, height) >= 320
    band += round(mat * 0.9) if noted else 0
    inner = (width - 2 * mat, max(1, height - 2 * mat - band))
    image = Image.new("RGB", (width, height), PAPER)
    image.paste(_painted(prompt, *inner, random), (mat, mat))
    brush = ImageDraw.Draw(image)
    brush.rectangle((mat - 1, mat - 1, mat + inner[0], mat + inner[1]), outline=(196, 186, 170))
    top = mat + inner[1] + round(mat * 0.75)
    for place, line in enumerate(lines):
        brush.text((width / 2, top + place * _line_height(font)), line, font=font, fill=INK, anchor="mt")
    if noted:
        small = _font(max(9, mat // 2))
        brush.text((width - mat, height - mat * 0.45), note, font=small, fill=FAINT, anchor="rb")
    return image


def _line_height(font: Font) -> int:
    box = font.getbbox("Ägjy")
    return round((box[3] - box[1]) * 1.25)


def _caption(prompt: str, width: int, height: int) -> tuple[list[str], Font]:
    """The prompt in as few lines as it needs, in the largest letters that fit."""
    text = _legible(prompt[:LONGEST_CAPTION])
    largest = max(10, min(width // 24, height // 20))
    for size in range(largest, max(8, largest // 2) - 1, -2):
        font = _font(size)
        lines = _wrapped(text, font, width)
        if len(lines) <= MOST_LINES and all(font.getlength(line) <= width for line in lines):
            return lines, font
    font = _font(max(8, largest // 2))
    lines = [_cut(line, font, width) for line in _wrapped(text, font, width)]
    if len(lines) > MOST_LINES:
        lines = [*lines[: MOST_LINES - 1], _cut(lines[MOST_LINES - 1] + " …", font, width)]
    return lines, font


@lru_cache(maxsize=4096)
def _has(letter: str) -> bool:
    """Whether the font has a form for a letter; it draws the same box for all those that it lacks."""
    font = _font(24)
    return bytes(font.getmask(letter)) != bytes(font.getmask("\uffff"))


def _legible(prompt: str) -> str:
    """The prompt in letters that the font has: without accents, and with dots for other scripts and emoji."""
    plain = unicodedata.normalize("NFKD", " ".join(prompt.split()).translate(PLAIN_LETTERS))
    shown = "".join(c if _has(c) else "…" for c in plain if not unicodedata.combining(c))
    found = re.sub(r"…[… ]*", "… ", shown).strip()
    return found if found.strip(" …") else OTHER_SCRIPT if found else "untitled"


def _wrapped(text: str, font: Font, width: int) -> list[str]:
    """Lines of about equal length."""
    words = text.split(" ")
    total = font.getlength(text)
    count = max(1, -(-int(total) // max(1, width)))
    aim = min(width, total / count * 1.08 + font.getlength("mm"))
    lines: list[str] = []
    for word in words:
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and font.getlength(longer) <= aim:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def _cut(line: str, font: Font, width: int) -> str:
    """A line that is short enough, with an ellipsis where something is missing."""
    if font.getlength(line) <= width:
        return line
    kept = line.rstrip(" …")
    while kept and font.getlength(kept + "…") > width:
        kept = kept[: -max(1, len(kept) // 12)]
    return kept + "…"
