"""Who is outside: customers ask, partners upload, others meddle at the destination, an operator looks."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from chalicelib.core.deletions import Deletion
from chalicelib.core.errors import NotYet
from chalicelib.core.model import CancelMode, JobSpec, Properties
from chalicelib.ports import Env
from chalicelib.protocol.registering import Author
from chalicelib.protocol.submitting import Place, Submission
from chalicelib.steps import control, feeds, plan
from simulation.memory.env import CONTROL, EAST, SOURCE, TARGET, TENANT, WEST
from simulation.memory.operations import Action
from simulation.run import timetable
from simulation.run.inputs import manifest_body, place
from simulation.run.story import MINUTE, REGIONS, SECOND, Act, Event, Item
from simulation.run.world import FEED, World

ASK_AGAIN_MS = 5 * SECOND
POLL_EVERY_MS = 2 * MINUTE
RETRY_AGAIN_MS = 2 * MINUTE
OWNER = Author(TENANT, "owner", "request")
"""Of the feed."""
FEED_TARGET = EAST
"""Where the feed delivers to, and so keeps its log."""


@dataclass(slots=True)
class Truth:
    """What was done from outside, so that outcomes can be judged."""

    bodies: dict[str, bytes] = field(default_factory=dict)
    """Source key -> what was there when the jobs were asked for."""
    at_target: dict[str, bytes] = field(default_factory=dict)
    """Target key -> what was there from the beginning."""
    touched: set[str] = field(default_factory=set)
    """Keys below the endpoints' prefixes that somebody changed later, on either side."""
    dropped: dict[str, bytes] = field(default_factory=dict)
    """Source key -> what a partner dropped last, of which S3 sent an event."""
    asked: dict[int, JobSpec] = field(default_factory=dict)
    """Number of the job -> what was accepted."""
    needless: set[int] = field(default_factory=set)
    """Numbers of jobs that were to retry others, which had delivered everything."""
    relisted: set[int] = field(default_factory=set)
    """Numbers of jobs whose manifest was changed."""
    cancelled: set[int] = field(default_factory=set)
    approved: set[int] = field(default_factory=set)
    """Numbers of plans whose approval was answered: they are carried out, or have been cancelled."""
    progress: dict[tuple[int, str], int] = field(default_factory=lambda: defaultdict(int))
    """(job, Region) -> the most objects that this Region said were done."""


