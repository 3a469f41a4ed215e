"""Reasoning in every form that the service sends it, and what of it goes back."""

from __future__ import annotations

from operator import itemgetter
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage

from langchain_pollinations.chat_models import ChatPollinations
from langchain_pollinations.emulator import Emulator
from langchain_pollinations.errors import InvalidRequestError
from tests.helpers.ask import Ask, blocks

THOUGHT = "Berlin? Yes, since 1990."
DETAILS = [{"type": "reasoning.text", "text": THOUGHT, "format": "unknown", "index": 0}]
SIGNED = {"type": "thinking", "thinking": THOUGHT, "signature": "c2lnbmVk"}
HIDDEN = {"type": "redacted_thinking", "data": "aGlkZGVu"}
SAID = {"type": "text", "text": "Yes."}

# name, message on the wire, reasoning, what stands beside it
FORMS_OF_REASONING: list[tuple[str, dict[str, Any], str, dict[str, Any]]] = [
    ("reasoning_content", {"content": "Yes.", "reasoning_content": THOUGHT}, THOUGHT, {}),
    ("reasoning", {"content": "Yes.", "reasoning": THOUGHT}, THOUGHT, {}),
    ("reasoning_details", {"content": "Yes.", "reasoning_details": DETAILS}, THOUGHT, {}),
    (
        "summary in the details",
        {"content": "Yes.", "reasoning_details": [{"type": "reasoning.summary", "summary": THOUGHT, "index": 0}]},
        THOUGHT,
        {},
    ),
    ("signed block", {"content": "Yes.", "content_blocks": [SIGNED, SAID]}, THOUGHT, {"signature": "c2lnbmVk"}),
    ("hidden block", {"content": "Yes.", "content_blocks": [HIDDEN, SAID]}, "", {"redacted": ["aGlkZGVu"]}),
    (
        "signed and hidden",
        {"content": "Yes.", "content_blocks": [SIGNED, HIDDEN, SAID]},
        THOUGHT,
        {"signature": "c2lnbmVk", "redacted": ["aGlkZGVu"]},
    ),
    (
        "two signed blocks",
        {"content": "Yes.", "content_blocks": [SIGNED, {**SIGNED, "thinking": "Sure.", "signature": "dHdv"}, SAID]},
        f"{THOUGHT}\n\nSure.",
        {"signatures": ["c2lnbmVk", "dHdv"]},
    ),
    ("encrypted details", {"content": "Yes.", "reasoning_details": [{"type": "reasoning.encrypted", "data": "ZW4="}]},
     "", {"redacted": ["ZW4="]}),
    ("<think> at the head", {"content": f"<think>\n{THOUGHT}\n</think>\n\nYes."}, THOUGHT, {}),
    ("content as parts", {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": THOUGHT}]}, SAID]},
     THOUGHT, {}),
    ("two fields at once", {"content": "Yes.", "reasoning_content": THOUGHT, "reasoning": THOUGHT}, THOUGHT, {}),
    (
        "field, details and block at once",
        {"content": "Yes.", "reasoning": THOUGHT, "reasoning_details": DETAILS, "content_blocks": [SIGNED, SAID]},
        THOUGHT,
        {"signature": "c2lnbmVk"},
    ),
    ("field and <think>", {"content": f"<think>{THOUGHT}</think>Yes.", "reasoning_content": THOUGHT}, THOUGHT, {}),
    (
        "two that say different things",
        {"content": "Yes.", "reasoning_content": "A summary.", "content_blocks": [SIGNED, SAID]},
        f"A summary.\n\n{THOUGHT}",
        {"signature": "c2lnbmVk"},
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("message", "reasoning", "extras"),
    [row[1:] for row in FORMS_OF_REASONING],
    ids=[row[0] for row in FORMS_OF_REASONING],
)
def test_reasoning_is_a_block_and_no_text(
    emulator: Emulator,
    ask: Ask,
    message: dict[str, Any],
    reasoning: str,
    extras: dict[str, Any],
) -> None:
    emulator.reply(message=message, dialect="plain")
    answer = ask(ChatPollinations(**emulator.connection()), "Is Berlin the capital of Germany?")
    thought, text = sorted(blocks(answer), key=itemgetter("type"))  # a stream has them in the order they arrived in
    assert thought == {"type": "reasoning", "reasoning": reasoning, **({"extras": extras} if extras else {})}
    assert text == {"type": "text", "text": "Yes."}
    assert answer.text == "Yes."


DIALECTS = {  # and a model whose provider speaks so
    "plain": "moonshotai/kimi-k2.6",
    "responses": "openai/gpt-5.4",
    "openrouter": "stepfun/step-3.7-flash",
    "bedrock": "anthropic/claude-fable-5.1",
    "vertex": "google/gemini-3.1-pro-preview",
    "simulated": "z-ai/glm-5.2",
    "perplexity": "perplexity/sonar-reasoning-pro",
}


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_provider_reasons_alike(emulator: Emulator, ask: Ask, dialect: str) -> None:
    emulator.reply(message={"content": "Yes.", "reasoning_content": THOUGHT}, dialect=dialect)
    answer = ask(ChatPollinations(**emulator.connection()), "Is Berlin the capital of Germany?")
    thought, text = sorted(blocks(answer), key=itemgetter("type"))
    assert (thought["type"], thought["reasoning"]) == ("reasoning", THOUGHT)
    assert text == {"type": "text", "text": "Yes."}


def test_a_thought_without_an_answer_is_no_text(emulator: Emulator, ask_in_any_form: Ask) -> None:
    for message in ({"content": None, "reasoning_content": THOUGHT}, {"content": f"<think>{THOUGHT}"}):
        emulator.reply(message=message, finish_reason="length", dialect="plain")
        answer = ask_in_any_form(ChatPollinations(**emulator.connection()), "Think")
        assert blocks(answer) == [{"type": "reasoning", "reasoning": THOUGHT}]
        assert answer.text == ""
        assert answer.response_metadata["finish_reason"] == "length"


@pytest.mark.parametrize(
    "text",
    [
        "The tag <think> opens a thought, </think> closes it.",
        "\n  <b>bold</b>",
        "<thinker> is no tag",
        "<",
        "<thin",
        "```html\n<think>\n```",
    ],
)
def test_words_about_the_tag_are_words(emulator: Emulator, ask: Ask, text: str) -> None:
    emulator.reply(text)
    answer = ask(ChatPollinations(**emulator.connection()), "Explain")
    assert answer.text == text
    assert "reasoning_content" not in answer.additional_kwargs


def test_a_second_form_with_other_marks_is_no_second_answer(emulator: Emulator, ask: Ask) -> None:
    parts = [{"type": "text", "text": "Paris is big"}, {"type": "text", "text": " and old"}]
    emulator.reply(message={"content": "Paris is big[1] and old[2]", "content_blocks": parts}, dialect="simulated")
    assert ask(ChatPollinations(**emulator.connection()), "Go").text == "Paris is big[1] and old[2]"


@pytest.mark.parametrize("effort", ["none", "minimal", "low", "medium", "high", "xhigh", "max"])
def test_every_effort_is_sent(emulator: Emulator, effort: Any) -> None:
    chat = ChatPollinations(**emulator.connection())
    chat.invoke("Think", reasoning_effort=effort)
    ChatPollinations(**emulator.connection(), reasoning_effort=effort).invoke("Think")
    assert [request.json["reasoning_effort"] for request in emulator.requests] == [effort, effort]


def test_another_effort_is_refused_before_the_call(emulator: Emulator) -> None:
    chat = ChatPollinations(**emulator.connection())
    with pytest.raises(InvalidRequestError, match="reasoning_effort.*'minimal'.*'max'"):
        chat.invoke("Think", reasoning_effort="very")
    assert emulator.requests == []


# --- What goes back ---------------------------------------------------------------------------------------------------

CALL = {"id": "a", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}
SIGNED_CALL = {**CALL, "function": {**CALL["function"], "thought_signature": "dGhvdWdodA=="}}

# fields of the assistant's message on the wire, as they came and as they must go back
GIVEN_BACK: dict[str, dict[str, Any]] = {
    "reasoning_content": {"reasoning_content": THOUGHT},
    "reasoning": {"reasoning": THOUGHT},
    "reasoning and details": {"reasoning": THOUGHT, "reasoning_details": DETAILS},
    "signed blocks": {"content_blocks": [SIGNED, HIDDEN, SAID]},
    "signed call": {"tool_calls": [SIGNED_CALL]},
}


@pytest.mark.parametrize("field", GIVEN_BACK)
def test_thoughts_go_back_as_they_came(emulator: Emulator, ask: Ask, field: str) -> None:
    emulator.reply(message={"content": "Yes.", "tool_calls": [CALL], **GIVEN_BACK[field]}, dialect="simulated")
    emulator.reply("Done.")
    chat = ChatPollinations(**emulator.connection())
    answer = ask(chat, "Add")
    chat.invoke([HumanMessage("Add"), answer, ToolMessage("1", tool_call_id="a"), HumanMessage("And?")])
    sent = emulator.requests[-1].json["messages"][1]
    assert sent == {"role": "assistant", "content": "Yes.", "tool_calls": [CALL], **GIVEN_BACK[field]}


@pytest.mark.parametrize(
    ("asked", "then", "goes_back"),
    [
        ("claude", "claude", True),
        ("claude", "anthropic/claude-opus-5", True),  # of the same maker
        ("claude", "google/gemini-3.1-pro-preview", False),
        ("openai", "claude", False),
        ("community/ann/bot", "community/ann/other", True),
        ("community/ann/bot", "community/bob/bot", False),
    ],
)
def test_signatures_go_to_their_maker_only(emulator: Emulator, asked: str, then: str, goes_back: bool) -> None:
    made = {"model_provider": "pollinations", "requested_model": asked, "model_name": "served-by-some-route"}
    kept = {"content_blocks": [SIGNED, SAID], "reasoning_details": DETAILS, "reasoning_content": THOUGHT}
    history = [HumanMessage("Hi"), AIMessage("Yes.", additional_kwargs=kept, response_metadata=made), HumanMessage("?")]
    emulator.reply(body={"choices": [{"message": {"content": "Yes."}}], "usage": {"total_tokens": 3}})
    ChatPollinations(**emulator.connection(), model=then).invoke(history)
    sent = emulator.requests[-1].json["messages"][1]
    assert ("content_blocks" in sent, "reasoning_details" in sent, "reasoning_content" in sent) == (goes_back,) * 3
    assert sent["content"] == "Yes."


@pytest.mark.parametrize("dialect", ["bedrock", "vertex", "openrouter", "responses", "plain"])
def test_the_provider_accepts_its_own_signatures(emulator: Emulator, ask: Ask, dialect: str) -> None:
    """The emulator refuses a signed thought that was changed, as the providers do."""
    chat = ChatPollinations(**emulator.connection(), model=DIALECTS[dialect], reasoning_effort="high")
    tool = {"name": "add", "description": "Add.", "parameters": {"type": "object", "properties": {"a": {}, "b": {}}}}
    emulator.reply(message={"content": "", "reasoning_content": THOUGHT, "tool_calls": [CALL]}, dialect=dialect)
    question = HumanMessage("Use add with 1 and 2")
    answer = ask(chat.bind_tools([tool]), [question])
    (call,) = answer.tool_calls
    last = chat.bind_tools([tool]).invoke([question, answer, ToolMessage("3", tool_call_id=call["id"])])
    assert last.text
    sent = emulator.requests[-1].json["messages"][1]
    marks = {"bedrock": "content_blocks", "openrouter": "reasoning_details", "vertex": "tool_calls"}
    assert marks.get(dialect, "reasoning_content") in sent
    if dialect == "bedrock":
        answer.additional_kwargs["content_blocks"][0]["thinking"] = "Something else."
        with pytest.raises(InvalidRequestError, match="signature"):
            chat.bind_tools([tool]).invoke([question, answer, ToolMessage("3", tool_call_id=call["id"])])
