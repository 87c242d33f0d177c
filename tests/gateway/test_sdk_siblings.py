"""The official SDK's other five calls on tags of workspaces against our gateway."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from huaweicloudsdkcore.auth.credentials import BasicCredentials
from huaweicloudsdkcore.exceptions.exceptions import ClientRequestException
from huaweicloudsdkdataartsfabric import v1
from huaweicloudsdkdataartsfabric.v1 import (
    BatchCreateFabricWorkspaceTagsRequest,
    BatchCreateTagsRequestBody,
    CountTagFabricWorkspacesRequest,
    DataArtsFabricAsyncClient,
    DataArtsFabricClient,
    ListFabricProjectTagsRequest,
    ListFabricWorkspaceTagsRequest,
    ListTagFabricWorkspacesRequest,
    ListTagWorkspacesRequestBody,
)

from tests.support.gateway import Gateway
from tests.support.stores import Store

#: the SDK still calls datetime.utcnow() and the like
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

#: makes the SDK's call of this name with these arguments, and returns the answer
Call = Callable[..., Any]
PROJECT_KEY = "_sys_enterprise_project_id"
PROJECT = {"key": PROJECT_KEY, "value": "e-1"}


@pytest.fixture(autouse=True)
def _home(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Building a client writes a file there."""
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.fixture
def store(redis_gateway: Gateway, tenant: str) -> Store:
    """The gateway's store, where the tenant has four workspaces."""
    store = redis_gateway.store
    store.workspace(tenant, "w-1", {"env": "dev", "owner": "x", "Zone": ""}, {PROJECT_KEY: "e-1"})
    store.workspace(tenant, "w-2", {"env": "prod"}, name="Sales Reports")
    store.workspace(tenant, "w-3", {"env": "dev"}, name="sales 100%")
    store.workspace(tenant, "w-4", {}, {PROJECT_KEY: "e-2"})
    store.workspace(f"{tenant[:30]}-other", "w-5", {"env": "theirs"})
    return store


def _calls(request: Any, gateway: Gateway, tenant: str, *, operator: bool) -> Call:
    created = gateway.credential(tenant, signing=True, operator=operator)
    is_async = request.param == "async"
    kind: Any = DataArtsFabricAsyncClient if is_async else DataArtsFabricClient

    def call(name: str, wanted: Any, project: str = tenant) -> Any:
        keys = BasicCredentials(created.access_key, created.secret_key, project)
        client = kind.new_builder().with_credentials(keys).with_endpoint(gateway.url).build()
        if is_async:
            return getattr(client, f"{name}_async")(wanted).result()
        return getattr(client, name)(wanted)

    return call


@pytest.fixture(params=["sync", "async"])
def plain(request: Any, redis_gateway: Gateway, tenant: str, store: Store) -> Call:  # noqa: ARG001
    """Both clients of the SDK, with a credential that has no right beside its tenant's."""
    return _calls(request, redis_gateway, tenant, operator=False)


@pytest.fixture(params=["sync", "async"])
def operator(request: Any, redis_gateway: Gateway, tenant: str, store: Store) -> Call:  # noqa: ARG001
    """The same with the operator right."""
    return _calls(request, redis_gateway, tenant, operator=True)


def _create(call: Call, workspace: str, body: Any, **more: str) -> int:
    wanted = BatchCreateFabricWorkspaceTagsRequest(workspace_id=workspace, body=body)
    return int(call("batch_create_fabric_workspace_tags", wanted, **more).status_code)


def _tags(call: Call, workspace: str, **place: Any) -> Any:
    wanted = ListFabricWorkspaceTagsRequest(workspace_id=workspace, **place)
    return call("list_fabric_workspace_tags", wanted)


def _keys(call: Call, **place: Any) -> list[tuple[str, list[str]]]:
    answer = call("list_fabric_project_tags", ListFabricProjectTagsRequest(**place))
    return [(tag.key, tag.values) for tag in answer.tags]


