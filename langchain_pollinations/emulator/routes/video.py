"""The route `GET /video/{prompt}`, and the image routes for video models."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from hashlib import sha256
from typing import Any

from starlette.responses import Response

from langchain_pollinations.emulator.routes import images
from langchain_pollinations.emulator.service import cache, generation, references, usage, validation
from langchain_pollinations.emulator.service.catalog import Model
from langchain_pollinations.emulator.service.error_responses import Refusal
from langchain_pollinations.emulator.service.generation import Job
from langchain_pollinations.emulator.service.safety import Safety
from langchain_pollinations.emulator.state import Asked, State
from langchain_pollinations.emulator.synthesis import video_encoder
from langchain_pollinations.emulator.synthesis.answers import melody
from langchain_pollinations.emulator.synthesis.images import rendering

Json = dict[str, Any]

RATIOS = ("16:9", "4:3", "1:1", "3:4", "9:16", "21:9", "9:21")
ADAPTIVE = "adaptive"
DEFAULT_RATIO = "16:9"
DEFAULT_SECONDS = 5
SHORT_SIDES = {
    "360p": 360, "480p": 480, "720p": 720, "768p": 768, "1080p": 1080, "1k": 1024, "2k": 1440, "4k": 2160,
}  # fmt: skip
TOKENS = 5000  # per second of video, approximate, for models billed by token
IMAGE_TOKENS = 258

# Facts that the model lists lack. Each row is documented. Models without a row leave the value to their provider.
MODEL_RATIOS: Mapping[str, tuple[str, ...]] = {
    "google/veo-3.1-fast": ("16:9", "9:16"),
    "google/gemini-omni-1.1-flash": ("16:9", "9:16"),
    "minimax/minimax-h3": ("16:9",),
    "minimax/minimax-h3-max": ("21:9", "16:9", "4:3", "1:1", "3:4", "9:16"),
    "minimax/minimax-h3-max-turbo": ("21:9", "16:9", "4:3", "1:1", "3:4", "9:16"),
}
FIXED_RESOLUTIONS = {"alibaba/wan-2.2-fast": "480p"}
DEFAULT_RESOLUTION = "720p"  # for other models that list no resolutions
FIXED_RATE = 24
FIXED_RATE_MODELS = (
    "google/gemini-omni-1.1-flash",
    "minimax/minimax-h3",
    "minimax/minimax-h3-max",
    "minimax/minimax-h3-max-turbo",
)
ALWAYS_AUDIO = (
    "google/gemini-omni-1.1-flash",
    "alibaba/wan-2.6",
    "minimax/minimax-h3",
    "minimax/minimax-h3-max-turbo",
)
AUDIO_ON_REQUEST = ("google/veo-3.1-fast", "alibaba/wan-3.0")
REFERENCES = {"reference_images": "image/", "reference_videos": "video/", "reference_audios": "audio/"}


@dataclass(frozen=True)
class Order:
    """A parsed video request. A parameter that the request omits is None."""

    model: Model
    prompt: str
    seed: int
    duration: float | None = None
    resolution: str | None = None
    ratio: str | None = None
    size: tuple[int, int] | None = None
    fps: float | None = None
    audio: bool | None = None
    frames: tuple[str, ...] = ()
    references: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    safety: Safety = field(default_factory=lambda: Safety([]))

    @property
    def name(self) -> str:
        return str(self.model["name"])

    @property
    def can(self) -> tuple[str, ...]:
        return tuple(self.model.get("video_capabilities", ()))

    @property
    def seconds(self) -> int:
        default = self.model.get("default_duration", DEFAULT_SECONDS)
        return int(default if self.duration is None else self.duration)

    @property
    def resolutions(self) -> tuple[str, ...]:
        """The resolutions that the model supports. The first resolution is the default."""
        fixed = FIXED_RESOLUTIONS.get(self.name, DEFAULT_RESOLUTION)
        return tuple(self.model.get("resolutions") or (fixed,))

    @property
    def ratios(self) -> tuple[str, ...]:
        return MODEL_RATIOS.get(self.name, RATIOS)

    @property
    def has_audio(self) -> bool:
        if "audio_output" not in self.can:
            return False
        return self.name in ALWAYS_AUDIO or (self.name not in AUDIO_ON_REQUEST if self.audio is None else self.audio)

    def given(self, kind: str) -> tuple[str, ...]:
        return self.references.get(kind, ())

    @cached_property
    def priced(self) -> Model:
        """The model with the prices of this request. The prices depend on the resolution and on the references."""
        variants = {each["name"]: each["pricing"] for each in self.model.get("pricing_variants", ())}
        resolution = self.resolution or self.resolutions[0]
        wanted = [resolution]
        if self.frames or self.given("reference_images"):
            wanted.insert(0, f"{resolution}_image")
        if self.given("reference_videos"):
            wanted = [f"video_in_{resolution}", "video_in", *wanted]
        prices: Mapping[str, str] = next((variants[name] for name in wanted if name in variants), {})
        return {**self.model, "pricing": {**self.model.get("pricing", {}), **prices}}


# Ability checks. Each raises the error of the service.


def _unable(order: Order, what: str) -> Refusal:
    return Refusal(400, f"Invalid parameters: {what} for {order.name}")


def _duration(order: Order) -> None:
    asked, allowed = order.duration, order.model.get("allowed_durations")
    if asked is None:
        return
    low, high = order.model.get("min_duration", 1), order.model.get("max_duration", 120)
    if asked != int(asked) or not low <= asked <= high or (allowed and asked not in allowed):
        offered = ", ".join(map(str, allowed)) if allowed else f"{low} to {high}"
        raise _unable(order, f"duration must be one of {offered} seconds")


def _resolution(order: Order) -> None:
    if order.resolution is not None and order.resolution not in order.resolutions:
        raise _unable(order, f"resolution {order.resolution} is not available")


def _ratio(order: Order) -> None:
    if order.ratio is None or order.ratio in order.ratios:
        return
    if order.ratio != ADAPTIVE or order.name in MODEL_RATIOS:
        raise _unable(order, f"aspectRatio must be one of {', '.join(order.ratios)}")


def _rate(order: Order) -> None:
    if order.name in FIXED_RATE_MODELS and order.fps not in (None, FIXED_RATE):
        raise _unable(order, f"fps must be {FIXED_RATE}")


def _frames(order: Order) -> None:
    if order.frames and "start_frame" not in order.can:
        raise _unable(order, "a first frame is not supported")
    if len(order.frames) > 1 and "end_frame" not in order.can:
        raise _unable(order, "a last frame is not supported")
    if len(order.frames) > 2:
        raise _unable(order, "image takes a first and a last frame, no more,")


def _references(order: Order) -> None:
    for kind in REFERENCES:
        if order.given(kind) and kind not in order.can:
            raise _unable(order, f"{kind} is not supported")
    # `max_reference_images` limits the frames. No list has a limit for `reference_images`.
    most = order.model.get("max_reference_videos")
    if most is not None and len(order.given("reference_videos")) > most:
        raise _unable(order, f"reference_videos takes at most {most} addresses")


ABILITIES = (_duration, _resolution, _ratio, _rate, _frames, _references)


def _check_abilities(state: State, order: Order) -> None:
    order.safety.block([{"content": order.prompt}])
    for check in ABILITIES:
        check(order)
    references.check(state, order.frames)
    for kind, mime_type in REFERENCES.items():
        for url in order.given(kind):
            _check_address(state, url, mime_type)


def _check_address(state: State, url: str, mime_type: str) -> None:
    """Reject a URL that is not public, and a file of the media host that is missing or has another MIME type.

    Files on other hosts are never fetched.
    """
    file = references.own(state, url)
    if file is None:
        references.check_address(url)
    elif not file.mime_type.startswith(mime_type):
        raise Refusal(400, f"Unsupported media type: {file.mime_type}", code="unsupported_image_media_type")


# Generation.


def _quotient(ratio: str) -> float:
    wide, high = ratio.split(":")
    return int(wide) / int(high)


def _nearest(order: Order, size: tuple[int, int]) -> str:
    """Return the supported aspect ratio that is closest to the given size."""
    return min(order.ratios, key=lambda ratio: abs(math.log(_quotient(ratio) * size[1] / size[0])))


def _even(length: float) -> int:
    return 2 * round(length / 2)


def video_size(order: Order, first: tuple[int, int] | None = None) -> video_encoder.Size:
    """Return the width and height of the video. `first` is the size of the image for the first frame."""
    given = first if order.ratio == ADAPTIVE or order.size is None else order.size
    ratio = order.ratio if order.ratio not in (None, ADAPTIVE) else _nearest(order, given) if given else DEFAULT_RATIO
    short, quotient = SHORT_SIDES[order.resolution or order.resolutions[0]], _quotient(ratio)
    return _even(short * max(1, quotient)), _even(short * max(1, 1 / quotient))


def _render(state: State, order: Order) -> tuple[bytes, str]:
    """Return the bytes and the MIME type of the video."""
    frames = [references.opened(state, url, (640, 360)) for url in order.frames]
    size = video_size(order, frames[0].size if frames else None)
    view = video_encoder.view_size(size)
    still = rendering.framed(rendering.ImageSpec(order.prompt, *view, order.seed, order.name))
    between = [references.opened(state, url, view) for url in order.given("reference_images")]
    last = frames[1:] or ([still] if frames else [])
    digest = sha256(f"{order.prompt}\n{order.seed}".encode()).digest()
    focus = 0.25 + digest[0] / 512, 0.1 + digest[1] / 512  # slightly above the center, where most of the content is
    audio_samples = melody.samples(order.prompt) if order.has_audio else None
    return video_encoder.encode(
        [*(frames[:1] or [still]), *between, *last], size, order.seconds, focus, audio_samples
    ), "video/mp4"


def _units(order: Order) -> dict[str, int]:
    """Return the usage of a request: seconds, or tokens if the model is billed by token."""
    prices, seconds = order.priced["pricing"], order.seconds
    by_token = "completionVideoTokens" in prices
    given = len(order.frames) + len(order.given("reference_images"))
    found = {
        "promptTextTokens": usage.tokens(order.prompt) if "promptTextTokens" in prices else 0,
        "promptImageTokens": given * (IMAGE_TOKENS if by_token else 1) if "promptImageTokens" in prices else 0,
        # The emulator does not measure reference videos: each counts as long as the generated video.
        "promptVideoSeconds": len(order.given("reference_videos")) * seconds if "promptVideoSeconds" in prices else 0,
        "completionVideoTokens": TOKENS * seconds if by_token else 0,
        "completionVideoSeconds": 0 if by_token else seconds,
        "completionAudioSeconds": seconds if order.has_audio and not by_token else 0,
    }
    return {unit: count for unit, count in found.items() if count}


async def make(state: State, asked: Asked, order: Order, key: str) -> generation.GenerationResult:
    """Generate a video, unless the cache or an identical running generation provides it."""
    job = Job(order.priced, key, _units(order), lambda: _check_abilities(state, order))
    return await images.generate_file(state, asked, job, order, partial(_render, state, order))


# Request parsing.


def _number(value: Any) -> float | None:
    """Convert a query string or a JSON value to a number. Return None if the value is not a number."""
    number = validation.coerced_number(value) if isinstance(value, str) else value
    return number if validation.number()(number) is None else None


def _duration_of(value: Any) -> float | None:
    number = _number(value)
    if value is not None and number is None:
        raise Refusal(400, "Invalid parameters: duration must be a whole number of seconds")
    return number


def _order(
    model: Model,
    prompt: str,
    asked: Asked,
    given: Mapping[str, Any],
    size: tuple[int | None, int | None],
    frames: tuple[str, ...],
) -> Order:
    """Parse the parameters of a request. A query and a JSON body use the same parameter names."""
    audio, ratio = given.get("audio"), given.get("aspectRatio")
    wide, high = size
    redacted, safety = images.redact_prompt(model, prompt, asked, given)
    return Order(
        model,
        redacted,
        images.seed_of(given.get("seed")),
        duration=_duration_of(given.get("duration")),
        resolution=given.get("resolution"),
        ratio=None if ratio in (None, "") else str(ratio),
        size=(wide, high) if wide and high else None,
        fps=_number(given.get("fps")),
        audio=None if audio is None else images.is_true(audio),
        frames=frames,
        references={kind: tuple(given[kind].split("|")) for kind in REFERENCES if given.get(kind)},
        safety=safety,
    )


def order_for(model: Model, prompt: str, asked: Asked, given: Mapping[str, Any], frames: tuple[str, ...]) -> Order:
    """Create the `Order` of a chat request with the model's default settings. `given` may contain `safe` and `seed`."""
    return _order(model, prompt, asked, given, (None, None), frames)


