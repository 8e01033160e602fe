"""Kill, hang, freeze, isolate and restore one Region of a running local cloud.

    regions = Regions.of(cloud)         # or Regions.of_run(Run("main")), for a cloud that `make up` holds
    regions.kill("west")
    ...
    regions.restore("west")

Every call may be repeated without harm, and returns what it did and when. On the command line: `python -m local region
kill west`.
"""

from __future__ import annotations

import json
import signal
import time
from dataclasses import dataclass, field
from typing import Any

from local.cloud import SIDES, Cloud
from local.deploy import CLIENT_CONFIG, STACK, session
from local.gateway.client import control
from local.processes import FunctionProcess, function_processes, send, until_quiet
from local.run import Run, RunError

NAMES = {**SIDES, **{region: region for region in SIDES.values()}}
"""The names that a Region may be called by: "west", or "us-gov-west-1"."""


class RegionError(RuntimeError):
    """The action is not possible. The message says why."""


@dataclass
class Intervention:
    """The steps that were done to a Region. Times are epoch milliseconds; a step's time is when it was finished."""

    action: str
    region: str
    began_ms: int
    steps: list[tuple[int, str]] = field(default_factory=list)
    pids: set[int] = field(default_factory=set)
    """The function processes that were killed, stopped or continued."""

    def step(self, description: str) -> None:
        self.steps.append((_now_ms(), description))

    @property
    def took_ms(self) -> int:
        return (self.steps[-1][0] if self.steps else self.began_ms) - self.began_ms

    def __str__(self) -> str:
        lines = [f"  {at_ms - self.began_ms:6d} ms  {description}" for at_ms, description in self.steps]
        return "\n".join([f"{self.action} {self.region} at {self.began_ms}:", *lines])


