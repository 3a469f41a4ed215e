"""HTML display of media in notebooks."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

from langchain_pollinations._media.formats import EXTENSIONS

if TYPE_CHECKING:
    from langchain_pollinations.media import Media


MAX_SHOWN_BYTES = 32 * 1024 * 1024
"""Bytes of audio or video that a notebook embeds in its page. A larger file is shown by its address."""

MAX_SHOWN_WIDTH = 480
"""Maximum display width of an image in pixels. The file itself is not resized."""


# HTML of each kind. All data is in attributes of one element, so that markup in a file or prompt cannot become part of
# the page. `source` is already escaped.


def _image_html(media: Media, source: str) -> str:
    """Also for SVG: scripts do not run inside `img`."""
    return f'<img src="{source}" alt="{html.escape(media.prompt or "")}" style="max-width: {MAX_SHOWN_WIDTH}px">'


def _audio_html(media: Media, source: str) -> str:
    return f'<audio controls src="{source}"></audio>'


def _video_html(media: Media, source: str) -> str:
    return f'<video controls playsinline src="{source}" style="max-width: {MAX_SHOWN_WIDTH}px"></video>'


def download_html(media: Media, source: str) -> str:
    name = f"{media.mime_type.partition('/')[0]}{EXTENSIONS.get(media.mime_type, '.bin')}"
    return f'<a download="{html.escape(name)}" href="{source}">{html.escape(name)}</a> ({media.size:,} bytes)'


DISPLAYS = {"image": _image_html, "audio": _audio_html, "video": _video_html, "audio/pcm": download_html}
"""By kind. Browsers do not play raw samples."""
