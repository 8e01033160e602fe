"""Check what must hold at the end: every job has ended as it should, nothing is lost, nothing is left behind."""

from collections import Counter
from collections.abc import Iterator
from typing import TypeAlias

from chalicelib.core import codec
from chalicelib.core.jobs import JobSpec, JobState, Terminal
from chalicelib.core.manifests import Manifest, Receipt
from chalicelib.core.objects import Bucket
from chalicelib.core.planned import PlanSummary
from chalicelib.core.rows import Method, Outcome, OverwriteMode, Row, RowOutcome
from simulation.memory.env import CONTROL, TARGET
from simulation.memory.state import WORKER
from simulation.run import naive
from simulation.run.actors import Actors
from simulation.run.deletions import I9
from simulation.run.inputs import GONE
from simulation.run.situations import Situation
from simulation.run.story import Act, Job
from simulation.run.world import World

_Rows: TypeAlias = list[tuple[Row, RowOutcome]]
_HARD = (Act.KILL_REGION, Act.FREEZE_REGION, Act.CUT_STORAGE, Act.CUT_TABLE, Act.STALL_REPLICATION, Act.HANG)


def judge(world: World, actors: Actors) -> None:
    for number, spec in actors.truth.accepted.items():
        _job(world, actors, number, spec)
    _records(world)
    _bounded(world)
    if open_uploads := uploads_left(world):
        world.monitors.violated("I5 no upload outlives its job", f"still open: {open_uploads}")
    if not told_of_failures(world):
        world.monitors.violated("I3 outcomes are true", "a delivery has failed, and nobody was told")
    for key in world.inbox.missing():
        world.monitors.violated("I3 nothing lost", f"{key} was dropped under a feed's source and never delivered")


def told_of_failures(world: World) -> bool:
    """Return whether the delivery that can't succeed, if there is one, was reported as failed."""
    return bool(world.failed) or all(event.act is not Act.DROP_ARCHIVED for event in world.scenario.events)


def _job(world: World, actors: Actors, number: int, spec: JobSpec) -> None:
    terminal = world.store.current(CONTROL[spec.control_region], f"jobs/{spec.job_id}/terminal")
    if not actors.scenario.jobs[number].approved and number not in actors.truth.cancelled:
        if world.store.current(CONTROL[spec.control_region], f"jobs/{spec.job_id}/planned") is None:
            world.monitors.violated("I8 every plan is made", f"plan {number} has no summary")
        if terminal is not None:
            world.monitors.violated("nothing before its approval", f"plan {number} has ended: {terminal.body!r}")
    elif terminal is None:
        world.monitors.violated("I8 every job ends", f"job {number} has no end")
    else:
        _ended(world, actors, number, spec, codec.loads(terminal.body, Terminal))


def _ended(world: World, actors: Actors, number: int, spec: JobSpec, end: Terminal) -> None:
    job, rows = actors.scenario.jobs[number], list(_rows(world, spec))
    world.happened[Situation.HUNDREDS_OF_ROWS] += len(rows) >= 300
    copies = [(row, outcome) for row, outcome in rows if row.method is not Method.DELETE]
    _counts(world, actors, number, end, rows)
    _deletions(world, actors, number, end, [pair for pair in rows if pair[0].method is Method.DELETE])
    if job.strict and len(actors.truth.accepted) == 1:
        _revoked(world, spec, copies)
    if end.state is JobState.SUCCEEDED and not _has_succeeded(job, copies, rows):
        world.monitors.violated("I6 one true end", f"SUCCEEDED with {[outcome for _, outcome in rows]}")
    if number in actors.truth.cancelled:
        return
    if spec.planned_first:
        _as_planned(world, number, spec, rows)
    outcomes = {row.key: outcome for row, outcome in copies}
    if job.input.retries is not None:
        _retried(world, number, actors.truth.accepted[job.input.retries], outcomes)
        return
    if end.state is JobState.CANCELLED:
        world.monitors.violated("I6 one true end", "CANCELLED, and nobody asked for it")
    _meant(world, actors, number, outcomes)


