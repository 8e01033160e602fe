"""Draw a seed's scenario: objects, requests and their times, faults. It is pure: the same seed gives the same
scenario."""

from dataclasses import replace
from random import Random

from chalicelib.core.jobs import Priority
from chalicelib.core.policy import Policy
from chalicelib.core.rows import OverwriteMode
from chalicelib.core.schedules import Overlap
from simulation.run.draws import more
from simulation.run.faults import PAIRS, PAIRS_THAT_PUBLISH, Fault, Target, Weather
from simulation.run.inputs import Input, draw_input
from simulation.run.story import HOUR, MINUTE, REGIONS, SECOND, SMALL, Act, Event, Item, Job, Scenario, Timetable


def draw(seed: int) -> Scenario:
    random = Random(f"scenario {seed}")
    weather = _weather(random)
    rare = weather.target.call if weather.target else ""
    calm_at_ms = random.choice((2, 3, 5, 5, 8, 10, 20)) * MINUTE
    control_of = random.choice(REGIONS)
    items = _items(random, rare)
    jobs = _jobs(random)
    dead_for_good = random.choice(REGIONS) if random.random() < 0.2 else ""
    latency_ms = random.choice((20, 100, 100, 1000, 8000))
    events = [*_users(random, jobs, items, calm_at_ms, rare), *_trouble(random, calm_at_ms, dead_for_good)]
    if rare == "ledger.put_takeover" and random.random() < 0.7:
        jobs, latency_ms, calm_at_ms = jobs[:1] or (Job(OverwriteMode.IF_CHANGED, "a/", "a/"),), 1000, 15 * MINUTE
        dead_for_good = random.choice(REGIONS)
        events = _death_in_mid_work(random, dead_for_good)
    # These come from random streams of their own, so that the seed's other draws don't depend on them.
    jobs, new_events = _inputs(Random(f"inputs {seed}"), jobs, items, calm_at_ms, rare)
    events += new_events
    jobs, new_events = _plans(Random(f"plans {seed}"), jobs, calm_at_ms)
    events += new_events
    jobs, strays, new_events = _deletions(Random(f"deletions {seed}"), jobs, items, calm_at_ms)
    items += strays
    events += new_events
    timetable, changes = _timetable(Random(f"timetable {seed}"))
    events += changes
    fairness = Random(f"fairness {seed}")
    jobs = tuple(replace(job, priority=fairness.choice(tuple(Priority))) for job in jobs)
    strictness = Random(f"strict {seed}")
    jobs = tuple(replace(job, strict=not job.delete and strictness.random() < 0.15) for job in jobs)
    events += _feed_owner(Random(f"feeds {seed}"), events, calm_at_ms)
    versioned_sources = random.random() < 0.4
    if not jobs and random.random() < 0.4:
        # One key, version after version, and workers that fall asleep between two looks.
        versioned_sources, weather = True, Weather(12, (Fault.PAUSE_BEFORE, Fault.PAUSE_AFTER))
        events += [Event(_some_time(random, calm_at_ms), Act.DROP, "f/0") for _ in range(2)]
    scenario = Scenario(
        seed=seed,
        policy=_fair(fairness, _policy(random)),
        weather=weather,
        encryption=random.choice(("AES256", "AES256", "aws:kms")),
        versioned_sources=versioned_sources,
        control_of=control_of,
        skew_ms={region: random.choice((0, 0, random.randint(-120, 120) * SECOND)) for region in REGIONS},
        latency_ms=latency_ms,
        lag_ms=random.choice((50, 1000, 1000, 30 * SECOND)),
        transit_ms=random.choice((50, 500, 20 * SECOND)),
        duplicates=random.choice((0.0, 0.05, 0.5)),
        pool_width=random.choice((1, 1, 2, 4)),
        endpoint_max=fairness.choice((None, None, None, 1)),
        runtime_ms=random.choice((15 * MINUTE, 15 * MINUTE, 1000 * HOUR)),
        target_events=random.random() < 0.3,
        forwards=random.random() < 0.7,
        items=items,
        jobs=jobs,
        events=tuple(sorted(events, key=lambda event: event.at_ms)),
        calm_at_ms=calm_at_ms,
        dead_for_good=dead_for_good,
        timetable=timetable,
    )
    return more(scenario)


