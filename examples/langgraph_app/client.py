"""Ask the agent on the server a question, print the text as it arrives, and save the images.

python client.py "Tell me a short illustrated story about a whale"
"""

from __future__ import annotations

import argparse
import asyncio

from langgraph_sdk import get_client

from langchain_pollinations import Media, adownload


async def ask(url: str, user: str, question: str) -> None:
    async with get_client(url=url, headers={"Authorization": f"Bearer {user}"}) as client:
        thread = await client.threads.create()
        request = {"messages": [{"role": "user", "content": question}]}
        messages, shown = [], None
        modes = ["messages-tuple", "values"]
        async for part in client.runs.stream(thread["thread_id"], "agent", input=request, stream_mode=modes):
            if part.event == "error":
                raise RuntimeError(part.data)
            if part.event == "messages" and part.data[0]["type"] == "AIMessageChunk":
                chunk = part.data[0]
                print(
                    "" if shown in (None, chunk["id"]) else "\n\n",
                    text_of(chunk["content"]),
                    sep="",
                    end="",
                    flush=True,
                )
                shown = chunk["id"]
            elif part.event == "values":
                messages = part.data["messages"]
        print()
        for number, message in enumerate(messages):
            if message["type"] == "tool" and message.get("artifact"):
                media = await adownload(Media.from_artifact(message["artifact"]))
                print(media.save(f"{user}-{thread['thread_id'][:8]}-{number}"))


def text_of(content: str | list[dict[str, str]]) -> str:
    return content if isinstance(content, str) else "".join(block.get("text", "") for block in content)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("question")
    options.add_argument("--user", default="anna")
    options.add_argument("--url", default="http://127.0.0.1:2024")
    chosen = options.parse_args()
    asyncio.run(ask(chosen.url, chosen.user, chosen.question))


if __name__ == "__main__":
    main()