async def _get(state: State, asked: Asked, prompt: str, model: Model, route: str) -> Response:
    query = asked.query
    size = images.number_of(query, "width"), images.number_of(query, "height")
    order = _order(model, prompt, asked, query, size, tuple(validation.image_urls(query.get("image", ""))))
    key = cache.identity(asked.method, f"{route}{prompt}", query, order.safety.applied, ("nofeed",))
    return images.file_response(await make(state, asked, order, key))


async def get_video(state: State, asked: Asked, prompt: str) -> Response:
    validation.against(validation.IMAGE_QUERY, asked.query, "Query parameter")
    model = state.catalog.resolve(asked.query.get("model"), "video", "/video/{prompt}", "video")
    return await _get(state, asked, prompt, model, "/video/")


def _is_video(state: State, name: Any) -> bool:
    model = state.catalog.find(name.strip()) if isinstance(name, str) else None
    return model is not None and model["category"] == "video"


async def get_image(state: State, asked: Asked, prompt: str) -> Response:
    """Handle `GET /image/{prompt}`. The response is a video if the model generates videos, else an image."""
    if not _is_video(state, asked.query.get("model")):
        return await images.get_image(state, asked, prompt)
    validation.against(validation.IMAGE_QUERY, asked.query, "Query parameter")
    model = state.catalog.resolve(asked.query["model"], "image", "/image/{prompt}", "image")
    return await _get(state, asked, prompt, model, "/image/")


async def generations(state: State, asked: Asked) -> Response:
    """Handle `POST /v1/images/generations`. The response is a video if the model generates videos, else an image."""
    body = validation.json_body(asked.body, asked.headers.get("content-type", ""), validation.IMAGES)
    if not _is_video(state, body.get("model")):
        return await images.generations(state, asked)
    model = state.catalog.resolve(body["model"], "images", "/v1/images/generations", "image")
    size, frames = images.parse_size(body.get("size", "")), images.body_images(body.get("image"))
    order = _order(model, body["prompt"], asked, body, size, frames)
    key_fields = {name: value for name, value in body.items() if name not in (*cache.NOT_IDENTITY, "response_format")}
    key = cache.identity(asked.method, asked.path, asked.query, [key_fields, order.safety.applied], ("nofeed",))
    return images.json_response(
        state, await make(state, asked, order, key), body | {"prompt": order.prompt}, _units(order)
    )
