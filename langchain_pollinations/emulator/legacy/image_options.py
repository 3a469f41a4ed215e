"""Parses requests to the legacy image host. An invalid value is replaced with the default, as on the host."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from langchain_pollinations.emulator.legacy.javascript import integer, is_true, number

MODEL = "sana"
MAX_SIDE = 768
DEFAULT_SEED = 42
EMPTY = "random_prompt"
QUALITIES = ("low", "medium", "high", "hd")
DEFAULT_NEGATIVE_PROMPT = "worst quality, blurry"
ENHANCEMENT = ", shown in fine detail, with depth and soft light"
PROMPT = "/prompt/"


def prompt_path(path: str) -> str:
    """Add the prefix `/prompt/` to a percent-encoded path that lacks it, as the proxy in front of the host does."""
    return path if path.startswith(PROMPT) else PROMPT + path.removeprefix("/")


def prompt_in(path: str) -> str:
    """Return the prompt in a percent-encoded path: the text between the first `/prompt/` and the second, if any."""
    return unquote(path.split(PROMPT)[1]) or EMPTY


def clamped(width: int, height: int) -> tuple[int, int]:
    """Return the size of the generated image in pixels.

    If the requested area exceeds that of the largest square, both sides are scaled down by the same factor. They are
    rounded down to whole pixels.
    """
    area = width * height
    if area <= MAX_SIDE**2:
        return width, height
    share = math.sqrt(MAX_SIDE**2 / area)
    return math.floor(width * share), math.floor(height * share)


@dataclass(frozen=True)
class Order:
    """The options of an image request.

    The host ignores some options. `nologo` is ignored because every image has the logo. `no-logo` and `no-feed` are
    ignored because the host never supported them. `image` and `transparent` are ignored because the model does not
    support them.
    """

    prompt: str
    width: int = MAX_SIDE
    height: int = MAX_SIDE
    seed: int = DEFAULT_SEED
    is_private: bool = False
    enhance: bool = False
    safe: bool = False
    negative_prompt: str = DEFAULT_NEGATIVE_PROMPT
    quality: str = "medium"
    guidance_scale: float | None = None

    @property
    def model_prompt(self) -> str:
        """The prompt that the model gets. With `enhance`, it is longer than the prompt of the request."""
        return self.prompt + ENHANCEMENT if self.enhance else self.prompt

    @property
    def remark(self) -> str:
        """A note that is written on the image. It lists the options that differ from the defaults."""
        differences = {
            f"{self.quality} quality": self.quality != "medium",
            f"guidance {self.guidance_scale}": self.guidance_scale is not None,
            f"without {self.negative_prompt}": self.negative_prompt != DEFAULT_NEGATIVE_PROMPT,
        }
        return ", ".join(words for words, differs in differences.items() if differs)


def read(prompt: str, query: Mapping[str, str]) -> Order:
    """Parse the options in a query."""

    def side(name: str) -> int:
        found = integer(query.get(name, ""))
        return MAX_SIDE if found is None else found

    width, height = clamped(side("width"), side("height"))
    seed = integer(query.get("seed", ""))
    quality = query.get("quality", "")
    return Order(
        prompt,
        width,
        height,
        seed=DEFAULT_SEED if seed is None else seed,
        is_private=is_true(query.get("private", "")) or is_true(query.get("nofeed", "")),
        enhance=is_true(query.get("enhance", "")),
        safe=is_true(query.get("safe", "")),
        negative_prompt=query.get("negative_prompt") or DEFAULT_NEGATIVE_PROMPT,
        quality=quality if quality in QUALITIES else "medium",
        guidance_scale=number(query.get("guidance_scale", "")),
    )
