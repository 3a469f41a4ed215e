"""Tools for agents: thin, over the wrappers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal, Self

from langchain_core.callbacks import AsyncCallbackManagerForToolRun, CallbackManagerForToolRun
from langchain_core.tools import BaseTool, ToolException
from pydantic import BaseModel, ConfigDict, Field, SecretStr, create_model, model_validator

from langchain_pollinations._options import MAX_SEED, describe_unknown, told
from langchain_pollinations.errors import InvalidRequestError, UnknownModelError, UnsupportedRequestError
from langchain_pollinations.images import PollinationsImage
from langchain_pollinations.media import Media


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


class PollinationsImageTool(BaseTool):
    """Lets an agent draw.

        >>> from langchain.agents import create_agent  # doctest: +SKIP
        >>> agent = create_agent(ChatPollinations(), [PollinationsImageTool()])  # doctest: +SKIP

    Takes the arguments of `PollinationsImage` itself (`model`, `width`, `api_key`, ...), or a ready `image=`. The
    model reads a sentence with the picture's public address; the `Media` travels as the artifact of the
    `ToolMessage` and comes back with `Media.from_artifact(message.artifact)`.
    """

    model_config = ConfigDict(extra="forbid", protected_namespaces=(), hide_input_in_errors=True)

    name: str = "generate_image"
    description: str = (
        "Draws a picture from a description and answers with its address. "
        "To show the picture, put the address into the answer as a Markdown image."
    )
    args_schema: type[BaseModel] = ImageInput
    response_format: Literal["content", "content_and_artifact"] = "content_and_artifact"
    handle_tool_error: Any = True
    handle_validation_error: Any = told

    image: PollinationsImage
    """What draws the pictures."""

    show: bool = False
    """Put the picture itself before the model, for models that can see."""

    models: list[str] | None = None
    """Image models from which the model may choose; without them it has no say."""

    if TYPE_CHECKING:
        # What `_build_image` makes of it, for those who read types: a painter, or the arguments of one.
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

    @model_validator(mode="before")
    @classmethod
    def _build_image(cls, values: Any) -> Any:
        """Arguments of `PollinationsImage` given to the tool make its `image`."""
        if not isinstance(values, dict):
            return values
        own = {name: value for name, value in values.items() if name in cls.model_fields}
        theirs = {name: value for name, value in values.items() if name not in cls.model_fields}
        if "image" in own and not isinstance(own["image"], PollinationsImage):
            theirs["image"] = own.pop("image")  # addresses of reference pictures
        if "image" not in own:
            own["image"] = PollinationsImage(**theirs)
        elif theirs:
            unknown = "; ".join(describe_unknown(name, cls.model_fields) for name in sorted(theirs))
            raise ValueError(f"{unknown} (arguments of PollinationsImage go into it where `image` is given)")
        return own

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

    def _run(
        self, prompt: str, run_manager: CallbackManagerForToolRun | None = None, **options: Any
    ) -> tuple[str | list[dict[str, Any]], dict[str, Any]]:
        with self._telling(options):
            return self._result(self.image.generate(prompt, **_chosen(options)))

    async def _arun(
        self, prompt: str, run_manager: AsyncCallbackManagerForToolRun | None = None, **options: Any
    ) -> tuple[str | list[dict[str, Any]], dict[str, Any]]:
        with self._telling(options):
            return self._result(await self.image.agenerate(prompt, **_chosen(options)))

    @contextmanager
    def _telling(self, options: dict[str, Any]) -> Iterator[None]:
        """Tell the model what it can correct; what is the developer's to correct travels on."""
        try:
            yield
        except UnsupportedRequestError:
            raise
        except UnknownModelError as error:
            if not options.get("model"):
                raise
            raise ToolException(str(error)) from error
        except InvalidRequestError as error:
            raise ToolException(str(error)) from error

    def __getstate__(self) -> dict[Any, Any]:
        """Without the schema that `models` made: its class stands in no module."""
        state = super().__getstate__()
        return {**state, "__dict__": {**state["__dict__"], "args_schema": ImageInput}} if self.models else state

    def __setstate__(self, state: dict[Any, Any]) -> None:
        super().__setstate__(state)
        self._offer_models()

    def _result(self, picture: Media) -> tuple[str | list[dict[str, Any]], dict[str, Any]]:
        made = f"The picture is ready, drawn by {picture.model}"
        if picture.seed is not None:
            made += f" with seed {picture.seed}"
        text = f"{made}: {picture.url}" if picture.url else f"{made}. It has no public address."
        content = [{"type": "text", "text": text}, picture.to_block()] if self.show else text
        return content, picture.to_artifact()


def _chosen(options: dict[str, Any]) -> dict[str, Any]:
    """What the model left out must not overrule what the developer set."""
    return {name: value for name, value in options.items() if value is not None}
