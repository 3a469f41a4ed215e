"""Applies a style that a prompt names: pixel art, monochrome or watercolour."""

from __future__ import annotations

import re
from functools import lru_cache
from random import Random

from PIL import Image, ImageChops, ImageFilter


def styled(image: Image.Image, prompt: str) -> Image.Image:
    """Return the image in the style that the prompt names. If the prompt names no style, return the image unchanged."""
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
    """Make an image look like a watercolour: blur it slightly and add a paper texture."""
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
