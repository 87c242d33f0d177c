"""RabbitMQ that answers but refuses."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

from tests.servers import RabbitMQ
from tests.weather.refusals import Refusal, Switch, silent

#: whom the refusals mean
USER, PASSWORD = "weather", "weather-0123"


@dataclass(frozen=True)
class VirtualHost:
    """A virtual host of ours on a server that may be broken, and the user that we work as."""

    server: RabbitMQ
    owner_url: str

    @property
    def name(self) -> str:
        """The virtual host's name."""
        return urlsplit(self.owner_url).path.removeprefix("/")

    @property
    def url(self) -> str:
        """Where the user connects."""
        return self.owner_url.replace("guest:guest@", f"{USER}:{PASSWORD}@")

    def prepare(self) -> None:
        """Make the user where it is missing, who may do everything here."""
        if USER not in self.server.control("list_users", "--quiet"):
            self.server.control("add_user", USER, PASSWORD)
        self.permit()

    def permit(self, configure: str = ".*", write: str = ".*", read: str = ".*") -> None:
        """Give the user these rights, as patterns of names."""
        self.server.control("set_permissions", "--vhost", self.name, USER, configure, write, read)

    def drop_connections(self) -> None:
        """Close every connection of the user."""
        self.server.control(
            "eval", f'rabbit_networking:close_all_user_connections(<<"{USER}">>, <<"weather">>).'
        )


def without(*rights: str) -> Switch[VirtualHost]:
    """Take rights from the user: ``configure``, ``write``, ``read``."""

    @contextmanager
    def switch(host: VirtualHost) -> Iterator[None]:
        host.permit(**dict.fromkeys(rights, "^$"))
        try:
            yield
        finally:
            host.permit()

    return switch


@contextmanager
def no_user(host: VirtualHost) -> Iterator[None]:
    """Delete the user; its connections are closed."""
    host.server.control("delete_user", USER)
    try:
        yield
    finally:
        host.prepare()


@contextmanager
def another_password(host: VirtualHost) -> Iterator[None]:
    """Give the user another password, and close its connections."""
    host.server.control("change_password", USER, "another")
    host.drop_connections()
    try:
        yield
    finally:
        host.server.control("change_password", USER, PASSWORD)


@contextmanager
def no_memory(host: VirtualHost) -> Iterator[None]:
    """Raise the alarm of a server without memory: it reads no more from who publishes."""
    host.server.take_no_messages()
    try:
        yield
    finally:
        host.server.take_messages()


@contextmanager
def no_disk(host: VirtualHost) -> Iterator[None]:
    """Raise the alarm of a server whose disk is full."""
    host.server.control("set_disk_free_limit", "900000000000000")
    try:
        yield
    finally:
        host.server.control("set_disk_free_limit", "1MB")


@contextmanager
def application_stopped(host: VirtualHost) -> Iterator[None]:
    """Stop the broker; the node it runs on stays."""
    host.server.control("stop_app")
    try:
        yield
    finally:
        host.server.control("start_app")


@contextmanager
def dropping(host: VirtualHost) -> Iterator[None]:
    """Close all connections of the user five times a second, for 4 seconds or a little more."""
    order = f'rabbit_networking:close_all_user_connections(<<"{USER}">>, <<"weather">>)'
    host.server.control(
        "eval", f"[begin catch {order}, timer:sleep(200) end || _ <- lists:seq(1, 20)], ok."
    )
    yield


@contextmanager
def no_room(host: VirtualHost) -> Iterator[None]:
    """Let queues take no more messages: publishes are refused (basic.nack)."""
    where = ("--vhost", host.name)
    limits = json.dumps({"max-length": 0, "overflow": "reject-publish"})
    host.server.control("set_policy", *where, "--apply-to", "queues", "full", "^tagsweep", limits)
    try:
        yield
    finally:
        host.server.control("clear_policy", *where, "full")


def limited(scope: str, **limits: int) -> Switch[VirtualHost]:
    """Limit the virtual host (``vhost``), or the user (``user``), and close its connections."""

    @contextmanager
    def switch(host: VirtualHost) -> Iterator[None]:
        of = [USER] if scope == "user" else ["--vhost", host.name]
        told = json.dumps({name.replace("_", "-"): value for name, value in limits.items()})
        host.server.control(f"set_{scope}_limits", *of, told)
        host.drop_connections()
        try:
            yield
        finally:
            clear = [USER, "all"] if scope == "user" else of
            host.server.control(f"clear_{scope}_limits", *clear)

    return switch


@contextmanager
def no_queues(host: VirtualHost) -> Iterator[None]:
    """Delete the queues under their consumers, with what is in them."""
    delete = (
        '[rabbit_amqqueue:delete(Queue, false, false, <<"weather">>) || '
        f'Queue <- rabbit_amqqueue:list(<<"{host.name}">>), '
        'element(1, {re:run(element(4, amqqueue:get_name(Queue)), "^tagsweep")}) =/= nomatch], ok.'
    )
    host.server.control("eval", delete)
    yield


@contextmanager
def stopped(host: VirtualHost) -> Iterator[None]:
    """Let the server fall silent."""
    assert host.server.pid is not None
    with silent(host.server.pid):
        yield


REFUSALS: list[Refusal[VirtualHost]] = [
    Refusal("no-right-to-configure", without("configure"), connected=False),
    Refusal("no-right-to-write", without("write"), connected=False),
    Refusal("no-right-to-read", without("read"), connected=False),
    Refusal("no-rights", without("configure", "write", "read"), connected=False),
    Refusal("no-user", no_user, core=True, connected=False),
    Refusal("another-password", another_password, connected=False),
    Refusal("no-memory", no_memory),
    Refusal("no-disk", no_disk),
    Refusal("application-stopped", application_stopped, connected=False),
    Refusal("dropping", dropping, connected=False),
    Refusal("no-room", no_room, core=True),
    Refusal("no-more-connections-here", limited("vhost", max_connections=0), connected=False),
    Refusal("no-more-queues-here", limited("vhost", max_queues=0), connected=False),
    Refusal("no-more-connections", limited("user", max_connections=0), connected=False),
    Refusal("no-more-channels", limited("user", max_channels=0), connected=False),
    Refusal("no-queues", no_queues, connected=False, loses_messages=True),
    Refusal("silent", stopped, connected=False),
]
