"""`PollinationsImage`: pictures from words."""

from __future__ import annotations

import base64
import binascii
import re
import warnings
from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar, Literal, Self
from urllib.parse import quote, urlencode, urlsplit

import httpx
from langchain_core.runnables import RunnableConfig, RunnableSerializable
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from langchain_pollinations import catalog, errors, media
from langchain_pollinations._connection import Connection
from langchain_pollinations._http import Call
from langchain_pollinations._options import MAX_SEED, check_safe, describe_unknown, drawn, told
from langchain_pollinations.errors import InvalidRequestError, InvalidResponseError
from langchain_pollinations.media import Media

LONGEST_URL = 2000
"""Characters of an address; a longer prompt goes by POST. The edge of the service takes about 16 KB, proxies less."""

LONGEST_PROMPT = 32_000

DEFAULT_SIDE = 1024

_NO_LONGER_HONOURED = ("enhance", "negative_prompt", "nologo", "private")


class ImageOptions(BaseModel):
    """What can be said of a picture. None means that nothing is sent: the service decides."""

    model_config = ConfigDict(extra="forbid", protected_namespaces=(), hide_input_in_errors=True)

    model: str = Field(default="flux", min_length=1)
    """Canonical id or alias of the model."""
    width: int | None = Field(default=None, ge=1)
    """Pixels."""
    height: int | None = Field(default=None, ge=1)
    """Pixels."""
    seed: int | None = Field(default=None, ge=-1, le=MAX_SEED)
    """Equal requests get the equal, stored picture. -1 draws a random seed for each call, since the service itself
    takes -1 for one fixed seed."""
    quality: Literal["low", "medium", "high", "hd"] | None = None
    """For models of the GPT image family."""
    resolution: Literal["1k", "2k", "360p", "480p", "720p", "768p", "1080p", "4k"] | None = None
    """For models that offer resolutions."""
    transparent: bool | None = None
    """A transparent background, for models that can."""
    safe: str | bool | None = None
    """Checks of the prompt: a comma list of privacy, secrets, sexual, violence and shield, or nsfw."""
    image: str | list[str] | None = None
    """Addresses (http, https) of reference pictures, or data URIs."""
    enhance: bool | None = None
    """Sent as it is, and warned of: the service no longer honours it (since summer 2026)."""
    negative_prompt: str | None = None
    """Sent as it is, and warned of: the service no longer honours it (since summer 2026)."""
    nologo: bool | None = None
    """Sent as it is, and warned of: the service no longer honours it, and draws no logo for keys."""
    private: bool | None = None
    """Sent as it is, and warned of: the service no longer honours it, and has no feed for keys."""

    @model_validator(mode="after")
    def _check_options(self) -> Self:
        if isinstance(self.safe, str):
            check_safe(self.safe)
        for reference in self.references():
            check_reference(reference)
        return self

    def references(self) -> list[str]:
        return [self.image] if isinstance(self.image, str) else self.image or []


def check_reference(address: str) -> None:
    """Raise a `ValueError` for a reference picture that the service would not fetch."""
    if address.startswith("data:image/"):
        return
    parts = urlsplit(address)
    host = parts.hostname or ""
    is_address = re.fullmatch(r"[\d.]+|.*:.*", host) is not None
    if parts.scheme not in ("http", "https") or not host:
        raise ValueError("image: a reference picture must be an http(s) address or a data:image/ URI")
    if parts.username or host == "localhost" or host.endswith(".localhost") or is_address:
        raise ValueError("image: the service fetches public addresses only: no localhost, no IP address, no user name")


