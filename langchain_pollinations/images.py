"""`PollinationsImage`: generates and edits images."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar, Unpack
from urllib.parse import quote, urlencode

import httpx

from langchain_pollinations._config.host_choice import LegacyConfig
from langchain_pollinations._legacy.images import check_options, image_request
from langchain_pollinations._media.base import FilePath, MediaGenerator
from langchain_pollinations._media.billing import free_media, media_billing
from langchain_pollinations._media.data_uri import decode
from langchain_pollinations._media.formats import EXTENSIONS
from langchain_pollinations._media.image_options import (
    EditOverrides,
    ImageOptions,
    ImageOverrides,
    check_abilities,
)
from langchain_pollinations._media.progress import ShowProgress
from langchain_pollinations._media.prompts import MAX_URL, check_prompt, join_urls, quote_prompt
from langchain_pollinations._media.references import Reference, as_list, reference_to_json
from langchain_pollinations._media.response import parse_media, revision
from langchain_pollinations._transport.error_response import parse_json, unexpected_response
from langchain_pollinations._transport.request import ApiRequest, OnProgress, RequestFlow, multipart
from langchain_pollinations._validation import merge_options
from langchain_pollinations._warnings import warn
from langchain_pollinations.errors import InvalidRequestError
from langchain_pollinations.media import Media

DEFAULT_SIDE = 1024

DEFAULT_EDIT_MODEL = "klein"
"""Default model of `edit`: the cheapest model that accepts images and does not require purchased pollen (the currency
of the service)."""

MAX_INLINE_BYTES = 12 * 1024 * 1024
"""Maximum total size of the reference images within a request, in bytes. Images of a larger total size are uploaded.

The service accepts requests of up to 20 MiB. Base64 makes the images a third larger.
"""

_NO_LONGER_HONOURED = {
    False: ("enhance", "negative_prompt", "nologo", "private"),
    True: ("nologo",),
}
"""Options that a host no longer honors. True is the legacy host, and False is gen.pollinations.ai.

