"""Error replies of Redis and RabbitMQ: what each means, in one sentence with advice.

A server that does not answer has to be started; one that answers but refuses needs something else.
The client libraries are not imported: their errors are recognized by name and code.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from tagsweep.worker.errors import BrokerRefused, BrokerUnavailable
from tagsweep.worker.settings import masked

#: how many characters of a server's own words are shown
SHOWN = 300

#: the reply codes of errors from which a client library has removed the code
_NAMED = {
    "ReadOnlyError": "READONLY",
    "OutOfMemoryError": "OOM",
    "NoPermissionError": "NOPERM",
    "BusyLoadingError": "LOADING",
    "MasterDownError": "MASTERDOWN",
    "ClusterDownError": "CLUSTERDOWN",
    "TryAgainError": "TRYAGAIN",
    "ClusterCrossSlotError": "CROSSSLOT",
    "MovedError": "MOVED",
    "AskError": "MOVED",
    "AuthenticationError": "WRONGPASS",
    "AuthenticationWrongNumberOfArgsError": "WRONGPASS",
}
_CLUSTER = "It runs in cluster mode, which is not supported: name a Redis without it."
_LOGIN = "Correct user and password in {variable}."
_NODE = "Its queue is missing or on a node that is down: start that node, then a worker."

ADVICE = {
    "READONLY": "It is a replica: wait for the failover, or set {variable} to the master.",
    "OOM": "It is full: raise its `maxmemory`, or remove other data from it.",
    "NOPERM": "Give the user in {variable} that right (ACL SETUSER).",
    "NOAUTH": _LOGIN,
    "WRONGPASS": _LOGIN,
    "LOADING": "It is loading its data: wait until that is done.",
    "MASTERDOWN": "It is a replica without its master: wait for the failover, or start the master.",
    "CLUSTERDOWN": _CLUSTER,
    "CROSSSLOT": _CLUSTER,
    "MOVED": _CLUSTER,
    "TRYAGAIN": _CLUSTER,
    "MISCONF": "It cannot save its data: see its log; often its disk is full or not writable.",
    "BUSY": "A script is running and blocks all clients: wait, or end it with SCRIPT KILL.",
    "NOREPLICAS": "It has fewer replicas than `min-replicas-to-write`: start them, or lower it.",
    "MAXCLIENTS": "It has reached its limit of connections: raise its `maxclients`.",
    "sentinels": "Correct TAGSWEEP_SENTINEL_PASSWORD.",
    "320": "It closes its connections, often because it is shutting down: start it again.",
    "311": "The message is too large for it: raise its `max_message_size`.",
    "403": "Give the user in {variable} its password and the rights on the virtual host "
    "(rabbitmqctl set_permissions).",
    "404": _NODE,
    "405": "Another connection has the queue exclusively: close it, or use another name.",
    "406": "A queue or exchange was declared with other arguments, or a message was held longer "
    "than its `consumer_timeout`: see docs/brokers.md.",
    "530": "Create the virtual host in {variable}, or give the user access to it "
    "(rabbitmqctl add_vhost, set_permissions).",
    "540": "It does not support the request: see its log and docs/brokers.md.",
    "unrouted": "No queue receives the message: it was deleted, or its node is down. "
    "Start a worker, or that node.",
    "nack": "Perhaps the queue is full, or too many of its nodes are down: start workers, raise "
    "its limit, or start its nodes.",
    "541": "It has had an internal error: see its log.",
}
_OTHER = "See its log."
#: errors for messages that AMQP returns or refuses, which have no code
_MESSAGES = {"Unrouted": "unrouted", "Unwanted": "nack", "MessageNacked": "nack"}
_AUTH = "AuthenticationError"
_NO_MASTER = "no sentinel names a master"
#: what Redis' client and scripts add to the server's words
_AROUND = re.compile(
    r"Command # \d+ \(.*?\) of pipeline caused error: "
    r"|\.? script: [0-9a-f]{40}, on @user_script:\d+"
)


@dataclass(frozen=True, slots=True)
class Server:
    """The server that an error is about."""

    name: str  #: "broker", "result backend" or "event stream"
    variable: str  #: the setting that names it
    url: str


def raised(server: Server, error: BaseException) -> BrokerUnavailable:
    """Return the error to raise: BrokerRefused with the server's words, or BrokerUnavailable."""
    found = _refusal(error)
    where = f"The {server.name} at {masked(server.url)}"
    if found is None:
        reason = _line(error.__cause__ or error)
        words = f"{where} does not answer ({reason}). {_to_reach(server, reason)}"
        return BrokerUnavailable(words, server=server.name)
    code, cause = found
    advice = ADVICE.get(code, _OTHER).format(variable=server.variable)
    words = f"refuses: {_line(cause).rstrip('.')}. {advice}"
    public = f"The {server.name} {words}"
    return BrokerRefused(f"{where} {words}", server=server.name, words=public)


