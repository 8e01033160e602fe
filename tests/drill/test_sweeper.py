"""The drill judges those sweeps whose Region was alive from their beginning to their end."""

import io
import threading
from collections.abc import Callable

import pytest

from local.drill.sweeper import Sweeper
from local.wait import wait_until


class Lambda:
    """A stand-in for Lambda whose sweep fails, and lasts until the test releases it."""

    def __init__(self) -> None:
        self.begun, self.ends = threading.Event(), threading.Event()

    def invoke(self, **_: object) -> dict[str, object]:
        self.begun.set()
        self.ends.wait(10)
        return {"FunctionError": "Unhandled", "Payload": io.BytesIO(b"Worker process died")}


def killed(sweeper: Sweeper) -> None:
    sweeper.lull("west")


def killed_and_back(sweeper: Sweeper) -> None:
    sweeper.lull("west")
    sweeper.asleep.discard("west")


def left_alone(_: Sweeper) -> None:
    pass


@pytest.mark.parametrize(("meanwhile", "judged"), [(killed, False), (killed_and_back, False), (left_alone, True)])
def test_a_sweep_that_a_death_came_across_is_nobodys_fault(meanwhile: Callable[[Sweeper], None], judged: bool) -> None:
    emulator = Lambda()
    sweeper = Sweeper({"west": emulator}, every_s=0.01)
    sweeper.start()
    assert emulator.begun.wait(10)
    meanwhile(sweeper)
    sweeper.paused = True
    emulator.ends.set()
    wait_until(lambda: bool(sweeper.failed), "the sweep has failed", 10)
    sweeper.stop()
    for thread in sweeper._threads:
        thread.join()
    assert bool(sweeper.swept()) is judged
