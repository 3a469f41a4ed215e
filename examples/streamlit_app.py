"""A page with an agent that illustrates its answers.

    pip install 'langchain-pollinations-ai[agents]' streamlit
    streamlit run examples/streamlit_app.py --server.address 127.0.0.1 --browser.gatherUsageStats false

It needs a key in POLLINATIONS_API_KEY. To use the emulator, see `python -m langchain_pollinations.emulator`. It then
also needs POLLINATIONS_BASE_URL.
"""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import streamlit as st
from langchain.agents import create_agent
from langchain_core.messages import BaseMessage, HumanMessage

from langchain_pollinations import ChatPollinations, Media, PollenMeter, PollinationsError, PollinationsToolkit


@st.cache_resource
def create() -> tuple[PollinationsToolkit, Any]:
    toolkit = PollinationsToolkit(include=["image", "edit_image"])
    return toolkit, create_agent(ChatPollinations(), toolkit.get_tools())


def show(message: BaseMessage) -> None:
    if message.type == "tool" and (artifact := getattr(message, "artifact", None)):
        st.image(Media.from_artifact(artifact, store=toolkit.media_store).data, caption=artifact["prompt"])
    elif message.type != "tool" and message.text:
        st.chat_message(message.type).write(message.text)


def answer(messages: list[BaseMessage]) -> Iterator[str]:
    """Show the images and yield the text. Keep the messages when the answer is complete."""
    config = {"configurable": {"thread_id": page.thread_id}, "callbacks": [page.meter]}
    for mode, part in agent.stream({"messages": messages}, config, stream_mode=["messages", "values"]):
        if mode == "values":
            messages = part["messages"]
        elif part[0].type == "tool":
            show(part[0])
        else:
            yield part[0].text
    page.messages = messages


toolkit, agent = create()
page = st.session_state
if "messages" not in page:
    page.messages, page.meter, page.thread_id = [], PollenMeter(budget="1"), str(uuid4())
st.title("An illustrating agent")
for each in page.messages:
    show(each)
if question := st.chat_input("Ask for a story"):
    show(HumanMessage(question))
    try:
        st.chat_message("ai").write_stream(answer([*page.messages, HumanMessage(question)]))
    except PollinationsError as error:
        st.error(str(error))
st.caption(f"{page.meter.total:f} pollen")