def _body(given: dict[str, Any]) -> Any:
    return ListTagWorkspacesRequestBody(**given)


def _found(call: Call, given: dict[str, Any], **place: int) -> tuple[list[str], int]:
    wanted = ListTagFabricWorkspacesRequest(body=_body(given), **place)
    answer = call("list_tag_fabric_workspaces", wanted)
    counted = CountTagFabricWorkspacesRequest(body=_body(given))
    assert call("count_tag_fabric_workspaces", counted).total_count == answer.total_count
    return [one.resource_id for one in answer.resources], int(answer.total_count)


def _pairs(tags: Any) -> list[tuple[str, str]]:
    return [(tag.key, tag.value) for tag in tags]


def _refused(call: Callable[[], Any], status: int, code: object = None) -> Any:
    with pytest.raises(ClientRequestException) as caught:
        call()
    assert caught.value.request_id
    assert caught.value.status_code == status
    if code is not None:
        assert caught.value.error_code == code
    return caught.value


def test_tags_are_created_and_a_key_gets_the_new_value(
    plain: Call, store: Store, tenant: str
) -> None:
    tags = [{"key": "env", "value": "new"}, {"key": "a b\té_.:/=+-@1", "value": ""}]
    assert _create(plain, "w-1", BatchCreateTagsRequestBody(tags=tags)) == 204
    assert _pairs(_tags(plain, "w-1").tags) == [
        ("Zone", ""),
        ("a b\té_.:/=+-@1", ""),
        ("env", "new"),
        ("owner", "x"),
    ]
    (job,) = [row for row in store.outbox() if row.tenant == tenant]
    assert store.job(job.job_id).kind == "set"


def test_an_operator_creates_both_sorts_of_tags(operator: Call, store: Store, tenant: str) -> None:
    tags = [{"key": f"k{number}", "value": "v" * 255} for number in range(19)]
    body = BatchCreateTagsRequestBody(tags=[*tags, {"key": "k" * 128, "value": "v"}])
    body.sys_tags = [{"key": PROJECT_KEY, "value": "e-9"}]
    assert _create(operator, "w-2", body) == 204
    assert ("w-2", PROJECT_KEY, "e-9", True) in store.workspace_tags(tenant)
    assert len(_tags(operator, "w-2").tags) == 21
    alone = BatchCreateTagsRequestBody(sys_tags=[PROJECT])
    assert _create(operator, "w-3", alone) == 204


@pytest.mark.parametrize(
    "body",
    [
        {"tags": [{"key": f"k{number}", "value": ""} for number in range(21)]},
        {"tags": []},
        {},
        {"tags": [{"key": "env"}]},
        {"tags": [{"value": "dev"}]},
        {"tags": [{"key": "env", "value": None}]},
        {"tags": [{"key": " ", "value": "dev"}]},
        {"tags": [{"key": "", "value": "dev"}]},
        {"tags": [{"key": "k" * 129, "value": "dev"}]},
        {"tags": [{"key": "env", "value": "v" * 256}]},
        {"tags": [{"key": "env", "value": "a"}, {"key": "env", "value": "b"}]},
        {"tags": [{"key": "env", "value": "a"}, {"key": "env", "value": "a"}]},
        {"tags": [{"key": "env?", "value": "a"}]},
        {"tags": [{"key": "env", "value": "<a>"}]},
        {"tags": "env"},
        {"tags": [{"key": "env", "value": "a", "more": 1}]},
        {"sys_tags": [{"key": "env", "value": "a"}]},
        {"sys_tags": [{"key": PROJECT_KEY, "value": ""}]},
        {"sys_tags": [PROJECT, PROJECT]},
    ],
)
def test_a_bad_body_is_refused_whole(
    operator: Call, store: Store, tenant: str, body: dict[str, Any]
) -> None:
    before = store.workspace_tags(tenant)
    made = BatchCreateTagsRequestBody(**body)
    _refused(lambda: _create(operator, "w-1", made), 400, "common.01000001")
    assert store.workspace_tags(tenant) == before


