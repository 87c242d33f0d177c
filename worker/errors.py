"""Every error of tagsweep; its type says what happens next, its docstring is its message."""

from __future__ import annotations

from typing import NotRequired, TypedDict

from tagsweep.worker.redaction import redacted


class ItemError(TypedDict):
    """What is wrong with one part of a request, in the caller's own terms."""

    path: str  #: JSON Pointer into the request, ``""`` for the whole of it
    code: str  #: stable, for programs
    reason: str  #: one sentence, for people
    would_remove: NotRequired[int]  #: beside the code ``max_affected`` only
    would_add: NotRequired[int]  #: in its place, where the job is an attach


class TagsweepError(Exception):
    """Something went wrong in tagsweep."""

    def __init__(self, message: str | None = None) -> None:
        # what a library says, and is passed on here, may name the server by its whole URL
        super().__init__(redacted(message or (self.__doc__ or "").strip()))


class Retryable(TagsweepError):
    """It did not work this time: the same step is tried again, nothing was changed."""


class Rejected(TagsweepError, ValueError):
    """It will never work as it stands: it is not tried again, nothing was changed."""


class SettingsError(Rejected):
    """A setting in the environment is not usable."""


class StoreUnavailable(Retryable):
    """The store does not answer."""

    public = "The store does not answer."  #: what anybody may know


class StoreBusy(Retryable):
    """Another transaction was in the way (deadlock, lock timeout, serialization failure)."""


class StoreRefused(Retryable):
    """The store answers, and refuses the statement."""

    public = "The store refuses what it is told at present."

    def __init__(
        self, message: str, *, said: str = "", code: str | None = None, by_item: bool = False
    ) -> None:
        self.said = said or message  #: the server's own words
        self.code = code  #: its SQLSTATE; None on SQLite
        #: whether the values of some items alone may be what it refuses, if it is those that were
        #: being applied; of any other statement the whole of it is refused
        self.by_item = by_item
        super().__init__(message)


class SchemaMismatch(Rejected):
    """The store's schema is not the one that this version works with."""


class BrokerUnavailable(Retryable):
    """The broker does not answer."""

    told = "The {server} does not answer."

    def __init__(
        self, message: str | None = None, *, server: str = "broker", words: str | None = None
    ) -> None:
        self.server = server  #: which it is: the broker, the result backend or the event stream
        self.words = words or self.public  #: what it says and what to do, without its address
        super().__init__(message or self.public)

    @property
    def public(self) -> str:
        """What anybody may know: which server it is, and whether it is away."""
        return self.told.format(server=self.server)


class BrokerRefused(BrokerUnavailable):
    """The broker answers, and refuses what is asked of it."""

    told = "The {server} refuses what is asked of it."


class InvalidJob(Rejected):
    """The request is not a valid job."""

    def __init__(self, errors: list[ItemError]) -> None:
        self.errors = errors
        super().__init__(sentence(errors))


class JobEnded(TagsweepError):
    """The job ended without doing what was asked: what a Celery caller's ``get()`` raises."""


class JobRejected(JobEnded):
    """The request was not valid; nothing was changed."""


class JobFailed(JobEnded):
    """The job was given up."""


class JobCancelled(JobEnded):
    """Somebody cancelled the job."""


class JobRevoked(JobEnded):
    """It was revoked, or had expired, before it began; nothing was changed."""


class NoSuchJob(Rejected):
    """There is no job with this id."""


class NotRecordedYet(Retryable):
    """There is no such job yet."""


class Forgotten(Rejected):
    """What the job did is kept no longer."""


class CannotUndo(Rejected):
    """The job cannot be undone."""


class NothingToRetry(Rejected):
    """The job has nothing that could be done again."""


class NotRunning(Rejected):
    """The job is not under way."""


def words(error: BaseException) -> str:
    """Return an error in one line of some 200 characters, also one that cannot even say itself."""
    try:
        said = " ".join(str(error).split())
    except Exception:  # noqa: BLE001  # whatever it raises
        said = ""
    return f"{type(error).__name__}: {said}"[:200]


def sentence(errors: list[ItemError]) -> str:
    """Return the first few ``errors`` as one line: ``names: This field is required.``."""
    shown = [f"{error['path'].lstrip('/') or 'job'}: {error['reason']}" for error in errors[:5]]
    more = len(errors) - len(shown)
    return " ".join(shown) + (f" (and {more} more)" if more > 0 else "")
