"""The features that are compared: how the emulator is prepared, and what a package must then return.

This module runs in the process of each package, so it imports only `langchain_core`. The two packages for the service
have the same import name.
"""

from __future__ import annotations

import asyncio
import base64
import importlib
import inspect
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import reduce
from operator import add
from pathlib import Path
from typing import Any

from langchain_core import exceptions
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.tools import BaseTool, tool
from pydantic import BaseModel

KEY = "sk_emulator"
SEES_AND_HEARS = "google/gemini-3-flash-preview"
DIALECTS = ("plain", "responses", "openrouter", "bedrock", "vertex", "perplexity", "simulated")


@tool
def get_weather(city: str) -> str:
    """Weather of a city."""
    return f"Sunny in {city}"


class Joke(BaseModel):
    """A joke to tell."""

    setup: str
    punchline: str


# --- Packages ---------------------------------------------------------------------------------------------------------


class Package:
    """A package that is connected to the emulator. If the package has no such class, the method is missing."""

    module = "langchain_pollinations"

    def __init__(self, url: str, samples: Path) -> None:
        self.service = {"base_url": url, "api_key": KEY}
        self.samples = samples

    def named(self, name: str) -> Any:
        return getattr(importlib.import_module(self.module), name)

    def chat(self, **options: Any) -> Any:
        return self.named("ChatPollinations")(**{"model": "openai", **self.service, **options})

    def chat_without_retries(self) -> Any:
        return self.chat(max_retries=0)

    def chat_without_key(self) -> Any:
        return self.named("ChatPollinations")()

    def tools(self) -> list[Any]:
        module = importlib.import_module(self.module)
        made = [getattr(module, name) for name in module.__all__ if name != "PollinationsDecisions"]  # needs core 1.8
        return [each for each in made if inspect.isclass(each) and issubclass(each, BaseTool)]


class Ours(Package):
    def image(self) -> bytes:
        data: bytes = self.named("PollinationsImage")(**self.service).generate("a calm sea").data
        return data

    def video(self) -> bytes:
        data: bytes = self.named("PollinationsVideo")(**self.service).generate("a calm sea").data
        return data

    def speech(self) -> bytes:
        speaker = self.named("PollinationsSpeech")(**self.service, response_format="wav")
        data: bytes = speaker.generate("Good evening.").data
        return data

    def transcript(self) -> str:
        document = self.named("PollinationsTranscriber")(**self.service).transcribe(self.samples / "sample.wav")
        return str(document.page_content)

    def vector(self) -> list[float]:
        vector: list[float] = self.named("PollinationsEmbeddings")(**self.service).embed_query("a calm sea")
        return vector


class Other(Package):
    def chat_without_retries(self) -> Any:
        return self.chat()  # it has no retries

    def image(self) -> bytes:
        data: bytes = self.named("ImagePollinations")(model="flux", **self.service).generate("a calm sea")
        return data

    def video(self) -> bytes:
        data: bytes = self.named("ImagePollinations")(model="veo", **self.service).generate("a calm sea")
        return data

    def speech(self) -> bytes:
        data: bytes = self.named("TTSPollinations")(**self.service, response_format="wav").generate("Good evening.")
        return data

    def transcript(self) -> str:
        listener = self.named("STTPollinations")(**self.service, file_name="sample.wav")
        return str(listener.transcribe((self.samples / "sample.wav").read_bytes()).text)


class OpenAI(Package):
    """`langchain_openai`, pointed at the service."""

    module = "langchain_openai"

    def __init__(self, url: str, samples: Path) -> None:
        super().__init__(f"{url}/v1", samples)

    def chat(self, **options: Any) -> Any:
        return self.named("ChatOpenAI")(**{"model": "openai", **self.service, **options})

    def chat_without_key(self) -> Any:
        return self.named("ChatOpenAI")(model="openai", base_url=self.service["base_url"])

    def vector(self) -> list[float]:
        options = {"check_embedding_ctx_length": False, "model": "openai-3-small"}
        vector: list[float] = self.named("OpenAIEmbeddings")(**self.service, **options).embed_query("a calm sea")
        return vector


PACKAGES = {"ours": Ours, "ChatOpenAI": OpenAI, "other": Other}


# --- Probes: true or false, a figure, or an exception, which is a no --------------------------------------------------


def _sum(chunks: Iterator[Any]) -> Any:
    return reduce(add, chunks)


async def _collect(chat: Any, prompt: str) -> list[Any]:
    return [chunk async for chunk in chat.astream(prompt)]


def _is_weather(message: AIMessage) -> bool:
    return [(call["name"], call["args"]) for call in message.tool_calls] == [("get_weather", {"city": "Paris"})]


def _tool_calling(package: Package) -> bool:
    bound = package.chat().bind_tools([get_weather])
    return _is_weather(bound.invoke("Weather in Paris?")) and _is_weather(_sum(bound.stream("Weather in Paris?")))


