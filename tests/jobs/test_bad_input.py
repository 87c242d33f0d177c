"""What is no valid job ends ``rejected``, tells every fault at once, and changes nothing."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from tagsweep.worker.errors import JobRejected
from tagsweep.worker.models.jobs import DeleteJob, DetachJob
from tests.support.stack import Stack, eventually
from tests.support.stores import counts, new_ids, new_tenant

ID = new_ids(1, seed=1)[0]
Fault = tuple[str, str, str]

REQUIRED = ("required", "This field is required.")
BLANK = ("blank", "This field may not be blank.")
NULL = ("null", "This field may not be null.")
NO_STRING = ("invalid", "Not a valid string.")
TOO_LONG = ("max_length", "Ensure this field has no more than 255 characters.")
NO_UUID = ("invalid_uuid", "Must be a valid UUID.")
NO_IDENTIFIER = ("invalid_id", "Must be 1 to 36 letters, digits or hyphens.")
NULL_CHARACTER = ("null_character", "Null characters are not allowed.")


def _no_list(kind: str) -> tuple[str, str]:
    return "not_a_list", f'Expected a list of items but got type "{kind}".'


def _no_object(kind: str) -> tuple[str, str]:
    return "not_an_object", f'Expected a JSON object but got type "{kind}".'


#: added to a valid detach job, or None: the field is left out; and the faults that are told
DETACH: list[tuple[dict[str, Any], list[Fault]]] = [
    ({"names": ...}, [("/names", *REQUIRED)]),
    ({"names": None}, [("/names", *NULL)]),
    ({"names": "legacy"}, [("/names", *_no_list("str"))]),
    ({"names": {"a": 1}}, [("/names", *_no_list("dict"))]),
    ({"names": [""]}, [("/names/0", *BLANK)]),
    ({"names": ["legacy", " \t "]}, [("/names/1", *BLANK)]),
    ({"names": [None]}, [("/names/0", *NULL)]),
    ({"names": ["x" * 256]}, [("/names/0", *TOO_LONG)]),
    ({"names": [7, True, ["a"]]}, [(f"/names/{at}", *NO_STRING) for at in range(3)]),
    ({"names": ["a\0b"]}, [("/names/0", *NULL_CHARACTER)]),
    (
        {"names": [f"n{at}" for at in range(1_001)]},
        [("/names", "max_length", "Ensure this field has no more than 1000 elements.")],
    ),
    ({"tables": ["no uuid"]}, [("/tables/0", *NO_UUID)]),
    ({"tables": [ID, 7, ID, "", "x"]}, [(f"/tables/{at}", *NO_UUID) for at in (1, 3, 4)]),
    ({"tables": [ID, None]}, [("/tables/1", *NULL)]),
    ({"tables": [f"{ID}\n{ID}"]}, [("/tables/0", *NO_UUID)]),
    ({"tables": None}, [("/tables", *NULL)]),
    ({"tables": ID}, [("/tables", *_no_list("str"))]),
    ({"tables": {"id": ID}}, [("/tables", *_no_list("dict"))]),
    ({"name": "legacy"}, [("/name", "unknown_field", "Unknown field. Did you mean names?")]),
    ({"source": [ID]}, [("/source", "unknown_field", "Unknown field. Did you mean sources?")]),
    ({"workspaces": ["w"]}, [("/workspaces", "unknown_field", "Unknown field.")]),
    ({"a/b~c": 1}, [("/a~1b~0c", "unknown_field", "Unknown field.")]),
    ({"tenant": ...}, [("/tenant", *REQUIRED)]),
    ({"tenant": None}, [("/tenant", *NULL)]),
    ({"tenant": ""}, [("/tenant", *BLANK)]),
    ({"tenant": "x" * 37}, [("/tenant", *NO_IDENTIFIER)]),
    ({"tenant": "a/b"}, [("/tenant", *NO_IDENTIFIER)]),
    ({"tenant": "a\n"}, [("/tenant", *NO_IDENTIFIER)]),
    ({"tenant": 7}, [("/tenant", *NO_STRING)]),
    (
        {"names": ["", "ok"], "tables": ["x"], "folder": [], "tenant": ...},
        [
            ("/tenant", *REQUIRED),
            ("/names/0", *BLANK),
            ("/tables/0", *NO_UUID),
            ("/folder", "unknown_field", "Unknown field. Did you mean folders?"),
        ],
    ),
]

DELETE: list[tuple[dict[str, Any], list[Fault]]] = [
    ({"workspaces": ...}, [("/workspaces", *REQUIRED)]),
    ({"workspaces": "w-1"}, [("/workspaces", *_no_list("str"))]),
    (
        {"workspaces": ["w-1", "a b", None]},
        [("/workspaces/1", *NO_IDENTIFIER), ("/workspaces/2", *NULL)],
    ),
    ({"tags": ...}, [("", "required", "Give at least one tag in tags or sys_tags.")]),
    ({"tags": []}, [("", "required", "Give at least one tag in tags or sys_tags.")]),
    ({"tags": [{"key": ""}]}, [("/tags/0/key", *BLANK)]),
    ({"tags": [{"key": " \t"}]}, [("/tags/0/key", *BLANK)]),
    ({"tags": [{"key": None}]}, [("/tags/0/key", *NULL)]),
    ({"tags": [{"value": "dev"}]}, [("/tags/0/key", *REQUIRED)]),
    ({"tags": [{"key": "a\0b"}]}, [("/tags/0/key", *NULL_CHARACTER)]),
    ({"tags": [{"key": "env", "value": "\0"}]}, [("/tags/0/value", *NULL_CHARACTER)]),
    ({"tags": [{"key": "env", "value": 7}]}, [("/tags/0/value", *NO_STRING)]),
    ({"tags": ["env"]}, [("/tags/0", *_no_object("str"))]),
    ({"tags": [{"key": "a", "valeu": ""}]}, [("/tags/0/valeu", "unknown_field", "Unknown field.")]),
    ({"sys_tags": [{"key": ""}]}, [("/sys_tags/0/key", *BLANK)]),
    (
        {"tags": [{"key": str(at)} for at in range(1_000)], "sys_tags": [{"key": "one too many"}]},
        [("", "max_length", "Ensure tags and sys_tags together have no more than 1000 elements.")],
    ),
]


def _changed(body: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    merged = {**body, **changes}
    return {name: value for name, value in merged.items() if value is not ...}


def _reject(stack: Stack, task: str, *args: Any, **kwargs: Any) -> tuple[dict[str, Any], str]:
    """Send what is no valid job; return its event's data and what ``get()`` has raised."""
    pending = stack.send(task, *args, **kwargs)
    with pytest.raises(JobRejected) as raised:
        pending.get(timeout=30)
    (event,) = stack.events(pending.id)
    assert event["id"] == f"{pending.id}.1"
    data: dict[str, Any] = event["data"]
    assert data["status"] == "rejected"
    assert (data["counts"], data["tags"]) == (counts(), [])
    assert stack.store.job(pending.id).status == "rejected"
    return data, str(raised.value)


