"""`PollinationsVideo`: films from words, pictures, films and sound."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any, ClassVar, Literal, Self
from urllib.parse import urlencode, urlsplit

import httpx
from pydantic import Field, model_validator

from langchain_pollinations._catalog.capabilities import check_choice, require
from langchain_pollinations._catalog.records import Model, find
from langchain_pollinations._catalog.snapshot import abilities
from langchain_pollinations._media.base import MediaGenerator, MediaOptions
from langchain_pollinations._media.files import atomic_write, target_path
from langchain_pollinations._media.progress import ShowProgress, watch_progress
from langchain_pollinations._media.prompts import MAX_URL, check_prompt, join_urls, quote_prompt
from langchain_pollinations._media.references import Reference, References, as_list, check_schemes
from langchain_pollinations._media.response import metadata, parse_media, public_url, revision
from langchain_pollinations._transport.error_response import parse_json, unexpected_response
from langchain_pollinations._transport.origins import is_requestable
from langchain_pollinations._transport.request import ApiRequest, OnProgress, RequestFlow
from langchain_pollinations._transport.timeouts import Timeout
from langchain_pollinations._validation import MAX_SEED, merge_options
from langchain_pollinations.errors import InvalidRequestError
from langchain_pollinations.media import Media

MAX_URL_WITH_REFERENCES = 8000
"""Characters of an address with `reference_...`, which no body may carry. The edge of the service takes about 16 KB."""

_FAMILIES: Mapping[str, str] = {
    "first_frame": "image",
    "last_frame": "image",
    "reference_images": "image",
    "reference_videos": "video",
    "reference_audios": "audio",
}
"""What may go with a prompt, and what it must be."""

_GUIDES = ("reference_images", "reference_videos", "reference_audios")


class VideoOptions(MediaOptions):
    """What can be said of a film. None means that nothing is sent: the service decides."""

    model: str = Field(default="veo", min_length=1)
    """Canonical id or alias of the model."""
    duration: int | None = Field(default=None, ge=1, le=120)
    """Seconds. Most models take a few lengths only."""
    resolution: Literal["1k", "2k", "360p", "480p", "720p", "768p", "1080p", "4k"] | None = None
    """For models that offer resolutions."""
    aspect_ratio: Literal["16:9", "4:3", "1:1", "3:4", "9:16", "21:9", "9:21", "adaptive"] | None = None
    """Width to height. Most models make 16:9 and 9:16 only; `adaptive` is that of the first frame."""
    width: int | None = Field(default=None, ge=1)
    """With `height` another way to say the aspect ratio: only the ratio of the two counts."""
    height: int | None = Field(default=None, ge=1)
    """With `width` another way to say the aspect ratio."""
    audio: bool | None = None
    """Whether the film has sound. Without it each model does what it does by itself, with sound or silent."""
    seed: int | None = Field(default=None, ge=-1, le=MAX_SEED)
    """Equal requests get the equal, stored film. -1 draws a random seed for each call, since the service itself takes
    -1 for one fixed seed."""
    first_frame: Reference | None = Field(default=None, repr=False)
    """Picture that the film begins with, for models that take one: a public address, a data URI, bytes, a `Media`, or a
    file below `reference_folder`. What is no address is uploaded."""
    last_frame: Reference | None = Field(default=None, repr=False)
    """Picture that it ends with, beside a `first_frame`."""
    reference_images: References | None = Field(default=None, repr=False)
    """Pictures of what is to be seen, for models that take some."""
    reference_videos: References | None = Field(default=None, repr=False)
    """Films to follow in motion or style, for models that take some."""
    reference_audios: References | None = Field(default=None, repr=False)
    """Sound that leads the film, for models that take some."""

    @model_validator(mode="after")
    def _check_references(self) -> Self:
        for name in _FAMILIES:
            check_schemes(name, getattr(self, name))
        return self


class PollinationsVideo(MediaGenerator, VideoOptions):
    """Films from words, pictures, films and sound.

        >>> camera = PollinationsVideo(model="veo", duration=4, aspect_ratio="16:9")
        >>> camera.generate("waves at dusk", "waves.mp4").path.name  # doctest: +SKIP
        'waves.mp4'

    Every field of `VideoOptions` is an option of the constructor and of each call. It is a runnable from prompt to
    `Media`, too. A film takes the service from half a minute to several; a call that loses its connection or its
    patience is repeated as it was, and joins the film that is being made.
    """

    _SYNONYMS: ClassVar[Mapping[str, str]] = {**MediaGenerator._SYNONYMS, "aspectRatio": "aspect_ratio"}
    _OPTIONS = VideoOptions
    _CATEGORY = "video"

    timeout: Timeout | None = 900.0
    """Seconds, as in `ChatPollinations`. The edge of the service ends a request after about 180 s with status 524. Each
    retry joins the running generation: with `max_retries=2`, a video may take about 9 minutes."""
    progress: ShowProgress = Field(default=None, exclude=True, repr=False)
    """What is seen of a call: a bar in a terminal or a notebook where tqdm is installed (None), a bar in any case
    (True), nothing (False), or a function, not an async one, that is called with a `Progress`."""

    def generate(
        self, prompt: str, path: str | PathLike[str] | None = None, progress: ShowProgress = None, **overrides: Any
    ) -> Media:
        """Make a film.

        Args:
            prompt: What is to be seen and heard, up to 32,000 characters.
            path: File to save it to while it comes; with no suffix the right one is added. What stands there is
                replaced once the film is whole.
            progress: As the field, for this film only.
            overrides: Options of `VideoOptions` for this film only.

        Returns:
            The film, in its file where it is saved, else in memory.

        Raises:
            InvalidRequestError: If an option or a reference is wrong, or the service refuses one.
            UnsupportedRequestError: If the model lacks an ability; it names models that have it.
            MediaInputError: If the service could not fetch or read a reference.
            ContentBlockedError: If the `safe` filter blocked the prompt.
            UnprocessableError: If the provider refused the prompt.
            InvalidResponseError: If what came back is no whole film.
            OSError: If the file cannot be written.
            ImportError: If a bar is asked for without tqdm.
        """
        options = self._options(overrides)
        with watch_progress(self.progress if progress is None else progress) as arrived:
            return self._run(options, self._generation(prompt, options, path, arrived))

    async def agenerate(
        self, prompt: str, path: str | PathLike[str] | None = None, progress: ShowProgress = None, **overrides: Any
    ) -> Media:
        """As `generate`."""
        options = self._options(overrides)
        with watch_progress(self.progress if progress is None else progress) as arrived:
            return await self._arun(options, self._generation(prompt, options, path, arrived))

    def _target(self, path: str | PathLike[str] | None) -> Path | None:
        path = self._named_file() if path is None else path
        return None if path is None else target_path(path, ".mp4")

    def _check(self, options: VideoOptions) -> None:
        check_abilities(options, _count_references(options))

    def _check_constructor(self) -> None:
        options = merge_options(VideoOptions, self, {}, self._SYNONYMS)
        counts = _count_references(options)
        check_abilities(options, counts | {"first_frame": max(counts["first_frame"], counts["last_frame"])})

    def _generation(
        self,
        prompt: str,
        options: VideoOptions,
        path: str | PathLike[str] | None = None,
        arrived: OnProgress | None = None,
    ) -> RequestFlow[Media]:
        check_prompt(prompt)
        target = self._target(path)
        self._check(options)
        given = {name: self._read(name, getattr(options, name), family) for name, family in _FAMILIES.items()}
        video_request(
            prompt, options, {name: [f"{self._media_host}/{'0' * 36}"] * len(each) for name, each in given.items()}
        )
        addresses = {}
        for name, each in given.items():
            addresses[name] = yield from self._addresses(each)
        film: Media
        if target is None:
            film = yield from _request_video(prompt, options, addresses, None, arrived)
            return film
        with atomic_write(target) as part:
            film = yield from _request_video(prompt, options, addresses, part, arrived)
        return film.moved(target)


def _count_references(options: VideoOptions) -> dict[str, int]:
    """How many references there are of each kind."""
    return {name: len(as_list(getattr(options, name))) for name in _FAMILIES}


def _request_video(
    prompt: str, options: VideoOptions, addresses: ReferenceUrls, into: Path | None, arrived: OnProgress | None
) -> RequestFlow[Media]:
    """The film by the way that its prompt can go: it is the answer itself, or stands where the answer says."""
    way, asked = video_request(prompt, options, addresses)
    read = partial(parse_video, prompt=prompt, options=options, into=into)
    film: Media
    if way is not None:
        film = yield ApiRequest("GET", f"/video/{way}", read, {"params": asked}, save_to=into, on_progress=arrived)
        return film
    stored: StoredVideo = yield ApiRequest(
        "POST", "/v1/images/generations", partial(parse_stored_video, prompt=prompt), {"json": asked}
    )
    origin, path = stored.place()
    film = yield ApiRequest(
        "GET",
        path,
        partial(read, known=stored.known),
        origin=origin,
        is_origin_checked=True,
        send_credentials=False,
        save_to=into,
        on_progress=arrived,
    )
    return film


# --- What a model can -------------------------------------------------------------------------------------------------


def check_abilities(options: VideoOptions, given: Mapping[str, int]) -> None:
    """Refuse what makes no sense, or what the model is known not to do, before anything is sent. Newer models and those
    of the community are not known here, and asked.

    Args:
        options: What is asked for.
        given: How many references there are of each kind.

    Raises:
        UnsupportedRequestError: If it lacks an ability; it names models that have it.
        InvalidRequestError: If a value is not one of the model's.
    """
    if given["last_frame"] and not given["first_frame"]:
        raise InvalidRequestError(
            "last_frame: goes with a first_frame only; give both, or first_frame alone", param="last_frame"
        )
    if (options.width is None) != (options.height is None):
        raise InvalidRequestError(
            "width, height: give both, since only their ratio counts, or aspect_ratio alone",
            param="width" if options.width is None else "height",
        )
    model = find(options.model)
    if model is None:
        return
    name, can = options.model, abilities(model.id)
    makes_none = "makes no films from a prompt" if model.kind == "video" else f"makes no films, it is for {model.kind}"
    require(_makes_video(model), name, makes_none, "video", _makes_video)
    if options.duration is not None:
        _check_duration(options.duration, model, name)
    if options.resolution is not None and model.resolutions:  # the one of a model without a choice is not known here
        check_choice("resolution", options.resolution, model.resolutions, name)
    if options.aspect_ratio is not None and "aspect_ratios" in can:
        check_choice("aspect_ratio", options.aspect_ratio, can["aspect_ratios"], name)
    if options.audio is not None:
        able, lacks = (_has_sound, "makes silent films only") if options.audio else (_is_silent, "always has sound")
        require(able(model), name, f"{lacks} (audio={options.audio})", "video", able, param="audio")
    for argument, (capability, lacks) in _CAPABILITIES.items():
        if given[argument]:
            able = partial(_has, capability)
            require(able(model), name, f"{lacks} ({argument})", "video", able, param=argument)
    most, films = model.max_reference_videos, given["reference_videos"]
    if most is not None and films > most:
        raise InvalidRequestError(
            f"reference_videos: model {name!r} takes at most {most}, not {films}", param="reference_videos"
        )


# The list's `max_reference_images` counts the frames, two at most, which the capabilities say better. How many
# `reference_images` a model takes, it does not say.
_CAPABILITIES: Mapping[str, tuple[str, str]] = {
    "first_frame": ("start_frame", "takes no first frame"),
    "last_frame": ("end_frame", "takes no last frame"),
    "reference_images": ("reference_images", "takes no reference pictures"),
    "reference_videos": ("reference_videos", "takes no reference films"),
    "reference_audios": ("reference_audios", "takes no reference sound"),
}


def _makes_video(model: Model) -> bool:
    """Whether it makes films from a prompt: one only adds sound to films, at an address of its own."""
    return model.kind == "video" and (not model.endpoints or "/video/{prompt}" in model.endpoints)


def _has(capability: str, model: Model) -> bool | None:
    """None where the list tells nothing of the model."""
    return None if model.input_modalities is None else _makes_video(model) and capability in model.video_capabilities


def _has_sound(model: Model) -> bool | None:
    return False if abilities(model.id).get("audio") == "never" else _has("audio_output", model)


def _is_silent(model: Model) -> bool | None:
    if model.input_modalities is None:
        return None
    return _makes_video(model) and abilities(model.id).get("audio") != "always"


def _check_duration(seconds: int, model: Model, name: str) -> None:
    least, most, allowed = model.min_duration, model.max_duration, model.allowed_durations
    if least is None or most is None or (seconds in allowed if allowed else least <= seconds <= most):
        return
    right = ", ".join(map(str, allowed)) if allowed else str(least) if least == most else f"{least} to {most}"
    raise InvalidRequestError(
        f"duration: model {name!r} makes films of {right} seconds, not {seconds}", param="duration"
    )


# --- The request ------------------------------------------------------------------------------------------------------

ReferenceUrls = Mapping[str, Sequence[str]]
"""Addresses of what goes with a prompt, by the name of its argument."""


def video_request(prompt: str, options: VideoOptions, addresses: ReferenceUrls) -> tuple[str | None, dict[str, Any]]:
    """The prompt for the path of `GET /video/{prompt}` and the parameters; or None and the body of a POST, where an
    address cannot carry the prompt.

    Raises:
        InvalidRequestError: If an address cannot carry the prompt and a body may not carry the references.
    """
    guides = {name: addresses[name] for name in _GUIDES if addresses.get(name)}
    frames = [*addresses.get("first_frame", ()), *addresses.get("last_frame", ())]
    said = options.model_dump(exclude_none=True, exclude=set(_FAMILIES))
    if "aspect_ratio" in said:
        said["aspectRatio"] = said.pop("aspect_ratio")
    path = quote_prompt(prompt)
    if path is not None:
        query = said | {name: _join_urls(each) for name, each in guides.items()}
        if frames:
            query["image"] = join_urls(frames)
        if len(path) + len(urlencode(query)) <= (MAX_URL_WITH_REFERENCES if guides else MAX_URL):
            return path, query
    if guides:
        raise InvalidRequestError(
            f"{', '.join(guides)}: the service takes them only with a prompt that fits into an address, and this one "
            "does not: make it shorter, and leave out '%' and the names '.' and '..' between slashes. The word "
            "'models' alone is another route",
            param="prompt",
        )
    body = {name: value for name, value in said.items() if name not in ("width", "height")}
    if options.width and options.height:
        body["size"] = f"{options.width}x{options.height}"
    if frames:
        body["image"] = frames
    return None, body | {"prompt": prompt, "response_format": "url"}


def _join_urls(addresses: Sequence[str]) -> str:
    """Addresses for a parameter that is parted at `|` alone."""
    return "|".join(address.replace("|", "%7C") for address in addresses)


# --- The answer -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class StoredVideo:
    """Where a film stands, and what was told when it was made."""

    url: str
    known: Mapping[str, Any] = field(default_factory=dict)
    """Fields of its `Media`."""

    def place(self) -> tuple[str, str]:
        """Origin and the rest of the address."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}", (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def parse_video(
    response: httpx.Response,
    prompt: str,
    options: VideoOptions,
    into: Path | None = None,
    known: Mapping[str, Any] | None = None,
) -> Media:
    """The film of an answer whose body is one, in memory or in a file."""
    return parse_media(response, into or response.content, "video", prompt, options, **(known or {}))


def parse_stored_video(response: httpx.Response, prompt: str) -> StoredVideo:
    """The address in the JSON of `/v1/images/generations`, and what its headers tell."""
    body = parse_json(response, "film")
    try:
        item = body["data"][0]
        url = item["url"]
        is_address = is_requestable(httpx.URL(url))
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, httpx.InvalidURL) as error:
        raise unexpected_response(response, "film") from error
    if not is_address:
        raise unexpected_response(response, "film")
    known = {
        "url": public_url(response.headers) or url,
        "model": response.headers.get("x-model-used"),
        "request_id": response.headers.get("x-request-id"),
        "metadata": metadata(response.headers) | revision(item, prompt),
    }
    return StoredVideo(url, {name: value for name, value in known.items() if value is not None})
