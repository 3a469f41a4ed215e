"""A tool that generates videos."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, Field

from langchain_pollinations._validation import MAX_SEED
from langchain_pollinations.tools.base import MediaTool
from langchain_pollinations.video import PollinationsVideo

# --- Videos -----------------------------------------------------------------------------------------------------------


class VideoInput(BaseModel):
    """Arguments that the language model chooses for a video."""

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
    """Tool that generates short videos from a prompt and from earlier images.

    Takes the arguments of `PollinationsVideo` (`model`, `output_folder`, ...), or a `PollinationsVideo` as `video=`.
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
    """Wrapper that generates the videos."""

    def _request(self, options: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        for frame in {"first_frame", "last_frame"} & options.keys():
            options[frame] = self._made(options[frame])
        return (options.pop("prompt"),), options
