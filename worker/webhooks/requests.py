"""What a webhook is to be, as its tenant asks for it."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, SecretStr, StrictBool, ValidationError
from pydantic_core import PydanticCustomError

from tagsweep.worker.errors import InvalidJob, ItemError, Rejected
from tagsweep.worker.models.item_errors import item_error
from tagsweep.worker.models.jobs import KINDS
from tagsweep.worker.models.options.callback import Url
from tagsweep.worker.models.records import ENDS
from tagsweep.worker.webhooks import addresses, signing
from tagsweep.worker.webhooks.addresses import AddressRefused


def _kinds(given: list[str]) -> list[str]:
    return _some_of(given, tuple(KINDS))


def _statuses(given: list[str]) -> list[str]:
    return _some_of(given, tuple(sorted(ENDS)))


def _some_of(given: list[str], known: tuple[str, ...]) -> list[str]:
    if not given or any(name not in known for name in given):
        reason = f"Must be some of {', '.join(known)}; leave it out for all."
        raise PydanticCustomError("invalid_choice", reason)
    return [name for name in known if name in given]


def _secret(secret: SecretStr) -> SecretStr:
    if not signing.is_secret(secret.get_secret_value()):
        raise PydanticCustomError("invalid_secret", signing.NO_SECRET)
    return secret


class DoneBefore(Rejected):
    """What is asked for was done before, perhaps for the very same request."""


Kinds = Annotated[list[str], AfterValidator(_kinds)] | None
Statuses = Annotated[list[str], AfterValidator(_statuses)] | None
Secret = Annotated[SecretStr, AfterValidator(_secret)] | None


class _Wanted(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    @classmethod
    def parse(cls, body: object) -> Self:
        """Return what ``body``, a JSON value, asks for; raises InvalidJob, which names fields."""
        try:
            return cls.model_validate(body)
        except ValidationError as error:
            details = error.errors(include_url=False)
            raise InvalidJob([item_error(detail, cls) for detail in details]) from None

    def given(self) -> dict[str, Any]:
        """Return the fields that were given, but for the secret."""
        return self.model_dump(exclude_unset=True, exclude={"secret"})


class NewWebhook(_Wanted):
    """A webhook to be made."""

    url: Url
    kinds: Kinds = None  #: of jobs whose events are sent; None: all
    statuses: Statuses = None  #: of jobs whose events are sent; None: all
    secret: Secret = None  #: None: one is made


class WebhookChange(_Wanted):
    """What is to change of a webhook."""

    url: Url = ""
    kinds: Kinds = None
    statuses: Statuses = None
    enabled: StrictBool = True


class Rotation(_Wanted):
    """The new secret of a webhook, if it is not to be made."""

    secret: Secret = None


def check_address(url: str, path: str = "/url") -> None:
    """Raise InvalidJob if nothing may be sent to ``url``; ``path``: the field that has it."""
    try:
        addresses.check(url)
    except AddressRefused as refused:
        error: ItemError = {"path": path, "code": "address_refused", "reason": str(refused)}
        raise InvalidJob([error]) from None
