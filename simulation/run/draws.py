"""Draw more of a scenario, each part from a random stream of its own: contents that repeat, receivers, feeds that are
registered and removed, uploads that are older than their events, jobs of many rows, an object that is refused for ever,
dependencies that hang, a Region that dies while nothing else is wrong."""

from dataclasses import replace
from random import Random

from chalicelib.core.rows import OverwriteMode
from simulation.memory.env import EAST, WEST
from simulation.run.faults import Weather
from simulation.run.inputs import Input
from simulation.run.situations import HELD_BACK, Situation
from simulation.run.story import MINUTE, REGIONS, SECOND, Act, Event, Item, Job, Scenario
from simulation.run.stuck import How, Stuck


def more(scenario: Scenario) -> Scenario:
    """Return the scenario with these additional draws of its seed."""
    seed = scenario.seed
    for draw in (_repeats, _receiver, _registered, _uploads, _bytes, _many_rows, _stuck, _hangs, _alone):
        scenario = draw(Random(f"{draw.__name__} {seed}"), scenario)
    return replace(scenario, events=tuple(sorted(scenario.events, key=lambda event: event.at_ms)))


def _has(scenario: Scenario, act: Act) -> bool:
    return any(event.act is act for event in scenario.events)


def _repeats(random: Random, scenario: Scenario) -> Scenario:
    """Draw a key that is overwritten again and again, with few contents. Some targets hold what their source held
    before."""
    if random.random() > 0.3:
        return scenario
    sources = {item.key for item in scenario.items if not item.target}
    items = tuple(_perhaps_older(random, item, sources) for item in scenario.items)
    begins = random.randrange(min(scenario.calm_at_ms, 2 * MINUTE))
    interval_ms = random.choice((1, 5, 30, 120)) * SECOND
    times = [begins + number * random.randint(1, interval_ms) for number in range(random.choice((2, 3, 5)))]
    events: list[Event] = []
    if _has(scenario, Act.DROP):
        key = next(event.subject for event in scenario.events if event.act is Act.DROP)
        events = [Event(at_ms, Act.DROP, key) for at_ms in times]
    elif sources:
        key = random.choice(sorted(sources))
        events = [Event(at_ms, Act.PUT_SOURCE, key) for at_ms in times]
    contents = random.choice((1, 2, 2, 3)) if sources and not _has(scenario, Act.DROP) else random.choice((2, 2, 3))
    return replace(scenario, items=items, events=scenario.events + tuple(events), contents=contents)


def _perhaps_older(random: Random, item: Item, sources: set[str]) -> Item:
    """Let some targets hold what their source held before. The draw is made also for a target without a source."""
    older = item.target and not item.same and random.random() < 0.6
    return replace(item, older=older and item.key in sources)


def _receiver(random: Random, scenario: Scenario) -> Scenario:
    if Situation.TAKEN_AT_ONCE in HELD_BACK or not _has(scenario, Act.DROP) or random.random() > 0.4:
        return scenario
    return replace(scenario, receiver_ms=random.choice((SECOND, 10 * SECOND, 2 * MINUTE, 7 * MINUTE)))


def _registered(random: Random, scenario: Scenario) -> Scenario:
    """Draw a feed that is registered, perhaps removed and made again, in either Region, while events arrive."""
    if Situation.EVENT_BEFORE_ITS_FEED in HELD_BACK or random.random() > 0.12:
        return scenario
    acts = random.choice(((Act.REGISTER_FEED,),) * 3 + ((Act.REGISTER_FEED, Act.REMOVE_FEED, Act.REGISTER_FEED),))
    events: list[Event] = []
    at_ms = random.randrange(30 * SECOND)
    region = random.choice(REGIONS)  # All by one Region: if two act at once, the later act counts.
    for act in acts:
        events.append(Event(at_ms, act, region=region))
        delays_ms = (random.choice((0, 1, 3, 40)) * SECOND + random.randrange(2 * SECOND) for _ in range(2))
        events += [Event(at_ms + delay_ms, Act.DROP, f"g/{random.randrange(3)}") for delay_ms in delays_ms]
        at_ms += random.randint(1, 60) * SECOND
    if random.random() < 0.4:
        stalls = random.randrange(30 * SECOND)
        until = random.randint(stalls, scenario.calm_at_ms)
        events += [Event(stalls, Act.STALL_REPLICATION, region), Event(until, Act.RELEASE_REPLICATION, region)]
    return replace(scenario, events=scenario.events + tuple(events))


def _uploads(random: Random, scenario: Scenario) -> Scenario:
    """Draw uploads that were begun hours before they appear, mostly while nobody reads their events: the Region of the
    source is dead."""
    if Situation.UPLOAD_WHOSE_EVENT_WAITS in HELD_BACK or random.random() > 0.08:
        return scenario
    deaths = [e.at_ms for e in scenario.events if e.act is Act.KILL_REGION and e.subject == WEST]
    events = []
    if not deaths and not scenario.dead_for_good and random.random() < 0.7:
        deaths = [random.randrange(min(scenario.calm_at_ms, 2 * MINUTE))]
        events.append(Event(deaths[0], Act.KILL_REGION, WEST))
        scenario = replace(scenario, dead_for_good=WEST)
    around_ms = deaths[0] if deaths else random.randrange(MINUTE)
    times = [max(0, around_ms + random.randint(-30, 120) * SECOND) for _ in range(random.choice((1, 2)))]
    events += [Event(at_ms, Act.DROP_UPLOAD, f"f/upload{number}") for number, at_ms in enumerate(times)]
    return replace(scenario, events=scenario.events + tuple(events))


