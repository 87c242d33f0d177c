"""Which signing secrets TAGSWEEP_SECRET_KEY opens, and how they are encrypted with a newer key."""

from __future__ import annotations

from tagsweep.producer.gateway.auth import credentials, encryption
from tagsweep.producer.gateway.auth.credentials import Credential
from tagsweep.worker import database
from tagsweep.worker.errors import SettingsError
from tagsweep.worker.models.requester import Requester

#: credentials that are named in one message
MAX_NAMED = 5


def unusable() -> str | None:
    """Return a sentence about signing credentials whose secrets cannot be read; None if all can."""
    signing = _signing()
    closed = [one for one in signing if _opened(one) is None]
    if not closed:
        return None
    named = ", ".join(str(one.id) for one in closed[:MAX_NAMED])
    more = f" and {len(closed) - MAX_NAMED} more" if len(closed) > MAX_NAMED else ""
    return (
        f"{len(closed)} of {len(signing)} signing credentials cannot be used: TAGSWEEP_SECRET_KEY "
        f"does not hold the key that their secrets are encrypted with ({named}{more}). Requests "
        "signed with them are refused, all others are served."
    )


def outdated() -> int:
    """Return how many signing secrets are still encrypted with an older key."""
    found = [_opened(one) for one in _signing()]
    return sum(1 for one in found if one is not None and not one[1])


def seal_all_again(by: Requester) -> int:
    """Encrypt with the newest key every secret that an older one opens; return how many."""
    count = 0
    with database.transaction() as connection:
        for one in credentials.that_sign(connection):
            secret, is_newest = _opened(one) or ("", True)
            if not is_newest:
                credentials.seal_again(connection, one, secret, by)
                count += 1
    return count


def _signing() -> list[Credential]:
    with database.reading() as connection:
        return credentials.that_sign(connection)


def _opened(credential: Credential) -> tuple[str, bool] | None:
    """Return the secret, and whether the newest key opens it; None if no key does."""
    try:
        return encryption.opened(credential.sealed_secret or b"", credential.id)
    except SettingsError:
        return None
