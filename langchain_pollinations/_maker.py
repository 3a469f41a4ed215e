"""What the wrappers of media share: options of a call over those of the constructor, and how answers are read."""

from __future__ import annotations

import asyncio
import os
import re
import secrets
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from hashlib import sha256
from pathlib import Path
from typing import Any, ClassVar, TypeAlias
from urllib.parse import quote

import httpx
from langchain_core.messages import AnyMessage, BaseMessage
from langchain_core.prompt_values import ChatPromptValueConcrete, PromptValue, StringPromptValue
from langchain_core.runnables import RunnableConfig, RunnableSerializable
from pydantic import ConfigDict, Field, PrivateAttr, field_validator

from langchain_pollinations import catalog, media
from langchain_pollinations._connection import Connection
from langchain_pollinations._options import SAVE_BY_NAME, CallOptions, by_name, check_safe, check_whole, chosen, drawn
from langchain_pollinations._references import NOUNS, Reading, References, in_json
from langchain_pollinations._transport.batch import Batches
from langchain_pollinations._transport.body import with_body
from langchain_pollinations._transport.error_response import not_expected, parse_json
from langchain_pollinations._transport.request import Flow
from langchain_pollinations.errors import InvalidRequestError, InvalidResponseError
from langchain_pollinations.media import Media
from langchain_pollinations.uploads import upload_call

LONGEST_PROMPT = 32_000
LONGEST_URL = 2000
"""Characters of an address; a longer prompt goes by POST. The edge of the service takes about 16 KB, proxies less."""

UPLOADS_KEPT = 25 * 24 * 3600
"""Seconds for which an upload is used again; the service keeps it for 30 days."""

MOST_KEPT = 1000
"""Uploads that are remembered."""

LONGEST_TURN = 60.0
"""Seconds to wait for somebody else's upload of the same bytes."""

TURN_CHECKED = 0.25
"""Seconds after which a cancellation ends this waiting."""


class Options(CallOptions):
    """What can be said of every medium. None means that nothing is sent: the service decides."""

    model: str = Field(min_length=1)
    """Canonical id or alias of the model."""
    safe: str | bool | None = None
    """Checks of the prompt: a comma list of privacy, secrets, sexual, violence and shield, or nsfw."""

    @field_validator("safe")
    @classmethod
    def _known_words(cls, value: str | bool | None) -> str | bool | None:
        if isinstance(value, str):
            check_safe(value)
        return value


Prompt: TypeAlias = str | PromptValue | BaseMessage | Sequence[BaseMessage]
"""Input of a wrapper as a runnable: of prompt values and messages, the text is the prompt."""


def prompt_of(given: Any) -> Any:
    """The text of a prompt value, a message or a list of messages, a paragraph each; anything else as it is."""
    if isinstance(given, PromptValue):
        given = given.to_messages()
    messages = [given] if isinstance(given, BaseMessage) else given
    if not isinstance(messages, list | tuple) or not all(isinstance(each, BaseMessage) for each in messages):
        return given
    texts = (str(message.text).strip() for message in messages)
    return "\n\n".join(text for text in texts if text)


