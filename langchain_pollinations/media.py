"""`Media`: the bytes of an image, video, audio or 3D object, their MIME type, and how they were generated."""

from __future__ import annotations

import base64
import hashlib
import html
import os
import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

from langchain_core.stores import ByteStore
from pydantic_core import core_schema

from langchain_pollinations._media.artifacts import (
    ARTIFACT_TYPE,
    DESCRIBED,
    artifact_error,
    check_artifact,
    described,
    resolve_below,
)
from langchain_pollinations._media.byte_store import bytes_key, check_digest, check_store, read_bytes, store_values
from langchain_pollinations._media.data_uri import decode
from langchain_pollinations._media.display import DISPLAYS, MAX_SHOWN_BYTES, MAX_SHOWN_WIDTH, download_html
from langchain_pollinations._media.files import atomic_write, read_file, target_path
from langchain_pollinations._media.formats import EXTENSIONS, SNIFFED_BYTES, SUFFIX_TYPES, sniff
from langchain_pollinations._media.integrity import image_size
from langchain_pollinations._media.permitted_files import open_regular_file
from langchain_pollinations._safe_text import safe_text
from langchain_pollinations._warnings import warn
from langchain_pollinations.errors import InvalidRequestError

_MIME_TYPE = re.compile(r"[\w!#$&^.+-]{1,80}/[\w!#$&^.+-]{1,80}( *; *[\w-]{1,40}=[\w.+-]{1,80})*", re.ASCII)


