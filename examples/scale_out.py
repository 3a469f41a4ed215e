"""Caption, illustrate and embed the rows of a data set with workers of Ray.

    pip install '.[ray,emulator]'
    python examples/scale_out.py --rows 200 --actors 2 --out build/scale_out

With a key in POLLINATIONS_API_KEY, the requests go to gen.pollinations.ai and cost pollen. Without a key, they go to
the emulator. The rows are in `rows/*.parquet` of the folder, and the images in `images/`. After an interruption, run
the same command again: it skips the rows that are finished. One run at a time may write to a folder.

With RAY_ADDRESS, the workers run on that cluster. Then the folder must be on a file system that all nodes share, and
each node needs the key in its environment.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as parquet
import pyarrow.parquet
import ray
from langchain_core.rate_limiters import InMemoryRateLimiter

from langchain_pollinations import (
    AuthenticationError,
    ChatPollinations,
    PaymentRequiredError,
    PollenMeter,
    PollinationsEmbeddings,
    PollinationsError,
    PollinationsImage,
    UnknownModelError,
    list_models,
)

CHAT, EMBEDDINGS = "openai", "openai/text-embedding-3-small"
BATCH = 32
"""Rows that a worker finishes before they are written to Parquet."""
THREADS = 16
"""Rows that a worker runs at the same time."""

SCHEMA = pa.schema(
    {
        "id": pa.string(),
        "product": pa.string(),
        "caption": pa.string(),
        "image": pa.string(),  # name of the file
        "vector": pa.list_(pa.float32()),
        "pollen": pa.decimal128(38, 18),  # what the row cost
        "stored": pa.decimal128(38, 18),  # what an interrupted attempt of the row had cost
        "worker": pa.int64(),  # id of the process
        "error": pa.string(),
    }
)


class Illustrator:
    """A worker. Ray creates one in each process of the pool, so each worker has its own clients."""

    def __init__(self, images: Path, image_model: str, size: int, rpm: dict[str, float]) -> None:
        def limiter(model: str) -> InMemoryRateLimiter | None:
            return InMemoryRateLimiter(requests_per_second=rpm[model] / 60) if model in rpm else None

        self.images = images
        self.chat = ChatPollinations(model=CHAT, rate_limiter=limiter(CHAT))
        self.painter = PollinationsImage(
            model=image_model, width=size, height=size, rate_limiter=limiter(image_model), on_wait=False
        )
        self.embeddings = PollinationsEmbeddings(model=EMBEDDINGS, dimensions=256, rate_limiter=limiter(EMBEDDINGS))

    def __call__(self, batch: pa.Table) -> pa.Table:
        with ThreadPoolExecutor(THREADS) as threads:
            return pa.Table.from_pylist(list(threads.map(self.work, batch.to_pylist())), SCHEMA)

    def work(self, row: dict[str, Any]) -> dict[str, Any]:
        # The requests depend on the row only. If the row runs again, the service has stored their responses.
        with PollenMeter() as meter:
            try:
                caption = self.chat.invoke(f"Describe this product in one sentence: {row['product']}").text
                image = self.painter.generate(caption, path=self.images / row["id"])
                found = {"caption": caption, "image": image.path.name, "vector": self.embeddings.embed_query(caption)}
            except (AuthenticationError, PaymentRequiredError, UnknownModelError):
                raise  # these errors concern all rows
            except PollinationsError as error:
                found = {"error": f"{type(error).__name__}: {error}"}
        return {**row, **found, "pollen": meter.total, "stored": meter.saved, "worker": os.getpid()}


def rate_limits(image_rpm: float | None, image_model: str, actors: int) -> dict[str, float]:
    """Return the requests per minute of each worker to each model with a limit. The limit is that of the key, and
    holds for all workers together."""
    limits = {name: model.per_user_rpm for model in list_models() for name in (model.id, *model.aliases)}
    limits[image_model] = image_rpm or limits.get(image_model)
    return {model: rpm / actors for model in (CHAT, image_model, EMBEDDINGS) if (rpm := limits.get(model))}


def products(count: int) -> list[dict[str, Any]]:
    """Return the data set."""
    colours, things = ("red", "blue", "white", "striped"), ("teapot", "kite", "lighthouse", "boat", "lamp")
    return [{"id": f"{n:07}", "product": f"{colours[n % 4]} {things[n % 5]}, model {n}"} for n in range(count)]


def finished(rows: Path, *columns: str) -> pa.Table:
    """Return the rows that are written. Files whose names begin with a dot are incomplete, and are ignored."""
    return parquet.dataset(rows, schema=SCHEMA, format="parquet").to_table(list(columns))


def write(table: pa.Table, rows: Path) -> None:
    """Write rows to a new file, which the id of its first row names. The file appears when it is complete."""
    if table.num_rows:
        part = rows / f".{os.getpid()}.part"
        pyarrow.parquet.write_table(table, part)
        part.replace(rows / f"{table['id'][0]}.parquet")


@contextmanager
def service() -> Iterator[None]:
    """Use the service if there is a key, otherwise start the emulator."""
    if os.environ.get("POLLINATIONS_API_KEY"):
        yield
        return
    from langchain_pollinations.emulator import Emulator

    print("POLLINATIONS_API_KEY is not set: requests go to the emulator.")
    with Emulator(latency=0.1) as emulator:
        connection = emulator.connection()
        os.environ["POLLINATIONS_BASE_URL"] = connection["base_url"]  # the workers inherit the environment
        os.environ["POLLINATIONS_API_KEY"] = connection["api_key"]
        yield


@contextmanager
def cluster() -> Iterator[None]:
    """Connect to the cluster of RAY_ADDRESS, or start a local one that no other machine can reach."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    local = {"_node_ip_address": "127.0.0.1", "include_dashboard": False, "object_store_memory": 200_000_000}
    ray.init(logging_level="warning", **({} if os.environ.get("RAY_ADDRESS") else local))
    try:
        yield
    finally:
        ray.shutdown()


