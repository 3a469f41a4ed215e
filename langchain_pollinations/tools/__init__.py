"""Tools for agents that generate images, videos, speech and music, and transcribe audio."""

from __future__ import annotations

from langchain_pollinations.tools.audio import (
    MusicInput,
    PollinationsMusicTool,
    PollinationsSpeechTool,
    PollinationsTranscribeTool,
    SpeechInput,
    TranscribeInput,
)
from langchain_pollinations.tools.base import MediaTool
from langchain_pollinations.tools.images import (
    EditImageInput,
    ImageInput,
    PollinationsEditImageTool,
    PollinationsImageTool,
)
from langchain_pollinations.tools.toolkit import PollinationsToolkit
from langchain_pollinations.tools.video import PollinationsVideoTool, VideoInput

__all__ = [
    "EditImageInput",
    "ImageInput",
    "MediaTool",
    "MusicInput",
    "PollinationsEditImageTool",
    "PollinationsImageTool",
    "PollinationsMusicTool",
    "PollinationsSpeechTool",
    "PollinationsToolkit",
    "PollinationsTranscribeTool",
    "PollinationsVideoTool",
    "SpeechInput",
    "TranscribeInput",
    "VideoInput",
]
