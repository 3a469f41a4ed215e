"""A page with an agent that illustrates its answers.

    pip install '.[agents]' streamlit
    streamlit run examples/streamlit_app.py --server.address 127.0.0.1 --browser.gatherUsageStats false

It needs a key in POLLINATIONS_API_KEY. To use the emulator, see `python -m langchain_pollinations.emulator`. It then
also needs POLLINATIONS_BASE_URL.
"""

import re

import streamlit as st
from langchain.agents import create_agent
from langchain_core.messages import HumanMessage

from langchain_pollinations import ChatPollinations, Media, PollenMeter, PollinationsError, PollinationsToolkit

page = st.session_state
if "agent" not in page:  # each page that is opened has an agent, media and costs of its own
    tools = PollinationsToolkit(include=["image", "edit_image"], inline=True).get_tools()
    page.agent = create_agent(ChatPollinations(), tools)
    page.messages, page.meter = [], PollenMeter(budget="1")


def without_images(text):
    """Images become links: the browser would load them from any host that the model names."""
    return re.sub(r"!+\[", "[", text)


def show(message):
    if message.type == "tool" and message.artifact:
        st.image(Media.from_artifact(message.artifact).data, caption=without_images(message.artifact["prompt"]))
    elif message.type != "tool" and message.text:
        st.chat_message(message.type).write(without_images(message.text))


def answer(messages):
    """Show the images and yield the text. Keep the messages when the answer is complete."""
    modes, config = ["messages", "values"], {"callbacks": [page.meter]}
    for mode, part in page.agent.stream({"messages": messages}, config, stream_mode=modes):
        if mode == "values":
            messages = part["messages"]
        elif part[0].type == "tool":
            show(part[0])
        else:
            yield part[0].text
    page.messages = messages


st.title("An illustrating agent")
for each in page.messages:
    show(each)
if question := st.chat_input("Ask for a story"):
    show(HumanMessage(question))
    try:
        place, text = st.chat_message("ai").empty(), ""
        for piece in answer([*page.messages, HumanMessage(question)]):
            text += piece
            place.write(without_images(text))
    except PollinationsError as error:
        st.error(without_images(str(error)))
st.caption(f"{page.meter.total:f} pollen")
