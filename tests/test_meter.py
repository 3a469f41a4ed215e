"""`PollenMeter` counts what calls cost, once and right, and keeps them within a budget."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import copy
import pickle
import threading
import time
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.caches import InMemoryCache
from langchain_core.callbacks import get_usage_metadata_callback
from langchain_core.messages import HumanMessage
from langchain_core.runnables import RunnableLambda, RunnableParallel
from langchain_core.tools import tool

from langchain_pollinations import (
    ChatPollinations,
    PollenBudgetExceeded,
    PollenMeter,
    PollinationsAccount,
    PollinationsEmbeddings,
    PollinationsError,
    PollinationsImage,
    PollinationsImageTool,
    PollinationsToolkit,
    PollinationsTranscriber,
    PollinationsVideo,
)
from langchain_pollinations._media.wav import pcm16_to_wav
from langchain_pollinations.emulator import Emulator
from tests.helpers.ask import WAYS


def balance(emulator: Emulator) -> Decimal:
    return Decimal(str(emulator.keys["sk_emulator"]["balance"]))


def spent(emulator: Emulator, run: Callable[[], Any]) -> Decimal:
    before = balance(emulator)
    run()
    return before - balance(emulator)


def counts(meter: PollenMeter) -> tuple[int, int]:
    models = meter.by_model().values()
    return sum(each.requests for each in models), sum(each.stored for each in models)


# --- What counts ------------------------------------------------------------------------------------------------------


def _in_block(chat: ChatPollinations, meter: PollenMeter, way: str) -> None:
    with meter:
        WAYS[way](chat, f"Hi from {way}")


def _as_callback(chat: ChatPollinations, meter: PollenMeter, way: str) -> None:
    WAYS[way](chat, f"Hi from {way}", config={"callbacks": [meter]})


def _of_constructor(chat: ChatPollinations, meter: PollenMeter, way: str) -> None:
    WAYS[way](chat.model_copy(update={"callbacks": [meter]}), f"Hi from {way}")


def _in_all_places(chat: ChatPollinations, meter: PollenMeter, way: str) -> None:
    """One request counts once, in however many places its meter is."""
    with meter, meter:
        WAYS[way](chat, f"Hi from {way}", config={"callbacks": [meter, meter]})


PLACES = {"block": _in_block, "callback": _as_callback, "constructor": _of_constructor, "all": _in_all_places}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("place", PLACES)
def test_a_chat_counts_once(emulator: Emulator, chat: ChatPollinations, place: str, way: str) -> None:
    meter = PollenMeter()
    cost = spent(emulator, lambda: PLACES[place](chat, meter, way))
    assert meter.total == cost > 0
    assert counts(meter) == (1, 0)
    WAYS[way](chat, "This one is outside")
    assert counts(meter) == (1, 0)


def test_chains_branches_and_tools_count(emulator: Emulator, chat: ChatPollinations) -> None:
    painter = PollinationsImage(**emulator.connection())
    embeddings = PollinationsEmbeddings(**emulator.connection())
    paint = PollinationsImageTool(wrapper=painter)

    @tool
    def ask(question: str) -> str:
        """Ask another model."""
        return chat.invoke(question).text

    def work(text: str) -> str:
        embeddings.embed_query(text)
        paint.invoke({"prompt": text})
        return ask.invoke({"question": f"{text}?"})

    chain = RunnableParallel(a=chat, b=RunnableLambda(work), c=painter)
    meter, inner = PollenMeter(), PollenMeter()

    def run() -> None:
        with inner:
            chain.batch(["a cat", "a dog"], config={"callbacks": [meter]})

    assert spent(emulator, run) == meter.total == inner.total
    assert counts(meter) == (8, 2)  # per text 2 chats, 1 vector and an image, which the tool and the chain share


async def test_tasks_and_async_chains_count(emulator: Emulator, chat: ChatPollinations) -> None:
    meter = PollenMeter()
    with meter:
        await asyncio.gather(*(chat.ainvoke(f"Hi {number}") for number in range(5)))

    async def ask(text: str) -> str:
        return (await chat.ainvoke(text)).text

    await RunnableLambda(ask).abatch(["a", "b"], config={"callbacks": [meter]})
    assert counts(meter) == (7, 0)


@pytest.mark.parametrize("ends", ["sent", "refused", "stored by LangChain"])
async def test_a_callback_counts_only_its_own_call(emulator: Emulator, ends: str) -> None:
    """LangChain ends an asynchronous call in a task of its own. The next call of the same task has another context."""
    chat = ChatPollinations(**emulator.connection(), cache=InMemoryCache() if "stored" in ends else None)
    if "stored" in ends:
        await chat.ainvoke("Hi")
    if ends == "refused":
        emulator.fail("provider 400")
    meter = PollenMeter()
    with contextlib.suppress(PollinationsError):
        await chat.ainvoke("Hi", config={"callbacks": [meter]})
    before = counts(meter)
    assert before == ((1, 0) if ends == "sent" else (0, 0))
    await chat.ainvoke("Hello")
    chat.invoke("Good day")
    async for _ in chat.astream("Good night"):
        pass
    assert counts(meter) == before


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_each_prompt_of_a_streaming_generate_counts(chat: ChatPollinations, mode: str) -> None:
    meter, prompts = PollenMeter(), [[HumanMessage(f"Hi {number}")] for number in range(3)]
    if mode == "sync":
        chat.generate(prompts, callbacks=[meter], stream=True)
    else:
        asyncio.run(chat.agenerate(prompts, callbacks=[meter], stream=True))
    assert counts(meter) == (3, 0)


def test_a_thread_of_the_caller_enters_the_meter_itself(emulator: Emulator, chat: ChatPollinations) -> None:
    meter = PollenMeter()

    def work(number: int) -> None:
        with meter:
            chat.invoke(f"Hi {number}")

    def run() -> None:
        with meter, ThreadPoolExecutor(4) as pool:
            list(pool.map(work, range(8)))

    assert spent(emulator, run) == meter.total
    assert counts(meter) == (8, 0)


def test_a_block_that_ends_in_another_context_removes_no_other_meter(chat: ChatPollinations) -> None:
    def block() -> Generator[None]:
        with PollenMeter():
            yield

    blocks = [block(), block()]
    for each in blocks:
        contextvars.Context().run(next, each)
    blocks[0].close()
    with PollenMeter() as meter:
        blocks[1].close()
        chat.invoke("Hi")
    assert counts(meter) == (1, 0)


def test_langchains_usage_callbacks_still_work(chat: ChatPollinations) -> None:
    with PollenMeter() as meter, get_usage_metadata_callback() as usage:
        message = chat.invoke("Hi")
    assert list(usage.usage_metadata.values()) == [message.usage_metadata]
    assert counts(meter) == (1, 0)


SERVICE_CALLS: dict[str, Callable[[dict[str, str]], Any]] = {
    "chat": lambda service: ChatPollinations(**service).invoke("Hi"),
    "text": lambda service: ChatPollinations(route="get", **service).invoke("Hi"),
    "image": lambda service: PollinationsImage(width=16, height=16, **service).generate("a cat"),
    "image by size": lambda service: PollinationsImage(model="qwen/qwen-image-3", **service).generate("a cat"),
    "video": lambda service: PollinationsVideo(duration=4, progress=False, **service).generate("a cat"),
    "embeddings": lambda service: PollinationsEmbeddings(**service).embed_query("Hi"),
}


@pytest.mark.parametrize("call", SERVICE_CALLS.values(), ids=SERVICE_CALLS)
def test_stored_responses_are_free_and_the_meter_knows_what_they_saved(
    emulator: Emulator, call: Callable[[dict[str, str]], Any]
) -> None:
    with PollenMeter() as first:
        call(emulator.connection())
    with PollenMeter() as second:
        call(emulator.connection())
    assert (first.saved, second.total, counts(second)) == (0, 0, (0, 1))
    assert second.saved == first.total > 0


@pytest.mark.parametrize("way", WAYS)
def test_refused_requests_cost_nothing_and_retries_count_once(emulator: Emulator, way: str) -> None:
    chat = ChatPollinations(**emulator.connection())
    with PollenMeter(budget=1) as meter:
        emulator.fail("provider 503")
        WAYS[way](chat, "Hi")
        assert counts(meter) == (1, 0)
        before = meter.total
        emulator.fail("provider 400")
        with pytest.raises(PollinationsError):
            WAYS[way](chat, "Hello")
    assert meter.total == before
    assert meter._reserved == 0


def test_a_retry_that_joins_the_first_attempt_is_billed(emulator: Emulator) -> None:
    emulator.latency = 0.4
    chat = ChatPollinations(**emulator.connection(), timeout=0.2, max_retries=5)

    def run() -> None:
        with meter:
            message = chat.invoke("Hi")
        assert message.response_metadata["cache_type"] in ("COALESCED", "EXACT")
        assert "cached" not in message.response_metadata

    meter = PollenMeter()
    assert spent(emulator, run) == meter.total > 0
    assert counts(meter) == (1, 0)


async def test_what_is_left_early_counts_with_an_estimate(emulator: Emulator, chat: ChatPollinations) -> None:
    with PollenMeter() as left:
        for _ in chat.stream("Tell a long story about the sea."):
            break
        async with contextlib.aclosing(chat.astream("Tell a long story about the sky.")) as chunks:
            async for _ in chunks:
                break
        while counts(left)[0] < 2:  # LangChain leaves the closing of the inner generator to the event loop
            await asyncio.sleep(0.01)
    (cost,) = left.by_model().values()
    assert (cost.model, cost.requests, cost.estimated) == ("openai/gpt-5.4-nano", 2, 2)
    assert 0 < cost.cost < Decimal("0.0002")
    emulator.latency = 0.6
    with PollenMeter() as cancelled:
        call = asyncio.create_task(chat.ainvoke("Hi there"))
        await asyncio.sleep(0.2)
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
        with pytest.raises(PollinationsError):
            await chat.model_copy(update={"max_retries": 0}).ainvoke("Hello", timeout=0.1)
    (cost,) = cancelled.by_model().values()
    assert (cost.requests, cost.estimated) == (2, 2)
    assert "~" in cancelled.table()


def test_a_request_whose_response_is_lost_counts_the_whole_response(emulator: Emulator) -> None:
    """The service finishes and bills the generation. The prompt alone would not keep a budget."""
    emulator.latency = 0.6
    chat = ChatPollinations(**emulator.connection(), max_retries=0, timeout=0.1, max_tokens=1000)
    with PollenMeter() as meter, pytest.raises(PollinationsError):
        chat.invoke("Hi")
    assert Decimal("0.0009") < meter.total < Decimal("0.001")  # 1,000 x 0.9375/M
    while not emulator.ledger:  # else the bill appears in another test
        time.sleep(0.02)


@pytest.mark.parametrize("way", WAYS)
def test_an_attempt_that_is_lost_counts_if_the_last_one_is_refused(emulator: Emulator, way: str) -> None:
    emulator.reply("Too late", delay=1)
    emulator.fail("provider 400")
    chat = ChatPollinations(**emulator.connection(), max_retries=1, timeout=0.3)
    with PollenMeter() as meter, pytest.raises(PollinationsError, match="400"):
        WAYS[way](chat, "Hi")
    (cost,) = meter.by_model().values()
    assert (cost.requests, cost.estimated) == (1, 1)
    while not emulator.ledger:  # else the bill appears in another test
        time.sleep(0.02)


def test_a_response_without_usage_counts_with_an_estimate(emulator: Emulator, chat: ChatPollinations) -> None:
    body = {"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": [
        {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Hello"}}
    ]}  # fmt: skip
    emulator.reply(body=body)
    with PollenMeter(budget=1) as meter:
        message = chat.invoke("Hi")
    assert "cost" not in message.response_metadata
    (cost,) = meter.by_model().values()
    assert (cost.requests, cost.estimated, cost.unknown) == (1, 1, 0)
    assert meter.total > 0


def test_a_request_that_was_not_sent_costs_nothing() -> None:
    chat = ChatPollinations(base_url="http://127.0.0.1:9", api_key="sk_x", max_retries=0)
    with PollenMeter() as meter, pytest.raises(PollinationsError):
        chat.invoke("Hi")
    assert counts(meter) == (0, 0)


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_the_meter_the_ledger_and_the_account_agree(emulator: Emulator, mode: str) -> None:
    """To the last digit, after an agent has used chat, tools, two images, a video, embeddings and a stored image."""
    emulator.keys["sk_emulator"]["scopes"] = ["usage"]
    connection = emulator.connection()
    embeddings = PollinationsEmbeddings(**connection)

    @tool
    def search(text: str) -> str:
        """Search for a text."""
        return str(len(embeddings.embed_query(text)))

    def calls(**by_name: Any) -> dict[str, Any]:
        return {"tool_calls": [{"name": name, "args": args} for name, each in by_name.items() for args in each]}

    tools = PollinationsToolkit(include=["image", "video"], **connection).get_tools()
    emulator.reply(**calls(generate_image=[{"prompt": "a cat"}, {"prompt": "a dog"}], search=[{"text": "cats"}]))
    emulator.reply(**calls(generate_video=[{"prompt": "a wave", "duration": 4}]))
    emulator.reply(**calls(generate_image=[{"prompt": "a cat"}]))
    emulator.reply("Done.")
    agent = create_agent(ChatPollinations(**connection), [*tools, search])
    meter = PollenMeter(budget=1)
    given: Any = {"messages": [("user", "Illustrate it.")]}
    config: Any = {"callbacks": [meter]}
    state = asyncio.run(agent.ainvoke(given, config)) if mode == "async" else agent.invoke(given, config)
    assert state["messages"][-1].text == "Done."
    records = list(PollinationsAccount(**connection).usage())
    assert sum(record.cost_usd for record in records) == sum(record.cost for record in emulator.ledger) == meter.total
    assert len(records) == len(emulator.ledger) == counts(meter)[0] == 8
    assert PollinationsAccount(**connection).spent(since=meter.started - timedelta(seconds=1)) == meter.total
    assert counts(meter)[1] == 1
    by_model = {record.model: record.cost_usd for record in records if "image" in record.type or "video" in record.type}
    assert by_model.items() <= {name: each.cost / each.requests for name, each in meter.by_model().items()}.items()


# --- Budgets ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS)
def test_a_call_beyond_the_budget_is_not_sent(emulator: Emulator, chat: ChatPollinations, way: str) -> None:
    with PollenMeter(budget="0.001") as meter:
        WAYS[way](chat, "Hi")
        sent = len(emulator.requests)
        with pytest.raises(PollenBudgetExceeded, match=r"budget of 0\.001 pollen.*is spent.*~0\.0094") as caught:
            WAYS[way](chat, "Hi", max_tokens=10_000)
        assert len(emulator.requests) == sent
        error = caught.value
        assert (error.spent, error.budget, error.is_retryable) == (meter.total, Decimal("0.001"), False)
        assert error.estimate is not None
        assert Decimal("0.0093") < error.estimate < Decimal("0.0095")
        WAYS[way](chat, "Hello", max_tokens=10)  # a cheaper call still fits
    assert meter.left == Decimal("0.001") - meter.total
    restored = pickle.loads(pickle.dumps(error))
    assert (str(restored), restored.spent) == (str(error), error.spent)


CALLS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "embeddings": lambda connection: PollinationsEmbeddings(**connection).embed_documents(["x" * 40_000] * 200),
    "image": lambda connection: PollinationsImage(**connection).generate("a cat"),
    "tool": lambda connection: PollinationsImageTool(**connection).invoke({"prompt": "a cat"}),
}


@pytest.mark.parametrize("kind", CALLS)
def test_a_budget_applies_to_every_kind_of_call(emulator: Emulator, kind: str) -> None:
    with PollenMeter(budget="0.0001"), pytest.raises(PollenBudgetExceeded):
        CALLS[kind](emulator.connection())
    assert emulator.requests == []


def test_the_expected_cost_of_a_vector_is_that_of_its_text(emulator: Emulator) -> None:
    embeddings = PollinationsEmbeddings(**emulator.connection(), model="openai-3-small")
    with PollenMeter(budget="0.00001"):
        embeddings.embed_query("Hi")
        with pytest.raises(PollenBudgetExceeded):
            embeddings.embed_query("long " * 4000)
    assert len(emulator.requests) == 1


def test_the_expected_cost_of_a_transcript_is_that_of_the_duration(emulator: Emulator) -> None:
    recording = pcm16_to_wav(bytes(2 * 24000 * 10))  # three times as many bytes as the same recording as mp3
    with PollenMeter(budget="0.0005") as meter:
        PollinationsTranscriber(**emulator.connection()).transcribe(recording)
    assert meter.total == Decimal("0.00045277778")  # 10 x 0.000045277778


def test_every_meter_of_a_call_has_to_agree(emulator: Emulator, chat: ChatPollinations) -> None:
    with PollenMeter(budget=1) as outer, PollenMeter(budget=0), pytest.raises(PollenBudgetExceeded):
        chat.invoke("Hi")
    assert (outer.total, outer._reserved) == (0, 0)


def test_an_unknown_price_is_refused_unless_allowed(emulator: Emulator) -> None:
    chat = ChatPollinations(**emulator.connection(), model="openai/gpt-6-sol")
    with PollenMeter(budget=1), pytest.raises(PollenBudgetExceeded, match="price of 'openai/gpt-6-sol' is unknown"):
        chat.invoke("Hi")
    for meter in (PollenMeter(budget=1, unknown="allow"), PollenMeter()):
        with meter:
            chat.invoke(f"Hi {meter!r}")
        assert meter.by_model()["openai/gpt-6-sol"].unknown == 1
        assert "unknown" in meter.table()


def test_threads_share_one_budget(emulator: Emulator) -> None:
    """No call starts after the budget is used up, and the totals are exact."""
    emulator.latency = 0.01
    chat = ChatPollinations(**emulator.connection())
    meter = PollenMeter(budget="0.004")
    refused = []
    start = threading.Barrier(32)

    def work(number: int) -> None:
        start.wait()
        for each in range(8):
            try:
                chat.invoke(f"Hi {number} {each}", max_tokens=100, config={"callbacks": [meter]})
            except PollenBudgetExceeded as error:
                refused.append(error)

    def run() -> None:
        with ThreadPoolExecutor(32) as pool:
            list(pool.map(work, range(32)))

    assert spent(emulator, run) == meter.total <= Decimal("0.004")
    assert len(refused) + counts(meter)[0] == 256
    assert refused
    assert all(error.spent <= meter.total for error in refused)
    assert meter._reserved == 0


async def test_coroutines_share_one_budget(emulator: Emulator) -> None:
    emulator.latency = 0.05
    before = balance(emulator)
    with PollenMeter(budget="0.002") as meter:
        chat = ChatPollinations(**emulator.connection())
        calls = (chat.ainvoke(f"Hi {number}", max_tokens=50) for number in range(200))
        found = await asyncio.gather(*calls, return_exceptions=True)
    refused = [each for each in found if isinstance(each, PollenBudgetExceeded)]
    assert before - balance(emulator) == meter.total <= Decimal("0.002")
    assert 0 < len(refused) == 200 - counts(meter)[0]
    assert len(emulator.requests) == counts(meter)[0]


# --- The meter --------------------------------------------------------------------------------------------------------


def test_a_meter_shows_what_was_spent(emulator: Emulator, chat: ChatPollinations) -> None:
    with PollenMeter(budget="0.5") as meter:
        chat.invoke("Name three seas.")
        chat.invoke("Name three seas.")
        PollinationsImage(**emulator.connection()).generate("a cat")
    image, text = meter.by_model().values()
    assert (image.model, image.cost, image.units) == (
        "black-forest-labs/flux.1-schnell", Decimal("0.002"), {"completionImageTokens": 1}
    )  # fmt: skip
    assert (text.requests, text.stored, text.units["promptTextTokens"]) == (1, 1, 7)
    head, *rows, total = meter.table().splitlines()
    assert head.split() == ["model", "requests", "stored", "pollen"]
    assert rows[0].split() == ["black-forest-labs/flux.1-schnell", "1", "0", "0.002"]
    assert total.split() == ["total", "2", "1", str(meter.total), "of", "0.5"]
    html = meter._repr_html_()
    assert html.count("<tr>") == 4
    assert "<td>black-forest-labs/flux.1-schnell</td>" in html
    assert repr(meter) == f"PollenMeter(total={meter.total}, budget=0.5)"
    assert copy.deepcopy(meter) is meter
    started = meter.started
    meter.reset()
    assert (meter.total, dict(meter.by_model()), meter.left) == (0, {}, Decimal("0.5"))
    assert meter.started > started
    assert started.tzinfo is not None


@pytest.mark.parametrize(
    ("body", "headers", "model", "shown"),
    [
        pytest.param("gpt", {"x-model-used": "openai/gpt-5.4-nano:azure"}, "openai/gpt-5.4-nano", None, id="suffix"),
        pytest.param("a\n\x1b[31m" + "b" * 99, {}, "a\n\x1b[31m" + "b" * 99, "a [31m" + "b" * 71 + "...", id="unsafe"),
        pytest.param(["a"], {}, "openai/gpt-5.4-nano", None, id="no text"),
    ],
)
def test_a_model_has_its_canonical_id_and_is_safe_to_show(
    emulator: Emulator, chat: ChatPollinations, body: Any, headers: dict[str, str], model: str, shown: str | None
) -> None:
    message = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Hello"}}
    emulator.reply(
        body={"id": "1", "object": "chat.completion", "created": 1, "model": body, "choices": [message]},
        headers=headers,
    )
    with PollenMeter() as meter:
        chat.invoke("Hi")
    assert list(meter.by_model()) == [model]
    assert meter.table().splitlines()[1].startswith(f"{shown or model}  ")


@pytest.mark.parametrize("budget", ["much", "-1", -0.5, float("nan"), "inf", True, [], ""])
def test_a_budget_is_a_number_of_at_least_0(budget: Any) -> None:
    with pytest.raises(ValueError, match="budget must be a number of pollen of at least 0, such as '0.5', not"):
        PollenMeter(budget)


def test_the_other_arguments_are_checked() -> None:
    with pytest.raises(ValueError, match="spent must be a number of pollen"):
        PollenMeter(1, spent="-1")
    with pytest.raises(ValueError, match="unknown must be 'refuse' or 'allow', not 'warn'"):
        PollenMeter(1, unknown="warn")  # type: ignore[arg-type]