The legacy host adds its logo to every image.
"""


class PollinationsImage(MediaGenerator, LegacyConfig, ImageOptions):
    """Generates images from a prompt, and edits images.

        >>> painter = PollinationsImage(model="flux", width=768, height=512)
        >>> image = painter.generate("a lighthouse at dusk", seed=7)
        >>> image.edit("make it night", model="klein").save("night").name
        'night.jpg'

    Every field of `ImageOptions` is an option of the constructor and of each call. The class is also a LangChain
    `Runnable` that converts a prompt to a `Media`: `prompt_template | chat | StrOutputParser() | painter`. A model for
    vector graphics, such as `recraft-svg`, returns an SVG.
    """

    _SYNONYMS: ClassVar[Mapping[str, str]] = {
        **MediaGenerator._SYNONYMS,
        "no-logo": "nologo",
        "no_logo": "nologo",
        "no-feed": "private",
        "no_feed": "private",
        "nofeed": "private",
    }
    _OPTIONS = ImageOptions
    _CATEGORY = "image"

    def generate(
        self,
        prompt: str,
        *,
        path: FilePath | None = None,
        progress: ShowProgress = None,
        **overrides: Unpack[ImageOverrides],
    ) -> Media:
        """Generate an image.

        Args:
            prompt: Description of the image, up to 32,000 characters.
            path: File that the image is written to. A missing suffix is added. An existing file is replaced
                once the image is complete. `output_folder` describes the default.
            progress: Overrides the field `progress`, for this call only.
            overrides: Options of `ImageOptions`, for this call only. `timeout`, as in the constructor,
                and `extra_headers` are also accepted. `extra_headers` take precedence over `default_headers` and must
                not contain `Authorization`.

        Returns:
            The image. If it was saved, its bytes are in the file. Otherwise they are in memory.

        Raises:
            InvalidRequestError: If an option or an image is invalid, or the service rejects it.
            UnsupportedRequestError: If the model lacks an ability. The message names models that have this ability.
            MediaInputError: If the service could not fetch or read an image.
            ContentBlockedError: If the `safe` filter blocked the prompt.
            UnprocessableError: If the provider refused the prompt.
            InvalidResponseError: If the response is not a complete image.
            OSError: If the file cannot be written.
            ImportError: If a progress bar is requested and tqdm is not installed.
        """
        return self._generate(prompt, path, progress, overrides)

    async def agenerate(
        self,
        prompt: str,
        *,
        path: FilePath | None = None,
        progress: ShowProgress = None,
        **overrides: Unpack[ImageOverrides],
    ) -> Media:
        """Asynchronous version of `generate`."""
        return await self._agenerate(prompt, path, progress, overrides)

    def edit(
        self,
        prompt: str,
        image: Reference | Sequence[Reference],
        *,
        path: FilePath | None = None,
        progress: ShowProgress = None,
        **overrides: Unpack[EditOverrides],
    ) -> Media:
        """Edit an image, or generate one from several images.

        Args:
            prompt: Description of the change, up to 32,000 characters.
            image: One image, or several images for models that accept several. An image is a public URL, a data URI,
                bytes, a `Media`, or a file below `reference_folder`.
            path: As in `generate`.
            progress: As in `generate`.
            overrides: As in `generate`. The default of `model` is `klein`.

        Returns:
            The edited image. If it was saved, its bytes are in the file. Otherwise they are in memory.

        Raises:
            InvalidRequestError: If an option or an image is invalid, or the service rejects it.
            UnsupportedRequestError: If the model does not accept images. The message names models that accept them.
            MediaInputError: If the service could not fetch or read an image.
            ContentBlockedError: If the `safe` filter blocked the prompt.
            UnprocessableError: If the provider refused the prompt.
            InvalidResponseError: If the response is not a complete image.
            OSError: If the file cannot be written.
            ImportError: If a progress bar is requested and tqdm is not installed.
        """
        options = self._edit_options(image, overrides)
        return self._run(partial(self._request_image, edit_request, prompt, options), options, path, progress)

    async def aedit(
        self,
        prompt: str,
        image: Reference | Sequence[Reference],
        *,
        path: FilePath | None = None,
        progress: ShowProgress = None,
        **overrides: Unpack[EditOverrides],
    ) -> Media:
        """Asynchronous version of `edit`."""
        options = self._edit_options(image, overrides)
        return await self._arun(partial(self._request_image, edit_request, prompt, options), options, path, progress)

    def _edit_options(self, image: Any, overrides: Mapping[str, Any]) -> ImageOptions:
        images = list(image) if isinstance(image, list | tuple) else image
        if images is None or images == []:
            raise InvalidRequestError("image: must be the image to edit, or a list of images", param="image")
        defaults = {} if "model_name" in overrides else self._edit_defaults()
        options = self._options({**defaults, **overrides, "image": images})
        if (options.width is None) != (options.height is None):
            raise InvalidRequestError(
                "width, height: must be given together, or both be None, which keeps the ratio of the image",
                param="width" if options.width is None else "height",
            )
        return options

    def _options(self, overrides: Mapping[str, Any]) -> ImageOptions:
        options: ImageOptions = super()._options(overrides)
        ignored = [name for name in _NO_LONGER_HONOURED[self._uses_legacy] if getattr(options, name)]
        host = "image.pollinations.ai" if self._uses_legacy else "gen.pollinations.ai"
        if ignored:
            warn(f"{', '.join(ignored)}: sent, but {host} no longer honours it")
        if self._uses_legacy and options.private is False:
            warn("private: the legacy host always receives true")
        return options

    def _check(self, options: ImageOptions) -> None:
        if self._uses_legacy:  # the catalog does not list the models of the legacy host
            check_options({**options.model_dump(exclude={"image"}), "image": bool(as_list(options.image))})
        else:
            check_abilities(options, len(as_list(options.image)))

    def _check_editing(self) -> None:
        """Check the constructor options for `edit`.

        A placeholder replaces the images, because they are arguments of the call.
        """
        options = self._edit_defaults() | {"image": "https://example.com/any.png"}
        self._check(merge_options(ImageOptions, self, options, self._SYNONYMS))

    def _edit_defaults(self) -> dict[str, Any]:
        return {} if "model" in self.model_fields_set else {"model": DEFAULT_EDIT_MODEL}

    def _generation(self, prompt: str, options: ImageOptions, on_progress: OnProgress | None) -> RequestFlow[Media]:
        build_request = self._legacy_request if self._uses_legacy else generation_request
        return self._request_image(build_request, prompt, options, on_progress)

    def _legacy_request(
        self, prompt: str, options: ImageOptions, references: Sequence[str | Media]
    ) -> ApiRequest[Media]:
        parse = partial(parse_legacy_image, prompt=prompt, options=options)
        fields = options.model_dump(exclude_none=True, exclude={"image"})
        request = image_request(self._legacy_hosts(), prompt, fields, parse)
        return replace(request, billing=free_media("image", options.model))

    def _request_image(
        self,
        build_request: Callable[..., ApiRequest[Media]],
        prompt: str,
        options: ImageOptions,
        on_progress: OnProgress | None,
    ) -> RequestFlow[Media]:
        check_prompt(prompt)
        self._check(options)
        references = self._resolve_references("image", options.image)
        request = build_request(prompt, options, (yield from self._upload_if_large(references)))
        image: Media = yield replace(request, on_progress=on_progress)
        return image._with(generator=self)

    def _upload_if_large(self, references: list[str | Media]) -> RequestFlow[list[str | Media]]:
        """Upload the images if their total size exceeds `MAX_INLINE_BYTES`."""
        if sum(each.size for each in references if isinstance(each, Media)) <= MAX_INLINE_BYTES:
            return references
        return list((yield from self._upload_references(references)))


# --- The request ------------------------------------------------------------------------------------------------------


def generation_request(prompt: str, options: ImageOptions, references: Sequence[str | Media]) -> ApiRequest[Media]:
    """Build `GET /image/{prompt}`, or a POST if the prompt or the reference images do not fit in a URL."""
    if quote_prompt(prompt) is not None and all(isinstance(each, str) for each in references):
        request = image_get_request(prompt, options, references)
        if len(request.path) + len(urlencode(request.options["params"])) <= MAX_URL:
            return request
    body = _body(prompt, options)
    if options.width or options.height:
        body["size"] = f"{options.width or DEFAULT_SIDE}x{options.height or DEFAULT_SIDE}"
    if references:
        body["image"] = [reference_to_json(each) for each in references]
    parse = partial(parse_generation, prompt=prompt, options=options)
    return ApiRequest(
        "POST", "/v1/images/generations", parse, {"json": body}, billing=media_billing("image", options, prompt)
    )


def image_get_request(prompt: str, options: ImageOptions, references: Sequence[str | Media]) -> ApiRequest[Media]:
    """Build `GET /image/{prompt}`."""
    parse = partial(parse_image, prompt=prompt, options=options)
    query = _query(options, [reference_to_json(each) for each in references])
    path, billing = f"/image/{quote(prompt, safe='')}", media_billing("image", options, prompt)
    return ApiRequest("GET", path, parse, {"params": query}, billing=billing)


def edit_request(prompt: str, options: ImageOptions, references: Sequence[str | Media]) -> ApiRequest[Media]:
    """Build `POST /v1/images/edits`, as a form or as JSON.

    The body is a form if the bytes of every image are available and no option requires JSON. A form is smaller, because
    base64 in JSON makes the images a third larger. `seed` requires JSON, because the service does not read it from a
    form.
    """
    parse = partial(parse_generation, prompt=prompt, options=options)
    billing = media_billing("image", options, prompt)
    body = _body(prompt, options)
    if options.width or options.height:
        body["size"] = f"{options.width}x{options.height}"
    files = [each for each in references if isinstance(each, Media)]
    if len(files) == len(references) and body.keys() <= _IN_FORMS:
        fields = {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in body.items()}
        name = "image" if len(files) == 1 else "image[]"
        parts = [(name, (f"image{EXTENSIONS.get(f.mime_type, '')}", f.data, f.mime_type)) for f in files]
        return ApiRequest("POST", "/v1/images/edits", parse, multipart(fields, parts), billing=billing)
    body["image"] = [{"image_url": reference_to_json(each)} for each in references]
    return ApiRequest("POST", "/v1/images/edits", parse, {"json": body}, billing=billing)


_IN_FORMS = {"prompt", "model", "size", "quality", "resolution", "response_format", "safe"}


def _query(options: ImageOptions, urls: Sequence[str]) -> dict[str, Any]:
    """Query parameters of the GET route."""
    fields = options.model_dump(exclude_none=True, exclude={"image"})
    # For some boolean parameters, the service reads the text "false" as true. `safe` is a text parameter.
    query = {name: value for name, value in fields.items() if value is not False or name == "safe"}
    if urls:
        query["image"] = join_urls(urls)
    return query


def _body(prompt: str, options: ImageOptions) -> dict[str, Any]:
    body = options.model_dump(exclude_none=True, exclude={"image", "width", "height"})
    return body | {"prompt": prompt, "response_format": "b64_json"}


# --- The response -----------------------------------------------------------------------------------------------------


def parse_image(response: httpx.Response, prompt: str, options: ImageOptions) -> Media:
    """Parse the image in the body of a response."""
    return parse_media(response, response.content, "image", prompt, options)


def parse_legacy_image(response: httpx.Response, prompt: str, options: ImageOptions) -> Media:
    """Parse the image in a response of the legacy host. The URL of the request is the public URL of the image."""
    url = str(response.request.url)
    return parse_media(response, response.content, "image", prompt, options, url=url, cost="0")


def parse_generation(response: httpx.Response, prompt: str, options: ImageOptions) -> Media:
    """Parse the image in the JSON response of `/v1/images/...`."""
    body = parse_json(response, "image")
    try:
        item = body["data"][0]
        data = decode(item["b64_json"])
    except (KeyError, IndexError, TypeError, ValueError) as error:  # the item is missing, or is not base64
        raise unexpected_response(response, "image") from error
    return parse_media(response, data, "image", prompt, options, metadata=revision(item, prompt))
