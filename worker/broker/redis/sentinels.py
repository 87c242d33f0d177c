"""What the sentinels of a Redis currently report: the master, as each of them knows it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tagsweep.worker import settings
from tagsweep.worker.broker.redis.client import sentinels


@dataclass(frozen=True, slots=True)
class Sentinels:
    """The answers of all sentinels, each named by host and port."""

    masters: dict[str, str]  #: by sentinel: the master that it names
    unaware: tuple[str, ...]  #: those that know no master of that name
    refusing: dict[str, str]  #: by sentinel: its own words if it requires another password
    silent: dict[str, str]  #: by sentinel: why it cannot be reached

    @property
    def number(self) -> int:
        """How many were asked."""
        return len(self.masters) + len(self.unaware) + len(self.refusing) + len(self.silent)


def ask(url: str) -> Sentinels:
    """Ask each sentinel of ``url`` for the master; each may take a few seconds to answer."""
    import redis  # takes a tenth of a second

    config = settings.load()
    wait = config.connect_timeout_s
    answers = Sentinels({}, (), {}, {})
    unaware = []
    options: dict[str, Any] = {"socket_connect_timeout": wait, "socket_timeout": wait}
    for place, client in sentinels(url, decode_responses=True, **options).items():
        try:
            with client:
                address: Any = client.sentinel_get_master_addr_by_name(str(config.sentinel_master))
        except (redis.AuthenticationError, redis.ResponseError) as error:
            answers.refusing[place] = " ".join(str(error).split())
        except redis.RedisError as error:
            answers.silent[place] = " ".join(str(error).split())
        else:
            if address:
                answers.masters[place] = f"{address[0]}:{address[1]}"
            else:
                unaware.append(place)
    return Sentinels(answers.masters, tuple(unaware), answers.refusing, answers.silent)
