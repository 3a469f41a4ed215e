"""The methods `reply` and `fail`, with which a test scripts the responses of a host."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from langchain_pollinations.emulator.scripting import dialects, faults, reply_queue
from langchain_pollinations.emulator.service.error_responses import Refusal


class Scripted:
    """Base class of hosts whose responses a test can script."""

    cases: Mapping[str, Callable[[], faults.Case]] = faults.CASES
    soft_cases: Sequence[str] = faults.SOFT_CASES

    @property
    def script(self) -> reply_queue.Script:
        """The queue of scripted replies and faults."""
        raise NotImplementedError

    @property
    def unused_replies(self) -> list[reply_queue.Entry]:
        """Scripted entries that no request has used. `pollinations_emulator` fails a test that leaves such entries."""
        return self.script.unused

    def reply(
        self,
        *texts: str,
        tool_calls: Sequence[Mapping[str, Any]] | None = None,
        message: Mapping[str, Any] | None = None,
        answers: Mapping[str, Any] | None = None,
        body: Any = None,
        chunks: Sequence[Any] | None = None,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        content_type: str | None = None,
        finish_reason: str | None = None,
        usage: Mapping[str, Any] | None = None,
        model: str | None = None,
        dialect: str | None = None,
        on: str | None = None,
        delay: float = 0.0,
        chunk_delay: float = 0.0,
        times: int = 1,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        """Queue replies. A reply is a text, tool calls, a message, the answers of a decision, a raw body, or the raw
        chunks of a stream.

        A tool call has LangChain's format `{"name", "args", "id"}`, or OpenAI's format `{"id", "type", "function"}`. A
        missing id is generated. Arguments in a string are sent unchanged, even if the string is not JSON.

        The `dialect` converts these keys of a message to its own format: `content`, `reasoning_content`, `tool_calls`,
        `refusal`, `audio`, `images` (URLs), `sources` (each with `url`, `title`, and the `text` that cites the source),
        `searches` (queries) and `code` (each with `code` and `output`). All other keys are sent unchanged.

            >>> emulator.reply("First response", "Second response")
            >>> emulator.reply(tool_calls=[{"name": "add", "args": {"a": 1, "b": 2}}])
            >>> emulator.reply(answers={"team": "billing", "urgent": 0.9})

        Args:
            texts: Texts of the replies, one text for each reply. With `tool_calls`, the first text is the content of
                that reply.
            tool_calls: Tool calls of one reply.
            message: Assistant message of one reply.
            answers: Answers of one decision, by the name of the question. An answer is the label of a choice, the
                position of a score, the probability of a noul, or a whole answer as a dictionary. By default, the reply
                applies to `/alpha/decisions`.
            body: Raw body. Bytes and text are sent unchanged. Any other value is sent as JSON.
            chunks: Raw events of a stream. Bytes and text are sent unchanged. Any other value is sent as JSON.
            status: HTTP status of a raw body or stream.
            headers: Extra response headers.
            content_type: Content type of a raw body or stream.
            finish_reason: Finish reason. The default is "stop" or "tool_calls".
            usage: Usage object, sent unchanged. By default, the emulator counts tokens.
            model: Model name in the response.
            dialect: Response format. The default is the format of the model's provider.
            on: Prefix of the paths that the reply applies to. By default, the reply applies to the text routes.
            delay: Delay of the response in seconds.
            chunk_delay: Delay between chunks in seconds.
            times: Number of requests that each reply applies to.
            extra: Additional top-level fields of the response.

        Raises:
            TypeError: If no reply is given, or a tool call has another format.
        """
        if dialect is not None:
            dialects.named(dialect)
        common: dict[str, Any] = {"on": on, "times": times, "delay": delay, "chunk_delay": chunk_delay}
        given = dict(headers or {})
        if body is not None:
            data, kind = reply_queue.encoded(body)
            head = {"content-type": content_type or kind, **given}
            self.script.add(reply_queue.Raw(**common, status=status, headers=head, body=data))
            return
        if answers is not None:
            self.script.add(reply_queue.Decision(**common | {"on": on or reply_queue.DECISIONS}, answers=dict(answers)))
            return
        if chunks is not None:
            head = {"content-type": content_type or "text/event-stream; charset=utf-8", **given}
            pieces = [reply_queue.event(chunk) for chunk in chunks]
            self.script.add(reply_queue.Chunks(**common, status=status, headers=head, pieces=pieces))
            return
        options: dict[str, Any] = {"finish_reason": finish_reason, "usage": usage, "headers": given}
        options |= {"model": model, "dialect": dialect, "extra": extra or {}}
        for each in _messages(texts, tool_calls, message):
            self.script.add(reply_queue.Message(**common, **options, message=each))

    def fail(
        self,
        case: int | str,
        *,
        code: str | None = None,
        message: str | None = None,
        headers: Mapping[str, str] | None = None,
        details: Mapping[str, Any] | None = None,
        fix_url: str | None = None,
        body: Any = None,
        times: int = 1,
        on: str = "/",
        delay: float = 0.0,
        after: int | None = None,
        seconds: float = 5.0,
        pings: bool = False,
    ) -> None:
        """Queue a fault, which is an HTTP error or one of the named cases in `faults`.

            >>> emulator.fail(503, times=2)
            >>> emulator.fail("balance spent", on="/v1/chat")
            >>> emulator.fail("cut", after=3)  # ends a stream after three events

        Args:
            case: HTTP status, or the name of a case.
            code: Error code of an HTTP error.
            message: Message of an HTTP error.
            headers: Extra response headers.
            details: Details of an HTTP error.
            fix_url: URL of the page where the user can fix the cause of an HTTP error.
            body: Raw body of an HTTP error, instead of the format of the host.
            times: Number of requests that the fault applies to.
            on: Prefix of the paths that the fault applies to.
            delay: Delay in seconds.
            after: Position of a connection or stream fault. In a stream, it is the number of events before the fault.
                In any other response, it is the number of bytes before the fault.
            seconds: Duration of a stall in seconds.
            pings: Send comments during a stall.

        Raises:
            ValueError: If the name of the case is unknown.
        """
        common: dict[str, Any] = {"on": on, "times": times, "delay": delay}
        if case in faults.DAMAGES:
            damage = reply_queue.Damage(**common, kind=str(case), after=after, seconds=seconds, pings=pings)
            self.script.add(damage)
            return
        if case in self.soft_cases:
            soft = common | {"on": None if on == "/" else on}
            self.script.add(reply_queue.Soft(**soft, kind=str(case), after=after))
            return
        found: faults.Case
        if isinstance(case, str):
            found = faults.named(case, self.cases, self.soft_cases)
        elif body is not None:
            found = faults.Plain(case, body)
        else:
            found = Refusal(case, message, code=code, details=details, fix_url=fix_url)
        self.script.add(_faulty(found, headers or {}, common))


def _messages(
    texts: Sequence[str],
    tool_calls: Sequence[Mapping[str, Any]] | None,
    message: Mapping[str, Any] | None,
) -> list[dict[str, Any]]:
    if message is not None:
        return [dict(message)]
    if tool_calls is None and not texts:
        raise TypeError("reply() needs texts, tool_calls, message, answers, body or chunks")
    if tool_calls is not None:
        calls = [reply_queue.read_tool_call(call) for call in tool_calls]
        return [{"content": texts[0] if texts else None, "tool_calls": calls}]
    return [{"content": text} for text in texts]


def _faulty(found: faults.Case, headers: Mapping[str, str], common: Mapping[str, Any]) -> reply_queue.Entry:
    if isinstance(found, Refusal):
        found.headers.update((name.lower(), value) for name, value in headers.items())
        return reply_queue.Refused(**common, refusal=found)
    data, kind = reply_queue.encoded(found.body)
    head = {"content-type": kind, **found.headers, **headers}
    return reply_queue.Raw(**common, status=found.status, headers=head, body=data)
