"""Play customers. They ask either Region's API for jobs and feeds, repeat requests that got no answer, and check
progress."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

from chalicelib.core.deletions import Deletion
from chalicelib.core.errors import ErrorCode, NotYet
from chalicelib.core.jobs import CancelMode, JobSpec
from chalicelib.ports import Env
from chalicelib.protocol.breaker import for_request
from chalicelib.protocol.registering import Author
from chalicelib.protocol.submitting import ListLocation, Location, Submission
from chalicelib.steps import control, feeds, plan
from simulation.memory.env import CONTROL, EAST, SOURCE, TARGET, TENANT, WEST
from simulation.run.calls import API_LATENCY_MS
from simulation.run.story import MINUTE, SECOND
from simulation.run.world import FEED, FEED_TARGET, World

ASK_AGAIN_MS = 5 * SECOND
POLL_EVERY_MS = 2 * MINUTE
RETRY_AGAIN_MS = 2 * MINUTE
OWNER = Author(TENANT, "owner", "request")
"""The author of requests about feeds."""


def list_location(number: int) -> ListLocation:
    """Return where the manifest of a job lies."""
    return ListLocation(SOURCE[WEST].name, f"lists/{number}")


@dataclass(slots=True)
class Truth:
    """A record of what was done from outside, so that outcomes can be judged."""

    bodies: dict[str, bytes] = field(default_factory=dict)
    """Source key -> its content when the jobs were submitted."""
    at_target: dict[str, bytes] = field(default_factory=dict)
    """Target key -> its content from the beginning."""
    touched: set[str] = field(default_factory=set)
    """Keys below the endpoints' prefixes that somebody changed later, on either side."""
    accepted: dict[int, JobSpec] = field(default_factory=dict)
    """Number of the job -> the spec that was accepted."""
    needless: set[int] = field(default_factory=set)
    """Numbers of jobs that were to retry others, which had delivered everything."""
    relisted: set[int] = field(default_factory=set)
    """Numbers of jobs whose manifest was changed."""
    cancelled: set[int] = field(default_factory=set)
    approved: set[int] = field(default_factory=set)
    """Numbers of plans whose approval was answered: they are carried out, or have been cancelled."""
    progress: dict[tuple[int, str], int] = field(default_factory=lambda: defaultdict(int))
    """(job, Region) -> the most objects that this Region reported as done."""


