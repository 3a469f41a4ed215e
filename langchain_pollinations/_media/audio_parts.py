"""Splits a long text into parts, and joins the recordings of the parts."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import partial
from typing import Any

from langchain_pollinations._catalog.capabilities import models_that_can
from langchain_pollinations._catalog.records import find
from langchain_pollinations._catalog.snapshot import abilities
from langchain_pollinations._media.audio_options import MAX_INPUT, SpeechOptions, _formats, is_of_kind, resolve_voice
from langchain_pollinations._media.prompts import check_prompt
from langchain_pollinations._media.text_splitter import DialogueTurn, parse_dialogue, size, split_dialogue, split_text
from langchain_pollinations._media.wav import join_wavs, wav_seconds
from langchain_pollinations._transport.metering import amount_text
from langchain_pollinations.errors import InvalidRequestError, InvalidResponseError, UnsupportedRequestError
from langchain_pollinations.media import Media

MAX_DIALOGUE = 2_000
"""Maximum characters of a dialogue in one request, including the names of the voices."""
MAX_VOICES = 10
"""Maximum number of voices of one dialogue."""


MAX_TEXT = 400_000
"""Maximum characters of a text that is spoken in parts. Such a text takes about seven hours. The limit exists because a
WAV file cannot exceed 4 GiB."""


# --- Input ------------------------------------------------------------------------------------------------------------


def check_input(text: Any, name: str = "prompt", longest: int = MAX_INPUT) -> str:
    """Validate a text and return it.

    Raises:
        InvalidRequestError: If the text is empty, is too long, or contains a lone surrogate.
    """
    check_prompt(text, longest, name)
    if size(text) > longest:
        raise InvalidRequestError(
            f"{name}: has {size(text)} characters (the service counts an emoji as two); at most {longest} are allowed",
            param=name,
        )
    return str(text)


def split_speech(text: Any, options: SpeechOptions) -> list[str]:
    """Split the input into one text for each request. A short input is not split.

    Raises:
        InvalidRequestError: If the input is not a text or a dialogue, or if it must be split and the recordings could
            not be joined.
    """
    if abilities(options.model).get("kind") == "dialogue":
        return _parts_of_dialogue(text, options)
    if isinstance(text, list | tuple):
        raise UnsupportedRequestError(
            f"prompt: model {options.model!r} does not accept a dialogue; models that can: "
            + ", ".join(models_that_can("audio", partial(is_of_kind, kind="dialogue"))),
            param="prompt",
        )
    text = check_input(text, "prompt", MAX_TEXT)
    if size(text) <= MAX_INPUT:
        return [text]
    check_joinable(size(text), MAX_INPUT, options)
    return split_text(text, MAX_INPUT)


def _parts_of_dialogue(text: Any, options: SpeechOptions) -> list[str]:
    turns = parse_turns(text, options.model)
    length = size("\n".join(map(str, turns)))
    if length > MAX_DIALOGUE:
        check_joinable(length, MAX_DIALOGUE, options)
    return split_dialogue(turns, MAX_DIALOGUE)


def parse_turns(text: Any, name: str) -> list[DialogueTurn]:
    """Parse a dialogue and resolve its voices.

    Raises:
        InvalidRequestError: If the input is not a dialogue, or has an unknown voice or too many voices.
    """
    turns = parse_dialogue(text if isinstance(text, list | tuple) else check_input(text, "prompt", MAX_TEXT))
    check_input("\n".join(map(str, turns)), "prompt", MAX_TEXT)
    if model := find(name):
        turns = [DialogueTurn(resolve_voice(turn.voice, model, name, "prompt"), turn.text) for turn in turns]
    if (voices := len({turn.voice for turn in turns})) > MAX_VOICES:
        raise InvalidRequestError(f"prompt: a dialogue has at most {MAX_VOICES} voices, got {voices}", param="prompt")
    return turns


def check_joinable(length: int, most: int, options: SpeechOptions) -> None:
    """Check that the format is WAV, for a text that must be split. Only WAV files can be joined without loss.

    Raises:
        InvalidRequestError: If the format is not WAV. The message names the options to use.
    """
    can = abilities(options.model)
    formats = can.get("response_formats", ())
    if (options.response_format or next(iter(formats), None)) == "wav":  # the first format is the model's default
        return
    advice = "set response_format='wav'"
    if formats and "wav" not in formats:
        kind = can.get("kind")
        others = models_that_can("audio", lambda model: is_of_kind(model, kind) and "wav" in _formats(model))
        advice += f" and use a model that supports it: {', '.join(others)}"
    raise InvalidRequestError(
        f"prompt: has {length} characters; one request accepts {most}. Longer text is generated in parts, which can be "
        f"joined without loss only as WAV: {advice}",
        param="prompt",
    )


ALIGNMENTS = ("alignment", "normalized_alignment")
"""Names of the character times. `alignment` contains the characters as sent. `normalized_alignment` contains the
characters as spoken, for example with numbers spelled out."""
CHARACTERS = "characters"
STARTS, ENDS = "character_start_times_seconds", "character_end_times_seconds"


def parse_alignment(alignment: Any) -> dict[str, list[Any]] | None:
    """Parse the times of each character. Return None if the provider did not report them.

    Raises:
        KeyError, TypeError, ValueError: If the alignment has an unexpected form.
    """
    if alignment is None:
        return None
    found: dict[str, list[Any]] = {CHARACTERS: list(map(str, alignment[CHARACTERS]))}
    found |= {name: list(map(float, alignment[name])) for name in (STARTS, ENDS)}
    if len({len(each) for each in found.values()}) != 1:
        raise ValueError("the lists differ in length")
    return found


# --- Joining ----------------------------------------------------------------------------------------------------------


def join_recordings(recordings: Sequence[Media], prompt: str) -> Media:
    """Join the recordings of the parts of a text.

    Raises:
        InvalidResponseError: If the recordings are not WAV files of the same format.
    """
    try:
        data = join_wavs([recording.data for recording in recordings])
        seconds = [wav_seconds(recording.data) for recording in recordings]
    except ValueError as error:
        types = ", ".join(dict.fromkeys(recording.mime_type for recording in recordings))
        raise InvalidResponseError(
            f"The {len(recordings)} parts of the text ({types}) cannot be joined: {error}",
            request_id=recordings[0].request_id,
        ) from error
    metadata = [recording.metadata for recording in recordings]
    costs = [recording.cost for recording in recordings]
    return Media(
        data=data,
        mime_type="audio/wav",
        model=", ".join(dict.fromkeys(recording.model or "" for recording in recordings)),
        seed=recordings[0].seed,
        prompt=prompt,
        cost=None if None in costs else amount_text(sum(map(Decimal, filter(None, costs)), Decimal(0))),
        metadata={
            **{name: value for name, value in metadata[0].items() if all(each.get(name) == value for each in metadata)},
            **_sum_metadata(metadata),
            **{
                name: _shift_times([each[name] for each in metadata], seconds)
                for name in ALIGNMENTS
                if name in metadata[0]
            },
            "request_ids": [recording.request_id for recording in recordings],
        },
    )


def _sum_metadata(metadata: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Sum the usage of all parts. The service omits usage of zero."""
    names = dict.fromkeys(name for each in metadata for name in each if name.startswith("x-usage-"))
    usage = {name: [each.get(name, "0") for each in metadata] for name in names}
    return {
        name: str(sum(map(Decimal, values)))
        for name, values in usage.items()
        if all(re.fullmatch(r"\d+(\.\d+)?", value) for value in values)
    }


def _shift_times(
    alignments: Sequence[dict[str, list[Any]] | None], seconds: Sequence[float]
) -> dict[str, list[Any]] | None:
    """Convert times within each part to times within the joined recording. Return None if a part has no times."""
    whole: dict[str, list[Any]] = {CHARACTERS: [], STARTS: [], ENDS: []}
    before = 0.0
    for alignment, duration in zip(alignments, seconds, strict=True):
        if alignment is None:
            return None
        whole[CHARACTERS] += alignment[CHARACTERS]
        for name in (STARTS, ENDS):
            whole[name] += [before + time for time in alignment[name]]
        before += duration
    return whole
