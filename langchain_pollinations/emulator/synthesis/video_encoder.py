"""Encodes still images as an MP4 video with H.264.

The video slowly zooms into each image and cross-fades to the next. It can have audio.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image, ImageOps

from langchain_pollinations.emulator.synthesis.audio import codecs
from langchain_pollinations.emulator.synthesis.audio.waves import RATE, WIDTH

if TYPE_CHECKING:
    from av.container import OutputContainer

Size = tuple[int, int]

FPS = 6  # low, so that encoding is fast on a slow machine
MAX_SIDE = 960  # pixels of a rendered view; the encoder scales up for larger videos
ZOOM = 0.3  # how far the zoom goes in on one image
HOLD = 0.3  # share of the transition to the next image before its cross-fade starts, and after the cross-fade ends
SAMPLES = 1024  # per audio frame


def view_size(size: Size) -> Size:
    """Return the size in pixels at which frames are rendered. The encoder scales them up to a larger video size."""
    scale = min(1.0, MAX_SIDE / max(size))
    return max(2, round(size[0] * scale)), max(2, round(size[1] * scale))


def _zoomed(image: Image.Image, zoom: float, focus: tuple[float, float]) -> Image.Image:
    """Enlarge an image around a point and crop it to its original size."""
    width, height = image.width / zoom, image.height / zoom
    left, top = (image.width - width) * focus[0], (image.height - height) * focus[1]
    return image.resize(image.size, Image.Resampling.BILINEAR, (left, top, left + width, top + height))


def _views(images: Sequence[Image.Image], focus: tuple[float, float], count: int) -> Iterator[Image.Image]:
    """Yield the frames of a video.

    The first frame shows the whole first image. If there are several images, the last frame shows the whole last image.
    """
    for number in range(count):
        position = number / max(1, count - 1) * max(1, len(images) - 1)
        first = min(int(position), max(0, len(images) - 2))
        view = _zoomed(images[first], 1 + ZOOM * (position - first), focus)
        part = (position - first - HOLD) / (1 - 2 * HOLD)
        if len(images) > 1 and part > 0:
            view = Image.blend(
                view, _zoomed(images[first + 1], 1 + ZOOM * (first + 1 - position), focus), min(1.0, part)
            )
        yield view


def encode(
    images: Sequence[Image.Image], size: Size, seconds: int, focus: tuple[float, float], samples: bytes | None = None
) -> bytes:
    """Encode a video. The same arguments always give the same bytes.

    Args:
        images: The still images, at least one.
        size: Width and height in pixels.
        seconds: The duration.
        focus: The point that the zoom approaches, as fractions of the width and the height.
        samples: 16-bit audio samples. They are repeated until the end of the video.
    """
    import av

    fitted = [ImageOps.fit(image.convert("RGB"), view_size(size)) for image in images]
    with tempfile.TemporaryDirectory() as folder:  # the index at the front is written last, which needs a file
        path = Path(folder, "video.mp4")
        with av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"}) as out:
            _write(out, _views(fitted, focus, seconds * FPS), size, seconds, samples)
        return path.read_bytes()


def _write(out: OutputContainer, views: Iterator[Image.Image], size: Size, seconds: int, samples: bytes | None) -> None:
    import av

    video = out.add_stream("libx264", rate=FPS, options={"preset": "ultrafast", "crf": "28", "threads": "1"})
    video.width, video.height, video.pix_fmt = *size, "yuv420p"
    audio = None if samples is None else out.add_stream("aac", rate=RATE, layout="mono", options={"b": "48000"})
    for view in views:
        frame = av.VideoFrame.from_image(view)  # type: ignore[no-untyped-call]  # PyAV lacks the annotation
        out.mux(video.encode(frame.reformat(*size, format="yuv420p")))
    out.mux(video.encode(None))
    if audio is not None and samples is not None:
        length = seconds * RATE * WIDTH
        for piece in codecs.frames((samples * (length // len(samples) + 1))[:length], SAMPLES):
            out.mux(audio.encode(piece))
        out.mux(audio.encode(None))
