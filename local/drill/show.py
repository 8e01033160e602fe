"""Run cases on one cloud, one after the other."""

from __future__ import annotations

import os
import platform
import subprocess
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import asdict

import httpx
from botocore.exceptions import BotoCoreError, ClientError

from local.cloud import Cloud
from local.drill import judge
from local.drill.cases import CASES
from local.drill.customer import now_ms
from local.drill.model import Drill, DrillError, Record
from local.drill.stage import Stage
from local.drill.times import MACHINE_S, SCALED, Times, moments
from local.gateway.client import ControlError
from local.package import REPOSITORY
from local.processes import ProcessError
from local.regions import RegionError
from local.run import Run
from local.wait import WaitError

PARAMETERS = {"CopyConcurrency": "6", "VerifyConcurrency": "5", "SplitConcurrency": "3"}
"""Enough workers for the jobs of a case that are held in the middle of their work, and for the one that works."""
_TROUBLE = (
    DrillError,
    WaitError,
    ControlError,
    RegionError,
    ProcessError,
    httpx.HTTPError,
    BotoCoreError,
    ClientError,
    OSError,
    KeyError,
)
Say = Callable[[str], None]


class Show:
    def __init__(self, names: Sequence[str], scale: float, seed: int, say: Say) -> None:
        self._names, self._seed, self._say = names, seed, say
        self._times = Times(scale)
        self._records: list[Record] = []
        self._began_ms, self._begun = now_ms(), time.monotonic()
        self._logs, self._machine = "", f"{platform.system()}, {os.cpu_count()} cores"

    def run(self) -> Drill:
        error = ""
        pending = list(self._names)
        try:
            while pending:
                # A case that failed leaves the cloud in an unknown state: the next one gets a cloud of its own.
                pending = self._on_one_cloud(pending)
        except KeyboardInterrupt:
            error = "interrupted"
        return self.result(error)

    def result(self, error: str = "") -> Drill:
        times = self._times
        return Drill(
            seed=self._seed,
            scale=times.scale,
            began_ms=self._began_ms,
            seconds=round(time.monotonic() - self._begun, 1),
            promise=asdict(times.promise),
            policy={name: getattr(times.policy, name) for name in SCALED} | {"hint_delay_s": times.hint_delay_s},
            emulated=emulated(times),
            machine=self._machine,
            commit=_commit(),
            logs=self._logs,
            cases=list(self._records),
            error=error,
        )

    def _on_one_cloud(self, names: list[str]) -> list[str]:
        """Play cases until one fails, and return those that are left."""
        times = self._times
        cloud = Cloud(
            _free_name(),
            policy=times.overrides,
            parameters={**PARAMETERS, "HintDelaySeconds": str(times.hint_delay_s)},
            routing_scale=times.scale,
        )
        self._say("Bring both Regions up")
        with cloud:
            self._logs = str(cloud.run.folder.relative_to(REPOSITORY))
            stage = Stage(cloud, times, self._seed, self._say)
            try:
                # A Region that has never swept has never been alive: nobody would miss it, or catch up its feeds.
                stage.rest(1)
                self._measure(stage)
                while names:
                    record = self._play(stage, names.pop(0))
                    if not record.ok:
                        break
            finally:
                stage.sweeper.stop()
        return names

    def _measure(self, stage: Stage) -> None:
        """Have a slow machine's drill allow for its slowness, and say so."""
        took_s = stage.warm_up()
        self._times = stage.times
        self._machine = f"{platform.system()}, {os.cpu_count()} cores, a dozen cold starts at once in {took_s:.1f} s"
        if took_s > MACHINE_S:
            self._say(f"A dozen cold starts took {took_s:.1f} s of this machine: promised times allow for that")

    def _play(self, stage: Stage, name: str) -> Record:
        case = CASES[name]
        record = Record(name, case.title, case.story, now_ms(), judge_takeover=case.takeover)
        self._records.append(record)
        self._say(f"Case {name}: {case.title}")
        try:
            case.play(stage, record, moments(self._seed, name))
        except _TROUBLE as error:
            record.error = f"{type(error).__name__}: {error}"
            if not isinstance(error, WaitError | DrillError):
                record.error += f" ({traceback.extract_tb(error.__traceback__)[-1].name})"
            stage.sweeper.paused = False
            record.error += f". {stage.situation()}"
            self._say(f"  {record.error}")
        stage.leave(record)
        if not record.error:
            judge.judge(record, stage.times.promise)
        self._say_result(record)
        return record

    def _say_result(self, record: Record) -> None:
        for check in record.checks:
            if not check.ok:
                self._say(f"  FAILED {check.claim}: {check.evidence}")
        if record.error:
            self._say(f"  FAILED {record.error}")
        takeover_s, recovery_s = judge.takeover_seconds(record), judge.recovery_seconds(record)
        self._say(
            f"  {'ok' if record.ok else 'FAILED'}: {len(record.checks)} checks;"
            f" takeover {takeover_s} s, recovery {recovery_s} s, name {judge.dns_seconds(record)} s"
        )


def emulated(times: Times) -> list[str]:
    """Return the caveats that a reader must know before trusting the numbers."""
    caveats = [
        "Both Regions run on one machine: ministack (an AWS emulator) and the gateway in front of it stand for S3, "
        "SQS, DynamoDB, EventBridge, Lambda and API Gateway. The product's zip and template are those that AWS gets.",
        "A Region's death is real for its processes: SIGSTOP at one moment, then SIGKILL; its API, event sources, "
        "rules and replication are cut. Route 53, DynamoDB's replication (300 to 500 ms, last writer wins) and the "
        "age of uploads are played by the gateway.",
        "The emulator forwards no event to another Region's bus: in cases feed and inbox the drill puts the events "
        "into East's queue of hints, as West's rule would.",
        "A Region that hangs: its processes are stopped, and the gateway accepts connections to its API, services and "
        "buckets and answers nothing. A copy that reads from its buckets is answered 500 after 5 s.",
        "The moment of death is exact: the gateway holds back the request that would come next until the Region "
        "is dead.",
    ]
    if times.scale == 1:
        return [*caveats, "Real default times; the schedule of the template runs the sweeps."]
    return [
        *caveats,
        f"All times of the policy, the delay of forwarded events, health checks and the DNS TTL are divided by "
        f"{times.scale:g}. Time limits of calls, cold starts, replication and the copying itself are not: what is "
        f"promised here is the worst case by the scaled settings (`worst_takeover_ms`) plus {times.machine_s:g} s for "
        "the machine.",
        f"Schedules know whole minutes only: the drill invokes each living Region's sweep every {times.sweep_s:g} s.",
    ]


def _commit() -> str:
    completed = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    return completed.stdout.strip()


def _free_name() -> str:
    names = ("drill", *(f"drill-{number}" for number in range(2, 10)))
    return next((name for name in names if Run(name).holder() is None), names[-1])
