"""`Pollinations3D`: generates 3D objects from images and prompts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Literal, Self, Unpack
from urllib.parse import quote, urlencode

import httpx
from pydantic import Field, model_validator

from langchain_pollinations._catalog.capabilities import check_choice, has_resolutions, require
from langchain_pollinations._catalog.records import Model, find
from langchain_pollinations._media.base import FilePath, MediaGenerator, MediaOptions, MediaOverrides
from langchain_pollinations._media.billing import media_billing
from langchain_pollinations._media.progress import ShowProgress
from langchain_pollinations._media.prompts import (
    MAX_URL,
    check_prompt,
    has_dot_segments,
    is_route,
    join_urls,
)
from langchain_pollinations._media.references import References, as_list, check_schemes
from langchain_pollinations._media.response import parse_media
from langchain_pollinations._transport.request import ApiRequest, OnProgress, RequestFlow
from langchain_pollinations._validation import MAX_SEED
from langchain_pollinations.errors import InvalidRequestError
from langchain_pollinations.media import Media

NO_PROMPT = "object"
"""Prompt in the path of a request without a prompt. The path must not be empty."""

MAX_PATH = 12_000
"""Maximum characters of the encoded prompt in the path.

The edge servers of the service accept about 16 KB for the request line and all headers.
"""


class Model3DOptions(MediaOptions):
    """Options of a 3D request. An option that is None is not sent, and the service applies its default."""

    model: str = Field(default="trellis-2", min_length=1)
    """Canonical id or alias of the model. `trellis-2` and `asset-harvester` require an image. `rodin` takes a prompt,
    an image or both."""
    image: References | None = Field(default=None, repr=False)
    """Image of the object: a public URL, a data URI, bytes, a `Media`, or a file below `reference_folder`. A value
    that is not a URL is first uploaded to the service's media host."""
    resolution: Literal["low", "medium", "high"] | None = None
    """Resolution, for models that offer a choice. The service's default is `low`. The others cost more."""
    seed: int | None = Field(default=None, ge=-1, le=MAX_SEED)
    """Seed, -1 to 2147483647. Equal requests return the same cached object. With -1, the package chooses a random seed
    for each call."""

    @model_validator(mode="after")
    def _check_references(self) -> Self:
        check_schemes("image", self.image)
        return self


class Model3DOverrides(MediaOverrides, total=False):
    """Keyword arguments of `Pollinations3D.generate`: the options of `Model3DOptions`."""

    image: References | None
    resolution: Literal["low", "medium", "high"] | None
    seed: int | None


class Pollinations3D(MediaGenerator, Model3DOptions):
    """Generates 3D objects from images and prompts.

        >>> sculptor = Pollinations3D(model="trellis-2", resolution="medium")
        >>> chair = sculptor.generate(image=PollinationsImage().generate("a chair"))
        >>> chair.save("chair").name
        'chair.glb'

    Every field of `Model3DOptions` is an option of the constructor and of each call. The result is a `Media` of type
    `model/gltf-binary`, or `model/ply` for models that generate Gaussian splats, such as `asset-harvester`.
    """

    _OPTIONS = Model3DOptions
    _CATEGORY = "3d"

    def generate(
        self,
        prompt: str = "",
        *,
        path: FilePath | None = None,
        progress: ShowProgress = None,
        **overrides: Unpack[Model3DOverrides],
    ) -> Media:
        """Generate a 3D object.

        Args:
            prompt: Description of the object, for models that accept a prompt. Optional if an image is given.
            path: File that the object is written to. A missing suffix is added. An existing file is replaced
                once the object is complete. `output_folder` describes the default.
            progress: Overrides the field `progress`, for this call only.
            overrides: Options of `Model3DOptions`, for this call only. `timeout`, as in the constructor,
                and `extra_headers` are also accepted. `extra_headers` take precedence over `default_headers` and must
                not contain `Authorization`.

        Returns:
            The 3D object. If it was saved, its bytes are in the file. Otherwise they are in memory.

        Raises:
            InvalidRequestError: If an option or an image is invalid, or the service rejects it.
            UnsupportedRequestError: If the model requires an image, or lacks an ability. The message names models that
                support the request.
            MediaInputError: If the service could not fetch or read the image.
            ContentBlockedError: If the `safe` filter blocked the prompt.
            UnprocessableError: If the provider refused the request.
            InvalidResponseError: If the response is not a complete object.
            OSError: If the file cannot be written.
            ImportError: If a progress bar is requested and tqdm is not installed.
        """
        return self._generate(prompt, path, progress, overrides)

    async def agenerate(
        self,
        prompt: str = "",
        *,
        path: FilePath | None = None,
        progress: ShowProgress = None,
        **overrides: Unpack[Model3DOverrides],
    ) -> Media:
        """Asynchronous version of `generate`."""
        return await self._agenerate(prompt, path, progress, overrides)

    def _check(self, options: Model3DOptions) -> None:
        check_abilities(options, len(as_list(options.image)))

    def _generation(self, prompt: str, options: Model3DOptions, on_progress: OnProgress | None) -> RequestFlow[Media]:
        if prompt != "" or not as_list(options.image):
            check_prompt(prompt)
        self._check(options)
        model3d_path(prompt)  # raises before anything is uploaded
        references = self._resolve_references("image", options.image)
        request = model3d_request(prompt, options, (yield from self._upload_references(references)))
        model: Media = yield replace(request, on_progress=on_progress)
        return model


