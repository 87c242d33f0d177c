"""What a new credential is to allow, as typed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tagsweep.producer.cli.input.errors import WrongUse, shown
from tagsweep.producer.gateway.auth.grants import (
    MAX_NAME,
    NO_TENANT,
    SCOPES,
    Grant,
    end_of,
    scopes_of,
)
from tagsweep.worker.models.fields import NO_IDENTIFIER, identifies


def checked(
    tenant: str | None,
    name: str | None,
    scopes: list[str] | None,
    expires: str | None,
    **rights: bool,
) -> Grant:
    """Return the grant that the options name; raises WrongUse, which names the option."""
    if (tenant is None) is not rights["admin"]:
        raise WrongUse("Give --tenant, or --admin for a credential that belongs to no tenant.")
    if tenant is not None and not identifies(tenant):
        raise WrongUse(f"--tenant {shown(tenant)}: {NO_IDENTIFIER}")
    if rights["admin"] and (rights["operator"] or rights["signing"]):
        raise WrongUse("--admin: --operator and --signing are for a credential of a tenant.")
    if name is not None and (not name.strip() or len(name) > MAX_NAME or not name.isprintable()):
        raise WrongUse(f"--name {shown(name)}: must be 1 to {MAX_NAME} printable characters.")
    allowed = SCOPES if not scopes else _scopes(scopes)
    end = None if expires is None else _end("--expires", expires)
    return Grant(tenant or NO_TENANT, name, allowed, expires_at=end, **rights)


def span(option: str, text: str) -> timedelta:
    """Return how long ``text`` says, 0 included; raises WrongUse."""
    return timedelta() if text.strip() == "0" else _end(option, text) - datetime.now(UTC)


def _scopes(given: list[str]) -> tuple[str, ...]:
    try:
        return scopes_of(name.strip() for each in given for name in each.split(","))
    except ValueError as error:
        raise WrongUse(f"--scope {shown(','.join(given))}: {error}.") from None


def _end(option: str, text: str) -> datetime:
    try:
        return end_of(text, datetime.now(UTC))
    except ValueError as error:
        raise WrongUse(f"{option} {shown(text)}: {error}.") from None
