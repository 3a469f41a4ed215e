"""Types and names shared by all modules."""

from __future__ import annotations

from typing import Any

PROVIDER = "pollinations"
"""The name of the service in LangChain: the `model_provider` of messages, and the prefix of model names."""

Json = dict[str, Any]
"""A JSON object."""
