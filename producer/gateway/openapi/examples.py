"""Examples in the gateway's OpenAPI document, as ``/docs`` shows them.

Their tags, ids and workspaces are those of ``tagsweep up --sample``.
"""

from __future__ import annotations

from typing import Any

TENANT, WORKSPACE = "demo", "w-1"
SOURCE = "d2c1b472-902c-477a-b300-e7c3fd72609b"
TABLE = "0b36ef40-6d27-4b1c-9d2e-3d2b0c7f0a51"
JOB = "5f0c3c5e-41f7-4c5e-8d0a-2f6f3f1f9b10"
TAG = "8f3a2f62-70f3-4a52-9d55-0d8c1c1a7f4e"
MOMENT = "2026-11-21T20:15:00.123456+00:00"

_TAG = {"id": TAG, "name": "legacy", "created_at": MOMENT, "updated_at": MOMENT}
_DEV = {"key": "env", "value": "dev"}
_COUNTS = {"total": 1, "removed": 1, "absent": 0, "failed": 0, "unprocessed": 0}
_JOB = {
    "id": JOB,
    "kind": "detach",
    "tenant": TENANT,
    "status": "succeeded",
    "counts": _COUNTS,
    "tags": [_TAG],
    "progress": {"done": 1, "total": 1, "rate": 100.0},
    "accepted_at": MOMENT,
    "started_at": MOMENT,
    "finished_at": MOMENT,
    "errors": [],
    "request": {"names": ["legacy"], "lists": {"sources": 1}},
    "requested_by": {"name": "nightly", "door": "http", "proved": True},
}
_EVENT = (
    "id: 1\nevent: tagsweep.detach.completed\n"
    f'data: {{"specversion": "1.0", "id": "{JOB}.1", "type": "tagsweep.detach.completed", …}}\n\n'
)

#: bodies of requests: by the id of the operation, under a line that says what each does
REQUESTS: dict[str, dict[str, dict[str, Any]]] = {
    "detachTags": {
        "Take one tag off a source and a table": {
            "names": ["legacy"],
            "sources": [SOURCE],
            "tables": [TABLE],
        },
        "Take two tags off whatever folder carries them": {
            "names": ["legacy", "pii"],
            "folders": "*",
        },
    },
    "attachTags": {
        "Put a tag, which is created if missing, on a table": {
            "names": ["reviewed"],
            "tables": [TABLE],
        },
    },
    "createTag": {"Create a tag that nothing carries yet": {"name": "reviewed"}},
    "renameTag": {"Give a tag another name": {"name": "legacy-2019"}},
    "batchDeleteResourceTags": {
        "Delete a tag with this value, and another whatever its value": {
            "tags": [{"key": "env", "value": "dev"}, {"key": "owner"}],
        },
    },
    "batchCreateResourceTags": {
        "Give one key a new value, and set another": {
            "tags": [{"key": "env", "value": "prod"}, {"key": "cost center", "value": "42"}],
        },
    },
    "listTagWorkspaces": {
        "Find what has one of two values, by a part of its name": {
            "tags": [{"key": "env", "values": ["dev", "test"]}],
            "matches": [{"key": "resource_name", "value": "report"}],
        },
        "Find what has no tag": {"without_any_tag": True},
    },
    "countTagWorkspaces": {
        "Count what has a key, whatever its value": {"tags": [{"key": "owner", "values": []}]},
    },
    "runJob": {"Run the preview, with a note of its own": {"note": "as agreed with Ann"}},
    "makeWebhook": {
        "Tell a service of each job that did not succeed": {
            "url": "https://hooks.example.com/tags",
            "statuses": ["partial", "failed"],
        },
    },
    "changeWebhook": {"Tell of jobs of one kind alone": {"kinds": ["detach"]}},
    "rotateWebhookSecret": {"Make a new secret": {}},
    "rotateCallbackSecret": {"Make a new secret": {}},
    "redeliverSince": {"Send again what is not older than this": {"since": MOMENT}},
    "makeJob": {
        "Preview: count what would go, and change nothing": {
            "kind": "detach",
            "names": ["legacy"],
            "tables": "*",
            "dry_run": True,
        },
        "Detach, but only if no more than 1,000 items would go": {
            "kind": "detach",
            "names": ["pii"],
            "sources": "*",
            "max_affected": 1_000,
        },
        "Merge two tags into a third, and delete them": {
            "kind": "merge",
            "names": ["PII", "pii-old"],
            "into": "pii",
            "drop": True,
        },
        "Delete tags from several workspaces": {
            "kind": "delete",
            "workspaces": [WORKSPACE, "w-2"],
            "tags": [{"key": "env", "value": "dev"}],
        },
    },
}

#: what is answered: by the id of the operation, its status and media type
ANSWERS: dict[tuple[str, int, str], Any] = {
    ("detachTags", 200, "application/json"): [_TAG],
    ("listTags", 200, "application/json"): {
        "count": 1,
        "next": None,
        "previous": None,
        "results": [_TAG],
    },
    ("listWorkspaceTags", 200, "application/json"): {"tags": [_DEV], "sys_tags": []},
    ("listProjectTags", 200, "application/json"): {
        "tags": [{"key": "env", "values": ["dev", "prod"]}],
    },
    ("listTagWorkspaces", 200, "application/json"): {
        "resources": [
            {
                "resource_id": WORKSPACE,
                "resource_detail": {},
                "resource_name": "Sales reports",
                "tags": [_DEV],
                "sys_tags": [],
            },
        ],
        "total_count": 1,
    },
    ("countTagWorkspaces", 200, "application/json"): {"total_count": 1},
    ("showJob", 200, "application/json"): _JOB,
    ("listJobs", 200, "application/json"): {
        "count": 1,
        "next": None,
        "previous": None,
        "results": [_JOB],
    },
    ("readReceipt", 200, "application/x-ndjson"): (
        '{"tag":"legacy","resource_type":"tables",'
        f'"resource":"{TABLE}","outcome":"removed","reason":null}}\n'
    ),
    ("readReceipt", 200, "text/csv"): (
        f"tag,resource_type,resource,outcome,reason\r\nlegacy,tables,{TABLE},removed,\r\n"
    ),
    ("followEvents", 200, "text/event-stream"): _EVENT,
}

#: by the name of the parameter
PARAMETERS = {"project_id": TENANT, "workspace_id": WORKSPACE}


def add(schema: dict[str, Any]) -> dict[str, Any]:
    """Put the examples into an OpenAPI document, and return it."""
    for item in schema["paths"].values():
        for operation in item.values():
            _add(operation)
    return schema


def _add(operation: dict[str, Any]) -> None:
    name = operation["operationId"]
    for summary, value in REQUESTS.get(name, {}).items():
        content = operation["requestBody"]["content"]["application/json"]
        content.setdefault("examples", {})[summary] = {"value": value}
    for (of, status, media_type), value in ANSWERS.items():
        if of == name:
            operation["responses"][str(status)]["content"][media_type]["example"] = value
    for parameter in operation["parameters"]:
        if parameter["name"] in PARAMETERS:
            parameter["example"] = PARAMETERS[parameter["name"]]
