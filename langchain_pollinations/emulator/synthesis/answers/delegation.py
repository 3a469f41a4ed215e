"""Plans the work of an agent with subagents: a to-do list, a task for a subagent, and a file with the result."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest

from langchain_pollinations.emulator.synthesis.answers import story
from langchain_pollinations.emulator.synthesis.answers.conversation import ChatRequest, Tool
from langchain_pollinations.emulator.synthesis.answers.tool_planning import STORY, VISUAL, Call, Plan

SUBAGENT = re.compile(r"^- (?P<name>[\w-]+):(?P<description>.*)$", re.MULTILINE)
"""A line in the description of the tool that starts subagents."""
IMAGE = re.compile(r"!\[[^\]\n]{0,300}\]\(([^)\s]+)\)")
FILE_NAME = re.compile(r"(?<![\w/.-])/?(?:[\w-]+/)*[\w-]+\.(?:md|txt|html)\b")


@dataclass(frozen=True)
class Job:
    """What an agent with subagents has to do, and the tools for it."""

    subagents: Tool
    subagent: str
    task: str
    """The text that the subagent receives."""
    result: str
    """The text that the agent writes."""
    todos: Tool | None
    writer: Tool | None
    file: str | None

    @property
    def steps(self) -> Sequence[str]:
        writing = [f"Write the text to {self.file}"] if self.file else []
        return [f"Let the {self.subagent} generate the images", *writing]


def plan(chat: ChatRequest) -> Plan | None:
    """Plan the work if the user asks for images and a subagent generates them. Return None otherwise."""
    job = _job(chat)
    if job is None:
        return None
    work = [Call(job.subagents.name, {"description": job.task, "subagent_type": job.subagent})]
    if job.writer and job.file:
        work.append(Call(job.writer.name, {"file_path": job.file, "content": job.result}))
    calls = work if job.todos is None else _with_todos(job.todos, job.steps, work)
    conclusion = f"The result is in {job.file}." if len(work) > 1 else job.result
    return Plan(calls, sequential=True, conclusion=conclusion)


def _job(chat: ChatRequest) -> Job | None:
    subagents = _having(chat, "description", "subagent_type")
    if subagents is None or not VISUAL.search(chat.asked) or chat.body.get("tool_choice", "auto") != "auto":
        return None
    known = [match for match in SUBAGENT.finditer(subagents.description) if VISUAL.search(match[0])]
    if not known:
        return None
    reports = [result.text for result in chat.results if result.name == subagents.name]
    task, result = _task_and_result(chat, "\n\n".join(reports))
    named = FILE_NAME.search(chat.asked) or FILE_NAME.search(chat.system)
    writer = _having(chat, "file_path", "content")
    file = named[0] if named and writer else None
    return Job(subagents, known[0]["name"], task, result, _having(chat, "todos"), writer, file)


def _having(chat: ChatRequest, *names: str) -> Tool | None:
    """Return the tool whose parameters have these names."""
    return next((tool for tool in chat.tools if tool.properties.keys() == set(names)), None)


def _task_and_result(chat: ChatRequest, report: str) -> tuple[str, str]:
    """Return the text for the subagent, and the text for the user, which has the images of the report."""
    if not STORY.search(chat.asked):
        return chat.asked, report
    tale = story.compose(chat.asked, story.count_of(chat.asked), chat.seed)
    listed = "\n".join(f"{number}. {scene.prompt}" for number, scene in enumerate(tale.scenes, 1))
    images = [f"![{s.heading}]({url})" for s, url in zip(tale.scenes, IMAGE.findall(report), strict=False)]
    return f"Generate one image of each:\n\n{listed}", story.to_markdown(tale, images)


def _with_todos(todos: Tool, steps: Sequence[str], work: Sequence[Call]) -> list[Call]:
    """Return the calls with an update of the to-do list before each call and after the last."""
    calls: list[Call] = []
    for done, call in zip_longest(range(len(steps) + 1), work):
        states = ["completed" if n < done else "in_progress" if n == done else "pending" for n in range(len(steps))]
        listed = [{"content": step, "status": state} for step, state in zip(steps, states, strict=True)]
        calls += [Call(todos.name, {"todos": listed}), *([call] if call else [])]
    return calls
