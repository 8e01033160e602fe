from pathlib import Path

import pytest

from local.demo import watch
from local.demo.model import DemoError
from local.demo.watch import Deadline, told_of_job


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def deadline(clock):
    return Deadline("job j", Path("out/logs"), now=clock)


def test_the_deadline_moves_while_something_moves(clock, deadline):
    for number in range(10):
        clock.now += watch.STALLED_S
        deadline.see(f"{number} objects")


def test_the_deadline_ends_when_nothing_moves(clock, deadline):
    deadline.see("copy 5/10")
    clock.now += watch.STALLED_S
    deadline.see("copy 5/10")
    clock.now += 1
    with pytest.raises(DemoError, match=r"job j: nothing has moved for 181 s. Its last state: copy 5/10.\n.*out/logs"):
        deadline.see("copy 5/10")


def test_the_deadline_ends_at_last_even_if_something_moves(clock, deadline):
    clock.now += watch.TOTAL_S + 1
    with pytest.raises(DemoError, match="not done after 3601 s"):
        deadline.see("still moving")


def job(state, phase, done, eta=None):
    progress = {
        "objects_planned": 2000,
        "objects_done": done,
        "bytes_planned": 5_000_000,
        "bytes_done": 2_500_000,
        "eta_seconds": eta,
    }
    return {"state": state, "phase": phase, "progress": progress}


def test_what_is_told_of_a_job():
    assert told_of_job(job("RUNNING", "copy", 1000, 12.3)) == (
        "copy       1,000/2,000 objects  2.5 MB/5.0 MB  12 s to go"
    )
    assert told_of_job(job("RUNNING", "split", 0)) == "split      0/2,000 objects  2.5 MB/5.0 MB"
    assert told_of_job(job("SUCCEEDED", "settled", 2000, 0.0)) == "SUCCEEDED  2,000 objects  2.5 MB"
