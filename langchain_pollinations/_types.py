"""Types and names that all modules share."""

from __future__ import annotations

from typing import Any

PROVIDER = "pollinations"
"""The name of the service in LangChain: `model_provider` of messages, the prefix of model names."""

Json = dict[str, Any]
"""A JSON object."""