def _has_succeeded(job: Job, copies: _Rows, rows: _Rows) -> bool:
    if all(naive.is_good(outcome.outcome) and naive.is_proven(outcome) for _, outcome in copies):
        return True
    return job.mode is OverwriteMode.NEVER and all(naive.is_good(outcome.outcome) for _, outcome in rows)


def _counts(world: World, actors: Actors, number: int, end: Terminal, rows: _Rows) -> None:
    """Check that every row is in the end's counts once."""
    manifest = actors.scenario.jobs[number].input.manifest or _retries_manifest(actors, number)
    keys = Counter(row.key for row, _ in rows if row.method is not Method.DELETE)
    repeated = [key for key, times in keys.items() if times > 1]
    if repeated and not manifest:
        world.monitors.violated("I7 nothing counted twice", f"planned twice: {repeated}")
    if end.planned != len(rows) or sum(end.counts.values()) != len(rows):
        text = f"{end.planned} planned, {end.counts}, and {len(rows)} rows are receipted"
        world.monitors.violated("I6 one true end", text)


def _as_planned(world: World, number: int, spec: JobSpec, rows: _Rows) -> None:
    """Check that a plan was carried out as it was shown."""
    violated = world.monitors.violated
    planned = world.store.current(CONTROL[spec.control_region], f"jobs/{spec.job_id}/planned")
    if planned is None or codec.loads(planned.body, PlanSummary).totals.objects != len(rows):
        violated("a plan is carried out as it is", f"job {number} has {len(rows)} rows, and its plan is {planned}")
    for row, outcome in rows:
        if row.decided is not None and row.decided.outcome is not outcome.outcome:
            violated("a plan is carried out as it is", f"{row.key}: {row.decided.outcome}, and then {outcome}")


def _retried(world: World, number: int, retried: JobSpec, outcomes: dict[str, RowOutcome]) -> None:
    """Check that a retry has the rows that its job didn't deliver, and no others."""
    rows = _rows(world, retried)
    failed = {row.key for row, o in rows if row.method is not Method.DELETE and not naive.is_good(o.outcome)}
    if outcomes.keys() != failed:
        text = f"job {number} retries {sorted(outcomes)} instead of {sorted(failed)}"
        world.monitors.violated("I3 nothing lost", text)


def _deletions(world: World, actors: Actors, number: int, end: Terminal, rows: _Rows) -> None:
    """Check the rows to delete. One that says DELETED must be gone unless somebody else has touched it. If the job
    SUCCEEDED, everything that was to be deleted is gone."""
    job = actors.scenario.jobs[number]
    if not job.delete and rows:
        world.monitors.violated(I9, f"job {number} deletes, and nobody consented")
    if end.state is JobState.SUCCEEDED and not all(naive.is_good(outcome.outcome) for _, outcome in rows):
        world.monitors.violated("I6 one true end", f"SUCCEEDED with {[outcome for _, outcome in rows]}")
    below, remaining = _at_target(world, actors, number)
    deleted = {row.target for row, outcome in rows if outcome.outcome is Outcome.DELETED}
    if deleted & remaining:
        world.monitors.violated("I3 outcomes are true", f"DELETED, and still there: {deleted & remaining}")
    if job.delete and end.state is JobState.SUCCEEDED:
        _all_deleted(world, actors, number, below, remaining)


def _at_target(world: World, actors: Actors, number: int) -> tuple[set[str], set[str]]:
    """Return the untouched keys that were below the job's target, and those at the target that are left. Check that no
    key outside the job's target is gone."""
    job, target = actors.scenario.jobs[number], TARGET[actors.scenario.control_of]
    untouched = {key for key in actors.truth.at_target if key[4:] not in actors.truth.touched}
    remaining = {key for key in untouched if world.store.current(target, key) is not None}
    below = {key for key in untouched if key.startswith(f"out/{job.target}")}
    if lost := untouched - below - remaining:
        world.monitors.violated(I9, f"job {number} cost its neighbours {sorted(lost)}")
    return below, remaining


