"""Hunt for planted bugs. Each mutant gets a process of its own, since planting changes what is imported. One process
has nothing planted."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pytest

from simulation.mutants.catalogue import MUTANTS
from simulation.mutants.plant import Mutant, plant

REPOSITORY = Path(__file__).resolve().parents[2]

NOTHING = Mutant("nothing", "nothing is planted: nothing may be found", ())


class CannotBeHunted(Exception):
    """The tests that should find a bug could not be run. This does not count as finding the bug."""


@dataclass(frozen=True, slots=True)
class Found:
    """The result for one mutant. `seed` is the first that showed the bug, `test` the first that failed; None if none
    did."""

    name: str
    what: str
    seed: int | None
    test: str | None
    invariant: str
    evidence: str

    @property
    def as_expected(self) -> bool:
        return (self.by == "") is (self.name == NOTHING.name)

    @property
    def by(self) -> str:
        """The test or seed that found the bug, as a text for people; "" if nothing did."""
        if self.test is not None:
            return self.test
        return "" if self.seed is None else f"seed {self.seed}: {self.invariant}"

    @property
    def line(self) -> str:
        return f"{'ok   ' if self.as_expected else 'WRONG'} {self.name:32} {self.by or 'not found'}"

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {"as_expected": self.as_expected}


def hunt_all(seeds: int, only: str | None = None) -> Iterator[Found]:
    """Yield the results in the order in which they come."""
    # Mutants that take longest come first, so that no core waits for one in the end.
    mutants = [mutant for mutant in (NOTHING, *MUTANTS) if only in (None, mutant.name)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for future in as_completed([pool.submit(_hunt_apart, mutant, seeds) for mutant in mutants]):
            yield future.result()


def _hunt_apart(mutant: Mutant, seeds: int) -> Found:
    command = [sys.executable, "-m", "simulation.mutants.hunt", mutant.name, str(seeds)]
    completed = subprocess.run(command, capture_output=True, text=True, check=False, cwd=REPOSITORY)
    if completed.returncode:
        raise RuntimeError(f"{mutant.name} could not be hunted: {(completed.stderr or completed.stdout)[-4000:]}")
    # The tests have printed their own output before it.
    return Found(**json.loads(completed.stdout.splitlines()[-1]))


def hunt(mutant: Mutant, seeds: int) -> Found:
    """Plant a mutant in this process, for good, and run the tests or seeds that should find it. If nothing is planted,
    run all of them."""
    plant(mutant.edits)
    tests = mutant.tests if mutant != NOTHING else tuple(dict.fromkeys(t for m in MUTANTS for t in m.tests))
    result = _hunt_by_tests(mutant, tests) if tests else None
    if result is None and (not mutant.tests or mutant == NOTHING):
        result = hunt_by_seeds(mutant, seeds)
    return result or Found(mutant.name, mutant.what, None, None, "", "")


def hunt_by_seeds(mutant: Mutant, seeds: int) -> Found | None:
    """Play seeds until one violates an invariant, and return that one; None if none does."""
    from simulation.run.play import play

    for seed in range(seeds):
        for violation in play(seed).violations:
            return Found(mutant.name, mutant.what, seed, None, violation.invariant, violation.what)
    return None


@dataclass(slots=True, eq=False)
class _Watching:
    """A pytest plugin that keeps the failures."""

    failed: list[tuple[str, str]] = field(default_factory=list)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.failed.append((report.nodeid, report.longreprtext))


def _hunt_by_tests(mutant: Mutant, tests: Sequence[str]) -> Found | None:
    watching = _Watching()
    # Importing schemathesis takes as long as everything else together, and no test that is named here needs it.
    apart = ["-p", "no:cacheprovider", "-p", "no:schemathesis"]
    code = pytest.main(["-x", "-q", "--no-header", *apart, *tests], plugins=[watching])
    if code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED) or (code and not watching.failed):
        raise CannotBeHunted(f"{mutant.name}: pytest ended with {code!r} of {tests}")
    if not watching.failed:
        return None
    test, failure = watching.failed[0]
    return Found(mutant.name, mutant.what, None, test, "", failure[-2000:])


if __name__ == "__main__":
    _wanted = next(mutant for mutant in (*MUTANTS, NOTHING) if mutant.name == sys.argv[1])
    _found = hunt(_wanted, int(sys.argv[2]))
    sys.stdout.write(f"\n{json.dumps(asdict(_found))}\n")
