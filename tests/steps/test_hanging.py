"""A dependency hangs: the other Region's S3, the Region's own table or its own S3. The sweep ends in time, every stage
has its turn, and what the dead Region held is taken over within the promise."""

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import cast

import pytest

from chalicelib.core.budgets import dear_ms, silence_ms, worst_sweep_ms
from chalicelib.core.endpoints import Feed
from chalicelib.core.errors import NoAnswer, NotAsked, Retry
from chalicelib.core.jobs import JobSpec, JobState
from chalicelib.core.keys import Issuer
from chalicelib.core.policy import Policy
from chalicelib.core.sweep import JOB_SUBJECT, worst_takeover_ms
from chalicelib.entry import handlers
from chalicelib.ports import Env, Ledger
from chalicelib.protocol.breaker import Breaker, Limits, for_worker, guarded
from chalicelib.protocol.keys import read_keys
from chalicelib.protocol.regions import storage_reachable
from simulation.memory.clock import VirtualClock
from simulation.memory.env import CONTROL, EAST, SOURCE, TARGET, TENANT, WEST
from simulation.memory.faults import Rule
from simulation.memory.keysource import MemoryKeySource
from simulation.memory.operations import Operation
from simulation.memory.state import WORKER
from tests.entry.tokens import Signer
from tests.steps import feeding, scheduling
from tests.steps.calls import crash
from tests.steps.hanging import Hang, without_messages, without_table
from tests.steps.world import HOUR, MINUTE, SMALL, Mail, World

URL = "https://id.example.com/keys"
ISSUER = Issuer("https://id.example.com", "eft", "tenant", jwks_url=URL)
PROMISE_MS = 6 * MINUTE
FEEDS = {feeding.FEED: Feed(feeding.FEED, TENANT, "source-east", "target-east", name=feeding.FEED)}
EAST_ONLY = ("source-east", "target-east")
WORST_MS = worst_sweep_ms(Policy())


def looking(world: World) -> Env:
    """Return an environment that reads what East has noted."""
    return replace(world.observer, region=EAST)


def silent_after(world: World, hang: Hang, dependency: str, calls: int) -> None:
    """Let this dependency hang for East, the survivor, after so many of its calls."""
    region = world.regions[EAST]
    if dependency == "the table":
        region.env = without_table(region.env, hang, after=calls)
    elif dependency == "the queues":
        region.env = without_messages(region.env, hang)
    else:
        world.faults.rule(hang.s3_of(WEST if dependency == "the peer's S3" else EAST, first=calls + 1))


def west_is_dead(world: World) -> None:
    world.regions[WEST].next_sweep_ms += 1000 * HOUR
    world.mail = [mail for mail in world.mail if mail.region != WEST]


def with_all_due() -> World:
    """Return a world in which each stage of East's sweep, and only East's, has something to do."""
    world = World(feeds=FEEDS)
    world.regions[EAST].env = replace(
        world.east,
        issuers=(ISSUER,),
        key_source=MemoryKeySource({URL: lambda: json.dumps({"keys": [Signer.make("ES256", "a").jwk]}).encode()}),
    )
    world.store.open_upload(TARGET[EAST], "out/stale", WORKER)
    world.put("in/f/object", b"x", SOURCE[EAST])
    world.put("in/j/object", b"x", SOURCE[EAST])
    world.sweep(WEST)
    scheduling.put(world, scheduling.wanted("0 9 * * *"), region=EAST)
    world.clock.advance(25 * HOUR)
    feeding.request_backfill(world, region=EAST)
    return world


def signs(world: World, spec: JobSpec) -> dict[str, bool]:
    """Return for each stage of East's sweep whether it has done its work."""
    return {
        "own jobs": (spec.job_id, JOB_SUBJECT, EAST) in world.ledger.observations,
        "feeds": bool(world.regions[EAST].log.events("feed-backfilled")),
        "uploads": "out/stale" not in world.all_uploads(),
        "schedules": bool(world.regions[EAST].log.events("schedule-decided")),
        "keys": read_keys(world.store, CONTROL[EAST], ISSUER.name) is not None,
    }


def sweep_timed(world: World, region: str = EAST) -> int:
    begun_ms = world.clock.now_ms()
    handlers.sweep(world.regions[region].env, {}, begun_ms + 54_000)
    world.collect()
    return world.clock.now_ms() - begun_ms