def _structured_output(package: Package) -> bool:
    return isinstance(package.chat().with_structured_output(Joke).invoke("Tell a joke"), Joke)


def _json_mode(package: Package) -> bool:
    chain = package.chat().with_structured_output(Joke, method="json_mode")
    return isinstance(chain.invoke("Tell a joke as JSON with the keys setup and punchline"), Joke)


def _input(kind: str, suffix: str, mime_type: str, expected: str) -> Callable[[Package], bool]:
    """Send a standard content block; the emulator answers what it received."""

    def probe(package: Package) -> bool:
        data = base64.b64encode((package.samples / f"sample.{suffix}").read_bytes()).decode()
        block = {"type": kind, "base64": data, "mime_type": mime_type, "filename": f"sample.{suffix}"}
        message = HumanMessage([{"type": "text", "text": "What is this?"}, block])
        return expected in package.chat(model=SEES_AND_HEARS).invoke([message]).text

    return probe


def _image_url(package: Package) -> bool:
    data = base64.b64encode((package.samples / "sample.png").read_bytes()).decode()
    block = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}}
    message = HumanMessage([{"type": "text", "text": "What is this?"}, block])
    return "mostly red" in package.chat(model=SEES_AND_HEARS).invoke([message]).text


def _streaming(package: Package) -> bool:
    chat = package.chat()
    chunks = [list(chat.stream("Name three seas.")), asyncio.run(_collect(chat, "Name three seas."))]
    return all(sum(bool(chunk.text) for chunk in each) > 1 for each in chunks)


def _native_async(package: Package) -> bool:
    made = type(package.chat())
    return made._agenerate is not BaseChatModel._agenerate and made._astream is not BaseChatModel._astream


def _event_loops(package: Package) -> bool:
    chat = package.chat()
    return all([asyncio.run(chat.ainvoke("Hi")).text for _ in range(2)])


def _usage(package: Package) -> bool:
    chat = package.chat()
    answers = [chat.invoke("Hi"), _sum(chat.stream("Hi"))]
    return all((each.usage_metadata or {}).get("total_tokens", 0) > 0 for each in answers)


def _logprobs(package: Package) -> bool:
    chat = package.chat(logprobs=True, top_logprobs=2)
    answers = [chat.invoke("Hi"), _sum(chat.stream("Hi"))]
    return all(each.response_metadata["logprobs"]["content"] for each in answers)


def _has_reasoning(message: AIMessage) -> bool:
    blocks = message.content_blocks
    texts = "".join(block.get("reasoning", "") for block in blocks if block["type"] == "reasoning")
    return "Let me think" in texts and message.text == "Yes."


def _reasoning(package: Package) -> bool:
    return _has_reasoning(package.chat().invoke("Is 97 prime?"))


def _streamed_reasoning(package: Package) -> bool:
    return _has_reasoning(_sum(package.chat().stream("Is 97 prime?")))


def _profile(package: Package) -> bool:
    return bool((package.chat().profile or {}).get("max_input_tokens"))


def _error_type(package: Package) -> str:
    """Names of LangChain's types that the error belongs to."""
    try:
        package.chat_without_retries().invoke("Hi")
    except Exception as error:  # the row asks which it is
        return " ".join(name for name in _TYPED.values() if isinstance(error, getattr(exceptions, name)))
    return ""


def _raises(package: Package) -> bool:
    try:
        package.chat_without_retries().invoke("Hi")
    except Exception:  # the row asks whether there is one
        return True
    return False


def _raises_in_stream(package: Package) -> bool:
    try:
        _sum(package.chat_without_retries().stream("Hi"))
    except Exception:  # the row asks whether there is one
        return True
    return False


def _answers(package: Package) -> bool:
    return bool(package.chat().invoke("Hi").text)


def _cost(package: Package) -> str:
    metadata = package.chat().invoke("Hi").response_metadata
    return str(next(value for name, value in metadata.items() if "cost" in name))


def _without_key(package: Package) -> bool:
    return bool(package.chat_without_key().invoke("Hi").text)


def _media(method: str, magic: bytes) -> Callable[[Package], bool]:
    return lambda package: magic in getattr(package, method)()[:16]


def _transcripts(package: Any) -> bool:
    return bool(package.transcript())


def _embeddings(package: Any) -> bool:
    return len(package.vector()) > 10


def _tools(package: Package) -> int:
    return len(package.tools())


@dataclass(frozen=True)
class Row:
    """A feature. `prepare` has a step for each time that the probe runs; a step is a method call on the emulator."""

    name: str
    probe: Callable[[Package], Any]
    measured: str
    prepare: tuple[tuple[str, tuple[Any, ...], dict[str, Any]], ...] = ()
    expected: tuple[str, ...] = ()
    """The result of each step, where it is not True."""


