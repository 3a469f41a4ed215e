"""Blocking work in threads: concurrently, within a time limit, or outside the event loop."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import contextvars
import queue
import threading
import time
from collections.abc import Callable, Coroutine, Generator, Iterator, Sequence
from concurrent.futures import CancelledError
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from langchain_pollinations._warnings import caller, find_caller

if TYPE_CHECKING:
    from langchain_pollinations._transport.request import RequestFlow

T = TypeVar("T")

_abandoned: contextvars.ContextVar[threading.Event | None] = contextvars.ContextVar("_abandoned", default=None)
"""Event that is set when the results of the calls in this context are no longer needed."""


def check_abandoned() -> None:
    """Raise `CancelledError` if the result of the running call is no longer needed."""
    sleep(0)


def sleep(seconds: float) -> None:
    """Like `time.sleep`. Raises `CancelledError` when the result of the running call is no longer needed."""
    abandoned = _abandoned.get()
    if abandoned is None:
        if seconds:
            time.sleep(seconds)
    elif abandoned.wait(seconds):
        raise CancelledError


class Resumed:
    """Awaitable that continues a coroutine whose first step has been made with `send`.

    Args:
        coroutine: The coroutine.
        waits_for: What `send` returned: the future that the coroutine waits for.
    """

    def __init__(self, coroutine: Coroutine[Any, Any, Any], waits_for: Any) -> None:
        self._coroutine, self._waits_for = coroutine, waits_for

    def __await__(self) -> Generator[Any, Any, Any]:
        waits_for = self._waits_for
        while True:
            try:
                sent = yield waits_for
            except BaseException as error:
                step = partial(self._coroutine.throw, error)
            else:
                step = partial(self._coroutine.send, sent)
            try:
                waits_for = step()
            except StopIteration as end:
                return end.value
            finally:
                del step  # it may hold an error whose traceback refers to this frame


def run_within(seconds: float, function: Callable[[], T], discard: Callable[[T], object]) -> T:
    """Run a function in a thread and return its result.

    The thread cannot be stopped while it waits for the network. After a timeout or an interrupt the thread keeps
    running, and `discard` is called with its late result.

    Raises:
        TimeoutError: If there is no result after `seconds`.
    """
    # A daemon, because the interpreter waits for other threads at exit.
    running = _start_thread(function, daemon=True)
    try:
        return running.result(seconds)
    except BaseException:  # including an interrupt
        running.add_done_callback(lambda ended: ended.exception() or discard(ended.result()))
        raise
    finally:
        del running  # avoids a reference cycle: it holds the error, and the error's traceback holds this frame


def run_all(functions: Sequence[Callable[[], T]], max_concurrency: int) -> Iterator[tuple[int, T]]:
    """Run functions in threads. Yield the index and the result of each as soon as it finishes.

    The first error is raised after the running functions have ended. After an error no further function starts, and no
    request is retried. After an interrupt (Ctrl-C), or if the caller stops iterating, running functions are not awaited
    and their results are dropped. A thread cannot be stopped while it waits for a response, which may take minutes.
    """
    abandoned = threading.Event()
    waiting: queue.SimpleQueue[tuple[int, contextvars.Context]] = queue.SimpleQueue()
    results: queue.SimpleQueue[tuple[int, T | None, BaseException | None]] = queue.SimpleQueue()
    here = find_caller()
    for index in range(len(functions)):
        # Each function has its own context, so that tracing and callbacks can set context variables.
        context = contextvars.copy_context()
        context.run(_abandoned.set, abandoned)
        context.run(caller.set, here)
        waiting.put((index, context))

    def work() -> None:
        while not abandoned.is_set():
            try:
                index, context = waiting.get_nowait()
            except queue.Empty:
                return
            try:
                results.put((index, context.run(functions[index]), None))
            except BaseException as error:
                results.put((index, None, error))  # before other functions are cancelled, so that it is the first
                abandoned.set()
                del error  # its traceback holds this frame

    threads = [
        # Daemons, because the interpreter waits for other threads at exit.
        threading.Thread(target=work, name=f"pollinations_{number}", daemon=True)
        for number in range(min(max_concurrency, len(functions)))
    ]
    try:
        for thread in threads:
            thread.start()
        for _ in functions:
            index, result, error = results.get()
            if error is not None:
                for thread in threads:
                    thread.join()
                raise error
            yield index, result  # type: ignore[misc]  # there is a result where there is no error
    except BaseException as ended:  # including an interrupt, and a caller that stops iterating
        abandoned.set()  # not after success: a callback may have kept the context for later calls
        if isinstance(ended, RuntimeError) and isinstance(ended.__context__, KeyboardInterrupt):
            raise ended.__context__ from None  # CPython's locks turn an interrupt at one moment into this error
        raise
    finally:
        error = None  # its traceback holds this frame


async def run_in_thread(work: Callable[..., Any], *args: Any) -> Any:
    """Run `work` in a new thread and return its result. The default executor of the event loop is not used: other code
    may occupy all its threads, and even a cancelled call would wait for one. Cancellations, including repeated ones,
    wait until the work is finished, so that no other code uses the same file or flow at the same time."""
    return await wait_finished(asyncio.wrap_future(_start_thread(work, *args)))


async def wait_finished(running: asyncio.Future[T]) -> T:
    """Return the result of a future. Cancellations, including repeated ones, wait until the future is done."""
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        while not running.done():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait([running])
        running.exception()  # marks the exception as retrieved; the cancellation is raised instead
        raise


class WorkerThread:
    """A thread that runs blocking functions for a coroutine, one after another.

    An executor of the standard library refuses work once the main thread has ended, even if an event loop still runs in
    another thread.
    """

    def __init__(self) -> None:
        self._jobs: queue.SimpleQueue[tuple[concurrent.futures.Future[Any], Callable[..., Any], Any] | None]
        self._jobs = queue.SimpleQueue()
        _start_thread(self._work)

    async def run(self, function: Callable[..., Any], *args: Any) -> None:
        """Run a function. Cancellations wait until the function is finished."""
        running: concurrent.futures.Future[Any] = concurrent.futures.Future()
        running.set_running_or_notify_cancel()
        self._jobs.put((running, function, args))
        await wait_finished(asyncio.wrap_future(running))

    def stop(self) -> None:
        """End the thread after the functions that it has received."""
        self._jobs.put(None)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            running, function, args = job
            _set_result(running, function, *args)
            del running, function, args, job  # an error would hold this frame while the thread waits


def _start_thread(work: Callable[..., T], *args: Any, daemon: bool = False) -> concurrent.futures.Future[T]:
    """Run `work` in a new thread, in a copy of the current context."""
    context = contextvars.copy_context()
    context.run(caller.set, find_caller())
    running: concurrent.futures.Future[T] = concurrent.futures.Future()
    running.set_running_or_notify_cancel()
    target = partial(_set_result, running, context.run, work, *args)
    threading.Thread(target=target, name="pollinations", daemon=daemon).start()
    return running


def _set_result(running: concurrent.futures.Future[T], work: Callable[..., T], *args: Any) -> None:
    try:
        result = work(*args)
    except BaseException as error:
        running.set_exception(error)
    else:
        running.set_result(result)
    finally:
        del running  # it holds the error, whose traceback holds this frame


def next_step(flow: RequestFlow[Any], answer: Any) -> tuple[bool, Any]:
    """Run a flow to its next step. Return False and the step, or True and the result if the flow has ended.

    `StopIteration` is not used, because a future cannot raise it.
    """
    try:
        return False, flow.send(answer)
    except StopIteration as end:
        return True, end.value