def _faults(data: dict[str, Any]) -> list[Fault]:
    return [(one["path"], one["code"], one["reason"]) for one in data["errors"]]


@pytest.mark.parametrize("changes, faults", DETACH)
def test_a_faulty_detach_tells_each_fault_and_changes_nothing(
    stack: Stack, tenant: str, changes: dict[str, Any], faults: list[Fault]
) -> None:
    stack.store.tag(tenant, "legacy", tables=[ID])
    before = stack.store.tags(tenant)
    body = _changed({"tenant": tenant, "names": ["legacy"], "tables": [ID]}, changes)
    data, raised = _reject(stack, "tags.detach", body)
    assert _faults(data) == faults
    assert all(reason in raised for _, _, reason in faults[:5])
    assert stack.store.links(tenant) == {("legacy", "tables", ID)}
    assert stack.store.tags(tenant) == before


@pytest.mark.parametrize("changes, faults", DELETE)
def test_a_faulty_delete_tells_each_fault_and_changes_nothing(
    stack: Stack, tenant: str, changes: dict[str, Any], faults: list[Fault]
) -> None:
    stack.store.workspace(tenant, "w-1", {"env": "dev"})
    base = {"tenant": tenant, "workspaces": ["w-1"], "tags": [{"key": "env"}]}
    data, _ = _reject(stack, "tags.delete", _changed(base, changes))
    assert _faults(data) == faults
    assert len(stack.store.workspace_tags(tenant)) == 1


@pytest.mark.parametrize("task", [DetachJob.task, DeleteJob.task])
@pytest.mark.parametrize("body", [None, "text", 7, [], [{}], True])
def test_what_is_no_object_is_rejected(stack: Stack, task: str, body: object) -> None:
    data, raised = _reject(stack, task, body)
    assert [path for path, _, _ in _faults(data)] == [""]
    assert raised.startswith("job: ")
    assert data["tenant"] is None


