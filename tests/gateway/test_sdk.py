"""The official SDK of the batch delete contract against our gateway: it must notice nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from huaweicloudsdkcore.auth.credentials import BasicCredentials
from huaweicloudsdkcore.exceptions.exceptions import ClientRequestException, ServerResponseException
from huaweicloudsdkdataartsfabric.v1 import (
    BatchDeleteFabricWorkspaceTagsRequest,
    BatchDeleteTagsRequestBody,
    DataArtsFabricAsyncClient,
    DataArtsFabricClient,
    DeleteResourceTag,
)

from tagsweep.producer.gateway.auth.credentials import Created
from tests.support.gateway import SECRET_KEY, Gateway, serving
from tests.support.stack import ServerStack
from tests.support.stores import Store

#: the SDK still calls datetime.utcnow() and the like
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

#: deletes these tags from the workspace, and returns the status
Delete = Callable[..., int]
Tag = tuple[str, str | None]


@pytest.fixture(autouse=True)
def _home(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Building a client writes a file there."""
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.fixture
def created(redis_gateway: Gateway, tenant: str) -> Created:
    """A credential that signs."""
    return redis_gateway.credential(tenant, signing=True)


def _client(kind: type, gateway: Gateway, created: Created, **other: str) -> Any:
    keys = {"ak": created.access_key, "sk": created.secret_key, "project_id": created.tenant}
    credentials = BasicCredentials(**{**keys, **other})
    builder = kind.new_builder()  # type: ignore[attr-defined]  # the SDK has no types
    return builder.with_credentials(credentials).with_endpoint(gateway.url).build()


def _body(tags: Sequence[Tag] | None, sys_tags: Sequence[Tag] | None = None) -> Any:
    def made(given: Sequence[Tag] | None) -> Any:
        return given and [DeleteResourceTag(key=key, value=value) for key, value in given]

    return BatchDeleteTagsRequestBody(tags=made(tags), sys_tags=made(sys_tags))


def _request(workspace: str, body: Any) -> Any:
    return BatchDeleteFabricWorkspaceTagsRequest(workspace_id=workspace, body=body)


@pytest.fixture(params=["sync", "async"])
def delete(request: pytest.FixtureRequest, redis_gateway: Gateway, created: Created) -> Delete:
    """Both clients of the SDK, with AK/SK alone."""

    def call(workspace: str, body: Any, **other: str) -> int:
        if request.param == "sync":
            client = _client(DataArtsFabricClient, redis_gateway, created, **other)
            answer = client.batch_delete_fabric_workspace_tags(_request(workspace, body))
        else:
            client = _client(DataArtsFabricAsyncClient, redis_gateway, created, **other)
            pending = client.batch_delete_fabric_workspace_tags_async(_request(workspace, body))
            answer = pending.result()
        return int(answer.status_code)

    return call


@pytest.fixture
def store(redis_gateway: Gateway, tenant: str) -> Store:
    """The gateway's store, where the tenant has one workspace."""
    tags = {"env": "dev", "owner": "x", "empty": ""}
    redis_gateway.store.workspace(tenant, "w-1", tags, {"cost": "1"})
    return redis_gateway.store


def _left(store: Store, tenant: str) -> set[str]:
    return {key for _, key, _, system in store.workspace_tags(tenant) if not system}


@pytest.mark.parametrize("value", ["dev", None, ""], ids=["given", "omitted", "empty"])
def test_a_tag_is_deleted(delete: Delete, store: Store, tenant: str, value: str | None) -> None:
    assert delete("w-1", _body([("env", value)])) == 204
    assert _left(store, tenant) == {"owner", "empty"}


def test_another_value_deletes_nothing_and_is_a_success(
    delete: Delete, store: Store, tenant: str
) -> None:
    assert delete("w-1", _body([("env", "production"), ("unknown", None)])) == 204
    assert _left(store, tenant) == {"env", "owner", "empty"}


def test_twenty_tags_and_duplicates_are_taken(delete: Delete, store: Store, tenant: str) -> None:
    tags: list[Tag] = [(f"k{number}", None) for number in range(17)]
    assert delete("w-1", _body([*tags, ("env", None), ("env", "dev"), ("owner", "x")])) == 204
    assert _left(store, tenant) == {"empty"}


def _refused(call: Callable[[], Any]) -> Any:
    with pytest.raises(ClientRequestException) as caught:
        call()
    assert caught.value.request_id
    return caught.value


@pytest.mark.parametrize(
    "body",
    [
        _body([(f"k{number}", None) for number in range(21)]),
        _body([("", None)]),
        _body([("  ", None)]),
        _body([("env", None)], [("a", None), ("b", None)]),
        _body(None),
        BatchDeleteTagsRequestBody(tags=[]),
        BatchDeleteTagsRequestBody(tags=[{"value": "dev"}]),
        BatchDeleteTagsRequestBody(tags="env"),
        None,
    ],
    ids=["21", "empty", "blank", "2 system", "neither", "none", "no key", "text", "no body"],
)
def test_a_bad_body_is_refused_whole(delete: Delete, store: Store, tenant: str, body: Any) -> None:
    refused = _refused(lambda: delete("w-1", body))
    assert (refused.status_code, refused.error_code) == (400, "common.01000001")
    assert refused.error_msg.startswith(
        "failed to read http request, please check your input, code: 400, reason: "
    )
    assert _left(store, tenant) == {"env", "owner", "empty"}


def test_wrong_types_are_told_as_documented(delete: Delete, store: Store) -> None:  # noqa: ARG001
    refused = _refused(lambda: delete("w-1", BatchDeleteTagsRequestBody(tags="env")))
    assert refused.error_msg == (
        "failed to read http request, please check your input, code: 400, "
        "reason: Type mismatch., cause: TypeMismatchException"
    )


