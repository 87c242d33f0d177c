"""A case: a server refuses for some seconds under load, and then the model holds."""

from __future__ import annotations

import time
from typing import Any

from tests.chaos import scale
from tests.weather.load import Load
from tests.weather.refusals import Refusal
from tests.weather.site import Site
from tests.weather.world import Case

#: under way before the fault, and how long the fault lasts
BEFORE_S, REFUSED_S = 1, 4


def hold(site: Site, refusal: Refusal[Any]) -> None:
    """Assert that nothing is lost, doubled or untrue, whatever the server refuses meanwhile."""
    case = Case(
        site.stack.store,
        scale.draw(refusal.name),
        fails_items=refusal.fails_items,
        ends_sessions=refusal.ends_sessions,
    )
    messages = not refusal.loses_messages
    load = Load(site, case, connected=refusal.connected, messages=messages)
    site.well = False
    for store in (site.stack.store, site.gateway.store):
        store.close()  # what the last refusal has ended
    try:
        load.prepare()
        with load.on():
            time.sleep(BEFORE_S)
            with refusal.switch(site.place):
                time.sleep(REFUSED_S)  # the fault itself
        site.check_processes()
        load.settle()
        site.check_processes()
        if refusal.fails_items:
            load.retry()
        case.check(site.stack._events.all())
        load.check_answers()
        site.well = True
    except BaseException as error:
        error.add_note(site.words())
        raise
    finally:
        load.close()
