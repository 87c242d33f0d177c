"""What a caller attaches to a job's task (Celery's canvas): carried out when the job has ended.

Celery acts on callbacks, chains and chords when the task ends, but a job's task ends once the job
is accepted. So they are taken off the task, stored with the job, and carried out here as Celery
would, in a worker that has none of the caller's tasks.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from celery import Celery, _state, canvas, states
from celery.app.amqp import Queues
from celery.app.task import Context
from kombu import Exchange, Message
from kombu.utils import json

from tagsweep.worker.broker import names, results, sending, signatures
from tagsweep.worker.broker.amqp.queues import Queue
from tagsweep.worker.broker.amqp.transport import AMQP
from tagsweep.worker.broker.app import BRIEF, SENDING, app
from tagsweep.worker.errors import BrokerUnavailable, JobEnded, JobRevoked
from tagsweep.worker.process.single import single

#: what a caller can attach to a task, as its message names it
_HUNG = ("callbacks", "errbacks", "chain", "chord")
#: what is needed as well: the task's ids and its place in a group
_PLACE = ("id", "root_id", "group", "group_index")
#: our settings that also apply when the caller's tasks are sent
_SHARED = (
    "accept_content",
    "broker_connection_timeout",
    "broker_transport_options",
    "redis_retry_on_timeout",
    "redis_socket_connect_timeout",
    "redis_socket_timeout",
    "result_backend_transport_options",
    "result_expires",
    "result_serializer",
    "task_serializer",
)

NO_CHORDS = (
    "A chord, or a group with a task after it, needs a result backend that counts, which {backend} "
    "is not: set TAGSWEEP_RESULTS_URL, and the caller's result backend, to the same Redis."
)
UNREADABLE = "What is attached to the task ({names}) is not in Celery's format: {error}"


def take_off(request: Any) -> str | None:
    """Remove what is attached to a task's request; return it as JSON, None if nothing is.

    Celery then finds nothing when the task ends. A copy of the message that Celery sends still
    carries it (``given_back``).
    """
    hung = getattr(request, "taken_off", None) or {name: getattr(request, name) for name in _HUNG}
    if not any(hung.values()):
        return None
    request.taken_off = hung
    for name in _HUNG:
        setattr(request, name, None)
    return _written(request, hung)


def given_back(request: Any) -> dict[str, Any]:
    """Return what was taken off a request, as options for a copy of its task."""
    hung = getattr(request, "taken_off", None)
    if not hung:
        return {}
    options = {"callbacks": "link", "errbacks": "link_error"}
    return {options.get(name, name): value for name, value in hung.items()}


def of_message(message: Message) -> str | None:
    """Return what is attached to a message that reaches no task; None if unreadable or nothing."""
    try:
        _, _, embedded = message.payload
        request = Context({**(message.headers or {}), **embedded})
    except Exception:  # noqa: BLE001  # it cannot be read, for whatever reason
        return None
    return take_off(request)


def _written(request: Any, hung: dict[str, Any]) -> str:
    place = {name: getattr(request, name) for name in _PLACE}
    return str(json.dumps({**place, **hung}, sort_keys=True))


def refusal(hung: str) -> str | None:
    """Return why ``hung`` could not be carried out at the job's end; None if it could."""
    request = json.loads(hung)
    parts = [*(request["callbacks"] or []), *(request["errbacks"] or []), *(request["chain"] or [])]
    try:
        for part in parts:
            canvas.maybe_signature(part, app=_sender(app()))
        signatures.identified(request, "")
        counted = bool(request["chord"]) or any(signatures.needs_chord(part) for part in parts)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        names = ", ".join(name for name in _HUNG if request[name])
        return UNREADABLE.format(names=names, error=error)
    backend: Any = _sender(app()).backend
    return None if not counted or _counts(backend) else NO_CHORDS.format(backend=backend.as_uri())


def _counts(backend: Any) -> bool:
    """Return whether this result backend supports chords."""
    try:
        backend.ensure_chords_allowed()
    except NotImplementedError:
        return False
    return True


def carry_out(hung: str, owner: str, result: dict[str, Any] | JobEnded) -> None:
    """Carry out what is attached to a task whose job has ended with ``result``, already stored.

    Repeating it sends the same tasks under the same ids, which derive from ``owner``. Raises
    BrokerUnavailable; part of it may have been done by then.
    """
    sender = _sender(app())
    request = Context(signatures.identified(json.loads(hung), owner), delivery_info={})
    with sending.unavailable(sending.server(sender)), _current(sender):
        if isinstance(result, JobEnded):
            _fail(sender, request, result)
        else:
            _succeed(sender, request, result)


