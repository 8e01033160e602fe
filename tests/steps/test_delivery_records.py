"""Each version is delivered once, whatever the table says, whichever process dies, and however soon the receiver takes
the object away. The delivery record in S3 decides. A hint counts only when the other Region's heartbeat stands
still."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from chalicelib.core.lifecycles import DeliveryStatus
from chalicelib.ports import ObjectEvent
from chalicelib.protocol import messages
from chalicelib.protocol.delivered import MINUTE_MS
from simulation.memory.env import EAST, SOURCE, TARGET, WEST
from simulation.memory.faults import Rule
from simulation.memory.operations import Operation
from tests.steps.calls import crash, refuse
from tests.steps.everywhere import at_every_call
from tests.steps.world import FOREVER_MS, HOUR, MINUTE, SECOND, SMALL, Mail, World

ONE, FEW, MANY = 1, 2, 6
"""How many objects an event names. One or a few are delivered on the spot, and many by a feed job."""


def keys(count: int) -> list[str]:
    return [f"in/inbox/{number}" for number in range(count)]


def target(key: str) -> str:
    return key.replace("in/", "out/")


def drop(world: World, count: int, body: bytes = b"body") -> list[str]:
    for key in keys(count):
        world.put(key, body)
    world.announce(*keys(count))
    return keys(count)


def take(world: World, count: int) -> None:
    for key in keys(count):
        if world.store.current(TARGET[EAST], target(key)) is not None:
            world.store.remove(TARGET[EAST], target(key))


def times(world: World, count: int) -> list[int]:
    return [len(world.written(target(key))) for key in keys(count)]


def die(world: World, region: str = WEST) -> None:
    """Kill the Region: it sweeps no more, and none of its messages is taken."""
    world.regions[region].next_sweep_ms += 10**12
    world.mail = [mail for mail in world.mail if mail.region != region]


# --- a table that stands still ------------------------------------------------------------------------------------


@pytest.mark.parametrize("versioned", [False, True], ids=["unversioned", "versioned"])
@pytest.mark.parametrize("count", [ONE, FEW, MANY])
@pytest.mark.parametrize("dead", [False, True], ids=["West lives", "West dies"])
def test_a_stalled_table_delivers_nothing_again(dead: bool, count: int, versioned: bool) -> None:
    """The receiver takes away what arrives in its inbox. Every file came twice here."""
    world = World(stalled=True, versioned_sources=versioned)
    world.sweep(WEST)
    world.forward(*drop(world, count))
    world.pump()
    assert times(world, count) == [1] * count
    take(world, count)
    if dead:
        die(world)
    world.run(HOUR)
    assert times(world, count) == [1] * count


@pytest.mark.parametrize("count", [ONE, FEW, MANY])
def test_a_repeated_event_of_the_other_region_finds_the_record_and_fills_the_index(count: int) -> None:
    world = World(stalled=True)
    drop(world, count)
    world.settle()
    take(world, count)
    for key in keys(count):
        world.forward(key, delay_ms=0)
    world.settle()
    assert times(world, count) == [1] * count
    deliveries = [d for key in keys(count) for d in world.east.ledger.get_deliveries("west-to-east", key)]
    assert [d.status for d in deliveries] == [DeliveryStatus.COPIED] * count


@pytest.mark.parametrize("count", [ONE, FEW, MANY])
def test_who_dies_once_a_delivery_is_recorded_and_before_the_table_is_told(count: int) -> None:
    """The event comes again, to the same Region or to the other one as a hint. The receiver has taken the object
    away."""

    def run(world: World) -> None:
        world.sweep(WEST)
        world.forward(*drop(world, count))
        world.pump()
        take(world, count)
        world.run(HOUR)

    def dies(_: World) -> Callable[[str], object]:
        return crash

    def is_recording(label: str) -> bool:
        return label == "ledger.put_deliveries"

    for world, _, call in at_every_call(lambda: World(stalled=True), run, dies, is_counted=is_recording):
        assert times(world, count) == [1] * count, call


# --- hints --------------------------------------------------------------------------------------------------------


def test_a_hint_of_a_region_that_lives_is_put_off_until_it_has_delivered() -> None:
    """West is slow, because its queue is long. East leaves the object to West for hours."""
    world = World(stalled=True)
    world.put("in/inbox/0", b"body")
    world.forward("in/inbox/0")
    world.run(3 * HOUR)
    assert times(world, ONE) == [0]
    world.announce("in/inbox/0")
    world.run(10 * MINUTE)
    take(world, ONE)
    world.run(2 * HOUR)
    assert times(world, ONE) == [1]
    assert not world.mail, "and the hint is gone"


@pytest.mark.parametrize("lives_ms", [0, 3 * MINUTE, 5 * MINUTE, HOUR])
def test_nothing_is_lost_if_that_region_dies_later(lives_ms: int) -> None:
    """The event lies in a dead Region's queue, and listing doesn't find the object: it looks older than the time that
    listing looks back."""
    world = World(stalled=True, policy=replace(SMALL, feed_catch_up_ms=1000 * HOUR))
    world.put("in/inbox/0", b"body")
    world.run(90 * MINUTE)
    world.forward("in/inbox/0")
    world.run(lives_ms)
    world.regions[WEST].next_sweep_ms += 10**12
    world.run(20 * MINUTE)
    assert times(world, ONE) == [1]


def test_a_hint_of_a_dead_region_counts_at_once() -> None:
    world = World(stalled=True)
    world.sweep(WEST)
    world.regions[WEST].next_sweep_ms += 10**12
    world.clock.advance(SECOND)
    world.put("in/inbox/0", b"body")
    world.forward("in/inbox/0")
    world.clock.advance(4 * MINUTE)
    world.pump()
    assert times(world, ONE) == [1]


def test_a_hint_is_all_that_is_left_when_no_queue_keeps_its_event_any_longer() -> None:
    """West's sweeps run, but nothing takes its events, which operators would see in its alarms. After four days they
    are gone."""
    world = World(stalled=True, policy=replace(SMALL, events_kept_ms=2 * HOUR))
    world.put("in/inbox/0", b"body")
    world.forward("in/inbox/0")
    world.run(100 * MINUTE)
    assert times(world, ONE) == [0]
    world.run(HOUR)
    assert times(world, ONE) == [1]


def test_a_hint_of_what_its_own_region_could_not_deliver_is_not_carried_round_for_days() -> None:
    world = World()
    key_too_long = f"in/{'x' * 1021}"
    world.put(key_too_long, b"x")
    world.announce(key_too_long)
    world.forward(key_too_long)
    world.run(10 * MINUTE)
    assert not world.mail
    assert sum(len(region.notifier.failed) for region in world.regions.values()) == 1


def test_a_hint_of_what_is_gone_is_dropped() -> None:
    world = World(stalled=True)
    world.put("in/inbox/0", b"body")
    world.forward("in/inbox/0")
    world.store.remove(SOURCE[WEST], "in/inbox/0")
    world.run(5 * MINUTE)
    assert not world.mail


@pytest.mark.parametrize("bucket", ["control-west", "control-east"])
def test_a_control_bucket_that_cannot_be_read_is_no_sign_of_death(bucket: str) -> None:
    """A failed read is no sign of life either. The other control bucket is believed."""
    world = World(stalled=True)
    world.put("in/inbox/0", b"body")
    world.sweep(WEST)
    world.faults.rule(Rule(Operation.HEAD, bucket, f"heartbeat/{WEST}", times=None))
    world.forward("in/inbox/0", delay_ms=0)
    world.pump()
    assert times(world, ONE) == [0]


# --- feed jobs ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("other_region", [False, True], ids=["same Region", "other Region"])
def test_what_a_dead_worker_had_recorded_is_not_published_again(other_region: bool) -> None:
    """A worker dies in mid job, after a heartbeat. The receiver has taken away what had arrived. The successor goes
    on."""
    world = World(policy=replace(SMALL, partition_rows=10, heartbeat_ms=1))
    drop(world, MANY)
    world.calls.plan(4, before=crash, is_counted=lambda label: label == "store.copy")
    world.store.before_call = lambda *_: world.clock.advance(1)
    world.pump()
    assert world.crashes
    world.store.before_call = lambda *_: None
    arrived = [key for key in keys(MANY) if world.store.current(TARGET[EAST], target(key))]
    assert len(arrived) == 3
    take(world, MANY)
    if other_region:
        die(world)
    world.settle()
    assert times(world, MANY) == [1] * MANY


def test_a_job_that_waited_publishes_nothing_that_was_delivered_meanwhile() -> None:
    """Both Regions have cut a job of the same rows, because neither knew of the other's job."""
    world = World(stalled=True)
    drop(world, MANY)
    copies = hold_copies(world)
    world.regions[WEST].next_sweep_ms += 10**12
    world.clock.advance(5 * MINUTE)
    world.forward(*keys(MANY), delay_ms=0)
    world.pump()
    take(world, MANY)
    delivered_by_east = times(world, MANY)
    world.mail += copies
    world.run(HOUR)
    assert times(world, MANY) == [1] * MANY
    assert delivered_by_east == [1] * MANY