class Maker(Batches, Connection, RunnableSerializable[Prompt, Media]):
    """Base of the wrappers that make media from a prompt."""

    model_config = ConfigDict(extra="forbid")

    _SYNONYMS: ClassVar[Mapping[str, str]] = {**Connection._SYNONYMS, "model_name": "model"}
    _OPTIONS: ClassVar[type[Options]]
    """What can be said in the constructor and in each call."""
    _CATEGORY: ClassVar[str]
    """Its models, as the catalogue calls them."""

    output_folder: Path | None = None
    """Folder for the results that no `path` is given for, under names that the package chooses. Without it they stay in
    memory."""
    reference_folder: Path | None = None
    """Below which references may be files. Without it no file is read: the words for one may come from a model."""

    _uploaded: Uploaded = PrivateAttr(default_factory=lambda: Uploaded())

    @by_name(SAVE_BY_NAME)
    def generate(self, prompt: str, **overrides: Any) -> Media:
        """Make one.

        Args:
            prompt: What it is to be, up to 32,000 characters.
            overrides: Options of the constructor, for this call only; also `timeout` (as the field) and
                `extra_headers`, which take precedence over `default_headers` and never hold `Authorization`.

        Raises:
            InvalidRequestError: If an option is wrong, or the service refuses one.
            ContentBlockedError: If the `safe` filter blocked the prompt.
            UnprocessableError: If the provider refused the prompt.
            InvalidResponseError: If what came back is not whole, or something else.
        """
        options = self._options(overrides)
        return self._run(options, self._generation(prompt, options))

    @by_name(SAVE_BY_NAME)
    async def agenerate(self, prompt: str, **overrides: Any) -> Media:
        """As `generate`."""
        options = self._options(overrides)
        return await self._arun(options, self._generation(prompt, options))

    @property
    def InputType(self) -> Any:
        """What `invoke` takes, for schemas."""
        return str | StringPromptValue | ChatPromptValueConcrete | AnyMessage | list[AnyMessage]

    def invoke(self, input: Prompt, config: RunnableConfig | None = None, **kwargs: Any) -> Media:
        return self._call_with_config(self._invoked, input, config, **kwargs)

    async def ainvoke(self, input: Prompt, config: RunnableConfig | None = None, **kwargs: Any) -> Media:
        return await self._acall_with_config(self._ainvoked, input, config, **kwargs)

    def _invoked(self, input: Prompt, **overrides: Any) -> Media:
        return self.generate(prompt_of(input), **overrides)

    async def _ainvoked(self, input: Prompt, **overrides: Any) -> Media:
        return await self.agenerate(prompt_of(input), **overrides)

    def _generation(self, prompt: str, options: Any) -> Flow[Media]:
        """The conversation that makes one; `options` are an instance of `_OPTIONS`."""
        raise NotImplementedError

    def _check(self, options: Any) -> None:
        """Refuse what the model is known not to do. Nothing is read or sent. `options`: an `_OPTIONS`."""

    def _check_constructor(self) -> None:
        """Refuse options of the constructor that the model is known not to take. Calls may still override them."""
        self._check(chosen(self._OPTIONS, self, {}, self._SYNONYMS))

    def _run(self, options: Options, flow: Flow[Media]) -> Media:
        with self._suggesting(options.model):
            return self._client_with(options._settings).run(self._saving(flow))

    async def _arun(self, options: Options, flow: Flow[Media]) -> Media:
        with self._suggesting(options.model):
            return await self._client_with(options._settings).arun(self._saving(flow))

    def _saving(self, flow: Flow[Media]) -> Flow[Media]:
        """What a flow makes, in a file of `output_folder` if there is one."""
        target = self._named_file()
        made = yield from flow
        return made if target is None or made.path is not None else made.moved(made.save(target))

    def _named_file(self) -> Path | None:
        """A name in `output_folder`, which is checked before anything is paid for."""
        if self.output_folder is None:
            return None
        name = f"{self._CATEGORY}-{secrets.token_hex(6)}"
        return media.target_of(self.output_folder.expanduser() / name, "")

    def _suggesting(self, model: str) -> AbstractContextManager[None]:
        """The older hosts have no models to suggest."""
        return nullcontext() if self._is_older else catalog.suggesting(model, self._CATEGORY)

    def _options(self, overrides: Mapping[str, Any]) -> Any:
        """Precedence: argument of the call, constructor. A random seed is drawn here, once for all attempts."""
        options = chosen(self._OPTIONS, self, overrides, self._SYNONYMS)
        if "seed" in self._OPTIONS.model_fields:
            options.seed = drawn(options.seed)  # type: ignore[attr-defined]
        return options

    @property
    def lc_attributes(self) -> dict[str, Any]:
        """What LangChain could not write down by itself: references and folders."""
        references = {name: in_json(value) for name, value in self if isinstance(value, bytes | Path | Media | list)}
        return {**super().lc_attributes, **references}

    # References.

    def _read(
        self, argument: str, given: References | None, family: str = "image", largest: int | None = None
    ) -> list[str | Media]:
        """References as public addresses, or as media whose bytes are at hand."""
        return Reading(argument, family, self.reference_folder, self._media_host, largest).all(given)

    def _addresses(self, references: Sequence[str | Media]) -> Flow[list[str]]:
        """The address of each, for routes that take nothing else: what has none is uploaded, once."""
        found = []
        for each in references:
            found.append(
                each if isinstance(each, str) else (yield from self._uploaded.address_of(each, self._media_host))
            )
        return found