class PollinationsImage(Connection, ImageOptions, RunnableSerializable[str, Media]):
    """Pictures from words.

        >>> painter = PollinationsImage(model="flux", width=768, height=512)
        >>> painter.generate("a lighthouse at dusk", seed=7).save("lighthouse")  # doctest: +SKIP
        PosixPath('lighthouse.jpg')

    Every field of `ImageOptions` is an option of the constructor and of each call. It is a runnable from prompt to
    `Media`, too: `prompt_template | chat | StrOutputParser() | painter`.
    """

    model_config = ConfigDict(extra="forbid")

    _SYNONYMS: ClassVar[Mapping[str, str]] = {
        **Connection._SYNONYMS,
        "model_name": "model",
        "no-logo": "nologo",
        "no_logo": "nologo",
        "no-feed": "private",
        "no_feed": "private",
        "nofeed": "private",
    }

    def generate(self, prompt: str, **overrides: Any) -> Media:
        """Draw a picture.

        Args:
            prompt: What is to be seen, up to 32,000 characters.
            overrides: Options of `ImageOptions` for this picture only.

        Raises:
            InvalidRequestError: If an option is wrong, or the service refuses one.
            ContentBlockedError: If the `safe` filter blocked the prompt.
            UnprocessableError: If the provider refused the prompt.
            InvalidResponseError: If what came back is no whole picture.
        """
        options = self._options(overrides)
        with catalog.suggesting(options.model, "image"):
            return self._client.send(image_call(prompt, options))

    async def agenerate(self, prompt: str, **overrides: Any) -> Media:
        """As `generate`."""
        options = self._options(overrides)
        with catalog.suggesting(options.model, "image"):
            return await self._client.asend(image_call(prompt, options))

    def invoke(self, input: str, config: RunnableConfig | None = None, **kwargs: Any) -> Media:
        return self._call_with_config(self.generate, input, config, **kwargs)

    async def ainvoke(self, input: str, config: RunnableConfig | None = None, **kwargs: Any) -> Media:
        return await self._acall_with_config(self.agenerate, input, config, **kwargs)

    def _options(self, overrides: Mapping[str, Any]) -> ImageOptions:
        """Precedence: argument of the call, constructor. A random seed is drawn here, once for all attempts."""
        own = self.model_dump(include=set(ImageOptions.model_fields), exclude_none=True)
        named = {self._SYNONYMS.get(name, name): value for name, value in overrides.items()}
        if unknown := sorted(named.keys() - ImageOptions.model_fields.keys()):
            raise InvalidRequestError("; ".join(describe_unknown(name, ImageOptions.model_fields) for name in unknown))
        try:
            options = ImageOptions.model_validate({**own, **named})
        except ValidationError as error:
            raise InvalidRequestError(told(error)) from None
        ignored = [name for name in _NO_LONGER_HONOURED if getattr(options, name) is not None]
        if ignored:
            warnings.warn(
                f"{', '.join(ignored)}: sent, but gen.pollinations.ai no longer honours it", UserWarning, stacklevel=3
            )
        options.seed = drawn(options.seed)
        return options


# --- The request ------------------------------------------------------------------------------------------------------


def image_call(prompt: str, options: ImageOptions) -> Call[Media]:
    """`GET /image/{prompt}`, or a POST where the path of an address cannot carry the prompt.

    Raises:
        InvalidRequestError: If the prompt is empty or too long.
    """
    if not isinstance(prompt, str) or not prompt.strip():
        raise InvalidRequestError("prompt must be a text that says what is to be seen, not empty")
    if len(prompt) > LONGEST_PROMPT:
        raise InvalidRequestError(f"prompt has {len(prompt)} characters; the service takes up to {LONGEST_PROMPT}")
    query = _query(options)
    if query is not None and _fits_in_a_path(prompt):
        path = f"/image/{quote(prompt, safe='')}"
        if len(path) + len(urlencode(query)) <= LONGEST_URL:
            return Call("GET", path, partial(read_picture, prompt=prompt, options=options), {"params": query})
    read = partial(read_generation, prompt=prompt, options=options)
    return Call("POST", "/v1/images/generations", read, {"json": _body(prompt, options)})