def hold_copies(world: World) -> list[Mail]:
    """Handle all messages except those to copy. Return these."""
    copies: list[Mail] = []
    world.collect()
    while any(mail.due_ms <= world.clock.now_ms() for mail in world.mail):
        mail = world.mail.pop(0)
        if mail.queue == "copy":
            copies.append(mail)
        else:
            world.handle(mail)
            world.collect()
    return copies


# --- two of one Region at once -------------------------------------------------------------------------------------


def event(world: World, count: int) -> None:
    world.announce(*keys(count))


def listing(world: World, count: int) -> None:
    """Post events without ETags, as a back-fill, a resume or a dead Region's catch-up does."""
    batch = [ObjectEvent(SOURCE[WEST].name, key) for key in keys(count)]
    for event in batch:
        world.post(WEST, "intake", messages.dumps(event))


def hint(world: World, count: int) -> None:
    world.forward(*keys(count), delay_ms=0)


def caught_up(world: World, count: int) -> None:
    for key in keys(count):
        world.post(EAST, "intake", messages.dumps(ObjectEvent(SOURCE[WEST].name, key)))


Announcement = Callable[[World, int], None]
AT_ONCE: list[tuple[str, tuple[Announcement, int], tuple[Announcement, int]]] = [
    ("event twice", (event, ONE), (event, ONE)),
    ("event twice, some together", (event, FEW), (event, FEW)),
    ("event and back-fill", (event, ONE), (listing, ONE)),
    ("back-fill and event", (listing, FEW), (event, FEW)),
    ("hint and catch-up", (hint, ONE), (caught_up, ONE)),
    ("catch-up and hint", (caught_up, ONE), (hint, ONE)),
    ("on the spot and in a job", (event, ONE), (event, MANY)),
    ("in a job and on the spot", (event, MANY), (event, ONE)),
    ("two jobs", (event, MANY), (event, MANY - 1)),
]