def run(data: list[dict[str, Any]], folder: Path, actors: int, **options: Any) -> None:
    """Run the rows that are not finished."""
    rows, images = folder / "rows", folder / "images"
    for each in (rows, images):
        each.mkdir(parents=True, exist_ok=True)
    for part in images.glob(".*.part"):  # left by a process that was killed
        part.unlink(missing_ok=True)
    done = set(finished(rows, "id")["id"].to_pylist())
    todo = [row for row in data if row["id"] not in done]
    if not todo:
        return
    size = min(BATCH, -(-len(todo) // actors))
    with cluster():
        results = ray.data.from_items(todo, override_num_blocks=-(-len(todo) // size)).map_batches(
            Illustrator,  # Ray replaces a worker that dies, and repeats its batch
            batch_size=size,
            batch_format="pyarrow",
            compute=ray.data.ActorPoolStrategy(size=actors),
            num_cpus=0.1,  # a worker waits for the network most of the time
            fn_constructor_kwargs={"images": images.absolute(), **options},
        )
        for table in results.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0):
            failed = table["error"].is_valid()
            write(table.filter(pc.invert(failed)), rows)
            for row in table.filter(failed).to_pylist():
                print(f"{row['id']} failed and will be repeated by the next run: {row['error']}")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rows", type=int, default=200)
    options.add_argument("--actors", type=int, default=2, help="worker processes")
    options.add_argument("--out", type=Path, default=Path("build/scale_out"), help="folder of the results")
    options.add_argument("--image-model", default="flux")
    options.add_argument("--size", type=int, default=256, help="width and height of the images")
    options.add_argument("--rpm", type=float, help="images per minute (default: the limit in the model list)")
    chosen = options.parse_args()
    with service():
        run(
            products(chosen.rows),
            chosen.out,
            chosen.actors,
            image_model=chosen.image_model,
            size=chosen.size,
            rpm=rate_limits(chosen.rpm, chosen.image_model, chosen.actors),
        )
    table = finished(chosen.out / "rows", "pollen", "stored")
    pollen, stored = (sum(table[name].to_pylist(), Decimal(0)).normalize() for name in ("pollen", "stored"))
    print(f"{len(table)} rows in {chosen.out}: {pollen:f} pollen, and {stored:f} pollen of interrupted attempts")


if __name__ == "__main__":
    main()
