"""Long texts in parts, and the turns of dialogues."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from langchain_pollinations._media.text_splitter import DialogueTurn, parse_dialogue, size, split_dialogue, split_text
from langchain_pollinations.errors import InvalidRequestError

TEXTS = st.text() | st.text(alphabet="ab .,!?。，\n\t\u3000é́👍🏽\u200d", max_size=400)


@given(TEXTS, st.integers(2, 60))
def test_parts_are_the_text_but_for_the_whitespace_between_them(text: str, most: int) -> None:
    place = 0
    for part in split_text(text, most):
        assert part
        assert part == part.strip()
        assert size(part) <= most
        found = text.index(part, place)
        assert not text[place:found].strip()
        place = found + len(part)
    assert not text[place:].strip()


@pytest.mark.parametrize(
    ("text", "most", "parts"),
    [
        ("One. Two. Three.", 10, ["One. Two.", "Three."]),
        ("One, two; three four five.", 12, ["One, two;", "three four", "five."]),
        ("He said “Go!” Then he went.", 16, ["He said “Go!”", "Then he went."]),
        ("A title\nand its text", 14, ["A title", "and its text"]),
        ("3.14 is pi. 2.72 is not.", 14, ["3.14 is pi.", "2.72 is not."]),
        ("今天下雨。明天晴朗，很好。", 8, ["今天下雨。", "明天晴朗，很好。"]),
        ("今天下雨明天晴朗，很好", 10, ["今天下雨明天晴朗，", "很好"]),
        ("今天下雨明天晴朗", 5, ["今天下雨明", "天晴朗"]),
        ("कल। आज है।", 6, ["कल।", "आज है।"]),
        ("👍👍👍", 3, ["👍", "👍", "👍"]),
        ("ab👍🏽cd", 5, ["ab", "👍🏽c", "d"]),
        ("xe\u0301e\u0301", 4, ["xe\u0301", "e\u0301"]),
        ("a👩\u200d🚀", 4, ["a", "👩\u200d🚀"[:2], "🚀"]),
        ("word", 4, ["word"]),
        ("  word\n", 4, ["word"]),
        (" \n", 4, []),
    ],
)
def test_a_text_is_cut_where_a_speaker_would_breathe(text: str, most: int, parts: list[str]) -> None:
    assert split_text(text, most) == parts


def test_a_dialogue_is_read_from_lines_or_from_pairs() -> None:
    turns = [DialogueTurn("nova", "Hello: you?"), DialogueTurn("echo", "Hi there.")]
    assert parse_dialogue("nova: Hello: you?\r\n\n echo :Hi there. \n") == turns
    assert parse_dialogue([("nova", "Hello: you?"), ["echo", "Hi\nthere."]]) == turns


@pytest.mark.parametrize(
    ("given_", "says"),
    [
        ("nova: Hi\nand so on", "line 2 .'and so on'. is no turn of the form 'voice: words'"),
        ("nova:\n", "line 1"),
        (": Hi", "line 1"),
        ([("nova", "Hi"), ("echo",)], "turn 2 is no pair"),
        ([("nova", " ")], "turn 1 is no pair"),
        ([("nova: Hi", "x")], "turn 1 is no pair"),
        ([("nova", 5)], "turn 1 is no pair"),
        (["nova"], "turn 1 is no pair"),
        ([], "not empty"),
    ],
)
def test_what_is_no_turn_is_named(given_: Any, says: str) -> None:
    with pytest.raises(InvalidRequestError, match=says):
        parse_dialogue(given_)


def test_dialogues_are_cut_between_turns() -> None:
    turns = [
        DialogueTurn("nova", "a" * 10),
        DialogueTurn("echo", "b" * 10),
        DialogueTurn("nova", "One sentence. Another one."),
    ]
    assert split_dialogue(turns, 33) == [f"nova: {'a' * 10}\necho: {'b' * 10}", "nova: One sentence. Another one."]
    assert split_dialogue(turns[2:], 25) == ["nova: One sentence.", "nova: Another one."]
