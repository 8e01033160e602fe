"""The checker's output is read for what it means. A search that was cut short is never taken for a proof."""

import pytest

from simulation.model.check import DEADLOCK, LIVENESS_VIOLATED
from simulation.model.pan import read

COMPLETE = """
(Spin Version 6.5.2 -- 6 December 2019)
	+ Partial Order Reduction
	+ Compression

Full statespace search for:
	never claim         	- (none specified)
	assertion violations	+
	cycle checks       	- (disabled by -DSAFETY)
	invalid end states	+

State-vector 184 byte, depth reached 350, errors: 0
   924095 states, stored
  1858436 states, matched
  2782531 transitions (= stored+matched)
 13217464 atomic steps
hash conflicts:    233233 (resolved)

Stats on memory usage (in Megabytes):
  188.577	equivalent memory usage for states (stored*(State-vector + overhead))
  221.543	total actual memory usage

pan: elapsed time 1.31 seconds
"""


def violated(words: str) -> str:
    return (
        f"pan:1: {words} (at depth 98)\npan: wrote s3fence.pml.trail\n\nWarning: Search not completed\n"
        "State-vector 184 byte, depth reached 231, errors: 1\n    10560 states, stored\n"
    )


def test_a_complete_search():
    result = read(COMPLETE)
    assert (result.errors, result.states, result.depth, result.memory_mb) == (0, 924095, 350, 222)
    assert (result.violated, result.cut_short) == (None, None)


def test_large_numbers_of_states_are_printed_as_floats():
    assert read(COMPLETE.replace("924095 states", "1.2345678e+08 states")).states == 123456780


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ("assertion violated ((nver[(0+0)]<=1)||(I2_ONCE==0))", "I2_ONCE"),
        ("assertion violated ( !(alive)||(NO_FALSE_TAKEOVER==0))", "NO_FALSE_TAKEOVER"),
        ("assertion violated (((a==0)||(b==0))||(TRUE_REPORT==0))", "TRUE_REPORT"),
        ("acceptance cycle", LIVENESS_VIOLATED),
        ("invalid end state", DEADLOCK),
        ("assertion violated (x==2)", "assertion violated (x==2)"),
    ],
)
def test_what_was_violated(words: str, name: str):
    result = read(violated(words))
    assert (result.violated, result.errors, result.states, result.cut_short) == (name, 1, 10560, None)


@pytest.mark.parametrize(
    ("output", "why"),
    [
        (f"error: max search depth too small\n{COMPLETE}", "maximum depth"),
        (f"pan: reached -DMEMLIM bound\n{COMPLETE}", "memory"),
        (f"{COMPLETE}\npan: out of memory", "memory"),
        (f"{COMPLETE}\nInterrupted after 900 s", "interrupted"),
        ("", "did not finish"),
        ("State-vector 184 byte, depth reached 350\n", "did not finish"),
    ],
)
def test_a_search_that_was_cut_short(output: str, why: str):
    assert why in (read(output).cut_short or "")
