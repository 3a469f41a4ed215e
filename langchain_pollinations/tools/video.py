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

    prompt: str = Field(description="What happens in the video, in English: subject, movement, camera, light.")
    duration: int | None = Field(default=None, ge=1, le=120, description="Duration in seconds. Omit for the default.")
    aspect_ratio: Literal["16:9", "9:16", "1:1", "4:3", "3:4"] | None = Field(
        default=None, description="Ratio of width to height. Most models accept only 16:9 and 9:16."
    )
    first_frame: str | None = Field(
        default=None, description="Id or URL of the image that the video starts with, exactly as a tool returned it."
    )
    last_frame: str | None = Field(
        default=None, description="Id or URL of the image that the video ends with. Requires first_frame."
    )
    seed: int | None = Field(default=None, ge=0, le=MAX_SEED, description="Use another seed for a different video.")


class PollinationsVideoTool(MediaTool):
    """Tool that generates short videos from a prompt and from earlier images.

        >>> PollinationsVideoTool(model="veo").invoke({"prompt": "waves at dusk"})
        '...'

    The tool takes the arguments of `PollinationsVideo` (`model`, `output_folder`, ...), or a `PollinationsVideo` as
    `wrapper=`.
    """

    _NOUN = "video"

    name: str = "generate_video"
    description: str = (
        "Generate a video of a few seconds from a text prompt. Returns the video's id and URL. "
        "Slow (minutes) and expensive. Use only when an image is not enough."
    )
    args_schema: type[BaseModel] = VideoInput

    if TYPE_CHECKING:
        __init__ = MediaTool.__init__

    wrapper: PollinationsVideo
    """Wrapper that generates the videos."""

    def _request(self, options: dict[str, Any], owner: str) -> tuple[tuple[Any, ...], dict[str, Any]]:
        for frame in {"first_frame", "last_frame"} & options.keys():
            options[frame] = self._resolve(options[frame], owner)
        return (options.pop("prompt"),), options
