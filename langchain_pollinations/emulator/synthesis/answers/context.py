"""Finds the context and the question in a prompt for retrieval-augmented generation, and answers from the context."""

from __future__ import annotations

import html
import re

from langchain_pollinations.emulator.synthesis.answers import citations, words
from langchain_pollinations.emulator.synthesis.answers.conversation import ChatRequest

NOUN = (
    r"(?:context|notes|documents?|docs|passages?|excerpts?|snippets?|sources?|facts|articles?|information|"
    r"knowledge[ _]base)"
)
LABEL = re.compile(rf"^[^\w\n]*{NOUN}\b[^:\n]{{0,40}}:\s*", re.IGNORECASE | re.MULTILINE)
"""A line that starts with a word for a context, such as `Retrieved notes:`."""
MENTION = re.compile(
    r"^(?=[^\n]*\b(?:answer|answering|based|respond|response|use|using)\b)[^\n]*"
    rf"(?:\bcontext\b|\b(?:following|these|retrieved|given|provided|from|on|with|only) [^\n]{{0,60}}?\b{NOUN}\b)"
    r"[^\n]*\n",
    re.IGNORECASE | re.MULTILINE,
)
"""A line that tells the model to answer from a context, such as `Use these notes to answer.`. The context follows."""
TAG = re.compile(rf"<(?=/?{NOUN}\b)[^<>]*>", re.IGNORECASE)
BULLET = re.compile(r"^[^\S\n]*[-*•]\s+", re.MULTILINE)
QUESTION = re.compile(r"^[^\w\n]*(?:question|query|user)[^\S\n]*:\s*(\S.*)$", re.IGNORECASE | re.MULTILINE)


MESSAGE = re.compile(r"<message type=['\"]?(?P<role>\w{1,20})['\"]?[^<>]*>(?P<text>[^<]*)</message>")
"""A message of a conversation in a prompt, in LangChain's XML format."""


def summary(chat: ChatRequest) -> str | None:
    """Summarize the conversation in a prompt: what the user said, and the URLs in the other messages.

    Return None if the prompt does not ask for a summary of messages.
    """
    if not re.search(r"\bsummar(?:y|i[sz]e)\b", chat.asked, re.IGNORECASE):
        return None
    messages = [(match["role"], html.unescape(match["text"])) for match in MESSAGE.finditer(chat.asked)]
    if not messages:
        return None
    said = [" ".join(text.split()) for role, text in messages if role in ("human", "user")]
    urls = dict.fromkeys(url for role, text in messages if role == "tool" for url in words.URL.findall(text))
    return "\n".join(["The user said:", *(f"- {text}" for text in said), *(f"Made: {url}" for url in urls)])


def answer(chat: ChatRequest) -> str | None:
    """Answer the question of the user from the context in the user message or in the system message.

    If the context has numbered sources, the answer quotes and cites them. Otherwise, the answer is the sentence of the
    context that is the most similar to the question. Return None if the request contains no context.
    """
    found = _in_user_message(chat.asked) or _in_system_message(chat)
    if found is None:
        return None
    return citations.cited(*found) or citations.nearest(*found) or "The given text does not answer that."


def _in_user_message(text: str) -> tuple[str, str] | None:
    match = QUESTION.search(text)
    question = match[1] if match else _question_paragraph(text)
    if question is None:
        return None
    return _with_question(text.replace(match[0] if match else question, "", 1), question)


def _in_system_message(chat: ChatRequest) -> tuple[str, str] | None:
    return _with_question(chat.system, chat.asked) if chat.asked else None


def _with_question(text: str, question: str) -> tuple[str, str] | None:
    """Return the context in a text, and the question. Return None if the text contains no context."""
    numbered = citations.SOURCE.search(text)  # numbered sources may contain labels, too
    label = TAG.search(text) or LABEL.search(text) or MENTION.search(text)
    if label is None:
        return None
    context = BULLET.sub("", TAG.sub("\n", text[numbered.start() if numbered else label.end() :]))
    return (context, question) if words.sentences(context) else None


def _question_paragraph(text: str) -> str | None:
    """Return the last or the first paragraph of a text if it is one line that ends with a question mark."""
    paragraphs = [paragraph.strip() for paragraph in re.split(r"\n[^\S\n]*\n", text.strip())]
    if len(paragraphs) < 2:
        return None
    ends = (paragraphs[-1], paragraphs[0])
    return next((each for each in ends if each.endswith("?") and "\n" not in each), None)
