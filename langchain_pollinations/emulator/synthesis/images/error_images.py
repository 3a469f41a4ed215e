"""Images that are specific to the legacy image host: its logo, its error images and its placeholder image."""

from __future__ import annotations

from random import Random

from PIL import Image, ImageDraw

from langchain_pollinations.emulator.synthesis.images import captions
from langchain_pollinations.emulator.synthesis.images.canvas import Colour, mix

LOGO = "pollinations.ai"
SMALLEST_LOGO = 64  # pixels of the shorter side; the host sends smaller images without the logo
WHITE: Colour = (255, 255, 255)
NIGHT: Colour = (20, 22, 34)
SIGN = (512, 384)
ARTWORK = (1536, 1536)
GRAIN = 0.4  # share of noise in the artwork, which makes it about 1.3 MB at its JPEG quality
MAX_LINES = 6


def branded(image: Image.Image) -> Image.Image:
    """Add the logo to the upper right corner of an image."""
    if min(image.size) < SMALLEST_LOGO:
        return image
    font = captions.sized(max(9, min(image.size) // 24))
    wide, high = round(font.getlength(LOGO)) + 12, captions.line_height(font) + 6
    if wide > image.width:
        return image
    corner = (image.width - wide, 0, image.width, high)
    dark = Image.blend(image.crop(corner), Image.new("RGB", (wide, high), NIGHT), 0.65)
    image.paste(dark, corner)
    ImageDraw.Draw(image).text((image.width - 6, high / 2), LOGO, font=font, fill=WHITE, anchor="rm")
    return image


def error_image(title: str, words: str) -> Image.Image:
    """Return a small image that shows an error message."""
    image = Image.new("RGB", SIGN, (250, 240, 226))
    brush = ImageDraw.Draw(image)
    brush.rectangle((0, 0, SIGN[0], 76), fill=(196, 62, 48))
    brush.text((24, 38), captions.legible(title), font=captions.sized(30), fill=WHITE, anchor="lm")
    font = captions.sized(22)
    lines = captions.wrapped(captions.legible(words), font, SIGN[0] - 48)[:MAX_LINES]
    for place, line in enumerate(lines):
        shown = captions.shortened(line, font, SIGN[0] - 48)
        brush.text((24, 108 + place * 32), shown, font=font, fill=NIGHT, anchor="lt")
    return branded(image)


def placeholder() -> Image.Image:
    """Return the image that the service sent instead of requested images in January 2026.

    Strong noise makes the file large.
    """
    wide, high = ARTWORK
    image = Image.new("RGB", ARTWORK)
    brush = ImageDraw.Draw(image)
    for row in range(high):
        brush.line((0, row, wide, row), fill=mix((64, 24, 92), (240, 150, 96), row / high))
    noise = Image.frombytes("L", ARTWORK, Random(2026).randbytes(wide * high)).convert("RGB")
    image = Image.blend(image, noise, GRAIN)
    brush = ImageDraw.Draw(image)
    brush.text((wide / 2, high * 0.42), "WE HAVE MOVED", font=captions.sized(144), fill=WHITE, anchor="mm")
    address = "enter.pollinations.ai"
    brush.text((wide / 2, high * 0.55), address, font=captions.sized(78), fill=WHITE, anchor="mm")
    return image
