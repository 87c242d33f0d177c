"""How long the chaos lasts: short in ``make test``, whole in ``make chaos``.

TAGSWEEP_TEST_CHAOS=long makes it whole; TAGSWEEP_TEST_CHAOS_SEED repeats a run: the same jobs, the
same victims in the same order.
"""

import os
import random

LONG = os.environ.get("TAGSWEEP_TEST_CHAOS") == "long"
SEED = int(os.environ.get("TAGSWEEP_TEST_CHAOS_SEED", "20261121"))


def pick(*, short: int, long: int) -> int:
    """Return how much of something this run takes."""
    return long if LONG else short


def draw(scenario: str) -> random.Random:
    """Return the random numbers of a scenario: the same in each run of the same seed."""
    return random.Random(f"{SEED} {scenario}")  # noqa: S311  # no secret