def _bytes(random: Random, scenario: Scenario) -> Scenario:
    """Draw partitions that end at a number of bytes."""
    if random.random() > 0.2:
        return scenario
    policy = replace(scenario.policy, partition_bytes=random.choice((1, 40, 100)), partition_rows=10)
    return replace(scenario, policy=policy)


def _many_rows(random: Random, scenario: Scenario) -> Scenario:
    """Draw so many rows that one LIST is cheaper than a request for each; rarely some thousand."""
    if not scenario.jobs or random.random() > 0.06:
        return scenario
    rows = random.choice((13, 20, 40, 80)) if random.random() < 0.97 else random.choice((300, 300, 1100, 2500))
    items = [Item(f"a/m/{number:05d}", random.choice((0, 5, 20, 20))) for number in range(rows)]
    items += [
        Item(item.key, item.size, target=True, same=random.random() < 0.7) for item in items if random.random() < 0.3
    ]
    policy = replace(
        scenario.policy,
        partition_rows=random.choice((15, 40, 1000) if rows < 300 else (200, 1000)),
        partition_bytes=random.choice((scenario.policy.partition_bytes, 400, 1024**4)),
        split_entries_per_run=random.choice((2, 50)),
    )
    jobs = tuple(_of_all(random, job) for job in scenario.jobs)
    latency_ms = min(scenario.latency_ms, 1000 if rows < 300 else 20)
    return replace(scenario, items=scenario.items + tuple(items), policy=policy, jobs=jobs, latency_ms=latency_ms)


def _of_all(random: Random, job: Job) -> Job:
    """Let the job select by its prefix, mostly."""
    alone = job.input.retries is None and not job.delete
    return replace(job, input=Input()) if alone and random.random() < 0.7 else job


def _stuck(random: Random, scenario: Scenario) -> Scenario:
    if Situation.STUCK_KEY in HELD_BACK or not scenario.jobs or random.random() > 0.04:
        return scenario
    stuck = Stuck(random.choice([item.key for item in scenario.items if not item.target]), random.choice(tuple(How)))
    policy = replace(scenario.policy, row_rounds_max=random.choice((1, 2, 3, 3, 5)))
    return replace(scenario, stuck=stuck, policy=policy)


def _services(region: str) -> tuple[str, ...]:
    return tuple(f"{kind} {region}" for kind in ("storage", "table", "queue"))


def _hangs(random: Random, scenario: Scenario) -> Scenario:
    """Draw one service of a Region that hangs, or all of them together with its functions."""
    if Situation.STORAGE_HANGS in HELD_BACK or random.random() > 0.12:
        return scenario
    region = random.choice(REGIONS)
    begins = random.randrange(min(scenario.calm_at_ms, 2 * MINUTE))
    ends = random.randint(begins, scenario.calm_at_ms)
    whole_region = random.random() < 0.4
    services = _services(region) if whole_region else (random.choice(_services(region)),)
    events = [Event(begins, Act.HANG, service) for service in services]
    events += [Event(ends, Act.UNHANG, service) for service in services]
    if whole_region and region != scenario.dead_for_good:
        events += [Event(begins, Act.FREEZE_REGION, region), Event(ends, Act.THAW_REGION, region)]
    return replace(scenario, events=scenario.events + tuple(events))


def _alone(random: Random, scenario: Scenario) -> Scenario:
    """Draw a Region that dies, or hangs as a whole, in the middle of work while nothing else is wrong."""
    if Situation.TAKEN_OVER_IN_TIME in HELD_BACK or random.random() > 0.03:
        return scenario
    hangs = random.random() < 0.5
    # A job whose data lies in a Region that hangs waits for it.
    region, control_of = (EAST, WEST) if hangs else (random.choice(REGIONS), scenario.control_of)
    at_ms = random.randint(3, 40) * SECOND
    events = [Event(SECOND, Act.SUBMIT, str(number), region) for number in range(2)]
    events += [Event(at_ms, Act.FREEZE_REGION if hangs else Act.KILL_REGION, region)]
    events += [Event(at_ms, Act.HANG, service) for service in _services(region) if hangs]
    items = [Item(f"a/{number}", random.choice((7, 20, 60, 90))) for number in range(random.choice((6, 12)))]
    policy = replace(
        scenario.policy, partition_rows=random.choice((2, 3, 10)), partitions_ahead=32, tenant_partitions_max=24
    )
    return replace(
        scenario,
        weather=Weather(0, ()),
        policy=policy,
        control_of=control_of,
        latency_ms=random.choice((20, 100, 300)),  # The survivor's calls are no slower: nothing else is wrong.
        lag_ms=random.choice((50, 1000)),
        transit_ms=500,
        pool_width=random.choice((1, 2)),
        endpoint_max=None,
        runtime_ms=15 * MINUTE,
        items=tuple(items),
        jobs=(Job(OverwriteMode.IF_CHANGED, "a/", "a/"),) * 2,
        events=(*events, Event(at_ms, Act.DIE_ALONE, region)),
        calm_at_ms=15 * MINUTE,
        dead_for_good="" if hangs else region,
        timetable=None,
        stuck=None,
        alone=region,
        receiver_ms=0,
    )
