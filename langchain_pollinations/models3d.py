"""`Pollinations3D`: 3D objects from pictures, and from words."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, Literal, Self
from urllib.parse import quote, urlencode

import httpx
from pydantic import Field, model_validator

from langchain_pollinations._catalog.capabilities import check_choice, has_resolutions, require
from langchain_pollinations._catalog.records import Model, find
from langchain_pollinations._media.base import MediaGenerator, MediaOptions
from langchain_pollinations._media.prompts import (
    MAX_URL,
    check_prompt,
    has_dot_segments,
    is_route,
    join_urls,
)
from langchain_pollinations._media.references import References, as_list, check_schemes
from langchain_pollinations._media.response import parse_media
from langchain_pollinations._transport.request import ApiRequest, RequestFlow
from langchain_pollinations._validation import MAX_SEED, SAVE_BY_NAME, named_overrides
from langchain_pollinations.errors import InvalidRequestError
from langchain_pollinations.media import Media

NO_PROMPT = "object"
"""What the path says where a picture alone was given: it must not be empty."""

MAX_PATH = 12_000
"""Characters of a prompt in the path, encoded. The edge of the service takes about 16 KB for the whole head."""


class Model3DOptions(MediaOptions):
    """What can be said of a 3D object. None means that nothing is sent: the service decides."""

    model: str = Field(default="trellis-2", min_length=1)
    """Canonical id or alias of the model. `trellis-2` and `asset-harvester` make objects of a picture; `rodin` of
    words, a picture or both."""
    image: References | None = Field(default=None, repr=False)
    """The picture of the object: a public address, a data URI, bytes, a `Media`, or a file below `reference_folder`.
    What is no address is uploaded to the service's media host first."""
    resolution: Literal["low", "medium", "high"] | None = None
    """For models that offer resolutions; the service takes `low` by default, and the others cost more."""
    seed: int | None = Field(default=None, ge=-1, le=MAX_SEED)
    """Equal requests get the equal, stored object. -1 draws a random seed for each call."""

    @model_validator(mode="after")
    def _check_references(self) -> Self:
        check_schemes("image", self.image)
        return self


class Pollinations3D(MediaGenerator, Model3DOptions):
    """3D objects from pictures, and from words.

        >>> sculptor = Pollinations3D(model="trellis-2", resolution="medium")
        >>> chair = sculptor.generate(image="https://example.com/chair.png")  # doctest: +SKIP
        >>> chair.save("chair")  # doctest: +SKIP
        PosixPath('chair.glb')

    Every field of `Model3DOptions` is an option of the constructor and of each call. The result is a `Media` of type
    `model/gltf-binary`, or `model/ply` from models that make Gaussian splats, such as `asset-harvester`.
    """

    _OPTIONS = Model3DOptions
    _CATEGORY = "3d"

    @named_overrides(SAVE_BY_NAME)
    def generate(self, prompt: str = "", **overrides: Any) -> Media:
        """Make an object.

        Args:
            prompt: What it is to be, for models that read words. It may be left out where a picture is given.
            overrides: Options of `Model3DOptions` for this object only.

        Raises:
            InvalidRequestError: If an option or a picture is wrong, or the service refuses one.
            UnsupportedRequestError: If the model needs a picture, or lacks something else that was asked for; it names
                models that can.
            MediaInputError: If the service could not fetch or read the picture.
            ContentBlockedError: If the `safe` filter blocked the prompt.
            UnprocessableError: If the provider refused the request.
            InvalidResponseError: If what came back is no whole object.
        """
        return super().generate(prompt, **overrides)

    @named_overrides(SAVE_BY_NAME)
    async def agenerate(self, prompt: str = "", **overrides: Any) -> Media:
        """As `generate`."""
        return await super().agenerate(prompt, **overrides)

    def _check(self, options: Model3DOptions) -> None:
        check_abilities(options, len(as_list(options.image)))

    def _generation(self, prompt: str, options: Model3DOptions) -> RequestFlow[Media]:
        if prompt != "" or not as_list(options.image):
            check_prompt(prompt)
        self._check(options)
        model3d_path(prompt)  # before anything is uploaded
        pictures = self._read("image", options.image)
        made: Media = yield model3d_request(prompt, options, (yield from self._addresses(pictures)))
        return made


# --- What a model can -------------------------------------------------------------------------------------------------


def check_abilities(options: Model3DOptions, pictures: int) -> None:
    """Refuse what the model is known not to do, before anything is sent. Models that are not known here are asked.

    Raises:
        UnsupportedRequestError: If it lacks an ability; it names models that have it.
        InvalidRequestError: If a value is not one of the model's.
    """
    model = find(options.model)
    if model is None:
        return
    name = options.model
    require(model.kind == "3d", name, f"makes no 3D objects, it is a model for {model.kind}", "3d")
    if not pictures:
        says = "makes objects of a picture, not of words: give it one with image=..."
        require(_takes_words(model), name, says, "3d", _takes_words, param="image")
    elif model.max_reference_images is not None and pictures > model.max_reference_images:
        most = model.max_reference_images
        raise InvalidRequestError(
            f"image: model {name!r} takes at most {most} reference pictures, not {pictures}", param="image"
        )
    if options.resolution is not None:
        able, lacks = has_resolutions(model), "has no choice of resolution"
        require(able, name, lacks, "3d", has_resolutions, param="resolution")
        check_choice("resolution", options.resolution, model.resolutions, name)


def _takes_words(model: Model) -> bool | None:
    return None if model.input_modalities is None else "text" in model.input_modalities


# --- The request ------------------------------------------------------------------------------------------------------


def model3d_path(prompt: str) -> str:
    """The path with a prompt in it, the only place for one here.

    The service decodes the path twice, so a `%` is encoded twice.

    Raises:
        InvalidRequestError: If a path cannot carry it.
    """
    if has_dot_segments(prompt):
        raise InvalidRequestError(
            "prompt: it travels in the address, where '.' and '..' between slashes vanish; say it in other words",
            param="prompt",
        )
    path = quote((prompt or NO_PROMPT).replace("%", "%25"), safe="")
    if len(path) > MAX_PATH:
        raise InvalidRequestError(
            f"prompt: it travels in the address, where it takes {len(path)} characters; {MAX_PATH} fit",
            param="prompt",
        )
    return f"/3d/{path}"


def model3d_request(prompt: str, options: Model3DOptions, addresses: Sequence[str]) -> ApiRequest[Media]:
    """`GET /3d/{prompt}`, or a POST to the same address where it cannot carry the rest or is another route."""
    path, read = model3d_path(prompt), partial(parse_model3d, prompt=prompt, options=options)
    said = options.model_dump(exclude_none=True, exclude={"image"})
    query = said | ({"image": join_urls(addresses)} if addresses else {})
    if len(path) + len(urlencode(query)) <= MAX_URL and not is_route(prompt):
        return ApiRequest("GET", path, read, {"params": query})
    safe = {"safe": said.pop("safe")} if "safe" in said else {}  # the body is strict, and does not know it
    body = said | ({"image": list(addresses)} if addresses else {})
    return ApiRequest("POST", path, read, {"params": safe, "json": body})


# --- The answer -------------------------------------------------------------------------------------------------------


def parse_model3d(response: httpx.Response, prompt: str, options: Model3DOptions) -> Media:
    """The object of an answer whose body is one."""
    return parse_media(response, response.content, "model", prompt or None, options)
