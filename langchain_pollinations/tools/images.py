"""Tools that generate and edit images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import BaseModel, Field, SecretStr, create_model, field_validator, model_validator

from langchain_pollinations._chat.json_schema import unpacked
from langchain_pollinations._media.references import MAX_REFERENCES
from langchain_pollinations._validation import MAX_SEED
from langchain_pollinations.errors import KEYS_PAGE
from langchain_pollinations.images import PollinationsImage
from langchain_pollinations.media import Media
from langchain_pollinations.tools.base import Content, MediaTool

# --- Images -----------------------------------------------------------------------------------------------------------


class ImageInput(BaseModel):
    """Arguments that the language model chooses for an image."""

    prompt: str = Field(description="What is to be seen, in English and in detail: subject, setting, light, style.")
    width: int | None = Field(default=None, ge=16, le=4096, description="Width in pixels. Leave out for the default.")
    height: int | None = Field(default=None, ge=16, le=4096, description="Height in pixels. Leave out for the default.")
    seed: int | None = Field(
        default=None,
        ge=0,
        le=MAX_SEED,
        description="The same seed and prompt give the same picture, another a new one.",
    )


_VIEWABLE_TYPES = ("image/png", "image/jpeg", "image/webp", "image/gif")
"""Image types that models can read.

An unsupported type, such as SVG, would make every later request of the conversation fail, since each contains it.
"""


MAX_SHOWN_BYTES = 2 * 1024 * 1024
"""Maximum size of an image that is shown to a model, in bytes."""


class ImageTool(MediaTool):
    """Base class of the image tools."""

    _WRAPPER = "image"
    _NOUN = "picture"

    image: PollinationsImage
    """Wrapper that generates the images."""

    show: bool = False
    """Show the image to the language model, for models with image input. An image of more than 2 MiB is not shown,
    since each later request of the conversation contains it and the service accepts about 20 MiB per request."""

    def _result(self, made: Media) -> tuple[Content, dict[str, Any]]:
        text = self._sentence(made)
        if not self.show or made.mime_type not in _VIEWABLE_TYPES:
            return text, made.to_artifact()
        if made.size > MAX_SHOWN_BYTES:
            return f"{text} It is not shown, since it has {made.size:,} bytes.", made.to_artifact()
        return [{"type": "text", "text": text}, made.to_block()], made.to_artifact()


class PollinationsImageTool(ImageTool):
    """Tool that generates images.

        >>> from langchain.agents import create_agent  # doctest: +SKIP
        >>> agent = create_agent(ChatPollinations(), [PollinationsImageTool()])  # doctest: +SKIP

    Takes the arguments of `PollinationsImage` (`model`, `width`, `api_key`, ...), or a `PollinationsImage` as `image=`.
    """

    name: str = "generate_image"
    description: str = (
        "Draws a picture from a description and answers with its id and address. "
        "To show the picture, put the address into the answer as a Markdown image."
    )
    args_schema: type[BaseModel] = ImageInput

    models: list[str] | None = None
    """Image models that the language model may choose from. By default, it has no choice."""

    if TYPE_CHECKING:
        # The most common arguments by name.
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
        """Add the field `model` to the input schema, with the models that the developer allowed."""
        if self.models and self.args_schema is ImageInput:
            choice: Any = Literal[tuple(self.models)]
            chosen: Any = (choice | None, Field(default=None, description="The image model to draw with."))
            self.args_schema = create_model("ImageInput", __base__=ImageInput, model=chosen)

    def __getstate__(self) -> dict[Any, Any]:
        """The state without the generated schema of `models`: its class cannot be imported from a module."""
        state = super().__getstate__()
        return {**state, "__dict__": {**state["__dict__"], "args_schema": ImageInput}} if self.models else state

    def __setstate__(self, state: dict[Any, Any]) -> None:
        super().__setstate__(state)
        self._offer_models()


class EditImageInput(BaseModel):
    """Arguments that the language model chooses for an edit."""

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
            listed = list(dict.fromkeys(listed))  # without duplicates
        if isinstance(listed, list) and len(listed) > MAX_REFERENCES:
            raise ValueError(f"at most {MAX_REFERENCES} pictures, not {len(listed)}")
        return listed


class PollinationsEditImageTool(ImageTool):
    """Tool that edits images: earlier images, by id, or images on the web, by URL.

        >>> draw = PollinationsImageTool()
        >>> edit = PollinationsEditImageTool(model="klein", shelf=draw.shelf)

    The tools of a `PollinationsToolkit` share one store by default. Takes the arguments of `PollinationsImage`, or a
    `PollinationsImage` as `image=`. Files are read only below `reference_folder`, if it is set.
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