@pytest.mark.parametrize("after", [False, True], ids=["before a call", "after a call"])
@pytest.mark.parametrize(("first", "second"), [case[1:] for case in AT_ONCE], ids=[case[0] for case in AT_ONCE])
def test_two_of_one_region_at_the_same_moment(
    first: tuple[Announcement, int], second: tuple[Announcement, int], after: bool
) -> None:
    """While the first delivery is at a call, the second one handles the same version from end to end, and the receiver
    takes the object away. Then the first one goes on. Neither had found a record of the version."""
    count = max(first[1], second[1])

    def make() -> World:
        world = World(stalled=True, policy=replace(SMALL, partition_rows=10))
        for key in keys(count):
            world.put(key, b"body")
        if first[0] in (hint, caught_up):
            world.sweep(WEST)
            world.clock.advance(5 * MINUTE)
            die(world)
        return world

    def run(world: World) -> None:
        first[0](world, first[1])
        world.pump()
        take(world, count)
        world.settle()

    def others(world: World) -> Callable[[str], object]:
        def act(_label: str) -> None:
            take(world, count)
            second[0](world, second[1])
            world.pump()
            take(world, count)

        return act

    def is_locking_or_copying(label: str) -> bool:
        return label in ("store.copy", "ledger.lock_delivery")

    delivered = max(first[1], second[1])
    for world, _, call in at_every_call(make, run, others, is_counted=is_locking_or_copying, after=after):
        assert times(world, delivered) == [1] * delivered, call


