"""The choice between gen.pollinations.ai and the legacy hosts, and the settings of the legacy hosts."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from langchain_core.utils import from_env
from pydantic import Field, PrivateAttr

from langchain_pollinations._config.identity import user_agent
from langchain_pollinations._config.service import ServiceConfig
from langchain_pollinations._legacy.defaults import IMAGE_HOST, REQUEST_INTERVAL, TEXT_HOST
from langchain_pollinations._transport.call_settings import RequestSettings
from langchain_pollinations._transport.headers import has_authorization
from langchain_pollinations._warnings import warn
from langchain_pollinations.errors import KEYS_PAGE

if TYPE_CHECKING:
    from langchain_pollinations._legacy.hosts import LegacyHosts
    from langchain_pollinations._transport.client import Client


class LegacyConfig(ServiceConfig):
    """Mixin for wrappers whose requests the legacy hosts support."""

    _LEGACY_SUPPORTED: ClassVar[bool] = True

    legacy_text_url: str = Field(
        default_factory=lambda: from_env("POLLINATIONS_LEGACY_TEXT_URL", default=TEXT_HOST)() or TEXT_HOST,
        validate_default=True,
    )
    """Origin of the legacy text host. None reads `POLLINATIONS_LEGACY_TEXT_URL` from the environment."""

    legacy_image_url: str = Field(
        default_factory=lambda: from_env("POLLINATIONS_LEGACY_IMAGE_URL", default=IMAGE_HOST)() or IMAGE_HOST,
        validate_default=True,
    )
    """Origin of the legacy image host. None reads `POLLINATIONS_LEGACY_IMAGE_URL` from the environment."""

    legacy_interval: float = Field(default=REQUEST_INTERVAL, ge=0, allow_inf_nan=False)
    """Seconds between two requests to the legacy hosts. These hosts accept one request at a time, and one request per
    30 s and IP address. All models and tools of the process share one first-come, first-served queue. 0 disables the
    wait. With any other value, `batch` on the legacy hosts runs its inputs one after another."""

    legacy_max_wait: float | None = Field(default=None, ge=0)
    """Seconds that each attempt of a call may wait in the queue of the legacy hosts. If the first attempt would wait
    longer, the call raises a `RateLimitError` at once. If a retry would wait longer, the call raises the error of the
    last attempt. None is no limit."""

    _warned: bool = PrivateAttr(default=False)

    @property
    def _uses_legacy(self) -> bool:
        """Whether calls go to the legacy hosts. `auto` with a custom `base_url` never uses them, even without a key."""
        if self.api != "auto":
            return self.api == "legacy"
        if not (self._KEY_REQUIRED and self._is_official):
            return False
        return not has_authorization(self.default_headers) and self._find_key() is None

    @property
    def _is_queued(self) -> bool:
        return self._uses_legacy and self.legacy_interval > 0

    def _client_with(self, settings: RequestSettings) -> Client:
        """Return the client for one call. A client for the legacy hosts has no credentials or identifying headers."""
        if not self._uses_legacy:
            return super()._client_with(settings)
        if self.api == "auto" and not self._warned:
            self._warned = True
            warn(_NO_KEY_WARNING)
        return self._cached(settings, True, lambda: self._build_client(settings, user_agent()))

    def _legacy_hosts(self) -> LegacyHosts:
        from langchain_pollinations._legacy.hosts import LegacyHosts
        from langchain_pollinations._legacy.rate_limiter import Slot

        limits = [limit for limit in (self.legacy_max_wait, self.total_timeout) if limit is not None]
        limiter = Slot(self.legacy_interval, min(limits, default=None), self.on_wait)
        return LegacyHosts(self.legacy_text_url, self.legacy_image_url, limiter)

    def _settled(self) -> dict[str, str]:
        """Return `{"api": "gen"}` if `auto` may have chosen gen.pollinations.ai because of a key. The key is not
        written. An object that is loaded without a key must not use the legacy hosts instead."""
        depends = self.api == "auto" and self._is_official and not self._uses_legacy
        return {"api": "gen"} if depends else {}


_NO_KEY_WARNING = (
    "No key: requests go to the legacy hosts, text.pollinations.ai and image.pollinations.ai, which have one model "
    f"each and accept one request per {REQUEST_INTERVAL:.0f} s. For all models, get a key at {KEYS_PAGE} and set "
    "POLLINATIONS_API_KEY or api_key. To silence this warning, set api='legacy'"
)
