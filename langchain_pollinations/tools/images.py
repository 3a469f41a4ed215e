"""Tools that generate and edit images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import BaseModel, Field, SecretStr, create_model, field_validator, model_validator

from langchain_pollinations._chat.json_schema import unpacked
from langchain_pollinations._media.references import MAX_REFERENCES, References
from langchain_pollinations._validation import MAX_SEED
from langchain_pollinations.images import PollinationsImage
from langchain_pollinations.media import Media
from langchain_pollinations.tools.base import Content, MediaTool
from langchain_pollinations.tools.result_text import explain_not_shown

# --- Images -----------------------------------------------------------------------------------------------------------


class ImageInput(BaseModel):
    """Arguments that the language model chooses for an image."""

    prompt: str = Field(description="What the image shows, in detailed English: subject, setting, light, style.")
    width: int | None = Field(default=None, ge=16, le=4096, description="Width in pixels. Omit for the default.")
    height: int | None = Field(default=None, ge=16, le=4096, description="Height in pixels. Omit for the default.")
    seed: int | None = Field(
        default=None,
        ge=0,
        le=MAX_SEED,
        description="Use another seed for a different image. Equal arguments and seed give the same image.",
    )


_VIEWABLE_TYPES = ("image/png", "image/jpeg", "image/webp", "image/gif")
"""Image types that models can read.

Every later request of the conversation contains the image. An unsupported type, such as SVG, would make all these
requests fail.
"""


MAX_SHOWN_BYTES = 2 * 1024 * 1024
"""Maximum size of an image that is shown to a model, in bytes."""


class ImageTool(MediaTool):
    """Base class of the image tools."""

    _NOUN = "image"

    wrapper: PollinationsImage
    """Wrapper that generates the images."""

    show: bool = False
    """Show the image to the language model, for models with image input. An image of more than 2 MiB is not shown. Each
    later request of the conversation contains the newest shown images: as many as the model accepts, and at most 16 MiB
    as base64. The tool message holds the shown image, so checkpoints contain it too."""

    def _content(self, text: str, media: Media) -> Content:
        if not self.show or media.mime_type not in _VIEWABLE_TYPES:
            return text
        if media.size > MAX_SHOWN_BYTES:
            return f"{text} {explain_not_shown(media, MAX_SHOWN_BYTES)}"
        return [{"type": "text", "text": text}, media.to_block()]


class PollinationsImageTool(ImageTool):
    """Tool that generates images.

        >>> from langchain.agents import create_agent
        >>> agent = create_agent(ChatPollinations(), [PollinationsImageTool(width=512, height=512)])
        >>> state = agent.invoke({"messages": [("user", "Draw a lighthouse.")]})

    The tool takes the arguments of `PollinationsImage` (`model`, `width`, `output_folder`, `api_key`, ...), or a
    `PollinationsImage` as `wrapper=`. `image=` sets reference images for every call.
    """

    name: str = "generate_image"
    description: str = (
        "Generate an image from a text prompt. Returns the image's id and URL. "
        "To show the image to the user, put the URL into your answer as a Markdown image."
    )
    args_schema: type[BaseModel] = ImageInput

    models: list[str] | None = None
    """Image models that the language model may choose from. By default, it cannot choose."""

    if TYPE_CHECKING:
        # The most common arguments by name.
        def __init__(
            self,
            *,
            wrapper: PollinationsImage | None = None,
            image: References | None = None,
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
            raise ValueError("models: must name at least one model, or be None")
        self._offer_models()
        return self

    def _offer_models(self) -> None:
        """Add the field `model` to the input schema, with the models that the developer allowed."""
        if self.models and self.args_schema is ImageInput:
            choice: Any = Literal[tuple(self.models)]
            chosen: Any = (choice | None, Field(default=None, description="Image model to use. Omit for the default."))
            self.args_schema = create_model("ImageInput", __base__=ImageInput, model=chosen)

    def __getstate__(self) -> dict[Any, Any]:
        """Return the state without the generated input schema. Its class is in no module, so it cannot be pickled."""
        state = super().__getstate__()
        return {**state, "__dict__": {**state["__dict__"], "args_schema": ImageInput}} if self.models else state

    def __setstate__(self, state: dict[Any, Any]) -> None:
        super().__setstate__(state)
        self._offer_models()


class EditImageInput(BaseModel):
    """Arguments that the language model chooses for an edit."""

    prompt: str = Field(description="What to change in the image, and what to keep.")
    images: list[str] = Field(
        min_length=1,
        description="Ids or URLs of the input images, exactly as a tool or the user gave them. Usually one.",
    )
    seed: int | None = Field(default=None, ge=0, le=MAX_SEED, description="Use another seed for a different result.")

    @field_validator("images", mode="before")
    @classmethod
    def _parse_images(cls, value: Any) -> Any:
        parsed = unpacked(value)  # some models write a list as JSON in a string
        images = parsed if isinstance(parsed, list) else [value] if isinstance(value, str) else value
        if isinstance(images, list) and all(isinstance(each, str) for each in images):
            images = list(dict.fromkeys(images))  # without duplicates
        if isinstance(images, list) and len(images) > MAX_REFERENCES:
            raise ValueError(f"at most {MAX_REFERENCES} images, not {len(images)}")
        return images


class PollinationsEditImageTool(ImageTool):
    """Tool that edits images. It accepts earlier images by id, and images on the web by URL.

        >>> draw = PollinationsImageTool()
        >>> edit = PollinationsEditImageTool(model="klein", media_store=draw.media_store)

    The tools of a `PollinationsToolkit` share one store by default. The tool takes the arguments of
    `PollinationsImage`, or a `PollinationsImage` as `wrapper=`. Only files below `reference_folder` are read. Without
    `reference_folder`, no file is read.
    """

    _VERB = "edit"

    name: str = "edit_image"
    description: str = (
        "Edit an image, or combine several images into one. Returns the id and URL of the new image. Refer to images "
        "by the ids or URLs that tools returned or the user gave. To show the image to the user, put the URL into "
        "your answer as a Markdown image."
    )
    args_schema: type[BaseModel] = EditImageInput

    if TYPE_CHECKING:
        __init__ = MediaTool.__init__

    def _check_options(self) -> None:
        self.wrapper._check_editing()

    def _request(self, options: dict[str, Any], owner: str) -> tuple[tuple[Any, ...], dict[str, Any]]:
        images = [self._resolve(each, owner) for each in options.pop("images")]
        return (options.pop("prompt"), images), options