def _all_deleted(world: World, actors: Actors, number: int, below: set[str], remaining: set[str]) -> None:
    """Check that of the keys below the job's target, those without a counterpart at the source that it means are
    gone."""
    job = actors.scenario.jobs[number]
    strays = {key for key in below if f"in/{key[4:]}" not in actors.truth.bodies}
    due_strays = {key for key in strays if job.input.means(key.removeprefix(f"out/{job.target}"), 1)}
    if due_strays & remaining:
        world.monitors.violated(
            "I3 nothing lost", f"job {number} SUCCEEDED, and these were to go: {due_strays & remaining}"
        )


def _revoked(world: World, spec: JobSpec, rows: list[tuple[Row, RowOutcome]]) -> None:
    """Check that no row has arrived that a strict cancel marked CANCELLED. No worker sleeps any more, so none will.

    A copy that others deleted or replaced before the cancel leaves no trace at the destination, and doesn't count."""
    for row, outcome in rows:
        history = world.store.versions(spec.target.bucket, row.target)
        last_foreign = max((number for number, version in enumerate(history) if version.by != WORKER), default=-1)
        written = [version for version in history[last_foreign + 1 :] if not version.delete_marker]
        if outcome.outcome is Outcome.CANCELLED and row.size and written:
            world.monitors.violated("a strict cancel is final", f"{row.key} is CANCELLED, and {row.target} was written")


def _retries_manifest(actors: Actors, number: int) -> bool:
    retries = actors.scenario.jobs[number].input.retries
    return retries is not None and bool(actors.scenario.jobs[retries].input.manifest)


def _meant(world: World, actors: Actors, number: int, outcomes: dict[str, RowOutcome]) -> None:
    """Check that every object that is meant is delivered, and that no other is in the job."""
    job = actors.scenario.jobs[number]
    for key, body in actors.truth.bodies.items():
        name = key.removeprefix(f"in/{job.source}")
        if job.input.means(name, len(body)):
            if number not in actors.truth.relisted or key in outcomes:
                _object(world, actors, number, key, body, outcomes.get(key))
        elif key in outcomes and key[3:] not in actors.truth.touched:
            world.monitors.violated("only what is meant", f"{key} is in job {number}, which goes by {job.input}")
    missing_key = f"in/{job.source}{GONE}"
    if missing_key in outcomes and outcomes[missing_key].outcome is not Outcome.SOURCE_GONE:
        world.monitors.violated("I3 outcomes are true", f"{missing_key} never was, and is {outcomes[missing_key]}")
    listed = GONE in job.input.keys + job.input.manifest and number not in actors.truth.relisted
    if listed and missing_key not in outcomes:
        world.monitors.violated(
            "I3 nothing lost", f"{missing_key} was named, and is in none of job {number}'s manifests"
        )


def _object(world: World, actors: Actors, number: int, key: str, body: bytes, outcome: RowOutcome | None) -> None:
    """Check that an object that was there before the job, and that nobody touched on either side, has been
    delivered."""
    if key[3:] in actors.truth.touched:
        return
    if outcome is None:
        text = f"{key} was there when job {number} was asked for, and is in none of its manifests"
        world.monitors.violated("I3 nothing lost", text)
        return
    if _is_stuck(world, key) and outcome.outcome is Outcome.FAILED:
        world.happened[Situation.STUCK_KEY] += 1
        return
    target_body, item = actors.truth.at_target.get(f"out/{key[3:]}"), actors.placed[key]
    if item.denied or item.archived:
        _unreadable(world, key, outcome, same=target_body == body)
        return
    if _is_excused(actors, number, key, outcome):
        return
    mode = actors.scenario.jobs[number].mode
    if target_body is not None and mode is OverwriteMode.FAIL and target_body != body:
        if outcome.outcome is not Outcome.DESTINATION_CONFLICT:
            world.monitors.violated("I3 outcomes are true", f"mode fail: {key} is {outcome}")
        return
    _arrived(
        world, actors, key, body if target_body is None or mode is not OverwriteMode.NEVER else target_body, outcome
    )