class Actors:
    def __init__(self, world: World) -> None:
        self.world, self.scenario, self.truth = world, world.scenario, Truth()
        self.source, self.target = SOURCE[WEST], TARGET[self.scenario.control_of]
        self._made = 0

    def set_up(self) -> None:
        for region, bucket in [(region, bucket) for region in REGIONS for bucket in CONTROL.values()]:
            self.world.store.put(bucket, f"beacon/{region}", b"0")  # Both Regions have been alive before.
        for item in self.scenario.items:
            self._place(item)
        for number, job in enumerate(self.scenario.jobs):
            if job.input.manifest:
                body = manifest_body(self.source.name, f"in/{job.source}", job.input.manifest)
                self.world.store.put(self.source, f"in/{place(number).key}", body)
        if self.scenario.timetable is not None:
            timetable.set_up(self.world, self.scenario.timetable)
        for event in self.scenario.events:
            self.world.scheduler.at(event.at_ms, partial(self._act, event))
        for number in range(len(self.scenario.jobs)):
            self.world.scheduler.at(POLL_EVERY_MS, partial(self._poll, number))

    def _place(self, item: Item) -> None:
        store, truth = self.world.store, self.truth
        if item.target:
            body = truth.bodies[f"in/{item.key}"] if item.same else self._body(item.size)
            truth.at_target[f"out/{item.key}"] = body
            store.put(self.target, f"out/{item.key}", body)
            return
        body = truth.bodies[f"in/{item.key}"] = self._body(item.size)
        store.put(
            self.source,
            f"in/{item.key}",
            body,
            part_sizes=item.part_sizes,
            algorithm="CRC64NVME" if item.checksum else None,
            tags=dict(item.tags),
            properties=Properties(content_type="text/plain", metadata={"number": str(self._made)}),
            storage_class="GLACIER" if item.archived else "STANDARD",
        )
        if item.denied:
            store.deny(self.source, Action.READ, key=f"in/{item.key}")

    def _body(self, size: int) -> bytes:
        """Of that size, and unlike any other (but for the smallest)."""
        self._made += 1
        return (f"{self._made:03d}" * 40).encode()[:size] if size > 1 else b"x"[:size]

    # --- what happens -----------------------------------------------------------------------------------------

    def _act(self, event: Event) -> None:
        world, subject = self.world, event.subject
        world.trace.event(f"{event.act} {subject} {event.region}")
        match event.act:
            case Act.KILL_REGION:
                world.kill(subject)
            case Act.FREEZE_REGION:
                world.freeze(subject)
            case Act.RETURN_REGION | Act.THAW_REGION:
                world.wake(subject)
            case Act.CUT_STORAGE:
                world.calls.down.add(f"storage {subject}")
            case Act.JOIN_STORAGE:
                world.calls.down.discard(f"storage {subject}")
            case Act.CUT_TABLE:
                world.calls.down.add(f"table {subject}")
            case Act.JOIN_TABLE:
                world.calls.down.discard(f"table {subject}")
            case Act.STALL_REPLICATION:
                world.table.stalled.add(subject)
            case Act.RELEASE_REPLICATION:
                world.table.release(subject)
            case Act.SUBMIT:
                self._submit(int(subject), event.region)
            case Act.CANCEL:
                self._change(int(subject), event.region, control.cancel)
            case Act.APPROVE:
                self._approve(int(subject), event.region)
            case Act.PAUSE:
                self._change(int(subject), event.region, control.pause)
            case Act.RESUME:
                self._change(int(subject), event.region, control.resume)
            case Act.CHANGE_SCHEDULE:
                timetable.change(world, subject)
            case Act.CHANGE_MANIFEST:
                self.truth.relisted.add(int(subject))
                world.store.put(self.source, f"in/{place(int(subject)).key}", b"source-west,in/f/other\n")
            case Act.PAUSE_FEED:
                self._ask("pause-feed", event.region, lambda env: feeds.pause_feed(env, OWNER, FEED))
            case Act.RESUME_FEED:
                self._ask("resume-feed", event.region, lambda env: feeds.resume_feed(env, OWNER, FEED))
            case Act.BACKFILL_FEED:
                self._ask("backfill-feed", event.region, lambda env: feeds.back_fill(env, OWNER, FEED, 0, subject))
            case Act.OPERATE:
                self._ask("operator", event.region, self._operate)
            case _:
                self._meddle(event.act, subject)

    def _meddle(self, act: Act, key: str) -> None:
        store, truth = self.world.store, self.truth
        truth.touched.add(key)
        match act:
            case Act.PUT_SOURCE:
                store.put(self.source, f"in/{key}", self._body(33))
            case Act.DELETE_SOURCE:
                store.remove(self.source, f"in/{key}")
            case Act.DROP:
                body = truth.dropped[f"in/{key}"] = self._body(self.world.random.choice((5, 20, 60)))
                store.put(self.source, f"in/{key}", body)
                self.world.announce(self.source, f"in/{key}", "intake", forwarded=self.scenario.forwards)
            case Act.DROP_ARCHIVED:
                store.put(self.source, f"in/{key}", self._body(20), storage_class="GLACIER")
                self.world.announce(self.source, f"in/{key}", "intake", forwarded=self.scenario.forwards)
            case Act.PUT_TARGET:
                store.put(self.target, f"out/{key}", self._body(9))
                self.world.monitors.interfered(self.target, f"out/{key}")
            case Act.DELETE_TARGET:
                store.remove(self.target, f"out/{key}")
                self.world.monitors.interfered(self.target, f"out/{key}")
            case Act.BEGIN_FOREIGN_UPLOAD:
                store.open_upload(self.target, f"out/{key}")
            case _:
                raise ValueError(act)

    # --- customers --------------------------------------------------------------------------------------------

    def _ask(self, who: str, region: str, work: Callable[[Env], object]) -> None:
        """A request to the API of a Region. What gets no answer, or a bad one, is asked again: of the other Region if
        this one is dead."""
        stacks = self.world.stacks
        if stacks[region].asleep:
            region = EAST if region == WEST else WEST
        answered = False

        def serve() -> None:
            nonlocal answered
            work(stacks[region].env)
            answered = True

        def ended(by_itself: bool) -> None:
            if not (by_itself and answered):
                again = self.world.scheduler.now_ms + ASK_AGAIN_MS
                self.world.scheduler.at(again, lambda: self._ask(who, region, work))

        if stacks[region].asleep:
            ended(by_itself=False)
        else:
            self.world.scheduler.start(who, region, self.world.safely(serve), ended)

    def _submit(self, number: int, region: str) -> None:
        job = self.scenario.jobs[number]
        if job.input.retries is not None:
            self._retry(number, job.input.retries, region)
            return

        def work(env: Env) -> None:
            wanted = Submission(
                TENANT,
                f"token-{number}",
                Place(self.source.name, job.source),
                Place(self.target.name, job.target),
                job.mode,
                filters=job.input.filters,
                keys=job.input.keys,
                manifest=place(number) if job.input.manifest else None,
                planned_first=job.planned_first,
                every_object=job.every_object,
                deletion=Deletion(job.delete) if job.delete else None,
                priority=job.priority,
                cancel_mode=CancelMode.STRICT if job.strict else CancelMode.FAST,
            )
            accepted, _ = control.submit(env, wanted)
            before = self.truth.asked.setdefault(number, accepted)
            if before != accepted:
                self.world.monitors.violated("one key, one job", f"{before} became {accepted}")

        self._ask(f"submit-{number}", region, work)

    def _retry(self, number: int, retried: int, region: str) -> None:
        """As soon as the other job has settled."""

        def work(env: Env) -> None:
            old = self.truth.asked.get(retried)
            try:
                if old is None:
                    raise NotYet("NotAsked", f"job {retried} has not been asked for")
                accepted, _ = control.retry(env, TENANT, old.job_id, f"token-{number}")
            except NotYet:
                scheduler = self.world.scheduler
                scheduler.at(scheduler.now_ms + RETRY_AGAIN_MS, lambda: self._submit(number, region))
                return
            if accepted == old:
                self.truth.needless.add(number)
            elif accepted != self.truth.asked.setdefault(number, accepted):
                self.world.monitors.violated("one key, one job", f"{self.truth.asked[number]} became {accepted}")

        self._ask(f"retry-{retried}", region, work)

    def _approve(self, number: int, region: str) -> None:
        """As soon as the plan is made."""

        def work(env: Env) -> None:
            spec = self.truth.asked.get(number)
            try:
                if spec is None:
                    raise NotYet("NotAsked", f"plan {number} has not been asked for")
                plan.approve(env, TENANT, spec.job_id)
            except NotYet as refusal:
                if refusal.code != "PlanCancelled":
                    scheduler = self.world.scheduler
                    scheduler.at(scheduler.now_ms + RETRY_AGAIN_MS, lambda: self._approve(number, region))
                    return
            self.truth.approved.add(number)

        self._ask(f"approve-{number}", region, work)

    def _change(self, number: int, region: str, change: Callable[[Env, str, str], object]) -> None:
        """Cancel, pause or resume a job that was accepted."""

        def work(env: Env) -> None:
            spec = self.truth.asked.get(number)
            if spec is not None:
                if change is control.cancel:
                    self.truth.cancelled.add(number)
                change(env, TENANT, spec.job_id)

        self._ask(f"{change.__name__}-{number}", region, work)

    def resume_all(self) -> None:
        """The owner of a paused job or feed wants it to go on after all, also if an old request to pause it arrives
        late."""
        for number, spec in self.truth.asked.items():
            names = self.world.store.keys(CONTROL[spec.control_region])
            intents = sum(name.startswith(f"jobs/{spec.job_id}/intent/") for name in names)
            if intents % 2:
                self._change(number, WEST, control.resume)
        names = self.world.store.keys(CONTROL[FEED_TARGET])
        if sum(name.startswith(f"feeds/{FEED}/intent/") for name in names) % 2:
            self._ask("resume-feed", WEST, lambda env: feeds.resume_feed(env, OWNER, FEED))
        if self.world.sweeping:
            self.world.scheduler.at(self.world.scheduler.now_ms + 5 * MINUTE, self.resume_all)

    def _poll(self, number: int) -> None:
        """Progress, as each Region's own API shows it: it may lag, and never goes back."""
        scheduler = self.world.scheduler
        spec = self.truth.asked.get(number)
        for region, stack in self.world.stacks.items():
            if spec is not None and not stack.asleep:
                scheduler.start(f"poll-{number}", region, self.world.safely(lambda: self._look(number)))
        if self.world.sweeping:
            scheduler.at(scheduler.now_ms + POLL_EVERY_MS, lambda: self._poll(number))

    def _look(self, number: int) -> None:
        process = self.world.scheduler.current().process
        spec = self.truth.asked[number]
        asked_ms = self.world.scheduler.now_ms
        view = control.get_job(self.world.stacks[process.region].env, TENANT, spec.job_id).progress
        if process.disturbed or self.world.scheduler.now_ms - asked_ms > POLL_EVERY_MS:
            return  # This answer is older than the next one.
        known = self.truth.progress[number, process.region]
        if view.objects_decided < known or view.objects_decided > view.objects_planned:
            shown = f"{view.objects_decided} of {view.objects_planned} objects after {known}"
            self.world.monitors.violated("I7 progress", f"{process.label}: {shown}")
        self.truth.progress[number, process.region] = view.objects_decided

    def _operate(self, env: Env) -> None:
        control.list_jobs(env, TENANT, None, 50)
        control.leases(env)
        control.takeovers(env, 10)
        control.regions(env)
        for spec in list(self.truth.asked.values()):
            control.list_objects(env, TENANT, spec.job_id, None, None, 100)
            if spec.planned_first:
                plan.get_plan(env, TENANT, spec.job_id)
                plan.list_planned(env, TENANT, spec.job_id, None, None, 100)
