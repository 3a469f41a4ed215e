"""The information that LangChain reads from a chat model: profile, parameters for traces and caches, token counts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from typing import Any, Self

from langchain_core.language_models import LangSmithParams, ModelProfile
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.load import dumpd
from langchain_core.messages import BaseMessage
from langchain_core.messages.utils import count_tokens_approximately
from pydantic import PrivateAttr, model_validator

from langchain_pollinations._chat.options import ChatOptions, wire_options
from langchain_pollinations._config.host_choice import LegacyConfig
from langchain_pollinations._types import PROVIDER, Json


class ModelInfo(LegacyConfig, ChatOptions, BaseChatModel):
    """Base class of `ChatPollinations` with the information that LangChain reads from a model."""

    # --- Profile ---

    def _resolve_model_profile(self) -> ModelProfile | None:
        if self._uses_legacy:
            from langchain_pollinations._legacy.models import profile

            return profile(self.model)
        from langchain_pollinations._catalog import records

        return records.profile(self.model)

    @model_validator(mode="after")
    def _check_profile_keys(self) -> Self:
        """Warn about unknown keys as LangChain does, which takes as long as the rest of the constructor. A test checks
        the built-in profiles instead."""
        return self if _is_snapshot_profile(self.profile) else super()._check_profile_keys()  # type: ignore[operator]

    @model_validator(mode="before")
    @classmethod
    def _drop_profile_of_another(cls, values: Any) -> Any:
        """Drop a built-in profile: LangChain's configurable models are built from the fields of a different model."""
        if isinstance(values, dict) and _is_snapshot_profile(values.get("profile")):
            return {name: value for name, value in values.items() if name != "profile"}
        return values

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        if name in _MODEL_FIELDS:
            self._follow_model()

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        copied = super().model_copy(update=update, deep=deep)
        copied._described = None
        if update:
            copied._follow_model()
        return copied

    def _follow_model(self) -> None:
        if _is_snapshot_profile(self.profile):
            self.profile = self._resolve_model_profile()

    def _profile_of(self, model: str | None) -> Mapping[str, Any]:
        """Return the profile of the model that a call uses. A call may override the model of this instance."""
        if self._uses_legacy or model in (None, self.model):
            return self.profile or {}
        from langchain_pollinations._catalog import records

        return records.profile(str(model)) or {}

    def _can_force(self, model: str | None) -> bool:
        """Whether a model can be forced to call a tool. The result is True if this is unknown.

        The result is also True for a model without tools. Such a model rejects "auto" too, which would replace a forced
        tool choice.
        """
        profile = self._profile_of(model)
        return profile.get("tool_choice") is not False or profile.get("tool_calling") is False

    # --- Traces and caches ---

    _described: Json | None = PrivateAttr(None)

    @property
    def _serialized(self) -> Json:
        """The serialized model, for traces.

        LangChain stores it in `__dict__`. From Python 3.12 on, the first calls of several threads then fail, because
        one of them serializes the fields of the model while another adds the result to them.
        """
        described = self._described
        if described is None:
            self._described = described = dumpd(self)
        return described

    def _get_llm_string(self, stop: list[str] | None = None, **kwargs: Any) -> str:
        """Return the key for LangChain's cache.

        The key contains the serialized model, which is stored. It is removed first, because it does not follow later
        changes of the model. The values of `extra_headers` may be secrets, and the
        cache may be a file, so the key contains their SHA-256.
        """
        self._described = None
        return super()._get_llm_string(stop, **_replace_headers(kwargs, lambda value: sha256(value).hexdigest()))

    def _get_invocation_params(self, stop: list[str] | None = None, **kwargs: Any) -> dict[str, Any]:
        """Return the parameters for a trace, without the values of `extra_headers`, which may be secrets."""
        return super()._get_invocation_params(stop, **_replace_headers(kwargs, lambda value: "***"))

    @property
    def model_name(self) -> str:
        """Same as `model`, under the name that some integrations of LangChain read."""
        return self.model

    @property
    def _llm_type(self) -> str:
        return "pollinations-chat"

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        params = LangSmithParams(
            ls_provider=PROVIDER,
            ls_model_name=kwargs.get("model") or kwargs.get("model_name") or self.model,
            ls_model_type="chat",
        )
        options = {**self._own_options(), **kwargs}
        if (temperature := options.get("temperature")) is not None:
            params["ls_temperature"] = temperature
        if (max_tokens := options.get("max_tokens") or options.get("max_completion_tokens")) is not None:
            params["ls_max_tokens"] = max_tokens
        if stop := stop or options.get("stop"):
            params["ls_stop"] = [stop] if isinstance(stop, str) else stop
        return params

    def _own_options(self) -> Json:
        return wire_options(self, ChatOptions.model_fields)

    # --- Token counts, without a tokenizer, which would require a download ---

    def get_token_ids(self, text: str) -> list[int]:
        """Return placeholder token ids, about one per four characters. Only the number of ids is meaningful."""
        if self.custom_get_token_ids is not None:
            return self.custom_get_token_ids(text)
        return list(range(-(-len(text) // 4)))

    def get_num_tokens_from_messages(self, messages: list[BaseMessage], tools: Sequence[Any] | None = None) -> int:
        if self.custom_get_token_ids is not None:
            return super().get_num_tokens_from_messages(messages, tools)
        from langchain_pollinations._chat.tools import encode_tool

        described = None if tools is None else [encode_tool(tool) for tool in tools]
        return count_tokens_approximately(messages, tools=described)  # type: ignore[arg-type]


_MODEL_FIELDS = frozenset({"model", "api", "api_key", "base_url", "default_headers"})
"""Fields that determine the profile of the model."""


def _is_snapshot_profile(profile: ModelProfile | None) -> bool:
    """Whether a profile is built in, rather than set by the caller."""
    if profile is None:
        return False
    from langchain_pollinations._catalog.records import ships
    from langchain_pollinations._legacy.models import PROFILE

    return profile == PROFILE or ships(profile)


def _replace_headers(options: Json, replace: Callable[[bytes], str]) -> Json:
    """Return the options of a call with other values of `extra_headers`."""
    headers = options.get("extra_headers")
    if not headers or not isinstance(headers, Mapping):
        return options
    replaced = {str(name): replace(str(value).encode("utf-8", "surrogatepass")) for name, value in headers.items()}
    return {**options, "extra_headers": replaced}
