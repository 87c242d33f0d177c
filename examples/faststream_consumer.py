"""A FastStream consumer that keeps a search index in step with clean-ups.

The index is an SQLite table, in the place of your search engine. For each job that changed
something, the consumer reads the job's receipt from the gateway and applies it row by row. Run it
with ``python faststream_consumer.py``; it needs TAGSWEEP_BROKER_URL, TAGSWEEP_URL and
TAGSWEEP_API_KEY.
"""

import asyncio
import json
import os
import sqlite3

import httpx
from faststream import FastStream
from faststream.redis import RedisBroker, StreamSub
from pydantic import BaseModel

STREAM = "tagsweep:events"
#: events go to one process of the group, and stay with the group while it is down
GROUP, CONSUMER = "search-index", "search-index-1"

broker = RedisBroker(os.environ["TAGSWEEP_BROKER_URL"])
app = FastStream(broker)
gateway = httpx.AsyncClient(
    base_url=os.environ["TAGSWEEP_URL"], headers={"x-api-key": os.environ["TAGSWEEP_API_KEY"]}
)
index = sqlite3.connect(os.environ.get("INDEX", "index.db"))
index.execute(
    "CREATE TABLE IF NOT EXISTS tagged"
    " (tag TEXT, type TEXT, id TEXT, PRIMARY KEY (tag, type, id)) WITHOUT ROWID"
)


class Completion(BaseModel):
    """What the index needs of an event's data."""

    kind: str
    counts: dict[str, int]
    dry_run: bool = False


class Event(BaseModel):
    """What the index needs of an event."""

    id: str
    dataref: str
    data: Completion


@broker.subscriber(stream=StreamSub(STREAM, group=GROUP, consumer=CONSUMER, last_id=">"))
async def update(event: Event) -> None:
    """Apply what a job has changed. Applied twice it does no harm, so no id is remembered."""
    counts = event.data.counts
    if event.data.dry_run or not counts.get("removed", 0) + counts.get("added", 0):
        return
    wanted = {"outcome": "removed,added"}
    async with gateway.stream("GET", event.dataref, params=wanted, timeout=60) as receipt:
        receipt.raise_for_status()
        with index:
            async for line in receipt.aiter_lines():
                apply(json.loads(line))
    print("indexed", event.id, flush=True)


def apply(row: dict[str, str]) -> None:
    """Apply a row of a receipt; those of workspaces are not in this index."""
    if "resource" not in row or row["resource"] is None:
        return
    link = (row["tag"], row["resource_type"], row["resource"])
    if row["outcome"] == "removed":
        index.execute("DELETE FROM tagged WHERE (tag, type, id) = (?, ?, ?)", link)
    else:
        index.execute("INSERT OR IGNORE INTO tagged VALUES (?, ?, ?)", link)


if __name__ == "__main__":
    asyncio.run(app.run())