@pytest.mark.parametrize("after", [False, True], ids=["before it publishes", "after it"])
@pytest.mark.parametrize("nth", range(1, MANY))
def test_two_jobs_of_the_same_rows_at_the_same_moment(nth: int, after: bool) -> None:
    """Two batches were cut before either was noted as queued. While one job's worker publishes, the other job runs."""
    world = World(policy=replace(SMALL, partition_rows=10))
    for key in keys(MANY):
        world.put(key, b"body")
    jobs: list[Mail] = []

    def cut_another(_label: str) -> None:
        event(world, MANY - 1)
        jobs.extend(hold_copies(world))

    world.calls.plan(1, before=cut_another, is_counted=lambda label: label == "ledger.put_deliveries")
    event(world, MANY)
    jobs += hold_copies(world)
    assert len(jobs) == 2

    def run_the_other(_label: str) -> None:
        take(world, MANY)
        world.mail.append(jobs[1])
        world.pump()
        take(world, MANY)

    at = {"after" if after else "before": run_the_other}
    world.calls.plan(nth, **at, is_counted=lambda label: label == "store.copy")
    world.mail.append(jobs[0])
    world.settle()
    assert world.calls.fired
    assert times(world, MANY) == [1] * MANY


def test_a_jobs_worker_that_was_asleep_does_not_go_by_what_it_had_asked_before() -> None:
    """The worker sleeps until its lock has ended. Meanwhile another job of the same rows has delivered them."""
    world = World(policy=replace(SMALL, partition_rows=10), runtime_ms=FOREVER_MS)
    for key in keys(MANY):
        world.put(key, b"body")
    jobs: list[Mail] = []

    def cut_another(_label: str) -> None:
        event(world, MANY - 1)
        jobs.extend(hold_copies(world))

    world.calls.plan(1, before=cut_another, is_counted=lambda label: label == "ledger.put_deliveries")
    event(world, MANY)
    jobs += hold_copies(world)

    def sleep(_label: str) -> None:
        world.clock.advance(HOUR)
        world.mail.append(jobs[1])
        world.pump()
        take(world, MANY)

    world.calls.plan(1, after=sleep, is_counted=lambda label: label == "ledger.lock_delivery")
    world.mail.append(jobs[0])
    world.settle()
    assert world.calls.fired
    assert times(world, MANY) == [1] * MANY


def test_a_worker_that_was_asleep_before_it_had_the_lock_asks_again() -> None:
    """The worker has looked, and sleeps. Meanwhile another one delivers the version, its lock ends, and the receiver
    takes the file away."""

    def make() -> World:
        world = World(runtime_ms=FOREVER_MS)
        world.put(keys(ONE)[0], b"body")
        return world

    def run(world: World) -> None:
        event(world, ONE)
        world.settle()

    def others(world: World) -> Callable[[str], object]:
        def act(_label: str) -> None:
            event(world, ONE)
            world.pump()
            take(world, ONE)
            world.clock.advance(HOUR)

        return act

    for world, _, call in at_every_call(make, run, others, is_counted=lambda label: label == "store.head", after=True):
        assert times(world, ONE) == [1], call


