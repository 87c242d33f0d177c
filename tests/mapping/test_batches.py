"""Small jobs on mapped tables that wait at the same moment are done in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tagsweep.worker import database
from tagsweep.worker.broker.delivery import Delivery
from tagsweep.worker.chunks import batch_changes, batches, plain
from tagsweep.worker.errors import StoreBusy
from tagsweep.worker.jobs.batch_ends import NewJob
from tagsweep.worker.mapping import file
from tagsweep.worker.models.jobs import KINDS, DetachJob, Job, UndoJob
from tagsweep.worker.tasks import accept, batch
from tests.servers import Postgres, Redis
from tests.support import driving, outcomes, receipts, worlds
from tests.support.gateway import serving
from tests.support.link_owner import Owner
from tests.support.own_tables import TAGGIT, TAGGIT_MAP, TENANT, OwnTables, mapped
from tests.support.stack import ServerStack
from tests.support.stores import attached, counts, new_ids, new_tenant

NAMES = ["a", "b"]
CONTENT_TYPES = {"articles": 7, "authors": 8}
OBJECTS = list(range(6))
OURS = new_ids(4, seed=7)


@pytest.fixture
def taggit(
    postgres_server: Postgres, postgres_template: str, tmp_path: Path
) -> Iterator[OwnTables]:
    """A taggit-like application, whose tables this process works on."""
    url = postgres_server.create_database(postgres_template)
    with mapped(url, tmp_path, TAGGIT, TAGGIT_MAP) as found:
        yield found
    postgres_server.drop_database(url)


@dataclass
class Case:
    """Links on mapped tables and on our own, and jobs on either that wait at the same moment."""

    links: set[tuple[str, str, int]]
    jobs: list[tuple[str, dict[str, Any]]]
    tenant: str = ""  #: of the links on our own tables

    def fill(self, own: OwnTables) -> list[Job]:
        """Put the links into empty tables; return the jobs."""
        own.execute("TRUNCATE taggit_taggeditem, taggit_tag RESTART IDENTITY")
        self.tenant = new_tenant()
        for name in NAMES:
            for kind, number in CONTENT_TYPES.items():
                own.tag(
                    name, [o for n, k, o in sorted(self.links) if (n, k) == (name, kind)], number
                )
            own.store.tag(self.tenant, name, tables=OURS[:3])
        return [
            KINDS[kind].parse({"tenant": TENANT if "resources" in body else self.tenant, **body})
            for kind, body in self.jobs
        ]

    def left(self, own: OwnTables) -> list[Any]:
        """Return what there is."""
        return [own.links(), own.counters(), own.store.links(self.tenant)]


_names = st.lists(st.sampled_from([*NAMES, "unknown"]), min_size=1, max_size=3)
_ids = st.lists(st.sampled_from([*OBJECTS, 2**61]), max_size=6)
_lists = st.dictionaries(st.sampled_from(sorted(CONTENT_TYPES)), _ids, min_size=1)
_bodies = st.one_of(
    st.fixed_dictionaries({"names": _names, "resources": _lists}),
    st.fixed_dictionaries({"names": _names, "tables": st.lists(st.sampled_from(OURS))}),
)
_jobs = st.tuples(st.sampled_from(["detach", "attach"]), _bodies)
cases = st.builds(
    Case,
    links=st.sets(
        st.tuples(
            st.sampled_from(NAMES), st.sampled_from(sorted(CONTENT_TYPES)), st.sampled_from(OBJECTS)
        )
    ),
    jobs=st.lists(_jobs.filter(lambda job: _has_ids(*job)), min_size=1, max_size=8),
    tenant=st.just(""),
)


def _has_ids(kind: str, body: dict[str, Any]) -> bool:
    lists = [body.get("tables"), *body.get("resources", {}).values()]
    return kind == "detach" or any(lists)


def _new(job: Job) -> NewJob:
    return NewJob(uuid4(), job, job.fingerprint())


def _apply(orders: list[NewJob], change: Callable[[], object] = bool) -> batches.Done:
    """Do jobs in one transaction; ``change``: what somebody does once they are accepted."""
    with pytest.MonkeyPatch.context() as patch, database.transaction() as connection:
        applying = batch_changes.apply
        patch.setattr(batch_changes, "apply", lambda *given: (change(), applying(*given))[1])
        return batches.apply(connection, orders)


def _detach(names: list[str], **lists: list[int]) -> NewJob:
    return _new(DetachJob.parse({"tenant": TENANT, "names": names, "resources": lists}))


def _undo(job_id: UUID) -> dict[str, Any]:
    return driving.run_recorded(
        driving.record(UndoJob.parse({"tenant": TENANT, "job": str(job_id)}))
    )


@pytest.mark.slow
@settings(worlds.examples, max_examples=12)
@given(case=cases)
def test_a_batch_on_mapped_tables_and_our_own_comes_to_what_its_jobs_come_to_alone(
    taggit: OwnTables, case: Case
) -> None:
    orders = [_new(job) for job in case.fill(taggit)]
    before = taggit.digest(), taggit.digest("taggit_tag")
    assert all(plain.is_plain(order.job, 1_000) for order in orders)
    ended = _apply(orders).ended
    assert ended.keys() == {order.job_id for order in orders}
    found = [outcomes.of(taggit.store, order.job_id) for order in orders]
    told = [_receipt(taggit, order.job_id) for order in orders]
    left = case.left(taggit)
    done = sorted(orders, key=lambda order: order.job.kind == "attach")
    for order in reversed(done):
        if order.job.tenant == TENANT and ended[order.job_id].job.changed:
            assert _undo(order.job_id)["status"] == "succeeded"
    assert (taggit.digest(), taggit.digest("taggit_tag")) == before

    alone = dict(zip((order.job_id for order in orders), case.fill(taggit), strict=True))
    ids = {order.job_id: uuid4() for order in orders}
    for order in done:
        driving.finish(driving.record(alone[order.job_id], ids[order.job_id], at_once=True))
    assert found == [outcomes.of(taggit.store, ids[order.job_id]) for order in orders]
    assert told == [_receipt(taggit, ids[order.job_id]) for order in orders]
    assert left == case.left(taggit)


def _receipt(own: OwnTables, job_id: UUID) -> list[tuple[Any, ...]]:
    receipts.agrees(own.store, job_id)
    parts = ("name", "resource_type", "resource", "outcome")
    rows = [tuple(str(row.get(part)) for part in parts) for row in receipts.read(job_id)]
    return sorted(rows)


def _message(job: Job, task: str) -> Delivery:
    own = str(uuid4())
    body = job.model_dump(mode="json", exclude_defaults=True, exclude={"requested_by"})
    return Delivery(
        task=task,
        task_id=own,
        args=(body,),
        kwargs={},
        redelivered=False,
        reply_to=None,
        correlation_id=own,
    )


def _messages(*resources: dict[str, Any], **more: Any) -> list[Delivery]:
    return [
        _message(
            DetachJob.parse({"tenant": TENANT, "names": ["a"], "resources": one, **more}),
            "tags.detach",
        )
        for one in resources
    ]


def _alone(message: Delivery) -> dict[str, Any]:
    accept.accept(DetachJob, message)
    return driving.finish(UUID(message.task_id))


def test_a_job_that_their_trigger_refuses_is_done_alone_and_no_other_notices(
    taggit: OwnTables,
) -> None:
    taggit.tag("a", OBJECTS)
    taggit.execute(
        "CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "IF OLD.object_id = 3 THEN RAISE EXCEPTION 'it is under contract'; END IF; "
        "RETURN OLD; END $$"
    )
    taggit.execute(
        "CREATE TRIGGER keep BEFORE DELETE ON taggit_taggeditem "
        "FOR EACH ROW EXECUTE FUNCTION keep()"
    )
    messages = _messages({"articles": [0, 1]}, {"articles": [2, 3]}, {"articles": [4]})
    assert batch.do(messages) == {messages[0].task_id, messages[2].task_id}
    refused = _alone(messages[1])
    assert (refused["status"], refused["counts"]) == (
        "partial",
        counts(total=2, removed=1, failed=1),
    )
    assert taggit.links() == {("a", 7, 3), ("a", 7, 5)}
    assert taggit.counters() == {"a": 2}


def test_what_the_map_does_not_allow_is_done_alone_and_rejected(taggit: OwnTables) -> None:
    taggit.tag("a", [0])
    wrong = [
        *_messages({"articles": [0]}, tenant="other"),
        *_messages({"nothing": [0]}),
        *_messages({"articles": [str(uuid4())]}),
        *_messages({"articles": "*"}),
    ]
    right = _messages({"articles": [0]})
    assert batch.do([*wrong, *right]) == {right[0].task_id}
    assert [_alone(one)["status"] for one in wrong] == [*["rejected"] * 3, "succeeded"]


def test_a_name_that_several_tags_have_is_done_alone_and_rejected(taggit: OwnTables) -> None:
    taggit.tag("a", [0])
    taggit.tag("b", [0])
    taggit.execute("ALTER TABLE taggit_tag DROP CONSTRAINT taggit_tag_name_key")
    taggit.execute("INSERT INTO taggit_tag (name, slug) VALUES ('a', 'other')")
    orders = [_detach(["b"], articles=[0]), _detach(["b", "a"], articles=[0])]
    assert list(_apply(orders).ended) == [orders[0].job_id]
    done = driving.run(orders[1].job)
    assert [error["code"] for error in done["errors"]] == ["ambiguous_name"]


def test_tables_that_were_altered_are_read_anew(taggit: OwnTables) -> None:
    taggit.tag("a", OBJECTS)
    first = _messages({"articles": [0]}, {"articles": [1]})
    assert batch.do(first) == {one.task_id for one in first}
    taggit.execute("ALTER TABLE taggit_taggeditem ADD COLUMN more text DEFAULT 'more'")
    taggit.execute("UPDATE taggit_taggeditem SET more = 'less'")
    taggit.execute("ALTER TABLE taggit_tag ALTER COLUMN name TYPE text")
    before = taggit.digest()
    second = _messages({"articles": [2]}, {"articles": [3]})
    assert batch.do(second) == {one.task_id for one in second}
    for one in second:
        assert _undo(UUID(one.task_id))["counts"] == attached(total=1, added=1)
    assert taggit.digest() == before


def test_a_resource_whose_table_is_gone_stops_no_other(taggit: OwnTables, tmp_path: Path) -> None:
    taggit.execute("CREATE TABLE gone (LIKE taggit_taggeditem INCLUDING ALL)")
    more = TAGGIT_MAP + TAGGIT_MAP[TAGGIT_MAP.index("[resources.articles]") :].partition(
        "[resources.authors]"
    )[0].replace("articles", "gone").replace("public.taggit_taggeditem", "public.gone")
    (tmp_path / "tags.toml").write_text(more)
    file.load.cache_clear()
    taggit.execute("DROP TABLE gone")
    taggit.tag("a", OBJECTS)
    wrong, *right = _messages({"gone": [1]}, {"articles": [1]}, {"articles": [2]})
    assert batch.do([wrong, *right]) == {one.task_id for one in right}


def test_what_the_owner_adds_after_acceptance_stays(own: OwnTables, clock: str) -> None:
    owner = Owner(own, "old")
    owner.add(1)
    job = _new(
        DetachJob.parse({"tenant": TENANT, "names": ["old"], "resources": {"things": [1, 2]}})
    )
    done = _apply([job], lambda: owner.add(2))
    gone = 2 if clock == "no clock" else 1
    assert done.ended[job.job_id].event["data"]["counts"]["removed"] == gone
    assert len(owner.there()) == 2 - gone
    receipts.agrees(own.store, job.job_id)


def test_what_an_undo_puts_back_after_acceptance_stays(own: OwnTables, clock: str) -> None:
    owner = Owner(own, "old")
    owner.add(1)
    owner.add(9)
    job = DetachJob.parse({"tenant": TENANT, "names": ["old"], "resources": {"things": [1]}})
    first = driving.run(job)
    second = _new(job)
    done = _apply([second], lambda: _undo(UUID(first["job_id"])))
    gone = 1 if clock == "no clock" else 0
    assert done.ended[second.job_id].event["data"]["counts"]["removed"] == gone
    assert len(owner.there()) == 2 - gone


def test_a_tag_that_goes_before_its_links_are_added_stops_the_batch(taggit: OwnTables) -> None:
    taggit.tag("a")
    body = {"tenant": TENANT, "names": ["a"], "resources": {"articles": [1]}}
    with pytest.raises(StoreBusy, match="gone again"):
        _apply(
            [_new(KINDS["attach"].parse(body))],
            lambda: taggit.execute("DELETE FROM taggit_tag"),
        )
    assert taggit.execute("SELECT FROM taggit_taggeditem") == []


@pytest.mark.slow
@pytest.mark.integration
def test_a_call_on_mapped_tables_is_done_by_the_gateway_itself(
    postgres_server: Postgres, postgres_template: str, redis_server: Redis, tmp_path: Path
) -> None:
    (tmp_path / "tags.toml").write_text(TAGGIT_MAP)
    url = postgres_server.create_database(postgres_template)
    stack = ServerStack("redis", tmp_path, url, redis_server.create_database())
    stack.settings["map"] = tmp_path / "tags.toml"
    with closing(stack):
        own = OwnTables(stack.store)
        own.create(TAGGIT)
        own.tag("a", OBJECTS)
        with serving(stack) as gateway, gateway.client(TENANT) as http:
            body = {"names": ["a"], "resources": {"articles": [1, 2, 99]}}
            paths = ("/api/v1/tags/detach/", "/api/v1/tags/attach/")
            assert [http.post(path, json=body).status_code for path in paths] == [200, 200]
            listed = http.get("/api/v1/articles/").json()["results"]
        assert [one["id"] for one in listed] == [*OBJECTS, 99]
        assert own.counters() == {"a": 7}
    postgres_server.drop_database(url)