def test_a_message_with_no_argument_is_rejected(stack: Stack) -> None:
    data, _ = _reject(stack, "tags.detach")
    assert len(data["errors"]) == 1


def test_a_message_with_two_arguments_is_rejected(stack: Stack, tenant: str) -> None:
    body = {"tenant": tenant, "names": ["legacy"], "tables": [ID]}
    stack.store.tag(tenant, "legacy", tables=[ID])
    _reject(stack, "tags.detach", body, body)
    assert len(stack.store.links(tenant)) == 1


def test_a_message_with_keyword_arguments_is_rejected(stack: Stack, tenant: str) -> None:
    stack.store.tag(tenant, "legacy", tables=[ID])
    pending_id = str(uuid4())
    pending = stack.send("tags.detach", task_id=pending_id, names=["legacy"], tables=[ID])
    with pytest.raises(JobRejected):
        pending.get(timeout=30)
    assert stack.store.job(pending_id).status == "rejected"
    assert len(stack.store.links(tenant)) == 1


def test_an_unusable_tenant_is_not_recorded(stack: Stack) -> None:
    data, _ = _reject(stack, "tags.detach", {"tenant": "a b", "names": []})
    assert data["tenant"] is None
    (event,) = stack.events(data["job_id"])
    assert event["source"] == "/tagsweep"


def test_many_faults_are_counted_and_a_hundred_are_told(stack: Stack, tenant: str) -> None:
    body = {"tenant": tenant, "names": ["legacy"], "tables": ["x"] * 150}
    data, raised = _reject(stack, "tags.detach", body)
    assert len(data["errors"]) == 100
    assert data["errors_total"] == 150
    assert raised.endswith("more)")


def test_a_rejected_job_asked_for_again_is_answered_alike(stack: Stack, tenant: str) -> None:
    body, job_id = {"tenant": tenant}, str(uuid4())
    raised = []
    for _ in range(2):
        with pytest.raises(JobRejected) as one:
            stack.send("tags.detach", body, task_id=job_id).get(timeout=30)
        raised.append(str(one.value))
    assert raised[0] == raised[1]
    assert len(stack.events(job_id)) == 1


@pytest.mark.parametrize("task_id", ["not-a-uuid", "7", "x" * 200])
def test_a_task_id_that_is_no_uuid_is_refused(stack: Stack, tenant: str, task_id: str) -> None:
    stack.store.tag(tenant, "legacy", tables=[ID])
    name = f"{task_id}{uuid4()}"
    body = {"tenant": tenant, "names": ["legacy"], "tables": [ID]}
    pending = stack.send("tags.detach", body, task_id=name)
    with pytest.raises(JobRejected, match="must be a UUID"):
        pending.get(timeout=30)
    assert len(stack.store.links(tenant)) == 1
    (kept,) = stack.store.set_aside(name)
    assert tenant in kept.body


def test_a_known_id_never_touches_or_shows_another_job(stack: Stack, tenant: str) -> None:
    other, job_id = new_tenant(), str(uuid4())
    for owner in (tenant, other):
        stack.store.tag(owner, "legacy", tables=[ID])
        stack.store.workspace(owner, "w-1", {"env": "dev"})
    body = {"tenant": tenant, "names": ["legacy"], "tables": [ID]}
    done = stack.run("tags.detach", body, task_id=job_id)
    intruders: list[tuple[str, Any]] = [
        ("tags.detach", {**body, "tenant": other}),
        ("tags.detach", {**body, "names": ["other"]}),
        ("tags.detach", {**body, "tables": [ID, *new_ids(1)]}),
        ("tags.detach", {**body, "nonsense": 1}),
        ("tags.delete", {"tenant": tenant, "workspaces": ["w-1"], "tags": [{"key": "env"}]}),
        ("tags.delete", {"tenant": other, "workspaces": ["w-1"], "tags": [{"key": "env"}]}),
        ("tags.delete", body),
    ]
    for task, intruder in intruders:
        stack.send_from_another(task, intruder, task_id=job_id)
    eventually(lambda: len(stack.store.set_aside(job_id)) == len(intruders))
    assert stack.run("tags.detach", body, task_id=job_id) == done
    assert len(stack.events(job_id)) == 1
    assert len(stack.store.links(other)) == 1
    assert len(stack.store.workspace_tags(tenant)) == len(stack.store.workspace_tags(other)) == 1
