"""Hunting: a process for each mutant, since planting changes what is imported; and one with nothing planted."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from typing import Any

from simulation.mutants.catalogue import MUTANTS
from simulation.mutants.plant import Mutant, plant

NOTHING = Mutant("nothing", "nothing is planted: nothing may be found", ())


@dataclass(frozen=True, slots=True)
class Found:
    """`seed` is the first that showed it, None if none did."""

    name: str
    what: str
    seed: int | None
    invariant: str
    evidence: str

    @property
    def as_expected(self) -> bool:
        return (self.seed is None) is (self.name == NOTHING.name)

    @property
    def line(self) -> str:
        shown = "not found" if self.seed is None else f"seed {self.seed}: {self.invariant}"
        return f"{'ok   ' if self.as_expected else 'WRONG'} {self.name:26} {shown}"

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {"as_expected": self.as_expected}


def hunt_all(seeds: int, only: str | None = None) -> Iterator[Found]:
    """In the order in which they are found."""
    wanted = [mutant for mutant in (*MUTANTS, NOTHING) if only in (None, mutant.name)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for done in as_completed([pool.submit(_hunt_apart, mutant, seeds) for mutant in wanted]):
            yield done.result()


def _hunt_apart(mutant: Mutant, seeds: int) -> Found:
    command = [sys.executable, "-m", "simulation.mutants.hunt", mutant.name, str(seeds)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{mutant.name} could not be hunted: {done.stderr[-2000:]}")
    return Found(**json.loads(done.stdout))


def hunt(mutant: Mutant, seeds: int) -> Found:
    """Plants it in this process, for good."""
    plant(mutant.edits)
    from simulation.run.play import play

    for seed in range(seeds):
        for violation in play(seed).violations:
            return Found(mutant.name, mutant.what, seed, violation.invariant, violation.what)
    return Found(mutant.name, mutant.what, None, "", "")


if __name__ == "__main__":
    _wanted = next(mutant for mutant in (*MUTANTS, NOTHING) if mutant.name == sys.argv[1])
    json.dump(asdict(hunt(_wanted, int(sys.argv[2]))), sys.stdout)