class Customers:
    def __init__(self, world: World) -> None:
        self.world, self.scenario, self.truth = world, world.scenario, Truth()
        self.source, self.target = SOURCE[WEST], TARGET[self.scenario.control_of]

    def ask(self, name: str, region: str, work: Callable[[Env], object]) -> None:
        """Send a request to the API of a Region. A request without an answer, or with a bad one, is repeated. If
        this Region is dead, the other one gets it."""
        stacks = self.world.stacks
        if stacks[region].asleep:
            region = EAST if region == WEST else WEST
        answered = False

        def serve() -> None:
            nonlocal answered
            work(for_request(stacks[region].env))
            answered = True

        def ended(by_itself: bool) -> None:
            if by_itself:
                self.world.promises.answered(process, 30 * API_LATENCY_MS)
            if not (by_itself and answered):
                retry_at_ms = self.world.scheduler.now_ms + ASK_AGAIN_MS
                self.world.scheduler.at(retry_at_ms, lambda: self.ask(name, region, work))

        if stacks[region].asleep:
            ended(by_itself=False)
        else:
            process = self.world.scheduler.start(name, region, self.world.safely(serve), ended)

    def submit(self, number: int, region: str) -> None:
        job = self.scenario.jobs[number]
        if job.input.retries is not None:
            self._retry(number, job.input.retries, region)
            return

        def work(env: Env) -> None:
            submission = Submission(
                TENANT,
                f"token-{number}",
                Location(self.source.name, job.source),
                Location(self.target.name, job.target),
                job.mode,
                filters=job.input.filters,
                keys=job.input.keys,
                manifest=list_location(number) if job.input.manifest else None,
                planned_first=job.planned_first,
                every_object=job.every_object,
                deletion=Deletion(job.delete) if job.delete else None,
                priority=job.priority,
                cancel_mode=CancelMode.STRICT if job.strict else CancelMode.FAST,
            )
            accepted, _ = control.submit(env, submission)
            earlier = self.truth.accepted.setdefault(number, accepted)
            if earlier != accepted:
                self.world.monitors.violated("one key, one job", f"{earlier} became {accepted}")

        self.ask(f"submit-{number}", region, work)

    def _retry(self, number: int, retried: int, region: str) -> None:
        """Retry another job, as soon as that one has settled."""

        def work(env: Env) -> None:
            original = self.truth.accepted.get(retried)
            try:
                if original is None:
                    raise NotYet(ErrorCode.JOB_NOT_SETTLED, f"job {retried} has not been asked for")
                accepted, _ = control.retry(env, TENANT, original.job_id, f"token-{number}")
            except NotYet:
                scheduler = self.world.scheduler
                scheduler.at(scheduler.now_ms + RETRY_AGAIN_MS, lambda: self.submit(number, region))
                return
            if accepted == original:
                self.truth.needless.add(number)
            elif accepted != self.truth.accepted.setdefault(number, accepted):
                self.world.monitors.violated("one key, one job", f"{self.truth.accepted[number]} became {accepted}")

        self.ask(f"retry-{retried}", region, work)

    def approve(self, number: int, region: str) -> None:
        """Approve a plan, as soon as it is made."""

        def work(env: Env) -> None:
            spec = self.truth.accepted.get(number)
            try:
                if spec is None:
                    raise NotYet(ErrorCode.PLAN_NOT_MADE, f"plan {number} has not been asked for")
                plan.approve(env, TENANT, spec.job_id)
            except NotYet as refusal:
                if refusal.code is not ErrorCode.PLAN_CANCELLED:
                    scheduler = self.world.scheduler
                    scheduler.at(scheduler.now_ms + RETRY_AGAIN_MS, lambda: self.approve(number, region))
                    return
            self.truth.approved.add(number)

        self.ask(f"approve-{number}", region, work)

    def change(self, number: int, region: str, change: Callable[[Env, str, str], object]) -> None:
        """Cancel, pause or resume a job that was accepted."""

        def work(env: Env) -> None:
            spec = self.truth.accepted.get(number)
            if spec is not None:
                if change is control.cancel:
                    self.truth.cancelled.add(number)
                change(env, TENANT, spec.job_id)

        self.ask(f"{change.__name__}-{number}", region, work)

    def resume_all(self) -> None:
        """Resume every paused job and feed, so that it can end. This is repeated, because an old request to pause it
        may arrive late."""
        for number, spec in self.truth.accepted.items():
            names = self.world.store.keys(CONTROL[spec.control_region])
            desired_state = sum(name.startswith(f"jobs/{spec.job_id}/desired/") for name in names)
            if desired_state % 2:
                self.change(number, WEST, control.resume)
        names = self.world.store.keys(CONTROL[FEED_TARGET])
        if sum(name.startswith(f"feeds/{FEED}/desired/") for name in names) % 2:
            self.ask("resume-feed", WEST, lambda env: feeds.resume_feed(env, OWNER, FEED))
        if self.world.sweeping:
            self.world.scheduler.at(self.world.scheduler.now_ms + 5 * MINUTE, self.resume_all)

    def poll(self, number: int) -> None:
        """Check the progress that each Region's own API shows. It may lag, but never goes back."""
        scheduler = self.world.scheduler
        spec = self.truth.accepted.get(number)
        for region, stack in self.world.stacks.items():
            if spec is not None and not stack.asleep:
                scheduler.start(f"poll-{number}", region, self.world.safely(lambda: self._look(number)))
        if self.world.sweeping:
            scheduler.at(scheduler.now_ms + POLL_EVERY_MS, lambda: self.poll(number))

    def _look(self, number: int) -> None:
        process = self.world.scheduler.current().process
        spec = self.truth.accepted[number]
        requested_ms = self.world.scheduler.now_ms
        view = control.get_job(self.world.stacks[process.region].env, TENANT, spec.job_id).progress
        if process.disturbed or self.world.scheduler.now_ms - requested_ms > POLL_EVERY_MS:
            return  # This answer is older than the next one.
        self.world.transitions.shown(process.region, spec.job_id, view.state)
        last_decided = self.truth.progress[number, process.region]
        if view.objects_decided < last_decided or view.objects_decided > view.objects_planned:
            detail = f"{view.objects_decided} of {view.objects_planned} objects after {last_decided}"
            self.world.monitors.violated("I7 progress", f"{process.label}: {detail}")
        self.truth.progress[number, process.region] = view.objects_decided

    def operate(self, env: Env) -> None:
        control.list_jobs(env, TENANT, None, 50)
        control.leases(env)
        control.takeovers(env, 10)
        control.regions(env)
        for spec in list(self.truth.accepted.values()):
            control.list_objects(env, TENANT, spec.job_id, None, None, 100)
            if spec.planned_first:
                plan.get_plan(env, TENANT, spec.job_id)
                plan.list_planned(env, TENANT, spec.job_id, None, None, 100)