def _succeed(sender: Celery, request: Any, data: dict[str, Any]) -> None:
    """Send callbacks and the next task of a chain with ``data``; count the member of a chord."""
    for one in _together(sender, request.callbacks or [], request):
        _send(sender, one, data, request)
    if request.chain:
        *rest, following = request.chain
        signature = canvas.maybe_signature(following, app=sender)
        _send(sender, signature, data, request, chain=rest)
    if request.chord:
        _count(sender, request, states.SUCCESS, data)


def _fail(sender: Celery, request: Any, error: JobEnded) -> None:
    """Fail the rest of a chain, count the member of a chord, send errbacks with the task's id.

    As in Celery, a revoked task sends no errbacks.
    """
    state, value = results.outcome(error)
    if request.chord:
        _count(sender, request, state, value)
    backend: Any = sender.backend
    backend._fail_chain(signatures.leaves(request.chain or []), value, state=state)  # noqa: SLF001  # Celery's way
    if not isinstance(error, JobRevoked):
        for one in _together(sender, request.errbacks or [], request):
            _send(sender, one, request.id, request)


def _together(sender: Celery, callbacks: list[Any], request: Any) -> list[Any]:
    """Return the signatures to send: several tasks become a group, as in Celery."""
    found: list[Any] = [canvas.maybe_signature(one, app=sender) for one in callbacks]
    groups = [one for one in found if isinstance(one, canvas.group)]
    tasks = [one for one in found if not isinstance(one, canvas.group)]
    if len(found) > 1 and tasks:
        tasks = [canvas.group(tasks, app=sender, task_id=request.group_of_callbacks)]
    return groups + tasks


def _send(sender: Celery, signature: Any, argument: object, request: Any, **options: Any) -> None:
    place = {"parent_id": request.id, "root_id": request.root_id or request.id}
    if signature.subtask_type != "chord":  # its body would keep them
        options |= {name: SENDING[name] for name in ("confirm_timeout", "mandatory")}
    publish: Any = sender.amqp
    publish._retry_publish(signature.apply_async, (argument,), **place, **options)  # noqa: SLF001  # Celery's way


def _count(sender: Celery, request: Any, state: str, result: object) -> None:
    """Count a member of a chord; the last member sends the chord's body, or fails it.

    Celery would treat an unavailable broker as the body's failure, so the broker is checked first.
    If another process died while sending the body, it is sent once that process's claim expires.
    """
    backend: Any = sender.backend
    if not _counts(backend):  # only its errbacks can report the chord's failure
        body: Any = canvas.maybe_signature(request.chord, app=sender)
        for one in _together(sender, body.options.get("link_error", []), request):
            _send(sender, one, body.id, request)
        return
    sending.check(sender)
    backend.on_chord_part_return(request, state, result)
    if not (request.group and hasattr(backend, "_chord_claim_extend_script")):
        return  # a backend without claims
    claim, size = (backend.get_key_for_group(request.group, key) for key in (".c", ".s"))
    if backend.get(claim) not in (None, b"done") and backend.get(size) is not None:
        raise BrokerUnavailable(f"The body of chord {request.group} is being sent by another.")


@contextmanager
def _current(sender: Celery) -> Iterator[None]:
    """Make ``sender`` the app of signatures that Celery creates without one."""
    before = _state._tls.current_app  # type: ignore[attr-defined]  # noqa: SLF001  # the stubs lack it
    sender.set_current()
    try:
        yield
    finally:
        _state._set_current_app(before)  # type: ignore[attr-defined]  # noqa: SLF001


class _CallersQueues(Queues):
    """The queues of callers, of any type."""

    def new_missing(self, name: str) -> Queue:
        """Return a queue that is only looked up if it exists."""
        return Queue(name, Exchange(name), name)


class CallersAMQP(AMQP):
    """Our connections, with those queues."""

    queues_cls = _CallersQueues


@single
def _sender(ours: Celery) -> Celery:
    """Return an app that sends a caller's tasks as a worker with default settings would.

    A task goes to the queue that its signature names, otherwise to Celery's default queue; our own
    tasks go to ours.
    """
    sender = Celery(
        "tagsweep-canvas",
        broker=ours.conf.broker_url,
        backend=ours.conf.result_backend,
        amqp=f"{__name__}:CallersAMQP",
        set_as_current=False,
    )
    sender.conf.update(
        {name: ours.conf[name] for name in _SHARED},
        task_routes={"tags.*": {"queue": names.queue()}},
        task_publish_retry_policy=BRIEF,
    )
    return sender