def _timetable(random: Random) -> tuple[Timetable | None, list[Event]]:
    if random.random() > 0.2:
        return None, []
    minutes = random.choice(((1,), (2, 3), (1, 2, 3), (2, 7), (1, 6, 11)))
    changes = random.choice((0, 0, 1, 2))
    # Mostly close to when something is due.
    moments = [random.choice(minutes) * MINUTE + random.randint(-60, 60) * SECOND for _ in range(changes)]
    events = [Event(max(1, at_ms), Act.CHANGE_SCHEDULE, random.choice(REGIONS)) for at_ms in moments]
    return Timetable(minutes, random.choice(tuple(Overlap))), events


def _policy(random: Random) -> Policy:
    return replace(
        SMALL,
        partition_rows=random.choice((1, 2, 3, 3, 10)),
        split_entries_per_run=random.choice((1, 2, 50)),
        parts_per_worker=random.choice((1, 2, 1000, 1000)),
        workers_per_object=random.choice((2, 3)),
        inline_objects=random.choice((0, 2, 2)),
        # An age of 1 ms is as if workers slept for a day: the protocol must keep what is in use however short the
        # collector is.
        stale_upload_ms=random.choice((24 * HOUR, 24 * HOUR, 5 * MINUTE, 1)),
    )


def _fair(random: Random, policy: Policy) -> Policy:
    """Draw few partitions at once, so that windows and permits matter although there are few partitions."""
    return replace(
        policy,
        partitions_ahead=random.choice((1, 1, 2, 4, 32)),
        tenant_partitions_max=random.choice((1, 1, 2, 3, 24)),
    )


def _weather(random: Random) -> Weather:
    mean_gap = random.choice((0, 15, 40, 40, 100, 100, 300))
    kinds = tuple(random.sample(tuple(Fault), random.randint(1, len(Fault))))
    target = None
    if random.random() < 0.7:
        fault, call = random.choice(PAIRS if random.random() < 0.6 else PAIRS_THAT_PUBLISH)
        target = Target(fault, call, random.choice((1, 1, 1, 2, 3)))
    return Weather(mean_gap, kinds, target)


def _items(random: Random, rare: str) -> tuple[Item, ...]:
    """Draw a handful of items under the jobs' prefix: empty, small, large, made of parts, with and without a checksum.
    `rare` is a call that is to meet a fault, and is made only for some of them."""
    items: list[Item] = []
    if rare == "store.tags":
        items.append(Item("a/tagged", 60, tags=(("team", "blue"),)))
    if rare == "store.part_sizes":
        items.append(Item("a/parted", 60, part_sizes=(25, 35), checksum=False))
    folders = random.choice((("",), ("",), ("b/",), ("", "b/", "é/")))
    for number in range(random.choice((1, 2, 3, 4, 4, 6))):
        key = f"a/{random.choice(folders)}{number}"
        size = random.choice((0, 1, 7, 20, 20, 33, 41, 60, 60, 90))
        parts: tuple[int, ...] = ()
        if size > 1 and random.random() < 0.2:
            first_bytes = random.randint(1, size - 1)
            parts = (first_bytes, size - first_bytes)
        items.append(
            Item(
                key,
                size,
                part_sizes=parts,
                checksum=random.random() < (0.6 if parts else 0.85),
                tags=(("team", "red"),) if random.random() < 0.2 else (),
                archived=random.random() < 0.04,
                denied=random.random() < 0.03,
            )
        )
        if random.random() < 0.3:
            items.append(Item(key, size, target=True, same=random.random() < 0.5))
    return tuple(items)


def _jobs(random: Random) -> tuple[Job, ...]:
    modes = (OverwriteMode.IF_CHANGED,) * 5 + tuple(OverwriteMode)
    return tuple(Job(random.choice(modes), "a/", "a/") for _ in range(random.choice((0, 1, 1, 1, 1, 2))))


def _inputs(
    random: Random, jobs: tuple[Job, ...], items: tuple[Item, ...], calm_at_ms: int, rare: str
) -> tuple[tuple[Job, ...], list[Event]]:
    """Draw the jobs' inputs, somebody who changes a manifest, and jobs that retry others, submitted at any time."""
    names = [item.key.removeprefix("a/") for item in items if not item.target]
    drawn, events = [], []
    for number, job in enumerate(jobs):
        drawn.append(replace(job, input=draw_input(random, names, manifest=rare == "store.read")))
        if drawn[-1].input.manifest and random.random() < 0.15:
            events.append(Event(_some_time(random, calm_at_ms), Act.CHANGE_MANIFEST, str(number)))
    for number, job in enumerate(jobs):
        if random.random() < 0.15:
            events.append(Event(_some_time(random, calm_at_ms), Act.SUBMIT, str(len(drawn)), random.choice(REGIONS)))
            drawn.append(replace(job, input=Input(retries=number)))
    return tuple(drawn), events


