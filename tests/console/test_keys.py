"""Keys in the console: an admin lists and revokes them, and nobody else sees them."""

from __future__ import annotations

import html

import pytest

from tests.support.console import signed_in
from tests.support.gateway import Gateway
from tests.support.stack import eventually

#: the id of no key
NOWHERE = "5b0d6c6e-83a6-4b63-9c3e-6f2d8a1f7c55"
MARKUP = "<b>bold</b>"


def test_an_admin_sees_keys_without_their_secrets(redis_gateway: Gateway, tenant: str) -> None:
    created = redis_gateway.credential(tenant, name=MARKUP, scopes=("read", "undo"))
    with signed_in(redis_gateway, "", admin=True) as admin:
        page = admin.get(f"/console/keys?tenant={tenant}").text
    assert html.escape(MARKUP) in page
    assert MARKUP not in page
    assert "read, undo" in page
    assert created.key not in page
    assert created.key[:15] in page


def test_a_revoked_key_ends_its_sessions(redis_gateway: Gateway, tenant: str) -> None:
    created = redis_gateway.credential(tenant, name="leaving")
    path = f"/console/keys/{created.id}/revoke"
    with (
        signed_in(redis_gateway, "", admin=True) as admin,
        redis_gateway.client(tenant) as bystander,
    ):
        assert "leaving" in admin.get(path).text
        assert admin.submit(path).headers["location"] == "/console/keys"
        assert admin.get(path).status_code == 404
        assert admin.submit(path).status_code == 404
        assert "revoked" in admin.get(f"/console/keys?tenant={tenant}").text
        headers = {"x-api-key": created.key}
        eventually(
            lambda: bystander.get("/api/v1/jobs/", headers=headers).status_code == 401, seconds=3
        )


@pytest.mark.parametrize("grant", [{}, {"operator": True}])
def test_a_key_of_a_tenant_sees_and_revokes_none(
    redis_gateway: Gateway, tenant: str, grant: dict[str, bool]
) -> None:
    created = redis_gateway.credential(tenant)
    with signed_in(redis_gateway, tenant, **grant) as person:
        for path in ("/console/keys", f"/console/keys/{created.id}/revoke"):
            assert person.get(path).status_code == 403
        assert person.submit(f"/console/keys/{created.id}/revoke").status_code == 403
        assert "/console/keys" not in person.get("/console/jobs").text


def test_an_admin_who_may_only_read_revokes_none(redis_gateway: Gateway, tenant: str) -> None:
    created = redis_gateway.credential(tenant)
    with signed_in(redis_gateway, "", admin=True, scopes=("read",)) as admin:
        assert "Revoke…" not in admin.get(f"/console/keys?tenant={tenant}").text
        assert admin.submit(f"/console/keys/{created.id}/revoke").status_code == 403


@pytest.mark.parametrize("key_id", ["nonsense", NOWHERE])
def test_a_key_that_is_not_there_is_told(redis_gateway: Gateway, key_id: str) -> None:
    with signed_in(redis_gateway, "", admin=True) as admin:
        assert admin.get(f"/console/keys/{key_id}/revoke").status_code == 404
        assert admin.submit(f"/console/keys/{key_id}/revoke").status_code == 404
