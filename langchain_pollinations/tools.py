"""Tools for agents: thin, over the wrappers, and the toolkit that gives them one connection."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self, get_args

import httpx
from langchain_core.callbacks import AsyncCallbackManagerForToolRun, CallbackManagerForToolRun
from langchain_core.documents import Document
from langchain_core.tools import BaseTool, BaseToolkit, ToolException
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    SecretStr,
    ValidationError,
    create_model,
    field_validator,
    model_validator,
)

from langchain_pollinations._chat.json_schema import unpacked
from langchain_pollinations._connection import Connection
from langchain_pollinations._media.audio_options import LONGEST_VOICE
from langchain_pollinations._media.formats import sniff
from langchain_pollinations._media.media_store import Shelf
from langchain_pollinations._media.recordings import LARGEST
from langchain_pollinations._media.references import MOST, Reading
from langchain_pollinations._media.upload_cache import Uploaded
from langchain_pollinations._options import MAX_SEED, HiddenInput, PublicPickle, describe_unknown, told
from langchain_pollinations._safe_text import safe_lines, safe_text
from langchain_pollinations._transport.batch import Batches
from langchain_pollinations._transport.concurrency import in_thread
from langchain_pollinations._transport.request import Call, Flow
from langchain_pollinations._warnings import warn
from langchain_pollinations.audio import PollinationsMusic, PollinationsSpeech
from langchain_pollinations.errors import (
    KEYS_PAGE,
    ContentBlockedError,
    ContextOverflowError,
    InvalidRequestError,
    MediaInputError,
    NotFoundError,
    PayloadTooLargeError,
    UnprocessableError,
    UnsupportedRequestError,
)
from langchain_pollinations.images import PollinationsImage
from langchain_pollinations.media import Media
from langchain_pollinations.transcription import PollinationsTranscriber
from langchain_pollinations.uploads import UNKNOWN
from langchain_pollinations.video import PollinationsVideo

Content = str | list[dict[str, Any]]


def _validation_message(error: ValidationError) -> str:
    """Pydantic's findings about arguments that the model wrote."""
    return safe_text(told(error))