def _plans(random: Random, jobs: tuple[Job, ...], calm_at_ms: int) -> tuple[tuple[Job, ...], list[Event]]:
    """Let some jobs be planned first, and approved later: once, or by several people, or never."""
    retried = {job.input.retries for job in jobs}
    drawn, events = [], []
    for number, job in enumerate(jobs):
        if job.input.retries is not None or random.random() >= 0.15:
            drawn.append(job)
            continue
        approved = number in retried or random.random() < 0.85
        drawn.append(replace(job, planned_first=True, every_object=random.random() < 0.3, approved=approved))
        if approved:
            times = random.choice((1, 1, 2))
            region = random.choice(REGIONS)
            events += [Event(_some_time(random, calm_at_ms), Act.APPROVE, str(number), region) for _ in range(times)]
    return tuple(drawn), events


def _deletions(
    random: Random, jobs: tuple[Job, ...], items: tuple[Item, ...], calm_at_ms: int
) -> tuple[tuple[Job, ...], tuple[Item, ...], list[Event]]:
    """Let some jobs delete too, some of them more than they may. Others change objects that are to be deleted, and the
    source, even all of it."""
    drawn = tuple(
        replace(job, delete=random.choice((1, 2, 3, 100, 100, 100)))
        if _may_delete(job) and random.random() < 0.4
        else job
        for job in jobs
    )
    if not any(job.delete for job in drawn):
        return jobs, (), []
    names = [f"a/{random.choice(('', 'b/', 'é/'))}stray{number}" for number in range(random.choice((0, 1, 2, 3, 6)))]
    strays = tuple(Item(name, random.choice((0, 9, 20)), target=True) for name in names)
    events = _changes(random, names, items, calm_at_ms)
    # Objects beside the jobs' target folder, with names that begin like its own.
    beside = random.sample(("a", "a-2026/ledger", "ab/prod.db", "a.txt"), random.choice((0, 1, 2, 4)))
    return drawn, strays + tuple(Item(name, 20, target=True) for name in beside), events


def _changes(random: Random, names: list[str], items: tuple[Item, ...], calm_at_ms: int) -> list[Event]:
    """Let others change objects that are to be deleted, or delete the whole source."""
    events: list[Event] = []
    for act in (Act.PUT_TARGET, Act.PUT_SOURCE, Act.DELETE_TARGET):
        if names and random.random() < 0.2:
            events += [Event(_some_time(random, calm_at_ms), act, name) for name in random.choices(names, k=2)]
    if random.random() < 0.1:
        emptied = _some_time(random, calm_at_ms)
        events += [Event(emptied, Act.DELETE_SOURCE, item.key) for item in items if not item.target]
    return events


def _may_delete(job: Job) -> bool:
    alone = not job.input.listed and job.input.retries is None and not job.planned_first
    sized = job.input.filters.size_min_bytes is not None or job.input.filters.size_max_bytes is not None
    return alone and not sized  # The size of an object that isn't there is unknown.


def _customer(random: Random, number: int, calm_at_ms: int, rare: str) -> list[Event]:
    """Submit a job, perhaps twice, and perhaps cancel or pause it."""

    def some_time() -> int:
        return _some_time(random, calm_at_ms)

    submitted_ms = random.randrange(30 * SECOND)
    events = [Event(submitted_ms, Act.SUBMIT, str(number), random.choice(REGIONS))]
    if random.random() < 0.3:  # The same request once more, to any Region, at any time.
        events.append(
            Event(submitted_ms + random.choice((0, 1, some_time())), Act.SUBMIT, str(number), random.choice(REGIONS))
        )
    if random.random() < (0.7 if rare == "store.abort" else 0.15):
        events.append(Event(some_time(), Act.CANCEL, str(number), random.choice(REGIONS)))
    if random.random() < 0.2:  # Perhaps by several people at once.
        acts = random.choice(((Act.PAUSE,), (Act.PAUSE, Act.PAUSE), (Act.PAUSE, Act.RESUME, Act.PAUSE)))
        events += [Event(some_time(), act, str(number), random.choice(REGIONS)) for act in acts]
    return events


