"""How media show themselves in a notebook."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

from langchain_pollinations._media.formats import EXTENSIONS

if TYPE_CHECKING:
    from langchain_pollinations.media import Media


LARGEST_SHOWN = 32 * 1024 * 1024
"""Bytes of sound or film that a notebook takes up into its page; what is larger is shown by its address."""

WIDEST_SHOWN = 480
"""Pixels that a picture is shown at, at most. Its file is whole all the same."""


# How a page shows each kind. Everything is an attribute of one element: markup of a file, or words of a prompt, cannot
# become markup of the page. `source` comes escaped.


def _as_picture(media: Media, source: str) -> str:
    """An SVG too: inside `img` its scripts do not run."""
    return f'<img src="{source}" alt="{html.escape(media.prompt or "")}" style="max-width: {WIDEST_SHOWN}px">'


def _as_sound(media: Media, source: str) -> str:
    return f'<audio controls src="{source}"></audio>'


def _as_film(media: Media, source: str) -> str:
    return f'<video controls playsinline src="{source}" style="max-width: {WIDEST_SHOWN}px"></video>'


def _as_download(media: Media, source: str) -> str:
    name = f"{media.mime_type.partition('/')[0]}{EXTENSIONS.get(media.mime_type, '.bin')}"
    return f'<a download="{html.escape(name)}" href="{source}">{html.escape(name)}</a> ({media.size:,} bytes)'


_SHOWN = {"image": _as_picture, "audio": _as_sound, "video": _as_film, "audio/pcm": _as_download}
"""By kind; no browser plays raw samples."""
