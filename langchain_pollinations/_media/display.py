"""HTML display of media in notebooks."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

from langchain_pollinations._media.formats import EXTENSIONS

if TYPE_CHECKING:
    from langchain_pollinations.media import Media


MAX_SHOWN_BYTES = 32 * 1024 * 1024
"""Maximum size of a file in the HTML of a notebook, in bytes. The HTML of a larger file contains its URL instead."""

MAX_SHOWN_WIDTH = 480
"""Maximum display width of an image in pixels. The file itself is not resized."""


# Functions that return the HTML of each kind of media. They escape all text, so markup in a file or a prompt cannot
# become part of the page. `source` is already escaped.


def _image_html(media: Media, source: str) -> str:
    """Return an `img` element, also for an SVG. Scripts of the SVG do not run inside `img`."""
    return f'<img src="{source}" alt="{html.escape(media.prompt or "")}" style="max-width: {MAX_SHOWN_WIDTH}px">'


def _audio_html(media: Media, source: str) -> str:
    return f'<audio controls src="{source}"></audio>'


def _video_html(media: Media, source: str) -> str:
    return f'<video controls playsinline src="{source}" style="max-width: {MAX_SHOWN_WIDTH}px"></video>'


def download_html(media: Media, source: str) -> str:
    name = f"{media.mime_type.partition('/')[0]}{EXTENSIONS.get(media.mime_type, '.bin')}"
    size = "" if media._is_remote else f" ({media.size:,} bytes)"
    return f'<a download="{html.escape(name)}" href="{source}">{html.escape(name)}</a>{size}'


DISPLAYS = {"image": _image_html, "audio": _audio_html, "video": _video_html, "audio/pcm": download_html}
"""HTML function of each kind of media. Raw samples (`audio/pcm`) get a download link: browsers cannot play them."""
