"""Run the sweep of every living Region at the scaled interval: the emulator's schedule knows whole minutes only."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from local.deploy import SCHEDULED, STACK
from local.drill.customer import now_ms
from local.drill.model import Swept

FUNCTION = f"{STACK}-sweep"


class Sweeper:
    """One thread for each Region, so that one Region's slow sweep does not hold up the other's. At scale 1 it isn't
    used: the real schedule runs."""

    def __init__(self, clients: Mapping[str, Any], every_s: float) -> None:
        self.asleep: set[str] = set()
        """Regions that are dead, frozen or hanging."""
        self.excused: set[str] = set()
        """Regions that are in trouble. The duration of their sweeps is not judged."""
        self.paused = False
        """True while no Region sweeps: a case brings work to a moment, which takes longer than a scaled minute."""
        self._fell_asleep = dict.fromkeys(clients, 0)
        self.rounds = dict.fromkeys(clients, 0)
        self.failed: dict[str, str] = {}
        """The last failure of a Region's sweep, if one failed."""
        self._swept: list[Swept] = []
        self._every_s = every_s
        self._leaving = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(region, client), name=f"sweep {region}", daemon=True)
            for region, client in clients.items()
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._leaving.set()

    def lull(self, region: str) -> None:
        """Stop a Region's sweeps. Call it before the Region's death or sleep begins.

        A sweep that is then in progress is not judged, whether it ends at once, or only when the Region is back.
        """
        self._fell_asleep[region] += 1
        self.asleep.add(region)

    def swept(self) -> list[Swept]:
        """Return all sweeps since the last call, except those during which the Region died or fell asleep."""
        swept, self._swept = self._swept, []
        return swept

    def _run(self, region: str, client: Any) -> None:  # noqa: ANN401 - boto3's client
        while not self._leaving.wait(self._every_s):
            if self.paused or region in self.asleep:
                continue
            began_ms, excused, slept = now_ms(), region in self.excused, self._fell_asleep[region]
            try:
                failure = _invoke(client)
            except (BotoCoreError, ClientError):
                continue  # it has just died, or the cloud has
            if failure:
                self.failed[region] = failure
            else:
                self.rounds[region] += 1
            excused = excused or slept != self._fell_asleep[region]
            if not excused and region not in self.asleep | self.excused:
                self._swept.append(Swept(region, began_ms, now_ms() - began_ms, failure))


def _invoke(client: Any) -> str:  # noqa: ANN401 - boto3's client
    """Run one sweep. Return its error, such as that it took too long; "" if there was none."""
    answer = client.invoke(FunctionName=FUNCTION, Payload=json.dumps(SCHEDULED).encode())
    return str(answer["Payload"].read().decode(errors="replace")) if "FunctionError" in answer else ""
