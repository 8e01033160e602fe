"""Run checks: Spin makes a checker of the model, gcc compiles it, and it searches every history."""

import os
import shlex
import shutil
import subprocess
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from simulation.model.check import Check
from simulation.model.judge import CheckResult
from simulation.model.pan import read

REPOSITORY = Path(__file__).resolve().parents[2]
MODELS = REPOSITORY / "docs" / "model"
MEMORY_MB = 4000
"""Memory limit of one search, in MB; the largest uses less than 1 GB."""
DEPTH_MAX = 100_000
"""Steps of one history; the longest has about 700. Exceeding it counts as failure."""
SEARCH_S = 900
HASH_BITS = 24
"""pan's hash table has 2 to this power slots, whatever the number of states."""


class ModelError(Exception):
    """Spin or gcc refuses a model."""


def jobs_at_once(cores: int, available_mb: int) -> int:
    """Return how many searches to run at once, two at most. They are bound by memory bandwidth, and each may need
    MEMORY_MB."""
    return max(1, min(2, cores, available_mb // MEMORY_MB))


def available_mb(meminfo: Path = Path("/proc/meminfo")) -> int:
    """Return the available memory in MB; 0 if it can't be determined."""
    try:
        lines = meminfo.read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) // 1024 for line in lines if line.startswith("MemAvailable:")), 0)


def run_all(checks: Iterable[Check], out: Path, jobs: int) -> Iterator[CheckResult]:
    """Yield results in the order in which they come."""
    with ThreadPoolExecutor(jobs) as pool:
        running = [pool.submit(run_check, check, out / check.name) for check in checks]
        try:
            for future in as_completed(running):
                yield future.result()
        finally:
            for waiting in running:
                waiting.cancel()


def run_check(check: Check, folder: Path) -> CheckResult:
    """Run one check in a folder of its own, which keeps the model, pan's output and the history that it found."""
    started_s = time.monotonic()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    model = f"{check.model}.pml"
    for file in MODELS.glob(f"{check.model}*.pml"):  # The model itself, and the files that it includes.
        shutil.copy(file, folder)
    _must(["spin", "-a", *check.defines, model], folder)
    _must(compile_command(check), folder)
    output = _search(search_command(check), folder)
    (folder / "pan.out").write_text(output)
    for output_file in [*folder.glob("pan*"), *folder.glob("_spin_nvr.tmp")]:
        if output_file.name != "pan.out":
            output_file.unlink()
    trail = folder / f"{model}.trail"
    replay = replay_command(check, folder) if trail.exists() else ""
    return CheckResult(check, read(output), time.monotonic() - started_s, replay)


def compile_command(check: Check) -> list[str]:
    search = ["-DNFAIR=4"] if check.liveness else ["-DSAFETY"]
    optimise = "-O2" if check.large else "-O0"
    return ["gcc", optimise, "-w", *search, "-DCOLLAPSE", f"-DMEMLIM={MEMORY_MB}", "-o", "pan", "pan.c"]


def search_command(check: Check) -> list[str]:
    cycles = ["-a", "-f"] if check.liveness else []
    ends = ["-E"] if check.cut_off else []
    return ["./pan", *cycles, *ends, f"-m{DEPTH_MAX}", f"-w{HASH_BITS}"]


def replay_command(check: Check, folder: Path) -> str:
    return f"cd {shlex.quote(str(folder))} && spin -t -p -g {' '.join(check.defines)} {check.model}.pml"


def _must(command: list[str], folder: Path) -> None:
    completed = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if completed.returncode != 0:
        raise ModelError(f"{shlex.join(command)} in {folder}:\n{(completed.stdout + completed.stderr).strip()}")


def _search(command: list[str], folder: Path) -> str:
    try:
        completed = subprocess.run(
            command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=SEARCH_S, check=False
        )
    except subprocess.TimeoutExpired as expired:
        return (expired.stdout or b"").decode(errors="replace") + f"\nInterrupted after {SEARCH_S} s"
    return completed.stdout.decode(errors="replace")


def cores() -> int:
    return len(os.sched_getaffinity(0))
