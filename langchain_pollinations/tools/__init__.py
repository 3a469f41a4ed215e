"""Tools with which an agent generates images, video, speech and music, and transcribes recordings."""

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
