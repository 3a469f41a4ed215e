"""Edits images. The result shows both the source image and the change that the prompt asks for."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from random import Random

from PIL import Image, ImageChops, ImageDraw, ImageEnhance, ImageFilter, ImageOps

from langchain_pollinations.emulator.synthesis.images import captions, styles
from langchain_pollinations.emulator.synthesis.images.canvas import Canvas, Colour
from langchain_pollinations.emulator.synthesis.images.motifs import COLOURS, named
from langchain_pollinations.emulator.synthesis.images.scenery import LIGHTS, Scene

Effect = Callable[[Image.Image, Random], Image.Image]

WHITE: Colour = (255, 255, 255)
MAX_INSETS = 4


def _tinted(image: Image.Image, colour: Colour, share: float) -> Image.Image:
    """Multiply an image by a colour. `share` (0 to 1) is the strength of the effect."""
    return Image.blend(image, ImageChops.multiply(image, Image.new("RGB", image.size, colour)), share)


def _blended(image: Image.Image, colour: Colour, share: float) -> Image.Image:
    """Blend an image with a colour. `share` (0 to 1) is the share of the colour."""
    return Image.blend(image, Image.new("RGB", image.size, colour), share)


def _glow_from_top(image: Image.Image, colour: Colour, most: int) -> Image.Image:
    """Add a glow that fades from the upper edge downwards. `most` (0 to 255) is its opacity at the upper edge."""
    fading = Image.linear_gradient("L").transpose(Image.Transpose.FLIP_TOP_BOTTOM).resize(image.size)
    return Image.composite(Image.new("RGB", image.size, colour), image, fading.point(lambda v: v * most // 255))


def _add_dots(image: Image.Image, random: Random, count: int, size: float, lowest: float = 1.0) -> Image.Image:
    """Add light dots, which represent stars or snowflakes."""
    canvas = _canvas(image, random)
    for _ in range(count):
        x, y = random.random(), random.uniform(0, lowest)
        canvas.circle(x, y, random.uniform(0.3, 1) * size, WHITE, random.randint(120, 240))
    return canvas.image


def _canvas(image: Image.Image, random: Random) -> Canvas:
    canvas = Canvas(image.width, image.height, random)
    canvas.image.paste(image)
    return canvas


def _night(image: Image.Image, random: Random) -> Image.Image:
    dark = ImageEnhance.Brightness(_tinted(image, (92, 114, 190), 0.85)).enhance(0.78)
    return _add_dots(dark, random, 60, 0.0032, 0.4)


def _sunset(image: Image.Image, random: Random) -> Image.Image:
    return _glow_from_top(_tinted(image, (255, 176, 112), 0.75), (255, 110, 60), 110)


def _snow(image: Image.Image, random: Random) -> Image.Image:
    pale = _blended(ImageEnhance.Color(image).enhance(0.45), (226, 236, 248), 0.3)
    return _add_dots(pale, random, 260, 0.0075)


def _rain(image: Image.Image, random: Random) -> Image.Image:
    canvas = _canvas(_tinted(ImageEnhance.Color(image).enhance(0.5), (120, 132, 152), 0.7), random)
    for _ in range(170):
        x, y, length = random.uniform(-0.05, 1), random.uniform(-0.05, 1), random.uniform(0.02, 0.06)
        canvas.line([(x, y), (x + length * 0.25, y + length)], (226, 234, 244), 0.002, 130)
    return canvas.image


def _fog(image: Image.Image, random: Random) -> Image.Image:
    return _blended(image.filter(ImageFilter.BoxBlur(max(image.size) / 260)), (232, 236, 240), 0.45)


def _grey(image: Image.Image, random: Random) -> Image.Image:
    return image.convert("L").convert("RGB")


def _sepia(image: Image.Image, random: Random) -> Image.Image:
    return ImageOps.colorize(image.convert("L"), (46, 30, 18), (250, 234, 204))


def _sketched(image: Image.Image, random: Random) -> Image.Image:
    edges = image.convert("L").filter(ImageFilter.FIND_EDGES).point(lambda v: 255 - min(255, v * 3))
    return Image.blend(edges.convert("RGB"), _grey(image, random), 0.2)


def _neon(image: Image.Image, random: Random) -> Image.Image:
    shade = ImageOps.colorize(image.convert("L"), (16, 6, 44), (120, 250, 255), (224, 44, 190))
    return Image.blend(image, shade, 0.75)


def _mirrored(image: Image.Image, random: Random) -> Image.Image:
    return ImageOps.mirror(image)


def _flipped(image: Image.Image, random: Random) -> Image.Image:
    return ImageOps.flip(image)


def _zoomed(image: Image.Image, random: Random) -> Image.Image:
    wide, high = image.width // 4, image.height // 4
    return image.crop((wide, high, image.width - wide, image.height - high)).resize(image.size)


def _blurred(image: Image.Image, random: Random) -> Image.Image:
    return image.filter(ImageFilter.GaussianBlur(max(image.size) / 110))


def _flat(image: Image.Image, random: Random) -> Image.Image:
    return image.filter(ImageFilter.MedianFilter(5)).quantize(14, dither=Image.Dither.NONE).convert("RGB")


def _styled(words: str) -> Effect:
    return lambda image, random: styles.styled(image, words)


def _brightness(factor: float) -> Effect:
    return lambda image, random: ImageEnhance.Brightness(image).enhance(factor)


def _vivid(image: Image.Image, random: Random) -> Image.Image:
    return ImageEnhance.Contrast(ImageEnhance.Color(image).enhance(1.7)).enhance(1.15)


EFFECTS: Sequence[tuple[str, Effect]] = (
    (r"mirror\w*|flip(ped)? horizontally|flop(ped)?", _mirrored),
    (r"upside down|flip(ped)? vertically", _flipped),
    (r"zoom(ed)? in|close-?up|closer|crop\w*", _zoomed),
    (r"night\w*|midnight|moon\w*|starry|nocturnal", _night),
    (r"sunset|dusk|evening|golden hour|autumn|fall colou?rs|warm\w*|sunrise|dawn", _sunset),
    (r"snow\w*|winter\w*|ic[ey]|frost\w*|frozen|blizzard", _snow),
    (r"rain\w*|storm\w*|thunder\w*", _rain),
    (r"fog\w*|mist\w*|haz[ey]", _fog),
    (r"bright\w*|lighter|sunny|daylight|daytime|noon", _brightness(1.35)),
    (r"dark\w*|dimm\w*|gloomy", _brightness(0.55)),
    (r"vivid|colou?rful|saturated|vibrant|more contrast", _vivid),
    (r"neon|cyberpunk|synthwave|vaporwave", _neon),
    (r"cartoon\w*|comic|poster|pop art|anime|flat", _flat),
    (r"watercolou?r|gouache|painting|painted|pastel|oil", _styled("watercolor")),
    (r"pencil|charcoal|sketch\w*|line drawing|engraving|ink", _sketched),
    (r"pixel\w*|8-?bit", _styled("pixel art")),
    (r"blurr?\w*|out of focus|soft focus|dreamy", _blurred),
    (r"sepia|vintage|antique|old photo\w*|retro|19th century", _sepia),
    (r"black[ -]and[ -]white|monochrome|gr[ae]y ?scale|noir|b&w", _grey),
    (r"negative|invert\w*", lambda image, random: ImageOps.invert(image)),
)
ADDING = re.compile(
    r"\b(?:add|with|put|place|include|insert|give|draw|beside|next to)\b(.*)", re.IGNORECASE | re.DOTALL
)
CLEAR_VERBS = (
    r"adjust|brighten|change|colou?ri[sz]e|convert|darken|delete|edit|enhance|erase|invert|lighten|recolou?r|remove|repaint|"
    r"replace|restore|restyle|retouch|rotate|sharpen|swap|transform"
)
"""Verbs that ask for a change of an image at the start of a clause."""
OTHER_VERBS = r"blur|clean|crop|cut|extend|fix|increase|make|move|paint|reduce|turn|zoom"
"""Verbs that ask for a change at the start of a prompt, or before an object: ", clean lines" describes a scene."""
LEADING = (
    r"(?:\W{0,3}\b(?:please|now|then|and|but|also|just|only|kindly|slightly|gently|carefully|can|could|would|will|you|we|us|"
    r"i['’]d|i|want|need|like|to|let['’]s|help|me|don['’]t|do|not|first|next|ok|hi|try|should|maybe|perhaps|quickly|"
    r"completely|is|it|be|how|possible|nice|"
    r"in (?:this|the|my) (?:image|picture|photo))\b){0,9}+\W{0,3}"
)
"""Words before the verb of a request. Their number is limited, so that a long prompt is read in linear time."""
COMPARED = r"(?:dark|light|bright|warm|cool|soft|cold|deep|pal|rich)er"
CHANGING = re.compile(
    rf"^{LEADING}(?:{CLEAR_VERBS}|{OTHER_VERBS}|let(?! there)|{COMPARED})\b"
    rf"|^{LEADING}(?:fade|flip|mirror)\s+(?:the|it|this|that|my|our|all|both|everything)\b"
    rf"|\bbut\b{LEADING}(?:{OTHER_VERBS})\b(?! of\b)"
    rf"|(?:[,.;:!?]|\b(?:and|but|then)\b){LEADING}(?:(?:{CLEAR_VERBS}|{COMPARED})\b|(?:{OTHER_VERBS})\s+"
    r"(?:in|out|an?|the|it|its|them|this|that|these|those|his|her|their|my|our|all|both|each|everything)\b)"
    rf"|\binstead\b|\b{COMPARED}\s+(?:light|sky|colou?rs?|tones?|shadows?)\b",
    re.IGNORECASE,
)
"""A request for a change. A prompt that only says what to keep describes a new scene with the same figures."""
EFFECT_WORD = rf"(?:{'|'.join(pattern for pattern, _ in EFFECTS)})\b"


def describes_scene(prompt: str) -> bool:
    """Return whether a prompt describes a new scene, instead of a change of the source image."""
    return len(named(prompt)) > 1 and not CHANGING.search(prompt) and not ADDING.search(prompt)


def edited(prompt: str, random: Random, size: tuple[int, int], sources: Sequence[Image.Image]) -> Image.Image:
    """Scale the first source to a size and edit it according to the prompt. The other sources become insets."""
    image = ImageOps.fit(sources[0], size, Image.Resampling.LANCZOS)
    effects = [effect for pattern, effect in EFFECTS if re.search(rf"\b(?:{pattern})\b", prompt, re.IGNORECASE)]
    colours = [] if effects else [colour for word, colour in COLOURS.items() if re.search(rf"\b{word}\b", prompt, re.I)]
    figures = _requested_objects(prompt)
    for effect in effects:
        image = effect(image, random)
    if figures:
        image = _add_objects(image, random, figures)
    elif colours:
        image = _tinted(image, colours[0], 0.6)
    elif not effects:
        image = _add_caption(_tinted(image, _random_tint(random), 0.35), prompt)
    return _add_insets(image, sources[1 : 1 + MAX_INSETS])


def _random_tint(random: Random) -> Colour:
    angle = random.uniform(0, math.tau)
    red, green, blue = (round(180 + 75 * math.cos(angle + third * math.tau / 3)) for third in range(3))
    return red, green, blue


def _requested_objects(prompt: str) -> str:
    """Return the part of the prompt that asks for new objects. It is empty if the prompt names no known object."""
    found = ADDING.search(prompt)
    return found[1] if found and named(found[1]) else ""


def _add_objects(image: Image.Image, random: Random, words: str) -> Image.Image:
    canvas = _canvas(image.resize((image.width * 2, image.height * 2)), random)
    scene = Scene(canvas, LIGHTS["day"])
    for place, (_, figure, size, colour) in enumerate(named(words)):
        figure(scene, 0.28 + 0.24 * place + random.uniform(-0.08, 0.08), 0.74, size, colour)
    return canvas.image.resize(image.size, Image.Resampling.BOX)


def _add_caption(image: Image.Image, prompt: str) -> Image.Image:
    """Write the prompt on a strip along the lower edge of the image."""
    high = max(12, min(image.size) // 16)
    if min(image.size) < 2 * high:
        return image
    font = captions.sized(round(high * 0.55))
    strip = (0, image.height - high, image.width, image.height)
    image.paste(_blended(image.crop(strip), (24, 22, 34), 0.75), strip)
    words = captions.shortened(captions.legible(prompt[: captions.MAX_CAPTION_LENGTH]), font, image.width - high)
    middle = (image.width / 2, image.height - high / 2)
    ImageDraw.Draw(image).text(middle, words, font=font, fill=(250, 246, 236), anchor="mm")
    return image


def _add_insets(image: Image.Image, sources: Sequence[Image.Image]) -> Image.Image:
    """Add source images as small insets along the upper edge."""
    side = min(image.size) // 4
    edge = max(1, side // 16)
    if side < 4:
        return image
    for place, source in enumerate(sources):
        small = ImageOps.expand(ImageOps.fit(source, (side, side)), edge, (250, 246, 236))
        image.paste(small, (edge * 2 + place * (side + edge * 4), edge * 2))
    return image