def test_an_unknown_workspace_is_told_as_documented(delete: Delete, store: Store) -> None:  # noqa: ARG001
    refused = _refused(lambda: delete("w-2", _body([("env", None)])))
    assert (refused.status_code, refused.error_code) == (404, "common.01000001")
    assert refused.error_msg == "response status exception, code: 404"


def test_a_foreign_project_is_told_as_documented(delete: Delete, store: Store) -> None:  # noqa: ARG001
    refused = _refused(lambda: delete("w-1", _body([("env", None)]), project_id="p-of-another"))
    assert (refused.status_code, refused.error_code) == (403, 403)
    assert refused.error_msg == "X-Auth-Token is invalid in the request"


def test_system_tags_need_the_operator_right(delete: Delete, store: Store, tenant: str) -> None:
    refused = _refused(lambda: delete("w-1", _body([("env", None)], [("cost", None)])))
    assert (refused.status_code, refused.error_code) == (403, 403)
    assert len(store.workspace_tags(tenant)) == 4


@pytest.mark.parametrize("other", [{"sk": "wrong"}, {"ak": "A" * 20}], ids=["secret", "access"])
def test_a_wrong_key_is_told_as_documented(
    delete: Delete, store: Store, tenant: str, other: dict[str, str]
) -> None:
    refused = _refused(lambda: delete("w-1", _body([("env", None)]), **other))
    assert (refused.status_code, refused.error_code) == (401, "APIG.1002")
    assert refused.error_msg == "Incorrect token or token resolution failed"
    assert _left(store, tenant) == {"env", "owner", "empty"}


def _invoker(gateway: Gateway, created: Created, body: Any) -> Any:
    client = _client(DataArtsFabricClient, gateway, created)
    return client.batch_delete_fabric_workspace_tags_invoker(_request("w-1", body))


@pytest.mark.parametrize("minutes", [-16, 16])
def test_a_date_too_far_off_is_refused(
    redis_gateway: Gateway, created: Created, store: Store, tenant: str, minutes: int
) -> None:
    date = f"{datetime.now(UTC) + timedelta(minutes=minutes):%Y%m%dT%H%M%SZ}"
    invoker = _invoker(redis_gateway, created, _body([("env", None)]))
    refused = _refused(invoker.add_header("X-Sdk-Date", date).invoke)
    assert (refused.status_code, refused.error_code) == (401, "APIG.1002")
    assert _left(store, tenant) == {"env", "owner", "empty"}


def test_a_token_alone_proves_who_calls(
    redis_gateway: Gateway, created: Created, store: Store, tenant: str
) -> None:
    operator = redis_gateway.credential(tenant, operator=True)
    unsigned = Created(created.id, tenant, "", "A" * 20, "wrong")
    invoker = _invoker(redis_gateway, unsigned, _body(None, [("cost", "1")]))
    answer = invoker.add_header("X-Auth-Token", operator.key).invoke()
    assert answer.status_code == 204
    assert not any(system for *_, system in store.workspace_tags(tenant))


def test_a_wrong_token_is_refused_even_with_a_right_signature(
    redis_gateway: Gateway, created: Created, store: Store, tenant: str
) -> None:
    invoker = _invoker(redis_gateway, created, _body([("env", None)]))
    refused = _refused(invoker.add_header("X-Auth-Token", "t" * 65_534).invoke)
    assert (refused.status_code, refused.error_code) == (401, "APIG.1002")
    assert _left(store, tenant) == {"env", "owner", "empty"}


def test_the_same_signature_is_the_same_job(
    redis_gateway: Gateway, created: Created, store: Store, tenant: str
) -> None:
    date = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}"

    def call() -> None:
        invoker = _invoker(redis_gateway, created, _body([("env", None)]))
        assert invoker.add_header("X-Sdk-Date", date).invoke().status_code == 204

    call()
    store.workspace(tenant, "w-1", {"env": "again"})
    call()
    assert "env" in _left(store, tenant)
    assert len([row for row in store.outbox() if row.tenant == tenant]) == 1


def test_a_signed_idempotency_key_is_honoured(
    redis_gateway: Gateway, created: Created, store: Store, tenant: str
) -> None:
    def call(key: str) -> Any:
        invoker = _invoker(redis_gateway, created, _body([(key, None)]))
        return invoker.add_header("Idempotency-Key", "k-1").invoke()

    assert call("env").status_code == 204
    refused = _refused(lambda: call("owner"))
    assert (refused.status_code, refused.error_code) == (409, "common.00000409")
    assert _left(store, tenant) == {"owner", "empty"}


@pytest.mark.slow
def test_a_gateway_serves_all_but_the_signatures_that_its_key_does_not_open(
    redis_stack: ServerStack, created: Created, tenant: str
) -> None:
    tags = {"env": "dev", "owner": "x"}
    with serving(redis_stack, secret_key="another-key-" * 4) as gateway:
        assert (
            "signing credentials cannot be used: TAGSWEEP_SECRET_KEY does not hold" in gateway.log
        )
        gateway.store.workspace(tenant, "w-1", tags)
        with pytest.raises(ServerResponseException, match="status_code:503"):
            _invoker(gateway, created, _body([("env", None)])).invoke()
        token = gateway.credential(tenant).key
        invoker = _invoker(gateway, created, _body([("env", None)]))
        assert invoker.add_header("X-Auth-Token", token).invoke().status_code == 204
        with gateway.client(tenant) as client:
            assert client.get("/api/v1/jobs/").json()["count"] == 1
    with serving(redis_stack, secret_key=f"{'another-key-' * 4},{SECRET_KEY}") as gateway:
        assert "cannot be used" not in gateway.log
        assert _invoker(gateway, created, _body([("owner", None)])).invoke().status_code == 204
