"""How people write it, for the type checker; nothing here is run."""

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import assert_type

import httpx
from langchain_core.messages import AIMessage
from pydantic import BaseModel, SecretStr

from langchain_pollinations.account import PollinationsAccount
from langchain_pollinations.audio import PollinationsSpeech
from langchain_pollinations.chat_models import ChatPollinations
from langchain_pollinations.embeddings import PollinationsEmbeddings
from langchain_pollinations.emulator import Emulator
from langchain_pollinations.images import PollinationsImage
from langchain_pollinations.mcp import MCPServer, list_mcp_servers, mcp_connections, mcp_errors
from langchain_pollinations.media import Media
from langchain_pollinations.models3d import Pollinations3D
from langchain_pollinations.sign_in import login
from langchain_pollinations.tools.images import PollinationsEditImageTool, PollinationsImageTool
from langchain_pollinations.tools.video import PollinationsVideoTool
from langchain_pollinations.transcription import PollinationsTranscriber
from langchain_pollinations.video import PollinationsVideo
from langchain_pollinations.voice import PollinationsVoice


class Sea(BaseModel):
    name: str


def uses() -> None:
    chat = ChatPollinations(model="openai", api_key=SecretStr("sk_x"), temperature=0.1, seed=-1, stop=["x"])
    answer: AIMessage = chat.invoke("Hello", temperature=0, route="get")
    ChatPollinations(route="post").bind(route="chat")
    print(answer.text)
    ChatPollinations(api_key=None, base_url=None, max_retries=None, timeout=(5, 60)).timeout = None
    chat.invoke("Hello", timeout=3, extra_headers={"x-trace": "1"})
    painter_ = PollinationsImage(timeout=httpx.Timeout(None), http_client=httpx.Client())
    painter_.generate("a cat", timeout=(5, None), extra_headers={"x-trace": "1"})
    assert_type(chat.batch(["Hello"]), list[AIMessage])
    chat.bind_tools([Sea], tool_choice="any").invoke("Hello")
    chat.with_structured_output(Sea).invoke("Hello")
    painter = PollinationsImage(model="flux", width=64, api_key=SecretStr("sk_x"))
    picture: Media = painter.generate("a cat", seed=7)
    print(picture.save("cat"), painter.invoke("a dog").url)
    assert_type(painter.batch(["a cat"]), list[Media])
    print(painter.invoke(answer).url, (chat | painter).invoke("Describe a cat").url)
    PollinationsImageTool(api_key="sk_x", model="flux", width=64, show=True)
    draw = PollinationsImageTool(wrapper=painter, models=["flux"])
    PollinationsEditImageTool(model="klein", media_store=draw.media_store)
    PollinationsVideoTool(output_folder="films")
    embeddings = PollinationsEmbeddings(api_key=SecretStr("sk_x"), dimensions=512, batch_size=8)
    vectors: list[list[float]] = embeddings.embed_documents(["a cat"])
    print(vectors, embeddings.embed([picture, "a cat"]), embeddings.embed_all(["a cat", {"type": "text", "text": "x"}]))
    camera = PollinationsVideo(api_key=SecretStr("sk_x"), duration=4, progress=lambda told: print(told.seconds))
    film: Media = camera.generate("waves", path="waves.mp4", progress=False, first_frame=picture)
    print(film.path, camera.invoke("waves").size)
    painter.generate("a cat", path=Path("cat"), progress=True, quality="high", image=[picture, b"..."])
    painter.generate("a cat", widht=64)  # type: ignore[call-arg]
    painter.generate("a cat", width="64")  # type: ignore[arg-type]
    painter.generate("a cat", "cat.png")  # type: ignore[call-arg]
    assert_type(painter.edit("at night", picture, path="night", seed=3, timeout=5), Media)
    PollinationsSpeech().generate([("nova", "Hi.")], voice="nova", extra_headers={"x-trace": "1"})
    Pollinations3D().generate(image=picture, resolution="low")
    assert_type(list_mcp_servers(), list[MCPServer])
    with mcp_errors():
        print(mcp_connections("exa", *list_mcp_servers(), api_key=SecretStr("sk_x"), timeout=(5, 600), check=False))
    mcp_connections(["exa"])  # type: ignore[arg-type]
    PollinationsTranscriber().transcribe("talk.mp3", language="en", timeout=60)
    assert_type(PollinationsVoice().change("talk.mp3", voice="nova", response_format="wav"), Media)
    PollinationsVoice().isolate(picture, voice="nova")  # type: ignore[call-arg]
    embeddings.embed_query("a cat", dimensions=256)
    account = PollinationsAccount(api_key=login("usage", show=lambda sign_in: print(sign_in.url)))
    started = datetime.now(UTC)
    assert_type(account.balance().balance, Decimal)
    assert_type([record.cost_usd for record in account.usage(days=7, models="openai", key_ids=["a"])], list[Decimal])
    assert_type(account.spent(since=started, scope="account"), Decimal)
    print(account.check(model="openai", cost=0.01).fix_url, list(account.key_usage(since=started, limit=5)))
    account.key_usage(day=7)  # type: ignore[call-arg]
    login("balance")  # type: ignore[arg-type]
    with Emulator() as emulator:
        print(emulator.url, emulator.requests[-1].json)