class MediaTool(Batches, HiddenInput, PublicPickle, BaseTool):
    """What the tools share.

    A tool takes the arguments of its wrapper (`model`, `api_key`, ...), or the wrapper itself. The model reads a
    sentence with an id and a public address; the `Media` travels as the artifact of the `ToolMessage` and comes back
    with `Media.from_artifact(message.artifact)`. With `output_folder` the media goes to a file there, under a name that
    the package chooses, and the artifact holds its path instead of its bytes.

    Errors that the model can correct become `ToolException`: those about an argument that it chose
    (`InvalidRequestError.param`), and refusals of its prompt. Others are raised. Options of the developer that the
    service's model is known not to take are refused at construction.
    """

    model_config = ConfigDict(extra="forbid", protected_namespaces=(), hide_input_in_errors=True)

    _TRANSIENT: ClassVar[frozenset[str]] = frozenset({"shelf"})
    _WRAPPER: ClassVar[str]
    """The field that holds the wrapper."""
    _VERB: ClassVar[str] = "generate"
    """What is asked of it."""
    _NOUN: ClassVar[str]

    description: str = ""
    response_format: Literal["content", "content_and_artifact"] = "content_and_artifact"
    handle_tool_error: Any = True
    handle_validation_error: Any = _validation_message

    shelf: Shelf = Field(default_factory=Shelf, repr=False, exclude=True)
    """Where a tool finds what it made, by its id. Tools that are made with `shelf=other_tool.shelf` share that of the
    other, and so find what it made, too."""

    if TYPE_CHECKING:
        # For those who read types, who would else see fields only: each tool takes the arguments of its wrapper, too.
        def __init__(self, **options: Any) -> None: ...

    @model_validator(mode="before")
    @classmethod
    def _build_wrapper(cls, values: Any) -> Any:
        """Arguments of the wrapper that are given to the tool make the wrapper."""
        if not isinstance(values, dict):
            return values
        # What a tool answers with is settled; `response_format` is that of the wrapper, such as "wav".
        fields = cls.model_fields.keys() - {"response_format"}
        own = {name: value for name, value in values.items() if name in fields}
        theirs = {name: value for name, value in values.items() if name not in fields}
        wrapper: Any = cls.model_fields[cls._WRAPPER].annotation
        if cls._WRAPPER in own and not isinstance(own[cls._WRAPPER], wrapper):
            theirs[cls._WRAPPER] = own.pop(cls._WRAPPER)  # an option of the same name: reference pictures are `image`
        if cls._WRAPPER not in own:
            own[cls._WRAPPER] = wrapper(**theirs)
        elif theirs:
            unknown = "; ".join(describe_unknown(name, cls.model_fields) for name in sorted(theirs))
            raise ValueError(f"{unknown} (arguments of {wrapper.__name__} go into it where `{cls._WRAPPER}` is given)")
        return own

    @model_validator(mode="after")
    def _check_wrapper(self) -> Self:
        self._check_options()
        return self

    @property
    def _stands_in_line(self) -> bool:
        found: bool = getattr(self, self._WRAPPER)._stands_in_line
        return found

    def __getstate__(self) -> dict[Any, Any]:
        """Without the function that is the default, which is private."""
        state = super().__getstate__()
        if self.handle_validation_error is not _validation_message:
            return state
        fields = {name: value for name, value in state["__dict__"].items() if name != "handle_validation_error"}
        return {**state, "__dict__": fields}

    def _check_options(self) -> None:
        """Refuse options of the developer that the model of the service is known not to take."""
        getattr(self, self._WRAPPER)._check_constructor()

    def _run(
        self, *words: str, run_manager: CallbackManagerForToolRun | None = None, **options: Any
    ) -> tuple[Content, dict[str, Any]]:
        options = self._named(words, options)
        with self._telling(options):
            given, chosen = self._request(_chosen(options))
            made = getattr(getattr(self, self._WRAPPER), self._VERB)(*given, **chosen)
        return self._result(made)

    async def _arun(
        self, *words: str, run_manager: AsyncCallbackManagerForToolRun | None = None, **options: Any
    ) -> tuple[Content, dict[str, Any]]:
        options = self._named(words, options)
        with self._telling(options):
            given, chosen = self._request(_chosen(options))
            made = await getattr(getattr(self, self._WRAPPER), f"a{self._VERB}")(*given, **chosen)
        result: tuple[Content, dict[str, Any]] = await in_thread(self._result, made)  # a film may be long
        return result

    def _named(self, words: Sequence[str], options: dict[str, Any]) -> dict[str, Any]:
        """The arguments by name: of a tool that is asked with words alone, they are the first."""
        schema: Any = self.args_schema
        return {**dict(zip(schema.model_fields, words, strict=False)), **options}

    def _request(self, options: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Positional and named arguments for the wrapper, from what the model chose."""
        return (options.pop("prompt"),), options

    def _result(self, made: Any) -> tuple[Content, dict[str, Any]]:
        return self._sentence(made), made.to_artifact()

    def _sentence(self, made: Media) -> str:
        text = f"The {self._NOUN} is ready (id {self.shelf.keep(made, self._secret())})"
        if model := safe_text(made.model or "", 100, [self._secret()]):
            text += f", made by {model}"
        if made.seed is not None:
            text += f" with seed {made.seed}"
        is_shown = made.url is not None and _ADDRESS.fullmatch(made.url) and self._secret() not in made.url
        return f"{text}: {made.url}" if is_shown else f"{text}. It has no public address."

    def _secret(self) -> str:
        """The key, which no message may hold."""
        key = getattr(self, self._WRAPPER).api_key
        return (key and key.get_secret_value()) or "\0"

    @contextmanager
    def _telling(self, options: Mapping[str, Any]) -> Iterator[None]:
        """Turn errors that the model can correct into a `ToolException`; raise those of the developer."""
        try:
            yield
        except InvalidRequestError as error:
            if not self._is_for_model(error, _chosen(options)):
                raise
            raise ToolException(safe_text(str(error), secrets=[self._secret()])) from error

    def _is_for_model(self, error: InvalidRequestError, chosen: Mapping[str, Any]) -> bool:
        if isinstance(error, _REFUSALS):
            return True
        names = _ARGUMENTS.get(error.param or "", (error.param,))
        if not chosen.keys().isdisjoint((*names, "model")):  # of a model that it chose, every option may be wrong
            return True
        options = type(getattr(self, self._WRAPPER)).model_fields
        is_known = error.param in _ARGUMENTS or error.param in options
        return not is_known and not isinstance(error, UnsupportedRequestError)

    def _made(self, reference: str) -> Media | str:
        """What a model names by its id or address: a media of the shelf, else words for the wrapper to read. An id
        that the shelf has forgotten is still one of the media host."""
        wrapper: Connection = getattr(self, self._WRAPPER)
        found = self.shelf.find(reference)
        if found is not None:
            return found if found.path is None or found.path.is_file() else _elsewhere(found)
        if re.fullmatch(r"[A-Za-z0-9_-]{6,128}", reference):
            return f"{wrapper._media_host}/{reference}"
        return reference


def _elsewhere(lost: Media) -> str:
    """The address of a media whose file is gone."""
    if lost.url is None:
        raise InvalidRequestError("what was kept under this id has been deleted since, and has no public address")
    return lost.url


_REFUSALS = (ContentBlockedError, ContextOverflowError, MediaInputError, UnprocessableError)
"""Errors about what the model wrote or referred to, whatever their `param`."""

_ARGUMENTS: Mapping[str, tuple[str, ...]] = {
    "image": ("images", "first_frame", "last_frame"),
    "input": ("text", "prompt"),
    "file": ("recording",),
    "size": ("width", "height"),
    "aspectRatio": ("aspect_ratio",),
    "seconds": ("duration",),
}
"""Arguments of tools that an error may be about, by the name that the wrapper or the service has for them."""

_ADDRESS = re.compile(r"https?://[!-;=?-~]{1,2000}")
"""Addresses that are shown to a model: ASCII without spaces, `<` and `>`."""


def _chosen(options: Mapping[str, Any]) -> dict[str, Any]:
    """What the model left out must not overrule what the developer set."""
    return {name: value for name, value in options.items() if value is not None}


# --- Pictures ---------------------------------------------------------------------------------------------------------


class ImageInput(BaseModel):
    """What a model may choose about a picture."""

    prompt: str = Field(description="What is to be seen, in English and in detail: subject, setting, light, style.")
    width: int | None = Field(default=None, ge=16, le=4096, description="Width in pixels. Leave out for the default.")
    height: int | None = Field(default=None, ge=16, le=4096, description="Height in pixels. Leave out for the default.")
    seed: int | None = Field(
        default=None,
        ge=0,
        le=MAX_SEED,
        description="The same seed and prompt give the same picture, another a new one.",
    )


_SEEN = ("image/png", "image/jpeg", "image/webp", "image/gif")
"""What models look at. Anything else, such as an SVG, would end this conversation: each later request holds it too."""


MOST_SHOWN = 2 * 1024 * 1024
"""Bytes of a picture that is put before a model."""


class PictureTool(MediaTool):
    """What drawing and editing share."""

    _WRAPPER = "image"
    _NOUN = "picture"

    image: PollinationsImage
    """What draws the pictures."""

    show: bool = False
    """Put the picture itself before the model, for models that can see. A picture of more than 2 MiB is not shown: each
    later request of the conversation holds it, and the service takes about 20 MiB."""

    def _result(self, made: Media) -> tuple[Content, dict[str, Any]]:
        text = self._sentence(made)
        if not self.show or made.mime_type not in _SEEN:
            return text, made.to_artifact()
        if made.size > MOST_SHOWN:
            return f"{text} It is not shown, since it has {made.size:,} bytes.", made.to_artifact()
        return [{"type": "text", "text": text}, made.to_block()], made.to_artifact()


class PollinationsImageTool(PictureTool):
    """Lets an agent draw.

        >>> from langchain.agents import create_agent  # doctest: +SKIP
        >>> agent = create_agent(ChatPollinations(), [PollinationsImageTool()])  # doctest: +SKIP

    Takes the arguments of `PollinationsImage` itself (`model`, `width`, `api_key`, ...), or a ready `image=`.
    """

    name: str = "generate_image"
    description: str = (
        "Draws a picture from a description and answers with its id and address. "
        "To show the picture, put the address into the answer as a Markdown image."
    )
    args_schema: type[BaseModel] = ImageInput

    models: list[str] | None = None
    """Image models from which the model may choose; without them it has no say."""

    if TYPE_CHECKING:
        # The arguments of most use by name.
        def __init__(
            self,
            *,
            image: PollinationsImage | str | list[str] | None = None,
            show: bool = False,
            models: list[str] | None = None,
            model: str = "flux",
            api_key: SecretStr | str | None = None,
            base_url: str | None = None,
            **options: Any,
        ) -> None: ...

    @model_validator(mode="after")
    def _check_models(self) -> Self:
        if self.models is not None and not self.models:
            raise ValueError("models: give at least one model, or leave it out")
        self._offer_models()
        return self

    def _offer_models(self) -> None:
        """Give the input schema a `model` to choose, among those that the developer named."""
        if self.models and self.args_schema is ImageInput:
            choice: Any = Literal[tuple(self.models)]
            chosen: Any = (choice | None, Field(default=None, description="The image model to draw with."))
            self.args_schema = create_model("ImageInput", __base__=ImageInput, model=chosen)

    def __getstate__(self) -> dict[Any, Any]:
        """Without the schema that `models` made: its class stands in no module."""
        state = super().__getstate__()
        return {**state, "__dict__": {**state["__dict__"], "args_schema": ImageInput}} if self.models else state

    def __setstate__(self, state: dict[Any, Any]) -> None:
        super().__setstate__(state)
        self._offer_models()


class EditImageInput(BaseModel):
    """What a model may choose about a change."""

    prompt: str = Field(description="What is to change in the picture, and what is to stay.")
    images: list[str] = Field(
        min_length=1,
        description="Ids or addresses of the pictures to start from, as you were told them. Usually one.",
    )
    seed: int | None = Field(default=None, ge=0, le=MAX_SEED, description="Another seed gives another result.")

    @field_validator("images", mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        found = unpacked(value)  # some models write a list as JSON in a string
        listed = found if isinstance(found, list) else [value] if isinstance(value, str) else value
        if isinstance(listed, list) and all(isinstance(each, str) for each in listed):
            listed = list(dict.fromkeys(listed))  # each once, however often the model named it
        if isinstance(listed, list) and len(listed) > MOST:
            raise ValueError(f"at most {MOST} pictures, not {len(listed)}")
        return listed


class PollinationsEditImageTool(PictureTool):
    """Lets an agent change a picture: one that it drew before, by its id, or one of the web.

        >>> draw = PollinationsImageTool()
        >>> edit = PollinationsEditImageTool(model="klein", shelf=draw.shelf)

    The tools of a `PollinationsToolkit` share one by themselves. Takes the arguments of `PollinationsImage` itself, or
    a ready `image=`. Files are read only below `reference_folder`, if one is named.
    """

    _VERB = "edit"

    name: str = "edit_image"
    description: str = (
        "Changes a picture as described, or makes one from several, and answers with the id and address of the new "
        "one. Takes pictures by the id or address that you were told. To show the picture, put the address into the "
        "answer as a Markdown image."
    )
    args_schema: type[BaseModel] = EditImageInput

    if TYPE_CHECKING:
        __init__ = MediaTool.__init__

    @model_validator(mode="after")
    def _check_api(self) -> Self:
        if self.image.api == "legacy":
            raise ValueError(f"api: the older image host changes no pictures; see {KEYS_PAGE} for a key")
        return self

    def _check_options(self) -> None:
        self.image._check_editing()

    def _request(self, options: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        return (options.pop("prompt"), [self._made(each) for each in options.pop("images")]), options


# --- Film -------------------------------------------------------------------------------------------------------------


class VideoInput(BaseModel):
    """What a model may choose about a film."""

    prompt: str = Field(description="What happens in the film, in English: subject, movement, camera, light.")
    duration: int | None = Field(default=None, ge=1, le=120, description="Seconds. Leave out for the default.")
    aspect_ratio: Literal["16:9", "9:16", "1:1", "4:3", "3:4"] | None = Field(
        default=None, description="Width to height. Most models know 16:9 and 9:16 only."
    )
    first_frame: str | None = Field(
        default=None, description="Id or address of a picture that the film begins with, as you were told it."
    )
    last_frame: str | None = Field(default=None, description="Id or address of a picture that the film ends with.")
    seed: int | None = Field(default=None, ge=0, le=MAX_SEED, description="Another seed gives another film.")


class PollinationsVideoTool(MediaTool):
    """Lets an agent make short films, from words and from pictures that it drew before.

    Takes the arguments of `PollinationsVideo` itself (`model`, `output_folder`, ...), or a ready `video=`.
    """

    _WRAPPER = "video"
    _NOUN = "film"

    name: str = "generate_video"
    description: str = (
        "Makes a film of some seconds from a description and answers with its id and address. This takes minutes and "
        "is dear: ask for one only where a picture would not do."
    )
    args_schema: type[BaseModel] = VideoInput

    if TYPE_CHECKING:
        __init__ = MediaTool.__init__

    video: PollinationsVideo
    """What makes the films."""

    def _request(self, options: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        for frame in {"first_frame", "last_frame"} & options.keys():
            options[frame] = self._made(options[frame])
        return (options.pop("prompt"),), options


# --- Sound ------------------------------------------------------------------------------------------------------------


class SpeechInput(BaseModel):
    """What a model may choose about speech."""

    text: str = Field(description="What is to be read aloud, word for word.")
    voice: str | None = Field(
        default=None, max_length=LONGEST_VOICE, description="Name of the voice. Leave out for the default."
    )


class PollinationsSpeechTool(MediaTool):
    """Lets an agent speak. Takes the arguments of `PollinationsSpeech` itself, or a ready `speech=`."""

    max_characters: int = Field(default=10_000, ge=1)
    """Characters that the model may have read aloud in one call. A long text takes several requests, each of which is
    billed."""

    _WRAPPER = "speech"
    _NOUN = "recording"

    name: str = "generate_speech"
    description: str = "Reads a text aloud, word for word, and answers with the id and address of the recording."
    args_schema: type[BaseModel] = SpeechInput

    if TYPE_CHECKING:
        __init__ = MediaTool.__init__

    speech: PollinationsSpeech
    """What speaks."""

    def _request(self, options: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        text = options.pop("text")
        if len(text) > self.max_characters:
            told = f"text has {len(text):,} characters; at most {self.max_characters:,} are read aloud in one call"
            raise InvalidRequestError(told, param="text")
        return (text,), options


class MusicInput(BaseModel):
    """What a model may choose about music."""

    prompt: str = Field(description="What is to be heard: style, mood, instruments, tempo, or the words of a song.")
    duration: float | None = Field(default=None, gt=0, le=380, description="Seconds. Leave out for the default.")
    instrumental: bool | None = Field(default=None, description="Whether nobody is to sing.")


class PollinationsMusicTool(MediaTool):
    """Lets an agent make music and sound effects. Takes the arguments of `PollinationsMusic` itself, or a ready
    `music=`."""

    _WRAPPER = "music"
    _NOUN = "music"

    name: str = "generate_music"
    description: str = "Makes music or a sound from a description and answers with its id and address."
    args_schema: type[BaseModel] = MusicInput

    if TYPE_CHECKING:
        __init__ = MediaTool.__init__

    music: PollinationsMusic
    """What makes the music."""


class TranscribeInput(BaseModel):
    """What a model may choose about a transcript."""

    recording: str = Field(description="Id or address of the recording, as you were told it.")
    language: str | None = Field(default=None, description="Language that is spoken, as two letters, where known.")


class PollinationsTranscribeTool(MediaTool):
    """Lets an agent listen: to what was made before, by its id, and to files below `reference_folder`.

    Takes the arguments of `PollinationsTranscriber` itself, or a ready `transcriber=`. Addresses of the web are
    refused: a model's words must not make this machine fetch things. The artifact holds the `Document`'s
    `page_content` and `metadata`.
    """

    _WRAPPER = "transcriber"

    name: str = "transcribe_audio"
    description: str = "Writes down what is said in a recording or film."
    args_schema: type[BaseModel] = TranscribeInput

    if TYPE_CHECKING:
        __init__ = MediaTool.__init__

    transcriber: PollinationsTranscriber
    """What listens."""
    reference_folder: Path | None = None
    """Below which recordings may be files. Without it none is read."""

    def _run(
        self, *words: str, run_manager: CallbackManagerForToolRun | None = None, **options: Any
    ) -> tuple[Content, dict[str, Any]]:
        options = self._named(words, options)
        with self._telling(options):
            chosen = _chosen(options)
            with _lost_told():
                recording = self.transcriber._client.run(self._recording(chosen.pop("recording")))
            return self._result(self.transcriber.transcribe(recording, **chosen))

    async def _arun(
        self, *words: str, run_manager: AsyncCallbackManagerForToolRun | None = None, **options: Any
    ) -> tuple[Content, dict[str, Any]]:
        options = self._named(words, options)
        with self._telling(options):
            chosen = _chosen(options)
            with _lost_told():
                recording = await self.transcriber._client.arun(self._recording(chosen.pop("recording")))
            return self._result(await self.transcriber.atranscribe(recording, **chosen))

    def _recording(self, reference: str) -> Flow[Media]:
        """The recording that the model named, from the shelf, a file, or the service's own media host."""
        host = self.transcriber._media_host
        named = self._made(reference)
        if isinstance(named, str):
            family = "video" if named.endswith((".mp4", ".webm")) else "audio"
            named = Reading("recording", family, self.reference_folder, host, LARGEST).one(named)
        if isinstance(named, Media):
            return named
        path = named.removeprefix(host)
        if not named.startswith(f"{host}/") or not _STORED.fullmatch(path):
            raise InvalidRequestError("recording: give the id of a recording that was made here", param="recording")
        read = partial(_fetched, url=named)
        fetched: Media = yield Call("GET", path, read, origin=host, anonymous=True, arrived=_refuse_large)
        return fetched

    def _result(self, made: Document) -> tuple[Content, dict[str, Any]]:
        text = safe_lines(made.page_content[:MOST_WRITTEN], [self._secret()]) or "Nothing is said in it."
        if (length := len(made.page_content)) > MOST_WRITTEN:
            text += f"\n(The transcript has {length:,} characters; these are the first {MOST_WRITTEN:,}.)"
        return text, {
            "type": "pollinations_transcript",
            "page_content": made.page_content,
            "metadata": made.metadata,
        }


@contextmanager
def _lost_told() -> Iterator[None]:
    """An id that the media host does not know is for the model to correct."""
    try:
        yield
    except NotFoundError as error:
        raise ToolException("recording: nothing is kept under this id (any more)") from error


MOST_WRITTEN = 100_000
"""Characters of a transcript that a model reads; the artifact has all of it."""

_STORED = re.compile(r"/(?!\.+$)[A-Za-z0-9._-]{1,200}")
"""Paths of files on the media host."""


def _refuse_large(received: int, total: int | None) -> None:
    """End a download that is larger than a recording may be, before it is in memory."""
    if max(received, total or 0) > LARGEST:
        raise PayloadTooLargeError(f"recording: is larger than {LARGEST:,} bytes", param="recording")


def _fetched(response: httpx.Response, url: str) -> Media:
    """A file of the media host. Its type is found from its bytes."""
    return Media(data=response.content, mime_type=sniff(response.content) or UNKNOWN, url=url)


# --- The toolkit ------------------------------------------------------------------------------------------------------

Name = Literal["image", "edit_image", "video", "speech", "music", "transcribe"]

_TOOLS: Mapping[str, type[MediaTool]] = {
    "image": PollinationsImageTool,
    "edit_image": PollinationsEditImageTool,
    "video": PollinationsVideoTool,
    "speech": PollinationsSpeechTool,
    "music": PollinationsMusicTool,
    "transcribe": PollinationsTranscribeTool,
}


class PollinationsToolkit(Connection, BaseToolkit):
    """The tools, over one connection, and with one memory for what they make. Agents of several users need a toolkit
    each: who knows the id of a medium can use it.

    >>> toolkit = PollinationsToolkit(
    ...     include=["image", "edit_image"], show=True, options={"image": {"width": 768, "height": 512}}
    ... )
    >>> [tool.name for tool in toolkit.get_tools()]
    ['generate_image', 'edit_image']
    """

    model_config = ConfigDict(extra="forbid")

    _OLDER: ClassVar[bool] = True

    include: list[Name] | None = None
    """Which tools. Without it all six; without a key only `image`, which works without one, with a warning."""
    show: bool = False
    """Put pictures before the model, for models that can see."""
    options: Mapping[Name, Mapping[str, Any]] = Field(default_factory=dict)
    """Arguments of single tools, such as `{"image": {"model": "zimage"}}`."""

    _shelf: Shelf = PrivateAttr(default_factory=Shelf)
    _uploaded: Uploaded = PrivateAttr(default_factory=Uploaded)

    @field_validator("options")
    @classmethod
    def _without_secrets(cls, value: Mapping[Name, Mapping[str, Any]]) -> Mapping[Name, Mapping[str, Any]]:
        """What stands here is shown and pickled as it is."""
        names = {name for options in value.values() for name in options}
        if secret := sorted(names & {"api_key", "pollinations_api_key", "default_headers"}):
            raise ValueError(f"{', '.join(secret)}: give it to the toolkit itself, whose connection all tools share")
        return value

    @field_validator("include")
    @classmethod
    def _some(cls, value: list[Name] | None) -> list[Name] | None:
        if value is not None and (not value or len(set(value)) < len(value)):
            raise ValueError(f"name each tool once, at least one of {', '.join(get_args(Name))}; or leave it out")
        return value

    @model_validator(mode="after")
    def _check_older(self) -> Self:
        if self.api == "legacy" and self.include not in (None, ["image"]):
            raise ValueError(
                f"include: the legacy hosts offer image generation only: leave it out, or get a key at {KEYS_PAGE}"
            )
        return self

    def get_tools(self) -> list[BaseTool]:
        """The tools, ready for `create_agent` or `bind_tools`."""
        if self.include is None and self._is_older:
            if self.api == "auto":
                warn(_NO_KEY)
            return [self._tool("image")]
        return [self._tool(name) for name in self.include or get_args(Name)]

    def _tool(self, name: Name) -> MediaTool:
        kind = _TOOLS[name]
        given = {**self._connected(), **self.options.get(name, {})}
        if issubclass(kind, PictureTool):
            given.setdefault("show", self.show)
        tool = kind(**given, shelf=self._shelf)
        wrapper = getattr(tool, kind._WRAPPER)
        wrapper._pool = self._pool
        if hasattr(wrapper, "_uploaded"):
            wrapper._uploaded = self._uploaded
        return tool

    def _connected(self) -> dict[str, Any]:
        """The connection fields that were set, since each wrapper has a patience of its own, and those that were found
        in the environment, which may be another one by now."""
        shared = self.model_fields_set | _FOUND
        return {name: getattr(self, name) for name in Connection.model_fields if name in shared}


_NO_KEY = (
    "No key: the toolkit offers generate_image only, which works on image.pollinations.ai. A key from "
    f"{KEYS_PAGE} in POLLINATIONS_API_KEY or api_key opens all tools; api='legacy' says that no key is meant"
)

_FOUND = frozenset({"api_key", "base_url", "legacy_text_url", "legacy_image_url"})
