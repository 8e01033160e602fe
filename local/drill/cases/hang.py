"""Case hang: West hangs, with its storage. No connection closes, and nothing answers."""

from __future__ import annotations

from random import Random

from local.drill import collect
from local.drill.cases.steps import await_settled
from local.drill.cases.survival import Survival
from local.drill.customer import now_ms
from local.drill.faults import hold
from local.drill.model import Record
from local.drill.stage import MIB, Stage, Work, small_sizes
from local.drill.times import rest_s
from local.gateway.launch import EAST, WEST
from local.wait import wait_until

STORY = (
    "West stops in mid-work, and nobody is told: its processes are asleep, its API, table and storage accept "
    "connections and answer nothing. East takes over what West carried out between East's own buckets, delivers its "
    "own feed, keeps its schedule and its issuers' keys, and answers whoever asks. What has to be read from West, or "
    "written there, waits, and is done when West is back."
)
OBJECTS = 60


def play(stage: Stage, record: Record, rng: Random) -> None:
    home = stage.work("hang", "home", [*small_sizes(rng, OBJECTS), 24 * MIB], source=stage.east)
    across = stage.work("hang", "across", small_sizes(rng, OBJECTS))
    returning = stage.work("hang", "returning", small_sizes(rng, OBJECTS), source=stage.east, target=stage.west)
    works = [home, across, returning]
    moments = {work.name: rng.randrange(5, OBJECTS - 5) for work in works}
    survival = Survival(stage, record)
    stage.sweeper.paused = True
    stage.faults(*(hold(work.name, _copies(work), skip=moments[work.name]) for work in works))
    for work in works:
        stage.submit(work)
    stage.reached(*moments)
    stage.say(f"  West hangs after so many copies: {moments}")
    ended = stage.sweeps_ended()
    stage.hang(record, "west")
    stage.sweeper.paused = False
    collect.look_at_death(stage, record, [home, across])
    survival.begin(returning)
    survival.deliver(rng)
    await_settled(stage, record, [home])
    survival.observe()
    survival.end()
    claims, ended = len(collect.claims(stage, across)), stage.sweeps_ended() - ended
    _return(stage, record, [across, returning])
    survival.leave()
    stage.rest()
    stage.leave(record)
    collect.collect(stage, record, [*works, survival.feed])
    record.evidence.takeovers = [takeover for takeover in record.evidence.takeovers if takeover.to_region == EAST]
    # At scale 1 nothing else measures sweeps. Sweeps of West that fell asleep are counted too: the schedule's and the
    # drill's.
    asleep = 1 if stage.times.scale == 1 else 2
    record.check("Lambda had to end none of East's sweeps", ended <= asleep, f"{ended} ended, of both Regions")
    record.check("What waits for West makes no heap of claims", claims <= 20, f"{claims} claims of one partition")


def _copies(work: Work) -> dict[str, str]:
    return {"caller": WEST, "operation": "CopyObject", "key_prefix": work.prefix}


def _return(stage: Stage, record: Record, waiting: list[Work]) -> None:
    """Bring West back; its workers continue in the middle of their requests."""
    stage.restore(record, "west")
    stage.faults()
    since_ms = now_ms()
    promised_s = stage.times.promise.recovery + rest_s((since_ms - (record.death_ms or since_ms)) / 1000)
    wait_until(lambda: _settled(waiting), "what waited is settled", promised_s + 60)
    ended_ms = collect.settled_ms(waiting) or now_ms()
    record.phase("what waited is done", ended_ms)
    took_s = (ended_ms - since_ms) / 1000
    record.check(
        "What waited for West was done when it was back",
        took_s <= promised_s,
        f"{len(waiting)} jobs, {took_s:.1f} of {promised_s:.0f} s",
    )


def _settled(works: list[Work]) -> bool:
    return all(work.customer is None or work.customer.settled for work in works)