Place = tuple[str, str]
"""Where something is uploaded to, and the digest of its bytes."""


class Uploaded:
    """Addresses of what a wrapper has uploaded: equal references are equal requests, which the service bills once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[Place, tuple[str, float]] = {}
        self._running: dict[Place, threading.Event] = {}
        """What is being uploaded, and what tells those who wait that this has ended."""

    def __eq__(self, other: object) -> bool:
        """It holds nothing that tells two wrappers apart."""
        return isinstance(other, Uploaded)

    __hash__ = object.__hash__

    def __reduce__(self) -> tuple[type[Uploaded], tuple[()]]:
        return Uploaded, ()

    def address_of(self, item: Media, host: str) -> Flow[str]:
        """The address of a media, which is uploaded where it has none. Who needs it meanwhile waits, and uploads it
        himself where the other fails, is cancelled, or takes too long."""
        if item.url is not None and item.url.startswith(f"{host}/"):
            return item.url
        item = Media(item.data, item.mime_type)  # a file is read once
        place, ours = (host, sha256(item.data).hexdigest()), threading.Event()
        patience = time.monotonic() + LONGEST_TURN
        while (turn := self._turn(place, ours)) is not ours and time.monotonic() < patience and not _in_event_loop():
            turn.wait(TURN_CHECKED)
            yield ()  # no call, but where a cancellation can arrive
        try:
            if (known := self._find(place)) is None:
                stored = yield upload_call(item, host)
                known = self._keep(place, stored.url)
            return known
        finally:
            self._end(place, ours)

    def _turn(self, place: Place, ours: threading.Event) -> threading.Event:
        """What ends the turn of whoever may upload now: ours, where nobody else does."""
        with self._lock:
            return self._running.setdefault(place, ours)

    def _end(self, place: Place, ours: threading.Event) -> None:
        with self._lock:
            if self._running.get(place) is ours:
                del self._running[place]
        ours.set()

    def _find(self, place: Place) -> str | None:
        with self._lock:
            url, since = self._known.get(place, (None, 0.0))
        return url if time.time() - since < UPLOADS_KEPT else None

    def _keep(self, place: Place, url: str) -> str:
        with self._lock:
            while len(self._known) >= MOST_KEPT:
                del self._known[next(iter(self._known))]
            self._known[place] = (url, time.time())
        return url


def _in_event_loop() -> bool:
    """Whether an event loop runs in this thread: who waits here would hold up the one who is waited for."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


# --- Requests ---------------------------------------------------------------------------------------------------------


def check_prompt(prompt: Any, longest: int = LONGEST_PROMPT, name: str = "prompt") -> str:
    """The prompt, if it is one.

    Raises:
        InvalidRequestError: If it is empty, too long, or holds half a character or a null byte.
    """
    if not isinstance(prompt, str) or not prompt.strip():
        raise InvalidRequestError(f"{name} must be a text that is not empty", param=name)
    if len(prompt) > longest:
        raise InvalidRequestError(f"{name} has {len(prompt)} characters; the service takes up to {longest}", param=name)
    check_whole(prompt, name)
    if "\0" in prompt:
        raise InvalidRequestError(f"{name} holds a null byte at {prompt.index(chr(0))}", param=name)
    return prompt


def in_path(prompt: str) -> str | None:
    """A prompt for the path of an address; None for one that a path cannot carry.

    The service decodes the path twice, so `%` is not safe; `.` and `..` between slashes vanish on the way. A prompt may
    equal a route.
    """
    return None if "%" in prompt or has_dot_segments(prompt) or is_route(prompt) else quote(prompt, safe="")


def is_route(prompt: str) -> bool:
    """Whether a GET with the prompt as its path is another route of the service: `/image/models` is a list."""
    return prompt.strip("/ \t\r\n").lower() == "models"


def has_dot_segments(prompt: str) -> bool:
    """Whether there is a `.` or `..` between slashes, which addresses lose on the way."""
    return not {".", ".."}.isdisjoint(re.split(r"[/\\]", prompt))


def joined_addresses(addresses: Sequence[str]) -> str:
    """Addresses for a parameter that takes several. A comma would part one in two."""
    return "|".join(address.replace(",", "%2C").replace("|", "%7C") for address in addresses)


# --- Answers ----------------------------------------------------------------------------------------------------------


