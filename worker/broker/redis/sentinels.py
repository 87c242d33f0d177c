"""What the sentinels before a Redis tell at the moment: the master, as each of them knows it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tagsweep.worker import settings
from tagsweep.worker.broker.redis import client as redis_client


@dataclass(frozen=True, slots=True)
class Sentinels:
    """The answers of all, each sentinel as host and port."""

    masters: dict[str, str]  #: by sentinel: the master that it names
    unaware: tuple[str, ...]  #: those that know no master of that name
    refusing: dict[str, str]  #: by sentinel: its own words where it wants another password
    silent: dict[str, str]  #: by sentinel: why it cannot be asked

    @property
    def number(self) -> int:
        """How many were asked."""
        return len(self.masters) + len(self.unaware) + len(self.refusing) + len(self.silent)


def ask(url: str) -> Sentinels:
    """Ask each sentinel of ``url`` for the master; each may keep us waiting for some seconds."""
    import redis  # it takes a tenth of a second

    config = settings.load()
    wait = config.connect_timeout_s
    found = Sentinels({}, (), {}, {})
    unaware = []
    options: dict[str, Any] = {"socket_connect_timeout": wait, "socket_timeout": wait}
    for place, client in redis_client.sentinels(url, decode_responses=True, **options).items():
        try:
            with client:
                told: Any = client.sentinel_get_master_addr_by_name(str(config.sentinel_master))
        except (redis.AuthenticationError, redis.ResponseError) as error:
            found.refusing[place] = " ".join(str(error).split())
        except redis.RedisError as error:
            found.silent[place] = " ".join(str(error).split())
        else:
            if told:
                found.masters[place] = f"{told[0]}:{told[1]}"
            else:
                unaware.append(place)
    return Sentinels(found.masters, tuple(unaware), found.refusing, found.silent)
