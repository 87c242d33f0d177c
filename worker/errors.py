"""Every error of tagsweep: its type says what happens next, its docstring is its message."""

from __future__ import annotations

from typing import NotRequired, TypedDict

from tagsweep.worker.redaction import redacted

#: the code of fields that are valid each, but not together
CONFLICTING = "conflicting"


class ItemError(TypedDict):
    """What is wrong with one part of a request, in the caller's own terms."""

    path: str  #: JSON Pointer into the request, ``""`` for the whole of it
    code: str  #: stable, for programs
    reason: str  #: one sentence, for people
    would_remove: NotRequired[int]  #: only with the code ``max_affected``
    would_add: NotRequired[int]  #: instead, if the job is an attach
    would_set: NotRequired[int]  #: instead, if it is a set
    would_move: NotRequired[int]  #: instead, if it is a merge


class TagsweepError(Exception):
    """Something went wrong in tagsweep."""

    def __init__(self, message: str | None = None) -> None:
        # a library's message that is passed on may contain a server's whole URL
        super().__init__(redacted(message or (self.__doc__ or "").strip()))


class Retryable(TagsweepError):
    """It did not work this time: nothing was changed, and the same step is tried again."""

    #: seconds before a message that it stopped is sent again, at most
    longest_pause_s = 1.0


class Rejected(TagsweepError, ValueError):
    """It can never work like this: nothing was changed, and it is not tried again."""


class SettingsError(Rejected):
    """A setting in the environment is not usable."""


class StoreUnavailable(Retryable):
    """The store does not answer."""

    public = "The store does not answer."  #: safe to show to anyone


class StoreBusy(Retryable):
    """Another transaction was in the way (deadlock, lock timeout, serialization failure)."""


class StoreRefused(Retryable):
    """The store answers but refuses the statement."""

    public = "The store currently refuses statements."

    def __init__(
        self, message: str, *, said: str = "", code: str | None = None, by_item: bool = False
    ) -> None:
        self.said = said or message  #: the server's own words
        self.code = code  #: its SQLSTATE; None on SQLite
        #: whether it may refuse only the values of some items, if a chunk was being applied; any
        #: other statement is refused as a whole
        self.by_item = by_item
        super().__init__(message)


class SchemaMismatch(Rejected):
    """The store's schema is not the one that this version needs."""


class BrokerUnavailable(Retryable):
    """The broker does not answer."""

    template = "The {server} does not answer."

    def __init__(
        self, message: str | None = None, *, server: str = "broker", words: str | None = None
    ) -> None:
        self.server = server  #: which one: the broker, the result backend or the event stream
        self.words = words or self.public  #: its words and the advice, without its address
        super().__init__(message or self.public)

    @property
    def public(self) -> str:
        """Safe to show to anyone: which server it is, and whether it answers."""
        return self.template.format(server=self.server)


class BrokerRefused(BrokerUnavailable):
    """The broker answers but refuses the request."""

    template = "The {server} refuses the request."


class InvalidJob(Rejected):
    """The request is not a valid job."""

    def __init__(self, errors: list[ItemError]) -> None:
        self.errors = errors
        super().__init__(sentence(errors))


class JobEnded(TagsweepError):
    """The job ended without success: what a Celery caller's ``get()`` raises."""


class JobRejected(JobEnded):
    """The request was not valid; nothing was changed."""


class JobFailed(JobEnded):
    """The job failed."""


class JobCancelled(JobEnded):
    """The job was cancelled."""


class JobRevoked(JobEnded):
    """The job was revoked or expired before it began; nothing was changed."""


class NoSuchJob(Rejected):
    """There is no job with this id."""


class NotRecordedYet(Retryable):
    """There is no such job yet."""

    longest_pause_s = 0.1  # many that look for their jobs must not hold up other messages


class Forgotten(Rejected):
    """The record of what the job did has expired."""


class CannotUndo(Rejected):
    """The job cannot be undone."""


class CannotRun(Rejected):
    """The job is no preview that can be run."""


class NeedsApproval(Rejected):
    """Somebody else has to run what was previewed (TAGSWEEP_APPROVAL)."""

    code = "needs_approval"

    @property
    def errors(self) -> list[ItemError]:
        """It as the errors of a job."""
        return [{"path": "", "code": self.code, "reason": str(self)}]


class NoSuchTag(Rejected):
    """The tenant has no such tag."""


class NameTaken(Rejected):
    """tag with this name already exists."""


class NothingToRetry(Rejected):
    """The job has no items to retry."""


class NotRunning(Rejected):
    """The job is not running."""


def words(error: BaseException) -> str:
    """Return an error in one line of at most 200 characters, even if its ``str`` fails."""
    try:
        said = " ".join(str(error).split())
    except Exception:  # noqa: BLE001  # of any kind
        said = ""
    return f"{type(error).__name__}: {said}"[:200]


def sentence(errors: list[ItemError]) -> str:
    """Return the first few ``errors`` as one line: ``names: This field is required.``."""
    shown = [f"{error['path'].lstrip('/') or 'job'}: {error['reason']}" for error in errors[:5]]
    more = len(errors) - len(shown)
    return " ".join(shown) + (f" (and {more} more)" if more > 0 else "")