def read_media(
    response: httpx.Response, data: bytes | Path, family: str, prompt: str | None, options: Any, **known: Any
) -> Media:
    """The media of an answer, with all that its headers tell.

    Args:
        response: The answer; its body is looked at only where it turns out to be no media.
        data: The bytes, or the file that holds them.
        family: What is expected: `image`, `audio`, `video` or `model`.
        prompt: What was asked for; None where that was no words.
        options: With which options.
        known: Other fields of `Media`; `metadata` is added to that of the headers.

    Raises:
        PollinationsError: What an error object in the body stands for.
        InvalidResponseError: If the body is anything else: a page, nothing, half a picture.
    """
    head, size = _head(data)
    if re.match(rb'\s*\{\s*["}]', head) or not head:  # raw samples may begin with a brace
        response = with_body(response, _start(data))
        parse_json(response, NOUNS[family])
    mime_type = _mime_type(response, head, family)
    if mime_type is None:
        raise not_expected(with_body(response, _start(data)), NOUNS[family])
    if not _is_whole(data, mime_type):
        raise InvalidResponseError(
            f"The answer is no whole {NOUNS[family]}: {size} bytes of {mime_type} without their end",
            status_code=response.status_code,
            request_id=response.headers.get("x-request-id"),
        )
    told = {
        "mime_type": mime_type,
        "url": public_url(response.headers),
        "model": response.headers.get("x-model-used") or options.model,
        "seed": getattr(options, "seed", None),
        "prompt": prompt,
        "request_id": response.headers.get("x-request-id"),
        **known,
        "metadata": {**metadata(response.headers), **known.get("metadata", {})},
    }
    if not isinstance(data, bytes):
        return Media.from_file(data, **told)
    return Media(data=media.closed_wav(data) if mime_type == "audio/wav" else data, **told)


def _head(data: bytes | Path) -> tuple[bytes, int]:
    if isinstance(data, bytes):
        return data[: media.HEAD], len(data)
    with data.open("rb") as file:
        return file.read(media.HEAD), os.fstat(file.fileno()).st_size


def _start(data: bytes | Path) -> bytes:
    """What an error is to tell of a body: its beginning, where that is in a file."""
    if isinstance(data, bytes):
        return data
    with data.open("rb") as file:
        return file.read(1024 * 1024)


def _mime_type(response: httpx.Response, head: bytes, family: str) -> str | None:
    """What the bytes are, if that is of the family; raw samples of sound are known by the header alone."""
    found = media.sniff(head)
    if family == "audio":
        if found == "video/mp4":
            return "audio/mp4"  # AAC comes in such a container
        said = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        if found is None and head and said in ("audio/pcm", "audio/l16"):
            return "audio/pcm"
    return found if found is not None and found.startswith(f"{family}/") else None


def _is_whole(data: bytes | Path, mime_type: str) -> bool:
    if isinstance(data, bytes):
        return media.is_whole(data, mime_type)
    with data.open("rb") as file:
        return mime_type != "video/mp4" or media.has_all_boxes(file)


_TOLD = ("x-tts-voice", "x-generation-id", "song-id", "x-elevenlabs-song-id", "x-elevenlabs-reference-song-id")


def metadata(headers: httpx.Headers) -> dict[str, Any]:
    """What headers tell of how a result came to be: `x-usage-*`, `cache_type`, the voice, ids of a song."""
    found: dict[str, Any] = {key: value for key, value in headers.items() if key.startswith("x-usage-")}
    if cache_type := headers.get("x-cache-type"):
        found["cache_type"] = cache_type
    return found | {name.removeprefix("x-").replace("-", "_"): headers[name] for name in _TOLD if name in headers}


def revision(item: Mapping[str, Any], prompt: str) -> dict[str, Any]:
    """What the JSON of `/v1/images/...` tells of a prompt that was changed on the way."""
    revised = item.get("revised_prompt")
    return {"revised_prompt": revised} if revised and revised != prompt else {}


def public_url(headers: httpx.Headers) -> str | None:
    """Address of the stored file, from the `Link` entry with rel="enclosure"."""
    for entry in headers.get_list("link", split_commas=True):
        address = re.match(r"\s*<(https?://[^>]*)>", entry)
        if address and re.search(r'rel="?enclosure"?', entry):
            return address[1]
    return None