@pytest.mark.parametrize("calls", [0, 1, 2, 3])
def test_the_peers_s3_hangs_and_every_stage_has_its_turn(calls: int) -> None:
    """It hangs from the beginning, or in mid sweep. It costs one call."""
    world = with_all_due()
    spec = world.submit("j/", "j/", region=EAST, endpoints=EAST_ONLY)
    world.mail.clear()
    hang = Hang(world.clock)
    silent_after(world, hang, "the peer's S3", calls)
    took_ms = sweep_timed(world)
    assert hang.calls == 1
    assert took_ms <= silence_ms(Policy(), peer=True)
    assert all(signs(world, spec).values()), signs(world, spec)
    assert not storage_reachable(looking(world), WEST) if calls == 0 else True
    assert storage_reachable(looking(world), EAST)


def test_own_jobs_are_swept_within_seconds_of_the_sweeps_begin() -> None:
    world = with_all_due()
    world.submit("j/", "j/", region=EAST, endpoints=EAST_ONLY)
    silent_after(world, Hang(world.clock), "the peer's S3", 0)
    begun_ms, looks_ms = world.clock.now_ms(), []

    def look(operation: object, bucket: str, _key: str) -> None:
        if bucket == CONTROL[EAST].name and operation is Operation.LIST:
            looks_ms.append(world.clock.now_ms() - begun_ms)

    world.store.before_call = look
    sweep_timed(world)
    assert looks_ms[0] <= silence_ms(Policy(), peer=True) == 3_000


@pytest.mark.parametrize("calls", [0, 1, 2, 4, 7, 12])
def test_the_table_hangs_and_heartbeats_are_written_and_keys_kept(calls: int) -> None:
    world = with_all_due()
    world.submit("j/", "j/", region=EAST, endpoints=EAST_ONLY)
    heartbeats_before = [world.store.head(CONTROL[region], f"heartbeat/{EAST}") for region in (WEST, EAST)]
    hang = Hang(world.clock)
    silent_after(world, hang, "the table", calls)
    begun_ms = world.clock.now_ms()
    with pytest.raises(NoAnswer):  # Lambda reports it, in the end.
        sweep_timed(world)
    assert world.clock.now_ms() - begun_ms <= 2 * silence_ms(Policy(), peer=False), "ledger and registry, one call each"
    heartbeats_after = [world.store.head(CONTROL[region], f"heartbeat/{EAST}") for region in (WEST, EAST)]
    assert all(
        new and (not old or new.facts.etag != old.facts.etag)
        for old, new in zip(heartbeats_before, heartbeats_after, strict=True)
    )
    assert read_keys(world.store, CONTROL[EAST], ISSUER.name) is not None
    assert storage_reachable(looking(world), EAST), "S3 is well"
    assert storage_reachable(looking(world), WEST)


def test_a_job_that_is_complete_ends_while_the_table_hangs() -> None:
    world = with_all_due()
    spec = world.submit("j/", "j/", region=EAST, endpoints=EAST_ONLY)
    world.faults.rule(
        Rule(Operation.PUT, key=f"jobs/{spec.job_id}/terminal", times=1, act=lambda: crash("terminal"), error=None)
    )
    world.pump()
    assert world.records(spec).terminal() is None
    silent_after(world, Hang(world.clock), "the table", 0)
    with pytest.raises(NoAnswer):
        sweep_timed(world)
    assert world.terminal(spec).state is JobState.SUCCEEDED


def test_own_s3_hangs_and_the_sweep_ends_in_time() -> None:
    world = with_all_due()
    silent_after(world, Hang(world.clock), "own S3", 0)
    begun_ms = world.clock.now_ms()
    with suppress(Retry):
        sweep_timed(world)
    assert world.clock.now_ms() - begun_ms <= silence_ms(Policy(), peer=False) + 3_000
    assert not storage_reachable(looking(world), EAST)