class Media:
    """A generated image, video, audio or 3D object, with information about its generation.

    A notebook displays a `Media` automatically. `save` writes a file. `to_block` returns a content block for a message.
    `edit` changes an image: `image.edit("make it night")`. A comparison with `==` ignores `metadata` and `generator`.

        >>> image = PollinationsImage(model="flux").generate("a lighthouse at dusk")
        >>> image.mime_type, image.width, image.height
        ('image/jpeg', 1024, 1024)
        >>> image.save("lighthouse.jpg").name
        'lighthouse.jpg'

    The arguments of the constructor are the attributes. `data` may be None if `path` is given, or if `url` and `sha256`
    are given. The `Media` then has no bytes until `download` loads them. The constructor raises a `ValueError` if the
    bytes are nowhere, or if `mime_type` is not a MIME type.
    """

    mime_type: str
    """MIME type. The package detects it from the bytes. Only the type of raw audio (`audio/pcm`) comes from a response
    header."""
    url: str | None
    """Public URL of the stored file. It never contains an API key. The service keeps the file for 30 days."""
    model: str | None
    """The model that generated the media. It may differ from the requested model."""
    seed: int | None
    """The seed that was sent; None if no seed was sent."""
    prompt: str | None
    """The prompt that was sent."""
    cost: str | None
    """Cost as a decimal string, in pollen (the currency of the service): the usage that the response reports,
    multiplied by the prices of the model list in this package. "0" for a result that the service had stored, and for
    the legacy hosts. None if the price is unknown."""
    request_id: str | None
    """The id of the request. Quote it in questions to the service."""
    metadata: Mapping[str, Any]
    """Further information from the response. A key is absent if the response does not contain its value.

    - `x-usage-...` (`str`): usage as a decimal number, such as `x-usage-completion-video-seconds` in seconds, or
      `x-usage-completion-image-tokens` in tokens. If a text took several requests, the usage is the total.
    - `cache_type` (`str`): `GENERATED` for a new result. `EXACT` for the stored result of an equal request, and
      `COALESCED` for the result of an equal request that was still running. The service does not bill these two again.
      `SEMANTIC` (legacy host) for the stored result of a similar prompt.
    - `revised_prompt` (`str`): the prompt of an image or a video, if the service changed it.
    - `tts_voice` (`str`): the voice of a speech.
    - `generation_id` (`str`): the id that the provider gave to an audio.
    - `song_id`, `elevenlabs_song_id` (`str`): the id of a song that ElevenLabs stored (`store_for_inpainting`).
    - `elevenlabs_reference_song_id` (`str`): the id of a song, for `conditioning_ref`.
    - `sample_rate` (`int`): samples per second of raw audio (`audio/pcm`).
    - `alignment`, `normalized_alignment` (`dict`, or None if unknown): the times of the characters. `alignment` has the
      characters as sent, and `normalized_alignment` has them as spoken. The keys are `characters` (`list[str]`),
      `character_start_times_seconds` and `character_end_times_seconds` (`list[float]`, seconds).
    - `request_ids` (`list[str | None]`): ids of the requests, if a text took several requests.
    """
    path: Path | None
    """The file that holds the bytes, if they are not in memory."""
    generator: Any = None
    """The wrapper that generated the media. `edit` uses this wrapper. Pickles, artifacts and checkpoints of a graph do
    not contain the wrapper, because it holds an API key."""

    _sha256: str | None = None  # only of bytes that are neither in memory nor in a file
    _data: bytes | None = None  # private, since some tracers store the public entries of `__dict__`

    def __init__(
        self,
        data: bytes | None,
        mime_type: str,
        *,
        url: str | None = None,
        model: str | None = None,
        seed: int | None = None,
        prompt: str | None = None,
        cost: str | None = None,
        request_id: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        path: Path | None = None,
        generator: Any = None,
        sha256: str | None = None,
    ) -> None:
        if not isinstance(mime_type, str) or not _MIME_TYPE.fullmatch(mime_type):  # the type is sent in headers
            raise ValueError(f"mime_type must be a MIME type such as 'image/png', not {str(mime_type)[:60]!r}")
        if data is None and path is None and (url is None or sha256 is None):
            raise ValueError("data must be bytes, or path the file that holds them, or url and sha256 must be given")
        self._data = data
        self._sha256 = check_digest(sha256) if data is None and path is None else None
        self.mime_type = mime_type
        self.url = url
        self.model = model
        self.seed = seed
        self.prompt = prompt
        self.cost = cost
        self.request_id = request_id
        self.metadata = {} if metadata is None else metadata
        self.path = path
        self.generator = generator

    @classmethod
    def from_file(cls, path: str | os.PathLike[str], **known: Any) -> Self:
        """Create a `Media` from a file. The file stays in place and is read when `data` is accessed.

        Args:
            path: Path of the file.
            known: Other arguments of the constructor, such as `prompt` or `url`.

        Returns:
            The `Media`, with an absolute `path`.

        Raises:
            OSError: If the file cannot be read.
            ValueError: If the type of the bytes is unknown.
        """
        path = Path(path)
        with path.open("rb") as file:
            head = file.read(SNIFFED_BYTES)
        mime_type = known.pop("mime_type", None) or sniff(head)
        if mime_type is None:
            raise ValueError(f"{path.name} is not an image, video, audio file, 3D object or PDF")
        return cls(None, mime_type, path=path.absolute(), **known)

    def _with(self, **changes: Any) -> Self:
        """Return a copy with other attributes."""
        copied = type(self).__new__(type(self))
        copied.__dict__.update(self.__dict__, **changes)
        return copied

    def _stored_at(self, path: Path) -> Self:
        """Return a copy whose bytes are in the file `path`. The file is not read."""
        return self._with(path=path.absolute(), _data=None)

    @property
    def data(self) -> bytes:
        """The bytes. Every access reads them from `path` if they are not in memory.

        They are not in memory if the call saved a file, or if `from_file` created the `Media`. A `Media` from an
        artifact whose bytes were in no store raises an `InvalidRequestError`. `download` loads its bytes.
        """
        return read_file(self._file) if self._data is None else self._data

    @property
    def _file(self) -> Path:
        if self.path is None:
            raise InvalidRequestError(
                "the bytes of this media are not here: pass the media_store of the tool to Media.from_artifact as "
                "store=..., or load them from the media host with download(media)"
            )
        return self.path

    @property
    def _is_remote(self) -> bool:
        """Whether the bytes are neither in memory nor in a file."""
        return self._data is None and self.path is None

    @property
    def sha256(self) -> str:
        """The SHA-256 of the bytes in hexadecimal. A file is read in chunks."""
        if self._is_remote and self._sha256 is not None:
            return self._sha256
        if self._data is not None:
            return hashlib.sha256(self._data).hexdigest()
        with open_regular_file(self._file) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        if self._facts() != other._facts():
            return False
        return self.sha256 == other.sha256 if self._is_remote or other._is_remote else self.data == other.data

    def __hash__(self) -> int:
        return hash(tuple(self._facts().values()))

    def _facts(self) -> dict[str, Any]:
        """Return the attributes that `==` compares, without the bytes."""
        return {name: getattr(self, name) for name in (*DESCRIBED, "path")}

    @property
    def size(self) -> int:
        """Number of bytes."""
        return self._file.stat().st_size if self._data is None else len(self._data)

    @property
    def width(self) -> int | None:
        """Width of a PNG or JPEG in pixels. It may differ from the requested width. None for other types."""
        return (image_size(self.data) or (None, None))[0]

    @property
    def height(self) -> int | None:
        """Height of a PNG or JPEG in pixels. See `width`."""
        return (image_size(self.data) or (None, None))[1]

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the bytes to `path` and return the path. A missing suffix is added.

        The write is atomic. If it fails, no file is created. The bytes are never converted. If the suffix belongs to
        another MIME type, the suffix is kept and a `UserWarning` is emitted.

        Raises:
            OSError: If the folder does not exist or cannot be written to.
        """
        target = target_path(path, EXTENSIONS.get(self.mime_type, ".bin"))
        self._check_suffix(target.suffix)
        with atomic_write(target) as part:
            if self._data is not None:
                part.write_bytes(self._data)
            else:
                with open_regular_file(self._file) as file, part.open("wb") as copy:
                    shutil.copyfileobj(file, copy)  # in chunks, since a video may be large
        return target

    def _check_suffix(self, suffix: str) -> None:
        """Warn if the suffix belongs to another MIME type."""
        expected = SUFFIX_TYPES.get(suffix.lower())
        if expected is not None and self.mime_type.partition(";")[0] not in expected:
            suggested = EXTENSIONS.get(self.mime_type, ".bin")
            warn(
                f"path: the bytes are {self.mime_type}, but {suffix} means {expected[0]}; use {suggested} or no suffix",
            )

    def edit(self, prompt: str, **overrides: Any) -> Media:
        """Edit this image with the wrapper that generated it.

        Args:
            prompt: Description of the change.
            overrides: `path`, `progress` and options of `ImageOptions`, as in `PollinationsImage.edit`.

        Returns:
            The edited image.

        Raises:
            ValueError: If `generator` is not a wrapper that edits images.
            PollinationsError: As in `PollinationsImage.edit`.
        """
        edited: Media = self._editor().edit(prompt, self, **overrides)
        return edited

    async def aedit(self, prompt: str, **overrides: Any) -> Media:
        """Asynchronous version of `edit`."""
        edited: Media = await self._editor().aedit(prompt, self, **overrides)
        return edited

    def _editor(self) -> Any:
        if not hasattr(self.generator, "edit"):
            raise ValueError(
                "this media has no generator that can edit it; use PollinationsImage(...).edit(prompt, media)"
            )
        return self.generator

    def to_block(self) -> dict[str, Any]:
        """Return LangChain's standard content block with the bytes, for messages and tool results."""
        kind = self.mime_type.partition("/")[0]
        kind = kind if kind in ("image", "audio", "video") else "file"
        return {"type": kind, "base64": self._base64(), "mime_type": self.mime_type}

    def to_artifact(self, store: ByteStore | None = None) -> dict[str, Any]:
        """Return a JSON-safe form for traces and checkpoints. `from_artifact` restores the `Media` from it.

        If the bytes are in a file, the artifact holds the path instead of the bytes. With `store`, it holds only the
        SHA-256 of the bytes, and is below 1 KB without prompt and metadata.

        Args:
            store: Store that the bytes are written to. If it is None, the artifact holds the bytes as base64.

        Raises:
            ValueError: If `store` is not a `ByteStore`.
        """
        if store is not None and self._data is not None:
            store_values(check_store(store, "store"), {bytes_key(self.sha256): self._data})
        if store is not None or self._is_remote:
            return self._reference()
        held = {"path": str(self.path)} if self._data is None else {"base64": self._base64()}
        return {"type": ARTIFACT_TYPE, **held, **self._described()}

    def _reference(self) -> dict[str, Any]:
        """Return the artifact without the bytes."""
        digest = self.sha256
        path = {"path": str(self.path)} if self._data is None and self.path is not None else {}
        return {"type": ARTIFACT_TYPE, "id": digest[:ID_LENGTH], "sha256": digest, **path, **self._described()}

    def _described(self) -> dict[str, Any]:
        return {**{name: getattr(self, name) for name in DESCRIBED}, "metadata": dict(self.metadata)}

    @classmethod
    def from_artifact(
        cls,
        artifact: Mapping[str, Any],
        folder: str | os.PathLike[str] | None = None,
        store: ByteStore | None = None,
    ) -> Self:
        """Restore a `Media` from the result of `to_artifact`, or from the artifact of a tool message.

        The bytes are read from `store` if the artifact does not contain them. If the store does not have them either,
        the `Media` has no bytes, and `download` loads them from `url`. No request is sent here. The store is read
        synchronously, so a coroutine should call this method in a thread if the store is slow.

            >>> tool = PollinationsImageTool()
            >>> call = {"type": "tool_call", "id": "1", "name": tool.name, "args": {"prompt": "a kite"}}
            >>> message = tool.invoke(call)
            >>> Media.from_artifact(message.artifact, store=tool.media_store).mime_type
            'image/jpeg'

        Args:
            artifact: The artifact. Its values are validated, because a checkpoint or a trace may have been changed.
            folder: Folder of the file, such as the `output_folder` of the tool. If the artifact contains a `path`, its
                file must be below this folder. If the folder is None, no file is read.
            store: Store of the bytes, such as the `media_store` of the tool or of the toolkit. The bytes must have the
                SHA-256 of the artifact.

        Raises:
            ValueError: If `artifact` is not an artifact of a media tool, if its file is not below the folder, if the
                store has other bytes, or if it has no bytes and the artifact has no URL.
        """
        check_artifact(artifact, folder)
        known = described(artifact)
        if "base64" in artifact:
            try:
                return cls(decode(artifact["base64"]), **known)
            except ValueError as error:
                raise artifact_error(str(error)) from error
        if "path" in artifact:
            return cls(None, path=resolve_below(folder, artifact["path"]), **known)
        media = cls._from_reference(artifact, store)
        if media._is_remote and media.url is None:
            where = "in no store that was given (store=...)" if store is None else "not in the store"
            raise artifact_error(f"its bytes are {where}, and it has no URL")
        return media

    @classmethod
    def _from_reference(cls, artifact: Mapping[str, Any], store: ByteStore | None = None) -> Self:
        """Restore a `Media` whose bytes are in the store. It may have no bytes and no URL."""
        digest = check_digest(artifact["sha256"])
        data = None if store is None else read_bytes(store, digest)
        return cls(b"", **described(artifact))._with(_data=data, _sha256=None if data is not None else digest)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> core_schema.CoreSchema:
        """Return a schema that accepts a `Media` or its artifact, and serializes a `Media` to its artifact.

        If an artifact contains a `path`, its file must be below the folder in the validation context. The bytes of
        other artifacts may be in the store of the context. Pass it as
        `context={"media_folder": ..., "media_store": ...}`.
        """
        artifact = core_schema.with_info_after_validator_function(_artifact_validator(cls), core_schema.dict_schema())
        return core_schema.json_or_python_schema(
            json_schema=artifact,
            python_schema=core_schema.union_schema([core_schema.is_instance_schema(cls), artifact]),
            serialization=core_schema.plain_serializer_function_ser_schema(
                lambda media: media.to_artifact(), return_schema=core_schema.dict_schema()
            ),
        )

    def _asdict(self) -> dict[str, Any]:
        """Return the arguments of the constructor. LangGraph stores them in checkpoints, to restore the `Media`."""
        held = {"data": None, "sha256": self._sha256} if self._is_remote else {"data": self.data}
        return {**held, **self._facts(), "metadata": self.metadata}

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "generator"}

    def __repr__(self) -> str:
        facts = {"url": self.url, "path": self.path, "model": self.model, "seed": self.seed, "prompt": self.prompt}
        limits = {"prompt": 60, "model": 100}
        known = ", ".join(
            f"{name}={safe_text(str(value), limits.get(name, 500))!r}"
            for name, value in facts.items()
            if value is not None
        )
        return f"{type(self).__name__}({self.mime_type!r}, {known})"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> Any:
        if self.mime_type in ("image/png", "image/jpeg") and not self._is_remote:
            size = image_size(self.data)
            shown = {"width": min(size[0], MAX_SHOWN_WIDTH)} if size else {}
            return {"text/plain": repr(self), self.mime_type: self._base64()}, {self.mime_type: shown}
        render = DISPLAYS.get(self.mime_type) or DISPLAYS.get(self.mime_type.partition("/")[0], download_html)
        source = self._source()
        page = {} if source is None else {"text/html": render(self, html.escape(source))}
        return {"text/plain": repr(self), **page}

    def _base64(self) -> str:
        return base64.b64encode(self.data).decode("ascii")

    def _source(self) -> str | None:
        """Return the `src` of an HTML element: a data URI, or the URL of a file that is large or not here. None if
        there is no URL."""
        if not self._is_remote and self.size <= MAX_SHOWN_BYTES:
            return f"data:{self.mime_type};base64,{self._base64()}"
        return self.url if self.url is not None and self.url.startswith(("http://", "https://")) else None


ID_LENGTH = 16
"""Number of characters of an id. An id is the beginning of the SHA-256 of the bytes."""


def _artifact_validator(kind: type[Media]) -> Callable[[Any, core_schema.ValidationInfo], Media]:
    def validate(artifact: Any, info: core_schema.ValidationInfo) -> Media:
        context = info.context if isinstance(info.context, Mapping) else {}
        return kind.from_artifact(artifact, context.get("media_folder"), context.get("media_store"))

    return validate
