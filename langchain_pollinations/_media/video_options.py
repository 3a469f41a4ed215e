"""Options of video requests, and checks that a video model supports them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Literal, Self, TypeAlias

from pydantic import Field, model_validator

from langchain_pollinations._catalog.capabilities import check_choice, require
from langchain_pollinations._catalog.records import Model, find
from langchain_pollinations._catalog.snapshot import abilities
from langchain_pollinations._media.base import (
    MediaOptions,
    MediaOverrides,
    Resolution,
)
from langchain_pollinations._media.references import Reference, References, as_list, check_schemes
from langchain_pollinations._validation import MAX_SEED
from langchain_pollinations.errors import InvalidRequestError

FAMILIES: Mapping[str, str] = {
    "first_frame": "image",
    "last_frame": "image",
    "reference_images": "image",
    "reference_videos": "video",
    "reference_audios": "audio",
}
"""Reference arguments, and the family of MIME types that each argument requires."""


AspectRatio: TypeAlias = Literal["16:9", "4:3", "1:1", "3:4", "9:16", "21:9", "9:21", "adaptive"]


class VideoOptions(MediaOptions):
    """Options of a video request. An option that is None is not sent, and the service applies its default."""

    model: str = Field(default="veo", min_length=1)
    """Canonical id or alias of the model."""
    duration: int | None = Field(default=None, ge=1, le=120)
    """Duration in seconds, 1 to 120. Most models accept only a few values."""
    resolution: Resolution | None = None
    """Resolution, for models that offer a choice."""
    aspect_ratio: AspectRatio | None = None
    """Ratio of width to height. Most models accept only 16:9 and 9:16. `adaptive` uses the ratio of the first frame."""
    width: int | None = Field(default=None, ge=1)
    """Width in pixels. `width` and `height` together replace `aspect_ratio`. The service uses only their ratio."""
    height: int | None = Field(default=None, ge=1)
    """Height in pixels. See `width`."""
    audio: bool | None = None
    """Whether the video has audio. By default, the model decides."""
    seed: int | None = Field(default=None, ge=-1, le=MAX_SEED)
    """Seed, -1 to 2147483647. Equal requests return the same cached video. With -1, the package chooses a random seed
    for each call. The service itself treats -1 as a fixed seed."""
    first_frame: Reference | None = Field(default=None, repr=False)
    """First frame of the video, for models that accept a first frame: a public URL, a data URI, bytes, a `Media`, or a
    file below `reference_folder`. Any value that is not a URL is uploaded."""
    last_frame: Reference | None = Field(default=None, repr=False)
    """Last frame of the video. Requires `first_frame`."""
    reference_images: References | None = Field(default=None, repr=False)
    """Images of the subjects, for models that accept them."""
    reference_videos: References | None = Field(default=None, repr=False)
    """Videos that guide the motion or style, for models that accept them."""
    reference_audios: References | None = Field(default=None, repr=False)
    """Audio that guides the video, for models that accept it."""

    @model_validator(mode="after")
    def _check_references(self) -> Self:
        for name in FAMILIES:
            check_schemes(name, getattr(self, name))
        return self


class VideoOverrides(MediaOverrides, total=False):
    """Keyword arguments of `PollinationsVideo.generate`: the options of `VideoOptions`."""

    duration: int | None
    resolution: Resolution | None
    aspect_ratio: AspectRatio | None
    width: int | None
    height: int | None
    audio: bool | None
    seed: int | None
    first_frame: Reference | None
    last_frame: Reference | None
    reference_images: References | None
    reference_videos: References | None
    reference_audios: References | None


def count_references(options: VideoOptions) -> dict[str, int]:
    """Return the number of references of each argument."""
    return {name: len(as_list(getattr(options, name))) for name in FAMILIES}


# --- Model capabilities -----------------------------------------------------------------------------------------------


def check_abilities(options: VideoOptions, references: Mapping[str, int]) -> None:
    """Raise an error if options contradict each other, or if the model is known not to support them.

    This check happens before a request is sent. Models that the catalog does not list (newer and community models) are
    not checked.

    Args:
        options: Options of the request.
        references: Number of references for each argument.

    Raises:
        UnsupportedRequestError: If the model lacks an ability. The message names models that have this ability.
        InvalidRequestError: If options contradict each other, or the model does not accept a value.
    """
    if references["last_frame"] and not references["first_frame"]:
        raise InvalidRequestError("last_frame: requires first_frame", param="last_frame")
    if (options.width is None) != (options.height is None):
        raise InvalidRequestError(
            "width, height: must be given together, or be replaced by aspect_ratio",
            param="width" if options.width is None else "height",
        )
    model = find(options.model)
    if model is None:
        return
    name, can = options.model, abilities(model.id)
    lacks = "videos from a prompt" if model.kind == "video" else f"videos (category: {model.kind})"
    require(_generates_video(model), name, f"cannot generate {lacks}", "video", _generates_video)
    if options.duration is not None:
        _check_duration(options.duration, model, name)
    if options.resolution is not None and model.resolutions:  # the fixed resolution of other models is unknown
        check_choice("resolution", options.resolution, model.resolutions, name)
    if options.aspect_ratio is not None and "aspect_ratios" in can:
        check_choice("aspect_ratio", options.aspect_ratio, can["aspect_ratios"], name)
    if options.audio is not None:
        able, lacks = (
            (_has_audio, "only generates videos without audio")
            if options.audio
            else (_is_silent, "always generates audio")
        )
        require(able(model), name, f"{lacks} (audio={options.audio})", "video", able, param="audio")
    for argument, (capability, lacks) in _CAPABILITIES.items():
        if references[argument]:
            able = partial(_has, capability)
            require(able(model), name, f"{lacks} ({argument})", "video", able, param=argument)
    most, count = model.max_reference_videos, references["reference_videos"]
    if most is not None and count > most:
        raise InvalidRequestError(
            f"reference_videos: model {name!r} accepts at most {most}, got {count}", param="reference_videos"
        )


# In the model list, `max_reference_images` counts the first and the last frame, so it is at most two. The capabilities
# are more precise: they name the frames that a model accepts. The list contains no limit for `reference_images`.
_CAPABILITIES: Mapping[str, tuple[str, str]] = {
    "first_frame": ("start_frame", "does not accept a first frame"),
    "last_frame": ("end_frame", "does not accept a last frame"),
    "reference_images": ("reference_images", "does not accept reference images"),
    "reference_videos": ("reference_videos", "does not accept reference videos"),
    "reference_audios": ("reference_audios", "does not accept reference audio"),
}


def _generates_video(model: Model) -> bool:
    """Whether the model generates videos from a prompt. One model only adds audio to videos, at a separate endpoint."""
    return model.kind == "video" and (not model.endpoints or "/video/{prompt}" in model.endpoints)


def _has(capability: str, model: Model) -> bool | None:
    """Whether the model has a capability. None if the model list does not describe the model."""
    return (
        None if model.input_modalities is None else _generates_video(model) and capability in model.video_capabilities
    )


def _has_audio(model: Model) -> bool | None:
    return False if abilities(model.id).get("audio") == "never" else _has("audio_output", model)


def _is_silent(model: Model) -> bool | None:
    if model.input_modalities is None:
        return None
    return _generates_video(model) and abilities(model.id).get("audio") != "always"


def _check_duration(seconds: int, model: Model, name: str) -> None:
    least, most, allowed = model.min_duration, model.max_duration, model.allowed_durations
    if least is None or most is None or (seconds in allowed if allowed else least <= seconds <= most):
        return
    accepted = ", ".join(map(str, allowed)) if allowed else str(least) if least == most else f"{least} to {most}"
    raise InvalidRequestError(f"duration: model {name!r} accepts {accepted} seconds, got {seconds}", param="duration")