def test_all_is_slow_and_the_sweep_ends_in_time_and_each_stage_has_begun() -> None:
    """Every call is answered, just before it would count as silence."""
    world = with_all_due()
    for number in range(40):
        world.submit("j/", f"j{number}/", token=f"{number}", region=EAST, endpoints=EAST_ONLY)
    world.store.before_call = lambda *_: world.clock.advance(1_900)
    begun_ms = world.clock.now_ms()
    with suppress(Retry):
        handlers.sweep(world.east, {}, begun_ms + 54_000)
    assert world.clock.now_ms() - begun_ms <= WORST_MS < 55_000
    key_source = world.east.key_source
    assert isinstance(key_source, MemoryKeySource)
    assert read_keys(world.store, CONTROL[EAST], ISSUER.name) is not None or key_source.asked, "the last stage"


def test_one_throttled_read_of_the_table_is_not_dead_storage() -> None:
    world = with_all_due()
    specs = [world.submit("j/", f"j{n}/", token=f"{n}", region=EAST, endpoints=EAST_ONLY) for n in range(3)]
    world.pump()
    for at in range(12):
        ledger = Refusing(world.ledger, at)
        world.regions[EAST].env = replace(world.east, ledger=cast("Ledger", ledger))
        with suppress(Retry):  # The stage that needs what was throttled raises it.
            handlers.sweep(world.east, {}, world.clock.now_ms() + 54_000)
        world.collect()
        assert storage_reachable(looking(world), EAST)
        assert storage_reachable(looking(world), WEST)
        world.clock.advance(MINUTE)
    world.settle()
    assert {world.terminal(spec).state for spec in specs} == {JobState.SUCCEEDED}


class Refusing:
    """A ledger whose n-th read is throttled. Implements `ports.Ledger`."""

    def __init__(self, ledger: object, left: int) -> None:
        self._ledger, self._left = ledger, left

    def __getattr__(self, name: str) -> Callable[..., object]:
        def call(*args: object, **named: object) -> object:
            if name.startswith("get_"):
                self._left -= 1
                if self._left == -1:
                    raise Retry("ThrottlingException", "too fast")
            answer: object = getattr(self._ledger, name)(*args, **named)
            return answer

        return call


# --- takeover -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("source", ["source-east", "source-west"])
def test_what_west_held_is_taken_over_within_the_promise_though_its_s3_hangs(source: str) -> None:
    """West dies in mid copy, and its S3 hangs. East ends the jobs that it can reach, and the rest when West's S3 is
    back."""
    world = World()
    for number in range(10):
        world.put(f"in/j/{number}", b"x", SOURCE[EAST] if source == "source-east" else SOURCE[WEST])
    for name in (WEST, EAST):
        world.sweep(name)
    world.faults.rule(Rule(operation=Operation.COPY, first=2, times=1, act=lambda: crash("copy"), error=None))
    spec = world.submit("j/", "j/", region=WEST, endpoints=(source, "target-east"))
    world.pump()
    assert world.crashes
    died_ms = world.clock.now_ms()
    west_is_dead(world)
    rule = world.faults.rule(Hang(world.clock).s3_of(WEST))
    longest_ms = 0
    while world.clock.now_ms() - died_ms < PROMISE_MS + MINUTE and world.open_jobs():
        begun_ms = world.clock.now_ms()
        if world.regions[EAST].next_sweep_ms <= begun_ms:
            world.sweep(EAST)
            longest_ms = max(longest_ms, world.clock.now_ms() - begun_ms)
        world.pump()
        moments_ms = [mail.due_ms for mail in world.mail] + [world.regions[EAST].next_sweep_ms]
        world.clock.advance(max(0, min(moments_ms) - world.clock.now_ms()))
    assert longest_ms <= silence_ms(Policy(), peer=True) + 1_000
    if source == "source-east":
        end = world.terminal(spec)
        assert end.state is JobState.SUCCEEDED
        assert end.settled_ms - died_ms <= worst_takeover_ms(SMALL) + MINUTE
    else:
        world.faults.rules.remove(rule)
        world.settle()
        assert world.terminal(spec).state is JobState.SUCCEEDED
    takeovers = [t for t in world.ledger.takeovers(10) if t.from_region == WEST]
    assert takeovers
    assert all(t.at_ms - died_ms <= PROMISE_MS for t in takeovers if source == "source-east")


def handle_all(world: World, mails: list[Mail]) -> None:
    for mail in mails:
        world.mail.remove(mail)
        world.handle(mail)