class Regions:
    """Both Regions of one running cloud, known by its gateway and its emulator."""

    def __init__(self, gateway_url: str, emulator_url: str, emulator_pid: int) -> None:
        self._gateway_url = gateway_url
        self._emulator_pid = emulator_pid
        # The clients talk to the emulator directly, so that no fault and no cut prevents undoing what was done to a
        # Region. They are made at once, since making them takes longer than a Region may take to die.
        self._clients = {
            (service, region): _client(service, region, emulator_url)
            for service in ("lambda", "events")
            for region in SIDES.values()
        }

    @staticmethod
    def of(cloud: Cloud) -> Regions:
        return Regions._from(cloud.settings())

    @staticmethod
    def of_run(run: Run) -> Regions:
        """Return the Regions of a cloud that another process holds. Raises RunError if it is not up."""
        if run.holder() is None or not run.settings_file.is_file():
            raise RunError(f"the local cloud {run.name!r} is not up: `make up` first")
        return Regions._from(json.loads(run.settings_file.read_text()))

    @staticmethod
    def _from(settings: dict[str, Any]) -> Regions:
        emulator = settings["emulator"]
        return Regions(settings["endpoint_url"], emulator["url"], emulator["pid"])

    # ---- actions on a Region ---------------------------------------------------------------------------------------

    def kill(self, region: str, *, storage: bool = False) -> Intervention:
        """Kill the Region's stack while it works. Its processes end, nothing of it runs or answers any more, and writes
        that its table had not replicated are stuck. Its queues and schedules still exist, but are unreachable.

        S3 goes on for the buckets of the Region, and still sends events about new objects to its queues. With
        `storage`, S3 dies too.
        """
        intervention, name = _begin("kill", region)
        # The processes are stopped first, so that they all die at this very moment and not one function after the
        # other. A process that the emulator starts before its functions are switched off is already cut off, and is
        # killed below.
        self._stop_once(intervention, name)
        self._stall(name)
        intervention.step("replication stalled")
        control(self._gateway_url, "PUT", f"cut/{name}{'?s3=true' if storage else ''}")
        intervention.step(f"API{', functions and storage' if storage else ' and functions'} cut off")
        self._switch(intervention, name, on=False)
        intervention.pids |= until_quiet(lambda: self.processes(name), signal.SIGKILL)
        intervention.step(f"{len(intervention.pids)} function processes killed")
        return intervention

    def hang(self, region: str) -> Intervention:
        """Stop the whole Region while it works, without any sign to others. Its processes sleep. Its API, its services
        and its storage accept connections and answer nothing. Its table replicates nothing."""
        intervention, name = _begin("hang", region)
        self._stop_once(intervention, name)
        self._stall(name)
        intervention.step("replication stalled")
        control(self._gateway_url, "PUT", f"cut/{name}?s3=true&how=hang")
        intervention.step("API, functions, services and storage hang")
        self._keep_asleep(intervention, name)
        return intervention

    def restore(self, region: str) -> Intervention:
        """Bring a killed Region back, with its old messages and schedules, and with a table that is behind: replication
        resumes last. The workers of a Region that hung continue where they were."""
        intervention, name = _begin("restore", region)
        control(self._gateway_url, "DELETE", f"cut/{name}")
        intervention.step("API, functions and storage joined again")
        self._continue(intervention, name)
        self._switch(intervention, name, on=True)
        self._release(intervention, name)
        return intervention

    def freeze(self, region: str) -> Intervention:
        """Stop the Region's function processes while they work, and let no other start: a worker that holds a lease
        falls asleep. Its table goes on replicating."""
        intervention, name = _begin("freeze", region)
        self._stop_once(intervention, name)
        self._keep_asleep(intervention, name)
        return intervention

    def thaw(self, region: str) -> Intervention:
        """Let a frozen Region continue as if no time had passed."""
        intervention, name = _begin("thaw", region)
        self._continue(intervention, name)
        if name not in self._cut():
            self._switch(intervention, name, on=True)
        return intervention

    def isolate(self, region: str) -> Intervention:
        """Cut the Region's table off from the other Region's, in both directions. Everything else goes on."""
        intervention, name = _begin("isolate", region)
        self._stall(name)
        intervention.step("replication stalled")
        return intervention

    def rejoin(self, region: str) -> Intervention:
        """Let the tables of an isolated Region and of the other one exchange the writes that they hold back."""
        intervention, name = _begin("rejoin", region)
        if name in self._cut():
            intervention.step("left alone: the Region is dead, `restore` releases its replication")
        else:
            self._release(intervention, name)
        return intervention

    # ---- state of a Region -----------------------------------------------------------------------------------------

    def processes(self, region: str, function: str | None = None) -> list[int]:
        """Return the ids of the Region's function processes, busy or idle; with `function` (such as "copy"), only that
        one's."""
        return [process.pid for process in self._find(_name(region), function)]

    def status(self, region: str) -> dict[str, Any]:
        """Return whether the Region is cut off, which directions of its replication are stalled, and the ids of its
        processes by function, and of the stopped ones."""
        name = _name(region)
        processes = self._find(name)
        return {
            "region": name,
            "cut": name in self._cut(),
            "stalled": [direction for direction in self._replication()["stalled"] if name in direction],
            "processes": {
                function: [process.pid for process in processes if process.function == function]
                for function in sorted({process.function for process in processes})
            },
            "stopped": [process.pid for process in processes if process.stopped],
        }

    # ---- steps -----------------------------------------------------------------------------------------------------

    def _find(self, name: str, function: str | None = None) -> list[FunctionProcess]:
        function_name = None if function is None else f"{STACK}-{function}"
        return [
            process
            for process in function_processes(self._emulator_pid)
            if process.region == name and function_name in (None, process.function)
        ]

    def _stop_once(self, intervention: Intervention, name: str) -> None:
        pids = self.processes(name)
        send(signal.SIGSTOP, pids)
        intervention.pids.update(pids)
        intervention.step(f"{len(pids)} function processes stopped in mid-work")

    def _keep_asleep(self, intervention: Intervention, name: str) -> None:
        """Let no process start any more, and stop those that were just being started."""
        self._switch(intervention, name, on=False)
        intervention.pids |= until_quiet(lambda: [p.pid for p in self._find(name) if not p.stopped], signal.SIGSTOP)
        intervention.step(f"{len(intervention.pids)} function processes stopped")

    def _continue(self, intervention: Intervention, name: str) -> None:
        stopped = {process.pid for process in self._find(name) if process.stopped}
        send(signal.SIGCONT, stopped)
        intervention.pids |= stopped
        intervention.step(f"{len(stopped)} function processes continued")

    def _switch(self, intervention: Intervention, name: str, *, on: bool) -> None:
        """Switch the Region's functions, event sources and rules on or off. Concurrency comes first: with none
        reserved, the emulator takes no message and starts no process."""
        lambda_, events = self._clients[("lambda", name)], self._clients[("events", name)]
        for function in _pages(lambda_, "list_functions", "Functions"):
            if on:
                lambda_.delete_function_concurrency(FunctionName=function["FunctionName"])
            else:
                lambda_.put_function_concurrency(FunctionName=function["FunctionName"], ReservedConcurrentExecutions=0)
        for mapping in _pages(lambda_, "list_event_source_mappings", "EventSourceMappings"):
            lambda_.update_event_source_mapping(UUID=mapping["UUID"], Enabled=on)
        for bus in events.list_event_buses()["EventBuses"]:
            for rule in events.list_rules(EventBusName=bus["Name"])["Rules"]:
                switch = events.enable_rule if on else events.disable_rule
                switch(Name=rule["Name"], EventBusName=bus["Name"])
        intervention.step(f"functions, event sources and rules {'on' if on else 'off'}")

    def _cut(self) -> list[str]:
        cut_regions: list[str] = control(self._gateway_url, "GET", "cut")["regions"]
        return cut_regions

    def _replication(self) -> dict[str, Any]:
        replication: dict[str, Any] = control(self._gateway_url, "GET", "replication")
        return replication

    def _stall(self, name: str) -> None:
        replication = self._replication()
        directions = {direction for direction in replication["queues"] if name in direction}
        control(self._gateway_url, "PUT", "replication", {"stalled": sorted(directions | set(replication["stalled"]))})

    def _release(self, intervention: Intervention, name: str) -> None:
        """Resume the Region's replication, except to and from a Region that is dead."""
        replication, dead = self._replication(), self._cut()
        stalled = [
            direction
            for direction in replication["stalled"]
            if name not in direction or any(region in direction for region in dead)
        ]
        waiting = sum(queue["waiting"] for queue in replication["queues"].values())
        control(self._gateway_url, "PUT", "replication", {"stalled": stalled})
        intervention.step(f"replication released, {waiting} writes were waiting")


def _client(service: str, region: str, url: str) -> Any:  # noqa: ANN401 - any of boto3's clients
    make: Any = session(region).client
    return make(service, endpoint_url=url, config=CLIENT_CONFIG)


def _pages(client: Any, operation: str, member: str) -> list[Any]:  # noqa: ANN401 - any of boto3's clients
    return [entry for page in client.get_paginator(operation).paginate() for entry in page[member]]


def _begin(action: str, region: str) -> tuple[Intervention, str]:
    name = _name(region)
    return Intervention(action, name, _now_ms()), name


def _name(region: str) -> str:
    if region not in NAMES:
        raise RegionError(f"no such Region: {region}; say one of {', '.join(NAMES)}")
    return NAMES[region]


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
