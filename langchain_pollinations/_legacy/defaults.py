"""Constants of the legacy hosts that are needed before a request is built."""

TEXT_HOST = "https://text.pollinations.ai"
IMAGE_HOST = "https://image.pollinations.ai"

SCOPE = "only answer chats and generate images from text prompts"

REQUEST_INTERVAL = 30.0
"""Seconds between two requests from one IP address, according to the text host's source code since late 2025."""