def test_a_worker_does_not_wait_for_a_source_that_hangs() -> None:
    """One call shows that the source hangs. The partition is given back and rests, longer each time, with no permit."""
    world = World()
    for number in range(12):
        world.put(f"in/j/{number}", b"x")
    spec = world.submit("j/", "j/", region=EAST)
    hang = Hang(world.clock, 12_000)
    world.collect()
    handle_all(world, [mail for mail in world.mail if mail.queue == "split"])
    world.collect()
    world.faults.rule(hang.s3_of(WEST))
    world.sweep(EAST)
    begun_ms = world.clock.now_ms()
    calls = hang.calls
    due_mails = [mail for mail in world.mail if mail.queue == "copy" and mail.due_ms <= begun_ms]
    handle_all(world, due_mails)
    assert due_mails
    assert hang.calls - calls == len({mail.body for mail in due_mails})
    assert world.clock.now_ms() - begun_ms == (hang.calls - calls) * hang.costs_ms
    world.collect()
    resent = [mail for mail in world.mail if mail.queue == "copy"]
    assert resent
    assert all(mail.due_ms - world.clock.now_ms() >= 0 and mail.due_ms - begun_ms >= 15_000 for mail in resent)
    assert not any(permit.holder for permit in world.ledger.permits.values())
    world.run(4 * HOUR)
    assert len([mail for mail in world.mail if mail.queue == "copy"]) <= len(resent) + 1, "messages do not breed"
    assert sum(world.records(spec).snapshot().claims.values()) <= 30 * len(resent)
    world.faults.rules.clear()
    world.settle()
    assert world.terminal(spec).state is JobState.SUCCEEDED


# --- the breaker ----------------------------------------------------------------------------------------------


def asking(env: Env, region: str, key: str = "") -> str:
    try:
        env.store.head(CONTROL[region], key or env.ids.nonce())
    except NotAsked:
        return "not asked"
    except Retry as error:
        return type(error).__name__
    return "answered"


def test_a_worker_asks_three_times_in_a_row() -> None:
    world = World()
    env = for_worker(world.east)
    world.faults.rule(Hang(world.clock).s3_of(WEST))
    assert [asking(env, WEST) for _ in range(5)] == ["NoAnswer"] * 3 + ["not asked"] * 2
    assert asking(env, EAST) == "answered"
    assert asking(for_worker(world.east), WEST) == "NoAnswer", "the next invocation asks anew"


def test_one_object_that_hangs_does_not_speak_for_its_bucket() -> None:
    world = World()
    env = for_worker(world.east)
    hang = Hang(world.clock)
    world.faults.rule(Rule(key="k", times=None, act=hang.wait, error=hang.error))
    assert [asking(env, WEST, "k") for _ in range(8)] == ["NoAnswer"] * 8
    assert asking(env, WEST) == "answered"


def test_an_answer_in_between_begins_the_count_anew() -> None:
    world = World()
    env = for_worker(world.east)
    hang = Hang(world.clock)
    answers = []
    for number in range(12):
        rule = world.faults.rule(hang.s3_of(WEST)) if number % 3 else None
        answers.append(asking(env, WEST))
        if rule:
            world.faults.rules.remove(rule)
    assert answers == ["answered", "NoAnswer", "NoAnswer"] * 4


def test_a_connection_closed_at_once_is_not_silence_yet() -> None:
    """A function's connection ends like this when the function was frozen. It costs no time."""
    world = World()
    quick = guarded(world.east, Breaker(world.clock, dear_ms=dear_ms(Policy())), Limits())
    rule = world.faults.rule(Hang(world.clock, 0).s3_of(WEST))
    assert [asking(quick, WEST) for _ in range(2)] == ["NoAnswer"] * 2
    world.faults.rules.remove(rule)
    assert asking(quick, WEST) == "answered"
    world.faults.rule(Hang(world.clock, 3_000).s3_of(WEST))
    assert [asking(quick, WEST) for _ in range(2)] == ["NoAnswer", "not asked"]


def test_refusals_are_answers() -> None:
    world = World()
    env = for_worker(world.east)
    world.faults.rule(Rule(region=WEST, times=None, error=lambda: Retry("SlowDown", "")))
    assert [asking(env, WEST) for _ in range(5)] == ["Retry"] * 5
    assert isinstance(world.clock, VirtualClock)