def blocked(server: Server, reason: str) -> BrokerRefused:
    """Return the error to raise if a broker blocks publishers (memory or disk alarm)."""
    words = f"takes no messages: {reason}. Free memory or disk there, or raise its limits."
    where = f"The {server.name} at {masked(server.url)}"
    return BrokerRefused(f"{where} {words}", server=server.name, words=f"The {server.name} {words}")


def is_redis(error: BaseException) -> bool:
    """Return whether Redis' client library raised it."""
    return any(kind.__name__ == "RedisError" for kind in type(error).__mro__)


def code_of(error: BaseException) -> str | None:
    """Return a refusal's code, Redis' word or AMQP's number; None if the server is unavailable."""
    found = _refusal(error)
    return found and found[0]


def _refusal(error: BaseException) -> tuple[str, BaseException] | None:
    for one in _chain(error):
        code = _amqp_code(one) or _redis_code(one)
        if code:
            return code, one
    return None


def _to_reach(server: Server, reason: str) -> str:
    """Return what to do about a server that cannot be reached for ``reason``."""
    if "certificate verify failed" in reason:
        signer = "SSL_CERT_FILE=…"
        if not server.url.startswith("amqp"):
            signer = f"ssl_ca_certs=… in {server.variable}"
        return (
            f"Name the CA of its certificate by {signer}; "
            "the certificate must name its host or address."
        )
    if reason.startswith(_NO_MASTER):
        return (
            "Start them and their servers, wait for the failover, or correct "
            f"TAGSWEEP_SENTINEL_MASTER or {server.variable}; `tagsweep doctor` asks each of them."
        )
    return f"Start it, or set {server.variable} to where it is."


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield the error and its causes: libraries wrap the reply in errors of their own."""
    seen: set[int] = set()
    one: BaseException | None = error
    while one is not None and id(one) not in seen:
        seen.add(id(one))
        yield one
        one = one.__cause__ or (None if one.__suppress_context__ else one.__context__)


def _amqp_code(error: BaseException) -> str | None:
    number = getattr(error, "reply_code", None)
    return str(number) if number else _MESSAGES.get(type(error).__name__)


def _redis_code(error: BaseException) -> str | None:
    names = {kind.__name__ for kind in type(error).__mro__}
    text = str(error)
    if not is_redis(error):
        return None
    if "MasterNotFoundError" in names:
        return "sentinels" if _AUTH in text else None
    if "max number of clients" in text:
        return "MAXCLIENTS"
    if not {"ResponseError", "AuthenticationError", "BusyLoadingError"} & names:
        return None
    in_words = next((code for code in ADVICE if code.isupper() and f"{code} " in text), None)
    return in_words or _NAMED.get(type(error).__name__, "ERR")


def _of_sentinels(error: BaseException) -> str:
    """Return why no sentinel names a master, without the client's list of connections."""
    name, _, tried = str(error).removeprefix("No master found for ").partition(" : ")
    if _AUTH in tried:
        return f"its sentinels require another password ({_AUTH})"
    kinds = sorted(set(re.findall(r"- (?:\w+:)?(\w+Error)", tried)))
    return (
        f"{_NO_MASTER} {name}: {', '.join(kinds)}" if kinds else f"{_NO_MASTER} {name} that is up"
    )


def _line(error: BaseException) -> str:
    if type(error).__name__ == "MasterNotFoundError":
        return _of_sentinels(error)[:SHOWN]
    text = _AROUND.sub("", " ".join(str(error).split()))[:SHOWN]
    code = _redis_code(error)
    if code is None or code in ("ERR", "MAXCLIENTS") or code in text:
        return text or type(error).__name__
    return f"{code} {text}"
