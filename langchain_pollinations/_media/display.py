"""How media show themselves in a notebook."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

from langchain_pollinations._media.formats import EXTENSIONS

if TYPE_CHECKING:
    from langchain_pollinations.media import Media


MAX_SHOWN_BYTES = 32 * 1024 * 1024
"""Bytes of sound or film that a notebook takes up into its page; what is larger is shown by its address."""

MAX_SHOWN_WIDTH = 480
"""Pixels that a picture is shown at, at most. Its file is whole all the same."""


# How a page shows each kind. Everything is an attribute of one element: markup of a file, or words of a prompt, cannot
# become markup of the page. `source` comes escaped.


def _image_html(media: Media, source: str) -> str:
    """An SVG too: inside `img` its scripts do not run."""
    return f'<img src="{source}" alt="{html.escape(media.prompt or "")}" style="max-width: {MAX_SHOWN_WIDTH}px">'


def _audio_html(media: Media, source: str) -> str:
    return f'<audio controls src="{source}"></audio>'


def _video_html(media: Media, source: str) -> str:
    return f'<video controls playsinline src="{source}" style="max-width: {MAX_SHOWN_WIDTH}px"></video>'


def download_html(media: Media, source: str) -> str:
    name = f"{media.mime_type.partition('/')[0]}{EXTENSIONS.get(media.mime_type, '.bin')}"
    return f'<a download="{html.escape(name)}" href="{source}">{html.escape(name)}</a> ({media.size:,} bytes)'


DISPLAYS = {"image": _image_html, "audio": _audio_html, "video": _video_html, "audio/pcm": download_html}
"""By kind; no browser plays raw samples."""