def _unreadable(world: World, key: str, outcome: RowOutcome, *, same: bool) -> None:
    """Check the outcome of an object that can't be read. `same` says that the target held the same bytes all along."""
    if same and naive.is_good(outcome.outcome):
        return  # It is there all the same.
    if outcome.outcome not in (Outcome.DENIED, Outcome.ARCHIVED, Outcome.UNCHANGED, Outcome.DESTINATION_CONFLICT):
        world.monitors.violated("I3 outcomes are true", f"{key} can't be read, and is {outcome}")


def _is_excused(actors: Actors, number: int, key: str, outcome: RowOutcome) -> bool:
    """Return whether this outcome is right although the object may not have arrived."""
    if outcome.outcome is Outcome.DESTINATION_CONFLICT and _opaque(actors, key):
        return True
    item = actors.placed[key]
    provable = item.checksum or item.part_sizes or not item.size
    if actors.scenario.jobs[number].strict and not provable and outcome.outcome is Outcome.FAILED:
        return True  # A copy that could be revoked could not be verified.
    submitted = [n for n in actors.truth.accepted if actors.scenario.jobs[n].input.retries is None]
    # Two jobs for one destination: each may meet what the other has put there.
    return len(submitted) > 1 and (naive.is_good(outcome.outcome) or outcome.outcome is Outcome.DESTINATION_CONFLICT)


def _arrived(world: World, actors: Actors, key: str, body: bytes, outcome: RowOutcome) -> None:
    """Check that the target holds these bytes."""
    if not naive.is_good(outcome.outcome):
        world.monitors.violated("I3 nothing lost", f"{key} was not touched by anybody, and is {outcome}")
        return
    target = f"out/{key[3:]}"
    version = world.store.current(TARGET[actors.scenario.control_of], target)
    if version is None or version.body != body:
        text = f"{key} is {outcome.outcome}, and {target} holds something else"
        world.monitors.violated("I3 outcomes are true", text)


def _is_stuck(world: World, key: str) -> bool:
    stuck = world.scenario.stuck
    return stuck is not None and key == f"in/{stuck.key}"


def _bounded(world: World) -> None:
    """Check that an object that is refused for ever costs a limited number of rounds, if nothing else fails."""
    stuck, policy = world.scenario.stuck, world.scenario.policy
    if stuck is None or world.calls.pairs or any(event.act in _HARD for event in world.scenario.events):
        return
    claims = Counter(
        key.rpartition("/")[0] for bucket in CONTROL.values() for key in world.store.keys(bucket) if "/claim/" in key
    )
    uploads = world.monitors.begun[f"out/{stuck.key}"]
    limit = 2 * policy.row_rounds_max + 10
    if claims and max(claims.values()) > limit:
        world.monitors.violated("every row ends", f"claims: {claims.most_common(1)}, rounds: {policy.row_rounds_max}")
    if uploads > limit * policy.attempts:
        world.monitors.violated("every row ends", f"{uploads} uploads were begun for {stuck.key}")
    if world.copy_tasks and max(world.copy_tasks.values()) > limit:
        world.monitors.violated("every row ends", f"messages: {world.copy_tasks.most_common(1)}, at most {limit}")
    if policy.row_rounds_max > policy.set_aside_after_rounds:
        _neighbours(world, f"in/{stuck.key}")


def _neighbours(world: World, stuck: str) -> None:
    """Check that a partition's other objects get their receipt before the end of the one that is refused for ever, if
    that one has more rounds."""
    for bucket in CONTROL.values():
        for name in [key for key in world.store.keys(bucket) if "/manifest/" in key]:
            receipt_version = world.store.current(bucket, name.replace("/manifest/", "/done/"))
            entry = codec.loads_entry(_body(world, bucket, name))
            if (
                receipt_version is None
                or not isinstance(entry, Manifest)
                or entry.aside
                or _cancelled(world, bucket, name)
            ):
                continue
            _went_on(world, name, entry, codec.loads(receipt_version.body, Receipt), stuck)


