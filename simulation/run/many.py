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

    def add(self, batch: "Batch") -> None:
        self.seeds += batch.seeds
        self.calls += batch.calls
        self.cpu_seconds += batch.cpu_seconds
        self.violations += batch.violations
        self.pairs.update(batch.pairs)
        self.situations.update(batch.situations)

    @property
    def missing(self) -> list[tuple[Fault, str]]:
        """Pairs of fault and call that never occurred."""
        return [fault_and_call for fault_and_call in PAIRS if fault_and_call not in self.pairs]

    @property
    def unseen(self) -> list[Situation]:
        """Situations that never occurred."""
        return [situation for situation in Situation if not self.situations[situation] and situation not in HELD_BACK]


def play_batch(seeds: Iterable[int]) -> Batch:
    batch = Batch()
    cpu_started_s = time.process_time()
    for seed in seeds:
        played = play(seed)
        batch.seeds += 1
        batch.calls += played.calls
        batch.pairs.update(played.faults)
        batch.situations.update(played.situations)
        batch.violations += [(seed, violation.invariant, violation.what) for violation in played.violations]
    batch.cpu_seconds = time.process_time() - cpu_started_s
    return batch


def play_many(first_seed: int, count: int, cores: int | None = None) -> Iterator[Batch]:
    """Yield batches as they are finished, in any order."""
    chunks = [
        range(start, min(start + CHUNK, first_seed + count)) for start in range(first_seed, first_seed + count, CHUNK)
    ]
    with ProcessPoolExecutor(cores or os.cpu_count()) as pool:
        for future in as_completed([pool.submit(play_batch, chunk) for chunk in chunks]):
            yield future.result()
