"""A private RabbitMQ server."""

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from uuid import uuid4

from tests.servers.processes import ServerMissing, free_port, kill_tree, spawn
from tests.servers.server import Server, ask, run

_CREATE_VHOSTS = """[begin
    rabbit_vhost:add(Name, #{%s}, <<"tests">>),
    rabbit_auth_backend_internal:set_permissions(
        <<"guest">>, Name, <<".*">>, <<".*">>, <<".*">>, <<"tests">>)
end || Name <- [%s]]."""

_RABBITMQ_FILES = {
    # Neither of these two is there: what the machine's own node is set to does not count here.
    "RABBITMQ_CONF_ENV_FILE": "none.conf",
    "RABBITMQ_ADVANCED_CONFIG_FILE": "none.config",
    "RABBITMQ_CONFIG_FILE": "rabbitmq",
    "RABBITMQ_ENABLED_PLUGINS_FILE": "plugins",
    "RABBITMQ_LOG_BASE": "logs",
    "RABBITMQ_MNESIA_BASE": "data",
    "RABBITMQ_PID_FILE": "pid",
}


class RabbitMQ(Server):
    """A RabbitMQ node with an Erlang port mapper of its own; user and password are ``guest``."""

    def __init__(self) -> None:
        super().__init__()
        self.mapper_port, self._node_port, self._control_port = (free_port() for _ in range(3))
        self._mapper: subprocess.Popen[bytes] | None = None
        self._programs = Path()
        self._vhosts: dict[str, list[str]] = {}

    @property
    def name(self) -> str:
        """What Erlang calls the node."""
        return f"tagsweep{self.port}@localhost"

    @property
    def url(self) -> str:
        """The default virtual host; tests want ``create_vhost``."""
        return f"amqp://guest:guest@127.0.0.1:{self.port}/"

    def find(self) -> None:
        """Take the script itself: Debian's wrapper on the PATH serves root and rabbitmq alone."""
        wrapped = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
        on_path = shutil.which("rabbitmq-server")
        if not wrapped.exists() and on_path is None:
            raise ServerMissing("RabbitMQ is not installed; TAGSWEEP_TEST_AMQP_URL can name one")
        self._programs = (wrapped if wrapped.exists() else Path(str(on_path))).parent

    def prepare(self) -> None:
        """Configure no plugins and no stop on a nearly full disk; start the port mapper."""
        (self.folder / "plugins").write_text("[].\n")
        lines = ["disk_free_limit.absolute = 1MB", "log.console.level = warning"]
        (self.folder / "rabbitmq.conf").write_text("\n".join(lines) + "\n")
        self.start_mapper()

    def start_mapper(self) -> None:
        """Start the mapper of names to ports; Erlang would start one that outlives the tests."""
        mapper = shutil.which("epmd") or "/usr/lib/erlang/bin/epmd"
        self._mapper = spawn([mapper], folder=self.folder, environment=self.environment())

    def command(self) -> Sequence[str | Path]:
        """Return the server's script."""
        return [self._programs / "rabbitmq-server"]

    def environment(self) -> Mapping[str, str]:
        """Name every port and file, so that nothing is shared with another node of this machine."""
        own = {name: str(self.folder / file) for name, file in _RABBITMQ_FILES.items()}
        return {
            **super().environment(),
            **own,
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": str(self.mapper_port),
            "RABBITMQ_CTL_DIST_PORT_MIN": str(self._control_port),
            "RABBITMQ_DIST_PORT": str(self._node_port),
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_NODENAME": self.name,
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
            # The script then becomes the server, so that its process id is the server's.
            "RUNNING_UNDER_SYSTEMD": "true",
        }

    def answers(self) -> bool:
        """Return whether clients are greeted."""
        return ask(self.port, b"AMQP\x00\x00\x09\x01").startswith(b"\x01")

    def close(self) -> None:
        """Stop the node and its port mapper, and remove the folder."""
        super().close()
        if self._mapper is not None:
            kill_tree(self._mapper)
            self._mapper = None

    def take_no_messages(self) -> None:
        """Raise the alarm of a server without memory: it reads no more from who publishes."""
        self.control("set_vm_memory_high_watermark", "0")

    def take_messages(self) -> None:
        """End that alarm."""
        self.control("set_vm_memory_high_watermark", "0.4")

    def create_vhost(self, queue_type: str = "classic") -> str:
        """Create an empty virtual host and return its URL; its queues are ``queue_type`` ones."""
        names = self._vhosts.setdefault(queue_type, [])
        if not names:
            # The tool takes half a second to start, so it makes several at once.
            names += [f"test-{uuid4().hex}" for _ in range(8)]
            spelt = ",".join(f'<<"{name}">>' for name in names)
            kind = "" if queue_type == "classic" else f'default_queue_type => <<"{queue_type}">>'
            self.control("eval", _CREATE_VHOSTS % (kind, spelt))
        return self.url + names.pop()

    def control(self, *order: str) -> str:
        """Run ``rabbitmqctl`` and return what it printed."""
        return run([self._programs / "rabbitmqctl", *order], self)


class NamedRabbitMQ:
    """A RabbitMQ that runs elsewhere: it can be neither killed nor divided, so tests share it."""

    def __init__(self, url: str) -> None:
        self.url = url

    def create_vhost(self) -> str:
        """Return the one URL there is."""
        return self.url
