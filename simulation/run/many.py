"""Play many seeds on all cores, and add up what they covered."""

import os
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field

from simulation.run.faults import PAIRS, Fault
from simulation.run.play import play
from simulation.run.situations import HELD_BACK, Situation

CHUNK = 100


@dataclass(slots=True)
class Batch:
    """The results of some seeds."""

    seeds: int = 0
    calls: int = 0
    cpu_seconds: float = 0.0
    violations: list[tuple[int, str, str]] = field(default_factory=list)
    """(seed, invariant, what)"""
    pairs: Counter[tuple[Fault, str]] = field(default_factory=Counter)
    situations: Counter[Situation] = field(default_factory=Counter)

    def add(self, other: "Batch") -> None:
        self.seeds += other.seeds
        self.calls += other.calls
        self.cpu_seconds += other.cpu_seconds
        self.violations += other.violations
        self.pairs.update(other.pairs)
        self.situations.update(other.situations)

    @property
    def missing(self) -> list[tuple[Fault, str]]:
        """Pairs of fault and call that never occurred."""
        return [pair for pair in PAIRS if pair not in self.pairs]

    @property
    def unseen(self) -> list[Situation]:
        """Situations that never occurred."""
        return [one for one in Situation if not self.situations[one] and one not in HELD_BACK]


def play_batch(seeds: Iterable[int]) -> Batch:
    batch = Batch()
    began = time.process_time()
    for seed in seeds:
        played = play(seed)
        batch.seeds += 1
        batch.calls += played.calls
        batch.pairs.update(played.faults)
        batch.situations.update(played.situations)
        batch.violations += [(seed, violation.invariant, violation.what) for violation in played.violations]
    batch.cpu_seconds = time.process_time() - began
    return batch


def play_many(first: int, count: int, cores: int | None = None) -> Iterator[Batch]:
    """Yield batches as they are finished, in any order."""
    chunks = [range(start, min(start + CHUNK, first + count)) for start in range(first, first + count, CHUNK)]
    with ProcessPoolExecutor(cores or os.cpu_count()) as pool:
        for done in as_completed([pool.submit(play_batch, chunk) for chunk in chunks]):
            yield done.result()
