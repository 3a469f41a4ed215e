"""Options of image requests, and checks that an image model supports them."""

from __future__ import annotations

from typing import Literal, Self, TypeAlias

from pydantic import Field, model_validator

from langchain_pollinations._catalog.capabilities import check_choice, has_resolutions, require
from langchain_pollinations._catalog.records import Model, find
from langchain_pollinations._catalog.snapshot import abilities
from langchain_pollinations._media.base import MediaOptions, MediaOverrides, Resolution
from langchain_pollinations._media.references import References, check_schemes
from langchain_pollinations._validation import MAX_SEED
from langchain_pollinations.errors import InvalidRequestError

ImageQuality: TypeAlias = Literal["low", "medium", "high", "hd"]


class ImageOptions(MediaOptions):
    """Options of an image request. An option that is None is not sent, and the service applies its default."""

    model: str = Field(default="flux", min_length=1)
    """Canonical id or alias of the model. The default of `edit` is `klein`, because `flux` cannot edit."""
    width: int | None = Field(default=None, ge=1)
    """Width in pixels, at least 1. Some models accept only multiples of a number."""
    height: int | None = Field(default=None, ge=1)
    """Height in pixels, at least 1. See `width`."""
    seed: int | None = Field(default=None, ge=-1, le=MAX_SEED)
    """Seed, -1 to 2147483647. Equal requests return the same cached image. With -1, the package chooses a random seed
    for each call. The service itself treats -1 as a fixed seed."""
    quality: ImageQuality | None = None
    """Quality, for models of the GPT image family. Grok Imagine 2.0 accepts `low` and `medium`."""
    resolution: Resolution | None = None
    """Resolution, for models that offer a choice."""
    transparent: bool | None = None
    """Transparent background, for models that support it."""
    image: References | None = Field(default=None, repr=False)
    """Reference images, for models that accept them: public URLs, data URIs, bytes, `Media`, or files below
    `reference_folder`."""
    enhance: bool | None = None
    """Let a language model rewrite the prompt. Only the legacy host supports this option. gen.pollinations.ai stopped
    supporting it in summer 2026. The package still sends it there and emits a warning."""
    negative_prompt: str | None = None
    """What the image must not show. Only the legacy host supports this option. gen.pollinations.ai stopped supporting
    it in summer 2026. The package still sends it there and emits a warning."""
    nologo: bool | None = None
    """Omit the logo. This option has no effect. Images of requests with a key have no logo, and the legacy host adds a
    logo to every image since August 2026. The package still sends the option and emits a warning."""
    private: bool | None = None
    """Keep the image out of the public feed. The package always sends true to the legacy host. Requests with a key have
    no public feed. For these requests, the package still sends the option and emits a warning."""

    @model_validator(mode="after")
    def _check_references(self) -> Self:
        check_schemes("image", self.image)
        return self


class EditOverrides(MediaOverrides, total=False):
    """Keyword arguments of `PollinationsImage.edit`: the options of `ImageOptions` without `image`."""

    width: int | None
    height: int | None
    seed: int | None
    quality: ImageQuality | None
    resolution: Resolution | None
    transparent: bool | None
    enhance: bool | None
    negative_prompt: str | None
    nologo: bool | None
    private: bool | None


class ImageOverrides(EditOverrides, total=False):
    """Keyword arguments of `PollinationsImage.generate`: the options of `ImageOptions`."""

    image: References | None


# --- Model capabilities -----------------------------------------------------------------------------------------------


def takes_images(model: Model) -> bool | None:
    return None if model.input_modalities is None else "image" in model.input_modalities


def check_abilities(options: ImageOptions, references: int) -> None:
    """Raise an error if the model is known not to support the options, before a request is sent.

    Models that the catalog does not list (newer and community models) are not checked.

    Args:
        options: Options of the request.
        references: Number of reference images.

    Raises:
        UnsupportedRequestError: If the model lacks an ability. The message names models that have this ability.
        InvalidRequestError: If the model does not accept a value.
    """
    model = find(options.model)
    if model is None:
        return
    name, can = options.model, abilities(model.id)
    require(model.kind == "image", name, f"cannot generate images (category: {model.kind})", "image")
    if references:
        require(takes_images(model), name, "does not accept reference images", "image", takes_images)
    most, least = model.max_reference_images, can.get("min_reference_images", 0)
    if most is not None and references > most or references < least:
        limit = f"at least {least}" if references < least else f"at most {most}"
        raise InvalidRequestError(
            f"image: model {name!r} accepts {limit} reference images, got {references}", param="image"
        )
    if options.transparent:
        able, lacks = can.get("transparent"), "does not support transparent backgrounds"
        require(able, name, lacks, "image", _transparent, param="transparent")
    if options.quality is not None and "qualities" in can:
        able, lacks = bool(can["qualities"]), "does not accept a quality"
        require(able, name, lacks, "image", _with_qualities, param="quality")
        check_choice("quality", options.quality, can["qualities"], name)
    if options.resolution is not None and takes_images(model) is not None:
        able, lacks = has_resolutions(model), "does not accept a resolution"
        require(able, name, lacks, "image", has_resolutions, param="resolution")
        check_choice("resolution", options.resolution, model.resolutions, name)
    step = can.get("multiple_of", 1)
    for side in ("width", "height"):
        if (value := getattr(options, side)) is not None and value % step:
            raise InvalidRequestError(
                f"{side}: model {name!r} accepts multiples of {step} pixels, got {value}", param=side
            )


def _transparent(model: Model) -> bool:
    return abilities(model.id).get("transparent") is True


def _with_qualities(model: Model) -> bool:
    return bool(abilities(model.id).get("qualities"))
