"""A private cluster of RabbitMQ nodes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from tests.servers.processes import wait_until
from tests.servers.rabbitmq import RabbitMQ
from tests.servers.server import START_TIMEOUT_S

COOKIE = "tagsweep"


class Node(RabbitMQ):
    """One node; the first has the port mapper of all."""

    def __init__(self, first: Node | None) -> None:
        super().__init__()
        self.names: list[str] = []  #: of all nodes
        self._is_first = first is None
        if first is not None:
            self.mapper_port = first.mapper_port

    def prepare(self) -> None:
        """Let the nodes know, and trust, each other."""
        cookie = self.folder / ".erlang.cookie"
        cookie.write_text(COOKIE)
        cookie.chmod(0o400)
        super().prepare()
        with (self.folder / "rabbitmq.conf").open("a") as settings:
            settings.write("cluster_formation.peer_discovery_backend = classic_config\n")
            for number, name in enumerate(self.names, start=1):
                settings.write(f"cluster_formation.classic_config.nodes.{number} = {name}\n")

    def start_mapper(self) -> None:
        """Start it once for all."""
        if self._is_first:
            super().start_mapper()


class RabbitCluster:
    """Three nodes, each of which a test may kill: two of them are a majority."""

    def __init__(self) -> None:
        first = Node(None)
        self.nodes = [first, Node(first), Node(first)]
        for node in self.nodes:
            node.names = [one.name for one in self.nodes]

    def create_vhost(self, queue_type: str = "quorum") -> str:
        """Create an empty virtual host; return its URLs as one, the nodes' in their order."""
        path = urlsplit(self.nodes[0].create_vhost(queue_type)).path.removeprefix("/")
        return ";".join(node.url + path for node in self.nodes)

    def home(self, urls: str, queue: str) -> Node:
        """Return the node that holds a queue, or leads it."""
        vhost = urls.rpartition("/")[2]
        told = self.nodes[0].control("list_queues", "--quiet", "-p", vhost, "name", "pid")
        pids = dict(line.split("\t") for line in told.splitlines()[1:])
        return next(node for node in self.nodes if node.name in pids[queue])

    def whole(self) -> bool:
        """Return whether all nodes are part of it."""
        told = self.nodes[-1].control("eval", "length(rabbit_nodes:all_running()).")
        return told.strip() == str(len(self.nodes))

    def __enter__(self) -> Self:
        self.nodes[0].start()
        with ThreadPoolExecutor() as pool:
            list(pool.map(Node.start, self.nodes[1:]))
        assert wait_until(self.whole, seconds=START_TIMEOUT_S)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for node in reversed(self.nodes):
            node.kill()
            node.close()