def test_unknown_ids_foreign_projects_and_missing_rights_are_refused(plain: Call) -> None:
    body = BatchCreateTagsRequestBody(tags=[{"key": "env", "value": "a"}])
    _refused(lambda: _create(plain, "w-9", body), 404, "common.01000001")
    _refused(lambda: _create(plain, "w-5", body), 404)
    _refused(lambda: _create(plain, "w_1", body), 400)
    _refused(lambda: _create(plain, "w-1", body, project="p-of-another"), 403, 403)
    body.sys_tags = [PROJECT]
    _refused(lambda: _create(plain, "w-1", body), 403, 403)
    _refused(lambda: _tags(plain, "w-9"), 404)
    _refused(lambda: _tags(plain, "w-5"), 404)
    _refused(lambda: _found(plain, {"sys_tags": [{"key": PROJECT_KEY, "values": ["e-1"]}]}), 403)
    for wanted in (
        ("list_fabric_workspace_tags", ListFabricWorkspaceTagsRequest(workspace_id="w-1")),
        ("list_fabric_project_tags", ListFabricProjectTagsRequest()),
        ("list_tag_fabric_workspaces", ListTagFabricWorkspacesRequest(body=_body({}))),
        ("count_tag_fabric_workspaces", CountTagFabricWorkspacesRequest(body=_body({}))),
    ):
        _refused(partial(plain, *wanted, project="p-of-another"), 403, 403)


@pytest.mark.parametrize(
    "place, expected",
    [
        ({}, ["Zone", "env", "owner"]),
        ({"limit": 1}, ["Zone"]),
        ({"offset": 1, "limit": 1_000}, ["env", "owner"]),
        ({"offset": 1_000_000_000}, []),
    ],
)
def test_tags_of_a_workspace_come_by_key_and_page(
    plain: Call, place: dict[str, int], expected: list[str]
) -> None:
    answer = _tags(plain, "w-1", **place)
    assert ([tag.key for tag in answer.tags], answer.sys_tags) == (expected, [])


def test_an_operator_sees_the_system_tags(operator: Call) -> None:
    assert _pairs(_tags(operator, "w-1").sys_tags) == [(PROJECT_KEY, "e-1")]
    assert _tags(operator, "w-4").tags == []


@pytest.mark.parametrize(
    "place, expected",
    [
        ({}, ["Zone", "env", "owner"]),
        ({"use_predefine_tags": True}, ["Zone", "env", "owner"]),
        ({"use_predefine_tags": False, "limit": 2}, ["Zone", "env"]),
        ({"offset": 2}, ["owner"]),
        ({"offset": 9}, []),
    ],
)
def test_keys_of_a_project_come_with_all_values(
    plain: Call, place: dict[str, Any], expected: list[str]
) -> None:
    found = _keys(plain, **place)
    assert [key for key, _ in found] == expected
    assert dict(found).get("env", ["dev", "prod"]) == ["dev", "prod"]


@pytest.mark.parametrize(
    "place", [{"offset": -1}, {"offset": 1_000_000_001}, {"limit": 0}, {"limit": 1_001}]
)
def test_a_page_beyond_the_limits_is_refused(plain: Call, place: dict[str, int]) -> None:
    _refused(lambda: _tags(plain, "w-1", **place), 400, "common.01000001")
    _refused(lambda: _keys(plain, **place), 400, "common.01000001")
    wanted = ListTagFabricWorkspacesRequest(body=_body({}), **place)
    _refused(lambda: plain("list_tag_fabric_workspaces", wanted), 400, "common.01000001")