def _went_on(world: World, name: str, manifest: Manifest, receipt: Receipt, stuck: str) -> None:
    outcomes = dict(zip((row.key for row in manifest.rows), receipt.rows, strict=True))
    if not any(row.key == stuck and row.decided is None for row in manifest.rows):
        return
    neighbours_ended = any(key != stuck and outcome.outcome.is_end for key, outcome in outcomes.items())
    if neighbours_ended and outcomes[stuck].outcome is Outcome.FAILED:
        world.monitors.violated("nobody waits for a stuck row", f"{name}: {outcomes[stuck].detail}")
    world.happened[Situation.NEIGHBOURS_WENT_ON] += not outcomes[stuck].outcome.is_end


def _body(world: World, bucket: Bucket, key: str) -> bytes:
    version = world.store.current(bucket, key)
    return version.body if version else b""


def _cancelled(world: World, bucket: Bucket, name: str) -> bool:
    return world.store.current(bucket, f"jobs/{name.split('/')[1]}/cancel") is not None


def _opaque(actors: Actors, key: str) -> bool:
    """Return whether the source has no checksum, and its ETag says nothing (SSE-KMS, or made of parts). Then one's own
    earlier copy, whose answer was lost, or an equal object that was there, can't be told from somebody else's object of
    the same size. It is a documented residual that such an object is not claimed as ours."""
    item = actors.placed[key]
    return not item.checksum and (actors.scenario.encryption == "aws:kms" or bool(item.part_sizes))


def _rows(world: World, spec: JobSpec) -> Iterator[tuple[Row, RowOutcome]]:
    control = CONTROL[spec.control_region]
    prefix = f"jobs/{spec.job_id}/"
    for key in world.store.keys(control):
        if not key.startswith(f"{prefix}manifest/"):
            continue
        partition_id = key.rsplit("/", 1)[1]
        entry_version = world.store.current(control, key)
        entry = codec.loads_entry(entry_version.body) if entry_version else None
        if not isinstance(entry, Manifest):
            continue
        receipt_version = world.store.current(control, f"{prefix}done/{partition_id}")
        if receipt_version is None:
            world.monitors.violated("I6 one true end", f"the job has ended, and {partition_id} has no receipt")
            return
        receipt = codec.loads(receipt_version.body, Receipt)
        for row, outcome in zip(entry.rows, receipt.rows, strict=True):
            if outcome.outcome is not Outcome.SET_ASIDE:  # Else it is in another partition's manifest, too.
                yield row, outcome


def _records(world: World) -> None:
    """Check that create-only records were created once, and that the index of open jobs is empty. A request that slept
    may put a back-fill on its index again when it is done: the next sweep of a feed that runs takes it off."""
    for bucket in CONTROL.values():
        for key in world.store.keys(bucket):
            if key.startswith("open/"):
                world.monitors.violated("I8 every job ends", f"{key} is still on the list")
            elif not key.startswith(("heartbeat/", "backfills/")) and len(world.store.versions(bucket, key)) != 1:
                world.monitors.violated("records are written once", f"{key} was written again")


_TROUBLE = frozenset(
    {Act.KILL_REGION, Act.FREEZE_REGION, Act.CUT_STORAGE, Act.CUT_TABLE, Act.HANG, Act.DIE_ALONE, Act.STALL_REPLICATION}
)


def judge_leftovers(world: World) -> None:
    """Check that no upload is left for the collector of old uploads if nothing has gone wrong.

    Call it when all jobs have ended, before the collector comes."""
    scenario = world.scenario
    trouble = world.calls.pairs or scenario.stuck or any(event.act in _TROUBLE for event in scenario.events)
    if not trouble and (open_uploads := uploads_left(world)):
        world.monitors.violated(
            "I5 no upload outlives its row", f"nothing went wrong, and still open are {open_uploads}"
        )


def uploads_left(world: World) -> list[str]:
    """Return keys of the multipart uploads of ours that are still open."""
    return [
        upload.key for bucket in TARGET.values() for upload in world.store.uploads(bucket) if upload.initiator == WORKER
    ]
