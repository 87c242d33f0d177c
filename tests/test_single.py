"""Objects of which a process has one."""

from __future__ import annotations

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from tagsweep.worker.process.single import single


def test_threads_that_ask_at_once_get_the_same_object() -> None:
    @single
    def made(_: str) -> object:
        time.sleep(0.1)  # meanwhile the others ask
        return object()

    with ThreadPoolExecutor(4) as pool:
        (one,) = set(pool.map(made, "aaaa"))
    assert made("a") is one
    assert made("b") is not one


def test_what_is_forgotten_is_returned_and_made_anew() -> None:
    made = single(object)
    assert made.forget() == []
    first = made()
    assert made.forget() == [first]
    assert made() is not first


def test_a_child_forked_while_another_thread_makes_one_makes_its_own() -> None:
    making, forked = threading.Event(), threading.Event()
    parent = os.getpid()

    @single
    def made() -> int:
        if os.getpid() == parent:
            making.set()
            forked.wait(30)
        return os.getpid()

    with ThreadPoolExecutor(1) as pool:
        pool.submit(made)
        making.wait(30)
        child = os.fork()
        if not child:
            os._exit(0 if made() == os.getpid() else 1)
        forked.set()
        assert os.waitpid(child, 0)[1] == 0