@pytest.mark.parametrize(
    "given, expected",
    [
        ({}, ["w-1", "w-2", "w-3", "w-4"]),
        ({"tags": [{"key": "env", "values": []}]}, ["w-1", "w-2", "w-3"]),
        ({"tags": [{"key": "env", "values": ["dev", "none"]}]}, ["w-1", "w-3"]),
        ({"tags": [{"key": "env", "values": ["dev"]}, {"key": "owner", "values": []}]}, ["w-1"]),
        ({"tags": [{"key": "Env", "values": []}]}, []),
        ({"without_any_tag": True}, ["w-4"]),
        ({"without_any_tag": True, "tags": [{"key": "env", "values": []}]}, ["w-4"]),
        ({"without_any_tag": False}, ["w-1", "w-2", "w-3", "w-4"]),
        ({"matches": [{"key": "resource_name", "value": "SALES"}]}, ["w-2", "w-3"]),
        ({"matches": [{"key": "resource_name", "value": "0%"}]}, ["w-3"]),
        ({"matches": [{"key": "resource_name", "value": "W-"}]}, ["w-1", "w-4"]),
        ({"matches": [{"key": "resource_name", "value": ""}]}, []),
        (
            {
                "matches": [{"key": "resource_name", "value": "sales"}],
                "tags": [{"key": "env", "values": ["dev"]}],
            },
            ["w-3"],
        ),
    ],
)
def test_workspaces_are_found_by_tags_and_names(
    plain: Call, given: dict[str, Any], expected: list[str]
) -> None:
    assert _found(plain, given) == (expected, len(expected))


def test_what_is_found_has_its_name_and_tags_and_comes_in_pages(
    plain: Call, operator: Call
) -> None:
    assert _found(plain, {}, offset=1, limit=2) == (["w-2", "w-3"], 4)
    assert _found(operator, {"sys_tags": [{"key": PROJECT_KEY, "values": ["e-2"]}]}) == (["w-4"], 1)
    wanted = ListTagFabricWorkspacesRequest(body=_body({}), limit=100)
    for call, system in ((plain, []), (operator, [(PROJECT_KEY, "e-1")])):
        first, second, *_ = call("list_tag_fabric_workspaces", wanted).resources
        assert (first.resource_name, second.resource_name) == ("w-1", "Sales Reports")
        assert _pairs(first.tags) == [("Zone", ""), ("env", "dev"), ("owner", "x")]
        assert _pairs(first.sys_tags) == system


@pytest.mark.parametrize(
    "given",
    [
        {"tags": []},
        {"tags": [{"key": f"k{number}", "values": []} for number in range(21)]},
        {"tags": [{"key": "env", "values": ["v"] * 21}]},
        {"tags": [{"key": "env"}]},
        {"tags": [{"key": "env", "values": []}, {"key": "env", "values": ["a"]}]},
        {"matches": []},
        {"matches": [{"key": "resource_name", "value": "a"}] * 11},
        {"matches": [{"key": "resource_id", "value": "a"}]},
        {"sys_tags": [{"key": PROJECT_KEY, "values": []}]},
        {"sys_tags": [{"key": PROJECT_KEY, "values": ["a"]}] * 2},
        {"without_any_tag": "yes"},
    ],
)
def test_a_bad_filter_is_refused(operator: Call, given: dict[str, Any]) -> None:
    _refused(lambda: _found(operator, given), 400, "common.01000001")
    counted = CountTagFabricWorkspacesRequest(body=_body(given))
    _refused(lambda: operator("count_tag_fabric_workspaces", counted), 400, "common.01000001")


def test_the_sdk_has_no_call_that_is_not_served() -> None:
    tagging = {name for name in dir(v1.DataArtsFabricClient) if "tag" in name}
    own = {name for name in tagging if not name.startswith("_") and not name.endswith("_invoker")}
    assert own == {
        "batch_create_fabric_workspace_tags",
        "batch_delete_fabric_workspace_tags",
        "count_tag_fabric_workspaces",
        "list_fabric_project_tags",
        "list_fabric_workspace_tags",
        "list_tag_fabric_workspaces",
    }
