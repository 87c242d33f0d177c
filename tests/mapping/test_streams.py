"""Jobs on mapped tables whose lists come in parts, and lists of the eight types that are mapped."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from tagsweep.worker.broker.delivery import Delivery
from tagsweep.worker.errors import InvalidJob
from tagsweep.worker.mapping import checking
from tagsweep.worker.models.ids import pack
from tagsweep.worker.models.jobs import AttachJob, DetachJob
from tagsweep.worker.models.parts import Part
from tagsweep.worker.models.resources import NUMBER, pack_kind
from tagsweep.worker.tasks import parts
from tests.servers import Postgres, Redis
from tests.support import driving
from tests.support.own_tables import OwnTables, mapped
from tests.support.stores import counts

TENANT = "main"
IDS = [str(UUID(int=number * 7919)) for number in range(1, 9)]
TABLES = """
CREATE TABLE public.label (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), name text UNIQUE);
CREATE TABLE public.of_table (id bigserial PRIMARY KEY, label_id uuid, table_id uuid,
    UNIQUE (label_id, table_id));
CREATE TABLE public.of_folder (id bigserial PRIMARY KEY, label_id uuid, folder_id uuid,
    UNIQUE (label_id, folder_id));
CREATE TABLE public.of_layer (id bigserial PRIMARY KEY, label_id uuid, layer_id bigint,
    UNIQUE (label_id, layer_id));
INSERT INTO public.label (name) VALUES ('old');
"""
MAP = """
[tags]
table = "public.label"
id = "id"
name = "name"
tenant_fixed = "main"
""" + "".join(
    f"""