def _step(method: str, *args: Any, **kwargs: Any) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
    return method, args, kwargs


_THOUGHT = {"content": "Yes.", "reasoning_content": "Let me think about it."}
_REASONING = tuple(_step("reply", message=_THOUGHT, dialect=name) for name in DIALECTS)
_TYPED = {
    "key not recognised": "ModelAuthenticationError",
    "model not allowed for the key": "ModelPermissionDeniedError",
    "model unknown": "ModelNotFoundError",
    "edge limiter": "ModelRateLimitError",
    "context overflow": "ContextOverflowError",
    "content policy": "ModelInvalidRequestError",
    "provider 500": "ModelAPIError",
}
_NOT_ANSWERS: tuple[Any, ...] = (
    "<!DOCTYPE html><html><body>Bad gateway</body></html>",
    {"error": {"message": "The provider failed"}},
    {"error": "The provider failed", "status": 500},
    b"",
)
_PIECE = {"choices": [{"index": 0, "delta": {"role": "assistant", "content": "Half an"}, "finish_reason": None}]}

ROWS = [
    Row("Tool calling", _tool_calling, "`bind_tools`, then `invoke` and `stream`: the call and its arguments"),
    Row("Structured output", _structured_output, "`with_structured_output` with a Pydantic class"),
    Row("JSON mode", _json_mode, '`with_structured_output(method="json_mode")`'),
    Row("Image input", _input("image", "png", "image/png", "mostly red"), "a standard `image` block"),
    Row("Image input, `image_url`", _image_url, "a block in OpenAI's format"),
    Row("Audio input", _input("audio", "wav", "audio/wav", "a sound recording"), "a standard `audio` block"),
    Row("Video input", _input("video", "mp4", "video/mp4", "a video"), "a standard `video` block"),
    Row("PDF input", _input("file", "pdf", "application/pdf", "a PDF"), "a standard `file` block"),
    Row("Token-level streaming", _streaming, "`stream` and `astream` return several chunks"),
    Row("Native async", _native_async, "the class has its own `_agenerate` and `_astream`"),
    Row("Several event loops", _event_loops, "`ainvoke` in two calls of `asyncio.run`, one after the other"),
    Row("Token usage", _usage, "`usage_metadata` after `invoke` and `stream`"),
    Row("Logprobs", _logprobs, "`response_metadata` after `invoke` and `stream`"),
    Row(
        "Reasoning blocks",
        _reasoning,
        "`content_blocks` of an answer, in the formats of the providers behind the service",
        _REASONING,
    ),
    Row("Reasoning blocks, streamed", _streamed_reasoning, "the same after `stream`", _REASONING),
    Row("Model profile", _profile, "`profile` of the model `openai`"),
    Row(
        "Typed errors",
        _error_type,
        f"LangChain's type of an error, for {len(_TYPED)} errors of the service",
        tuple(_step("fail", case, times=20) for case in _TYPED),
        tuple(_TYPED.values()),
    ),
    Row(
        "Errors with status 200",
        _raises,
        "an exception for a body with status 200 that is no answer: an HTML page, two error objects, nothing",
        tuple(_step("reply", body=body, content_type="application/json", times=20) for body in _NOT_ANSWERS),
    ),
    Row(
        "Stream that stops early",
        _raises_in_stream,
        "an exception, not a short answer",
        (_step("reply", chunks=[_PIECE]),),
    ),
    Row(
        "Retries",
        _answers,
        "an answer after one response 429, or one 503",
        (_step("fail", 429, headers={"retry-after": "0"}), _step("fail", 503)),
    ),
    Row("Cost of an answer", _cost, "the amount that the service billed, in `response_metadata`", (), ("ledger",)),
    Row("Without a key", _without_key, "an answer of the legacy hosts"),
    Row("Images", _media("image", b"\xff\xd8"), "a class that generates an image"),
    Row("Videos", _media("video", b"ftyp"), "a class that generates a video"),
    Row("Speech", _media("speech", b"RIFF"), "a class that generates speech"),
    Row("Transcripts", _transcripts, "a class that transcribes a recording"),
    Row("Embeddings", _embeddings, "`embed_query`"),
    Row("Tools for agents", _tools, "public classes that are a `BaseTool`"),
]


def run(package: Package, row: Row) -> dict[str, Any]:
    """Run a probe. An exception is a no, with its text as the reason."""
    try:
        return {"result": row.probe(package)}
    except Exception as error:  # whatever a package raises is its result
        return {"result": False, "reason": f"{type(error).__name__}: {error}"[:300]}


def main(name: str, url: str, samples: str) -> None:
    """Read numbers of rows from stdin, and write a JSON line for each."""
    package = PACKAGES[name](url, Path(samples))
    for line in sys.stdin:
        print(json.dumps(run(package, ROWS[int(line)])), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