def _fits_in_a_path(prompt: str) -> bool:
    """The service decodes the path twice, so `%` is not safe; `.` and `..` between slashes vanish on the way."""
    try:
        prompt.encode()
    except UnicodeEncodeError as error:
        raise InvalidRequestError(f"prompt holds half a character (a lone surrogate) at {error.start}") from error
    return "%" not in prompt and not {".", ".."} & set(re.split(r"[/\\]", prompt))


def _query(options: ImageOptions) -> dict[str, Any] | None:
    """Parameters of the GET route; None where only a body can carry them."""
    if any(address.startswith("data:") for address in options.references()):
        return None
    query = options.model_dump(exclude_none=True, exclude={"image"})
    if not query.get("transparent"):
        query.pop("transparent", None)  # the server takes the text "false" for true
    if options.references():
        # A comma would part an address in two; the trailing bar of one address alone would make an empty second.
        query["image"] = "|".join(address.replace(",", "%2C").replace("|", "%7C") for address in options.references())
    return query


def _body(prompt: str, options: ImageOptions) -> dict[str, Any]:
    body = options.model_dump(exclude_none=True, exclude={"image", "width", "height"})
    body |= {"prompt": prompt, "response_format": "b64_json"}
    if options.width or options.height:
        body["size"] = f"{options.width or DEFAULT_SIDE}x{options.height or DEFAULT_SIDE}"
    if options.references():
        body["image"] = options.references()
    return body


# --- The answer -------------------------------------------------------------------------------------------------------


def read_picture(response: httpx.Response, prompt: str, options: ImageOptions) -> Media:
    """The picture of an answer whose body is one.

    Raises:
        PollinationsError: What an error object in the body stands for.
        InvalidResponseError: If the body is anything else: a page, nothing, half a picture.
    """
    if response.content.lstrip().startswith(b"{"):
        errors.parse_json(response, "picture")
    return _media(response, response.content, prompt, options)


def read_generation(response: httpx.Response, prompt: str, options: ImageOptions) -> Media:
    """The picture inside the JSON of `/v1/images/generations`."""
    body = errors.parse_json(response, "picture")
    try:
        item = body["data"][0]
        data = base64.b64decode(item["b64_json"], validate=True)
    except (KeyError, IndexError, TypeError, binascii.Error) as error:
        raise errors.not_expected(response, "picture") from error
    return _media(response, data, prompt, options, revised_prompt=item.get("revised_prompt"))


def _media(
    response: httpx.Response, data: bytes, prompt: str, options: ImageOptions, revised_prompt: str | None = None
) -> Media:
    mime_type = media.sniff(data)
    if mime_type is None or not mime_type.startswith("image/"):
        raise errors.not_expected(response, "picture")
    if not media.is_whole(data, mime_type):
        raise InvalidResponseError(
            f"The answer is no whole picture: {len(data)} bytes of {mime_type} without their end",
            status_code=response.status_code,
            request_id=response.headers.get("x-request-id"),
        )
    headers = response.headers
    metadata: dict[str, Any] = {key: value for key, value in headers.items() if key.startswith("x-usage-")}
    if cache_type := headers.get("x-cache-type"):
        metadata["cache_type"] = cache_type
    if revised_prompt and revised_prompt != prompt:
        metadata["revised_prompt"] = revised_prompt
    return Media(
        data=data,
        mime_type=mime_type,
        url=public_url(headers),
        model=headers.get("x-model-used") or options.model,
        seed=options.seed,
        prompt=prompt,
        request_id=headers.get("x-request-id"),
        metadata=metadata,
    )


def public_url(headers: httpx.Headers) -> str | None:
    """Address of the stored file, from the `Link` entry with rel="enclosure"."""
    for entry in headers.get_list("link", split_commas=True):
        address = re.match(r"\s*<([^>]*)>", entry)
        if address and re.search(r'rel="?enclosure"?', entry):
            return address[1]
    return None