[resources.{name}s]
links = "public.of_{name}"
tag = "label_id"
object = "{name}_id"
kind = "{kind}"
grows = "id"
"""
    for name, kind in (("table", "uuid"), ("folder", "uuid"), ("layer", "bigint"))
)


@pytest.fixture
def own(
    postgres_server: Postgres, postgres_template: str, redis_server: Redis, tmp_path: Path
) -> Iterator[OwnTables]:
    """An application that has some of the eight types in its tables; ours have them too."""
    url = postgres_server.create_database(postgres_template)
    with mapped(url, tmp_path, TABLES, MAP, events_url=redis_server.create_database()) as found:
        for name, ids in (("table", IDS), ("folder", IDS)):
            found.execute(
                f"INSERT INTO of_{name} (label_id, {name}_id) SELECT label.id, CAST(o AS uuid) "
                "FROM label, unnest(CAST(:ids AS text[])) AS o",
                ids=ids,
            )
        found.execute("INSERT INTO of_layer (label_id, layer_id) SELECT id, 7919 FROM label")
        found.store.tag(TENANT, "old", tables=IDS, volumes=IDS)
        yield found
    postgres_server.drop_database(url)


def _left(own: OwnTables) -> dict[str, int]:
    tables = ("of_table", "of_folder", "of_layer")
    rows = {one: own.execute(f"SELECT count(*) AS n FROM {one}")[0].n for one in tables}
    return {**rows, "ours": len(own.store.links(TENANT))}


WHOLE = {"of_table": 8, "of_folder": 8, "of_layer": 1, "ours": 16}


def _send(job_id: str, some: Sequence[dict[str, Any]], order: Sequence[int], **head: Any) -> None:
    """Deliver the parts of a stream to a worker, in this order."""
    for number in order:
        packed = {
            field: {name: base64.b64encode(ids).decode() for name, ids in lists.items()}
            for field, lists in some[number].items()
        }
        body = {
            "job_id": job_id,
            "nonce": "n",
            "number": number,
            "parts": len(some),
            "kind": "detach",
            "head": {"tenant": TENANT, "names": ["old"], **head},
            **packed,
        }
        message = str(uuid4())
        delivery = Delivery(
            Part.task,
            message,
            (body,),
            {},
            redelivered=False,
            reply_to=None,
            correlation_id=message,
        )
        parts.accept(delivery)


def test_a_list_of_a_mapped_type_is_about_the_map_s_table(own: OwnTables) -> None:
    done = driving.run(
        DetachJob.parse({"tenant": TENANT, "names": ["old"], "tables": IDS[:3], "folders": "*"})
    )
    assert done["counts"] == counts(total=11, removed=11)
    assert _left(own) == {**WHOLE, "of_table": 5, "of_folder": 0}


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_so_is_one_that_comes_in_parts(own: OwnTables, order: tuple[int, int]) -> None:
    job_id = str(uuid4())
    _send(job_id, [{"ids": {"tables": pack(IDS)}}, {"ids": {"folders": pack(IDS[:2])}}], order)
    done = driving.finish(UUID(job_id))
    assert done["counts"] == counts(total=10, removed=10)
    assert _left(own) == {**WHOLE, "of_table": 0, "of_folder": 6}


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
@pytest.mark.parametrize(
    "other",
    [
        ({"ids": {"volumes": pack(IDS)}}, "mixed_tags"),
        ({"ids": {"layers": pack(IDS)}}, "wrong_kind"),
        ({"resources": {"layers": pack_kind(NUMBER, [1])}}, "unknown_resource"),
    ],
    ids=["in our tables", "numbers in the map", "not in the head"],
)
def test_a_part_with_another_kind_of_list_ends_the_job_rejected(
    own: OwnTables, order: tuple[int, int], other: tuple[dict[str, Any], str]
) -> None:
    job_id = str(uuid4())
    _send(job_id, [{"ids": {"tables": pack(IDS)}}, other[0]], order)
    done = driving.finish(UUID(job_id))
    assert (done["status"], done["errors"][0]["code"]) == ("rejected", other[1])
    assert _left(own) == WHOLE
    assert len(own.store.outbox(job_id)) == 1


@pytest.mark.parametrize("wrong", [pack(IDS), (2**63).to_bytes(16, "big"), b"\xff" * 16])
def test_packed_ids_that_are_no_numbers_end_it_too(own: OwnTables, wrong: bytes) -> None:
    """The lower half of a UUID is a number, but not the id of anything that was named."""
    job_id = str(uuid4())
    wrong = wrong.replace(b"\0" * 8, b"\0" * 7 + b"\1") if wrong == pack(IDS) else wrong
    kinds = {"resources": {"layers": NUMBER}}
    _send(job_id, [{"resources": {"layers": wrong}}], (0,), **kinds)
    done = driving.finish(UUID(job_id))
    assert (done["status"], done["errors"][0]["code"]) == ("rejected", "invalid_number")
    assert _left(own) == WHOLE


def test_what_the_map_does_not_have_ends_a_stream_rejected(own: OwnTables) -> None:
    for head, code in (
        ({"resources": {"layer": NUMBER}}, "unknown_resource"),
        ({"resources": {"tables": NUMBER}}, "wrong_kind"),
        ({"tenant": "another", "resources": {"layers": NUMBER}}, "foreign_tenant"),
    ):
        job_id = str(uuid4())
        name = next(iter(head["resources"]))
        some = [{"resources": {name: pack_kind(NUMBER, [one])}} for one in (7919, 3)]
        _send(job_id, some, (0, 1, 1), **head)
        done = driving.finish(UUID(job_id))
        assert (done["status"], done["errors"][0]["code"]) == ("rejected", code)
        assert len(own.store.outbox(job_id)) == 1
    assert _left(own) == WHOLE


@pytest.mark.parametrize("kind", [DetachJob, AttachJob])
def test_uuids_of_a_type_that_has_numbers_are_refused(
    own: OwnTables, kind: type[DetachJob]
) -> None:
    job = kind.parse({"tenant": TENANT, "names": ["old"], "layers": IDS[:1]})
    with pytest.raises(InvalidJob, match=r"whole numbers, not UUIDs: give them in resources\."):
        checking.check(job)
    given = {"tenant": TENANT, "names": ["old"], "resources": {"layers": [7919]}}
    assert driving.run(DetachJob.parse(given))["counts"] == counts(total=1, removed=1)
    assert _left(own) == {**WHOLE, "of_layer": 0}
