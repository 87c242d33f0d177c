"""What brokers answer that is no success: told in their own words, with the advice that helps."""

from __future__ import annotations

import pytest
import redis
from amqp import exceptions as amqp
from kombu.exceptions import OperationalError

from tagsweep.worker.broker import error_replies
from tagsweep.worker.broker.error_replies import Server
from tagsweep.worker.errors import BrokerRefused, BrokerUnavailable, Retryable

BROKER = Server("broker", "TAGSWEEP_BROKER_URL", "redis://me:secret@h:1/0")
RABBITMQ = Server("broker", "TAGSWEEP_BROKER_URL", "amqp://me:secret@h/v")

REFUSED = [
    (redis.ReadOnlyError("You can't write against a read only replica."), "READONLY", "failover"),
    (redis.OutOfMemoryError("command not allowed when used memory > 'maxmemory'."), "OOM", "full"),
    (redis.BusyLoadingError("Redis is loading the dataset in memory"), "LOADING", "wait"),
    (redis.ResponseError("MISCONF Redis is configured to save"), "MISCONF", "disk"),
    (redis.ResponseError("BUSY Redis is busy running a script."), "BUSY", "SCRIPT KILL"),
    (redis.ResponseError("NOREPLICAS Not enough good replicas"), "NOREPLICAS", "min-replicas"),
    (redis.exceptions.NoPermissionError("this user has no permissions"), "NOPERM", "ACL SETUSER"),
    (redis.AuthenticationError("invalid username-password pair"), "WRONGPASS", "password"),
    (redis.exceptions.ClusterDownError("Hash slot not served"), "CLUSTERDOWN", "cluster mode"),
    (redis.exceptions.MasterDownError("Link with MASTER is down"), "MASTERDOWN", "failover"),
    (redis.ConnectionError("max number of clients reached"), "MAXCLIENTS", "maxclients"),
    (redis.ResponseError("ERR something else"), "ERR", "log"),
    (amqp.AccessRefused("ACCESS_REFUSED - write access", (60, 40)), "403", "set_permissions"),
    (amqp.NotFound("NOT_FOUND - home node 'a' of durable queue", (50, 10)), "404", "node"),
    (amqp.ResourceLocked("RESOURCE_LOCKED - exclusive access", (50, 10)), "405", "connection"),
    (amqp.PreconditionFailed("PRECONDITION_FAILED - timed out", (60, 60)), "406", "declared"),
    (amqp.NotAllowed("NOT_ALLOWED - vhost v not found", (10, 40)), "530", "add_vhost"),
    (amqp.AMQPNotImplementedError("NOT_IMPLEMENTED - global qos", (60, 10)), "540", "log"),
    (amqp.InternalError("INTERNAL_ERROR", (60, 40)), "541", "internal"),
    (amqp.ConnectionForced("CONNECTION_FORCED - shutdown", (0, 0)), "320", "start"),
    (amqp.MessageNacked(), "nack", "full"),
]


@pytest.mark.parametrize("error, code, advice", REFUSED)
def test_a_refusal_is_told_in_the_servers_words_with_what_to_do(
    error: Exception, code: str, advice: str
) -> None:
    told = error_replies.raised(BROKER, error)
    assert isinstance(told, BrokerRefused)
    assert isinstance(told, Retryable)
    assert error_replies.code_of(error) == code
    assert "The broker at redis://me:***@h:1/0 refuses: " in str(told)
    assert str(error).split("(")[-1].rstrip(".") in str(told) or code == "nack"
    assert advice in str(told)
    assert "Start it, or set" not in str(told)
    assert len(str(told).splitlines()) == 1


@pytest.mark.parametrize(
    "server, advice",
    [(BROKER, "ssl_ca_certs=… in TAGSWEEP_BROKER_URL"), (RABBITMQ, "SSL_CERT_FILE")],
)
def test_a_certificate_that_is_not_trusted_is_told_as_that(server: Server, advice: str) -> None:
    error = redis.ConnectionError("[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: x")
    assert advice in str(error_replies.raised(server, error))


def test_what_sentinels_want_is_told_without_their_client_s_whole_state() -> None:
    state = "<redis.client.Redis(<redis.connection.ConnectionPool(<…(password=p,port=1)>)>)>"
    told = [
        str(error_replies.raised(BROKER, redis.sentinel.MasterNotFoundError(text)))
        for text in (
            f"No master found for 'm' : {state} - auth:AuthenticationError, {state} - x",
            f"No master found for 'm' : {state} - network:ConnectionError",
            "No master found for 'm'",
        )
    ]
    assert "refuses: its sentinels require another password" in told[0]
    assert "Correct TAGSWEEP_SENTINEL_PASSWORD." in told[0]
    assert "does not answer (no sentinel names a master 'm': ConnectionError)." in told[1]
    assert "does not answer (no sentinel names a master 'm' that is up)." in told[2]
    assert not any("<redis" in one for one in told)


@pytest.mark.parametrize(
    "error",
    [
        ConnectionRefusedError(111, "Connection refused"),
        TimeoutError("timed out"),
        redis.ConnectionError("Error 111 connecting to h:1. Connection refused."),
        redis.TimeoutError("Timeout reading from socket"),
        amqp.RecoverableConnectionError("connection already closed"),
    ],
)
def test_a_server_that_is_away_is_told_as_away(error: Exception) -> None:
    told = error_replies.raised(RABBITMQ, error)
    assert type(told) is BrokerUnavailable
    assert "The broker at amqp://me:***@h/v does not answer (" in str(told)
    assert "Start it, or set TAGSWEEP_BROKER_URL to where it is." in str(told)
    assert told.public == "The broker does not answer."


def test_a_reply_inside_a_librarys_own_error_is_found() -> None:
    outer = OperationalError("something")
    outer.__cause__ = redis.ReadOnlyError("You can't write against a read only replica.")
    assert "READONLY You can't write" in str(error_replies.raised(BROKER, outer))


def test_what_a_client_or_a_script_puts_around_the_words_goes() -> None:
    around = "Command # 1 (SADD a b) of pipeline caused error: OOM command not allowed. script: "
    error = redis.ResponseError(f"{around}{'0' * 40}, on @user_script:8.")
    assert "refuses: OOM command not allowed. It is full" in str(
        error_replies.raised(BROKER, error)
    )


def test_what_anybody_may_know_has_no_address() -> None:
    backend = Server("result backend", "TAGSWEEP_RESULTS_URL", "redis://h:1/0")
    told = error_replies.raised(backend, redis.ReadOnlyError("You can't write."))
    assert told.public == "The result backend refuses the request."
    assert told.words.startswith("The result backend refuses: READONLY You can't write. ")
    assert "redis://" not in told.words + told.public
    assert "TAGSWEEP_RESULTS_URL" in told.words