def _users(random: Random, jobs: tuple[Job, ...], items: tuple[Item, ...], calm_at_ms: int, rare: str) -> list[Event]:
    events: list[Event] = []

    def some_time() -> int:
        return _some_time(random, calm_at_ms)

    for number in range(len(jobs)):
        events += _customer(random, number, calm_at_ms, rare)
    keys = [item.key for item in items if not item.target]
    for act, chance in (
        (Act.PUT_SOURCE, 0.2),
        (Act.DELETE_SOURCE, 0.1),
        (Act.PUT_TARGET, 0.15),
        (Act.DELETE_TARGET, 0.1),
        (Act.BEGIN_FOREIGN_UPLOAD, 0.15),
    ):
        if random.random() < chance:
            events += [Event(some_time(), act, random.choice(keys)) for _ in range(random.choice((1, 1, 2)))]
    if not jobs or random.random() < 0.25:
        names = random.choice((1, 1, 4))  # Often the same one again and again.
        drops = random.choice((1, 1, 2, 3, 5))
        events += [Event(some_time(), Act.DROP, f"f/{random.randrange(names)}") for _ in range(drops)]
    if rare == "notifier.delivery_failed" or random.random() < 0.04:
        events.append(Event(some_time(), Act.DROP_ARCHIVED, "f/archived"))
    if rare in ("ledger.list_jobs", "ledger.takeovers") or random.random() < 0.1:
        events += [Event(some_time(), Act.OPERATE, region=random.choice(REGIONS)) for _ in range(3)]
    return events


def _feed_owner(random: Random, events: list[Event], calm_at_ms: int) -> list[Event]:
    """Let the feed's owner pause it, resume it, and have it back-filled, in any order, if something is dropped."""
    if not any(event.act is Act.DROP for event in events) or random.random() < 0.5:
        return []
    acts = random.choice(
        (
            (Act.BACKFILL_FEED,),
            (Act.PAUSE_FEED,),
            (Act.PAUSE_FEED, Act.RESUME_FEED),
            (Act.PAUSE_FEED, Act.RESUME_FEED, Act.BACKFILL_FEED),
            (Act.PAUSE_FEED, Act.RESUME_FEED, Act.PAUSE_FEED, Act.RESUME_FEED),
        )
    )
    return [
        Event(_some_time(random, calm_at_ms), act, f"key-{random.randrange(2)}", random.choice(REGIONS)) for act in acts
    ]


def _some_time(random: Random, calm_at_ms: int) -> int:
    """Draw a time, mostly an early one, when jobs are at work."""
    return random.randrange(min(calm_at_ms, 90 * SECOND) if random.random() < 0.6 else calm_at_ms)


_PAIRS_OF_TROUBLE = (
    (Act.KILL_REGION, Act.RETURN_REGION, 0.3),
    (Act.FREEZE_REGION, Act.THAW_REGION, 0.08),
    (Act.CUT_STORAGE, Act.JOIN_STORAGE, 0.1),
    (Act.CUT_TABLE, Act.JOIN_TABLE, 0.08),
    (Act.STALL_REPLICATION, Act.RELEASE_REPLICATION, 0.15),
)


def _death_in_mid_work(random: Random, region: str) -> list[Event]:
    return [
        Event(SECOND, Act.SUBMIT, "0", region),
        Event(random.randint(15, 45) * SECOND, Act.KILL_REGION, region),
    ]


def _trouble(random: Random, calm_at_ms: int, dead_for_good: str) -> list[Event]:
    """Draw troubles. Each begins some time and ends before, or when, faults stop."""
    events: list[Event] = []
    for begin, end, chance in _PAIRS_OF_TROUBLE:
        if random.random() < chance:
            begins = _some_time(random, calm_at_ms)
            region = random.choice([region for region in REGIONS if region != dead_for_good])
            events += [Event(begins, begin, region), Event(random.randint(begins, calm_at_ms), end, region)]
    if dead_for_good:
        events.append(Event(_some_time(random, calm_at_ms), Act.KILL_REGION, dead_for_good))
    return events