# --- Model capabilities -----------------------------------------------------------------------------------------------


def check_abilities(options: Model3DOptions, references: int) -> None:
    """Raise an error if the model is known not to support the options, before a request is sent.

    Models that the catalog does not list are not checked.

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
    name = options.model
    require(model.kind == "3d", name, f"cannot generate 3D objects (category: {model.kind})", "3d")
    if not references:
        lacks = "requires an image: pass image=..., or use a model that accepts a prompt alone"
        require(_accepts_prompt(model), name, lacks, "3d", _accepts_prompt, param="image")
    elif model.max_reference_images is not None and references > model.max_reference_images:
        most = model.max_reference_images
        raise InvalidRequestError(
            f"image: model {name!r} accepts at most {most} reference images, got {references}", param="image"
        )
    if options.resolution is not None:
        able, lacks = has_resolutions(model), "does not accept a resolution"
        require(able, name, lacks, "3d", has_resolutions, param="resolution")
        check_choice("resolution", options.resolution, model.resolutions, name)


def _accepts_prompt(model: Model) -> bool | None:
    return None if model.input_modalities is None else "text" in model.input_modalities


# --- The request ------------------------------------------------------------------------------------------------------


def model3d_path(prompt: str) -> str:
    """Return the path with the encoded prompt. The service accepts a prompt only in the path.

    The service decodes the path twice, so a `%` is encoded twice.

    Raises:
        InvalidRequestError: If the prompt cannot be part of the path.
    """
    if has_dot_segments(prompt):
        raise InvalidRequestError(
            "prompt: must not contain '.' or '..' between slashes, because it is part of the URL",
            param="prompt",
        )
    path = quote((prompt or NO_PROMPT).replace("%", "%25"), safe="")
    if len(path) > MAX_PATH:
        raise InvalidRequestError(
            f"prompt: has {len(path)} characters in the URL; at most {MAX_PATH} are allowed",
            param="prompt",
        )
    return f"/3d/{path}"


def model3d_request(prompt: str, options: Model3DOptions, urls: Sequence[str]) -> ApiRequest[Media]:
    """Build `GET /3d/{prompt}`, or a POST to the same path.

    The request is a POST if the URL of the GET would be too long, or if the URL would select another route.
    """
    path, parse = model3d_path(prompt), partial(parse_model3d, prompt=prompt, options=options)
    billing = media_billing("3d", options, prompt)
    fields = options.model_dump(exclude_none=True, exclude={"image"})
    query = fields | ({"image": join_urls(urls)} if urls else {})
    if len(path) + len(urlencode(query)) <= MAX_URL and not is_route(prompt):
        return ApiRequest("GET", path, parse, {"params": query}, billing=billing)
    # The service rejects unknown fields of the body, and `safe` is not a field of the body.
    safe = {"safe": fields.pop("safe")} if "safe" in fields else {}
    body = fields | ({"image": list(urls)} if urls else {})
    return ApiRequest("POST", path, parse, {"params": safe, "json": body}, billing=billing)


# --- The response -----------------------------------------------------------------------------------------------------


def parse_model3d(response: httpx.Response, prompt: str, options: Model3DOptions) -> Media:
    """Parse the 3D object in the body of a response."""
    return parse_media(response, response.content, "model", prompt or None, options)
