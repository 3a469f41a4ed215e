"""Notices: refusals that the service sends as text with status 200. Pure functions.

The text routes send four refusals as notices (the service's `middleware/text-balance-notice.ts`, October 2026). Their
reasons are a low balance, a spent key budget, a key that can spend Quest Pollen only, and a model that the key may not
use. The legacy text host sends its migration notice in the same way.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

MIGRATION = "⚠️ **IMPORTANT NOTICE** ⚠️"

_BEGINNINGS: Mapping[str, str] = {
    "Your Pollen balance is too low": "INSUFFICIENT_BALANCE",  # until September 2026
    "The account behind this API key doesn't have enough credits": "INSUFFICIENT_BALANCE",
    "The API key used for this request has reached its budget": "KEY_BUDGET_EXHAUSTED",
    "The API key used for this request only spends Quest Pollen": "QUEST_POLLEN_ONLY",
    "The API key used for this request isn't allowed to use": "FORBIDDEN",
}
_REFS: Mapping[str, str] = {
    "agent_low_balance": "INSUFFICIENT_BALANCE",
    "agent_key_budget": "KEY_BUDGET_EXHAUSTED",
    "agent_quest_pollen_only": "QUEST_POLLEN_ONLY",
    "agent_grant": "FORBIDDEN",
}
_PAGES: Mapping[str, str] = {
    "/top-up": "INSUFFICIENT_BALANCE",
    "/edit-key": "KEY_BUDGET_EXHAUSTED",
    "/quests": "QUEST_POLLEN_ONLY",
    "/grant": "FORBIDDEN",
}
_LINK = re.compile(
    r"https://(?:staging[.-])?enter(?:[.-]staging)?\.pollinations\.ai(?=[/?#()<>\[\]\"'`*]|[.,;:!]*(?:\s|$))[^\s()<>\[\]\"'`*]*"
)


@dataclass(frozen=True)
class Notice:
    """The refusal behind a notice.

    Args:
        status: The HTTP status that the refusal has on other routes.
        code: The service's error code for the refusal.
        fix_url: URL of the page where the owner of the key can lift the refusal. None if the notice has no such URL.

    All fields are None for the migration notice.
    """

    status: int | None = None
    code: str | None = None
    fix_url: str | None = None


def is_private(headers: Mapping[str, str]) -> bool:
    """Whether a response has the header of notices, `Cache-Control: private, no-store`. Others are public responses."""
    directives = {part.strip().lower() for part in headers.get("cache-control", "").split(",")}
    return {"private", "no-store"} <= directives


def may_become_notice(text: str) -> bool:
    """Whether a text, which may be incomplete, is a notice or the beginning of one."""
    start = _normalized(text)
    return any(start.startswith(beginning) or beginning.startswith(start) for beginning in (*_BEGINNINGS, MIGRATION))


def read_notice(text: str, headers: Mapping[str, str], total_tokens: int | None) -> Notice | None:
    """Return the refusal of a response, or None for a message of a model.

    Args:
        text: The whole text of the response.
        headers: The headers of the response.
        total_tokens: The token usage of the response; None if it has none. A usage above 0 means that the text is from
            a model, which may quote a notice.
    """
    if total_tokens:
        return None
    start, links = _normalized(text), fix_links(text)
    if start.startswith(MIGRATION):
        is_migration = all(word in text.lower() for word in ("pollinations", "legacy"))
        return Notice() if is_migration else None
    code = next((code for beginning, code in _BEGINNINGS.items() if start.startswith(beginning)), None)
    if code is None and links and (total_tokens == 0 or is_private(headers)):
        code = _code_of(links[0])  # for an unknown wording
    if code is None or not (links or is_private(headers)):
        return None
    return Notice(403 if code == "FORBIDDEN" else 402, code, fix_page(links))


def fix_links(text: str) -> list[str]:
    """Return the URLs of the service's account pages in a text, in order."""
    return [found.rstrip(".,;:!?") for found in _LINK.findall(text)]


def fix_page(links: list[str]) -> str | None:
    """Return the first page that can lift a refusal. The quests page earns Pollen, but lifts no refusal by itself."""
    return next((link for link in links if urlsplit(link).path not in ("", "/", "/quests")), None)


def _normalized(text: str) -> str:
    return text.lstrip().replace("\u2019", "'")


def _code_of(link: str) -> str:
    parts = urlsplit(link)
    ref = parse_qs(parts.query).get("ref", [""])[0]
    found = next((code for beginning, code in _REFS.items() if ref.startswith(beginning)), None)
    return found or _PAGES.get(parts.path, "PAYMENT_REQUIRED")