@pytest.mark.parametrize("count", [ONE, FEW])
def test_who_dies_about_to_publish_holds_the_others_up_for_minutes_and_no_longer(count: int) -> None:
    world = World()
    world.calls.plan(1, before=crash, is_counted=lambda label: label == "store.copy")
    drop(world, count)
    world.pump()
    assert world.crashes
    listing(world, count)
    world.pump()
    assert times(world, count)[0] == 0, "the dead one may still be at it, for all that anybody knows"
    world.run(world.policy.inline_lock_ms + 2 * MINUTE)
    assert times(world, count) == [1] * count


def test_what_came_to_nothing_is_tried_again_without_waiting_for_its_lock() -> None:
    world = World()
    rule = world.faults.rule(Rule(Operation.COPY, TARGET[EAST].name, target(keys(1)[0]), times=None))
    drop(world, ONE)
    world.run(20 * SECOND)
    world.faults.rules.remove(rule)
    world.run(MINUTE)
    assert times(world, ONE) == [1]


def test_while_the_table_cannot_be_asked_nothing_is_published() -> None:
    world = World()
    for _ in range(3):
        world.calls.plan(1, before=refuse, is_counted=lambda label: label == "ledger.lock_delivery")
        drop(world, ONE)
        world.pump()
        assert times(world, ONE) == [0]
        world.mail.clear()
    drop(world, ONE)
    world.settle()
    assert times(world, ONE) == [1]


# --- what remains (docs/failover.md) ------------------------------------------------------------------------------


def test_residual_who_dies_between_a_publish_and_its_record_delivers_again_what_was_taken_away_at_once() -> None:
    """One request lies between the two. If the receiver takes the file away before the event comes again, it gets the
    file a second time. If it leaves the file there, it does not."""
    for is_taken, expected in ((True, 2), (False, 1)):
        world = World()
        world.calls.plan(1, after=crash, is_counted=lambda label: label == "store.copy")
        drop(world, ONE)
        world.pump()
        assert world.crashes
        if is_taken:
            take(world, ONE)
        world.settle()
        assert times(world, ONE) == [expected]


def test_residual_a_feed_job_records_with_each_heartbeat() -> None:
    world = World(policy=replace(SMALL, partition_rows=10))
    drop(world, MANY)
    world.calls.plan(4, before=crash, is_counted=lambda label: label == "store.copy")
    world.pump()
    assert world.crashes
    take(world, MANY)
    world.settle()
    assert times(world, MANY) == [2, 2, 2, 1, 1, 1], "the first three were published since the last heartbeat"


# --- asking and recording -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [ONE, FEW, MANY])
def test_nothing_is_published_while_the_record_cannot_be_read(count: int) -> None:
    world = World()
    marker = f"delivered/west-to-east/{world.clock.now_ms() // MINUTE_MS:010d}/many"
    rule = world.faults.rule(Rule(Operation.HEAD, "control-east", marker, times=None))
    drop(world, count)
    world.run(MINUTE)
    assert times(world, count) == [0] * count
    world.faults.rules.remove(rule)
    world.run(10 * MINUTE)
    assert times(world, count) == [1] * count


def test_a_batch_costs_a_few_requests_however_large_it_is() -> None:
    world = World(policy=replace(SMALL, partition_rows=1000))
    for number in range(100):
        world.put(f"in/inbox/{number:03d}", b"x")
    world.announce(*(f"in/inbox/{number:03d}" for number in range(100)))
    world.settle()
    records = [key for key in world.store.keys(world.east.control_buckets[EAST]) if key.startswith("delivered/")]
    assert len(records) == 2, "the batch's record, and that there is one"
