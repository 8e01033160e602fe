"""The sweep step runs every minute in each Region, and repairs what lost messages and crashed workers left behind.

For each job it takes a snapshot, decides purely (`core.sweep`), and then carries out the decision. One run sweeps a
bounded number of jobs, and continues where the last run stopped. Everything it does is safe to do twice, and by both
Regions at once. Its stages have their shares of the time, and no stage waits long for a dependency that another stage
has found not to answer (ADR 0022).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from chalicelib.core.desired_state import AS_SUBMITTED, DESIRED_STATE_SUBJECT, DesiredState
from chalicelib.core.errors import Denied, EftError, NoSuchBucket, Retry
from chalicelib.core.ids import object_id
from chalicelib.core.jobs import JobSpec
from chalicelib.core.leases import LeaseStatus, Observation, RegionFingerprint, RegionFingerprints, note_of
from chalicelib.core.registers import Mark, Registration, StaleUploadAction, judge_upload
from chalicelib.core.roles import acts_in
from chalicelib.core.shares import Stage
from chalicelib.core.sweep import JOB_SUBJECT, Repairs, decide, due_before_next_sweep
from chalicelib.ports import CopyPartition, Env, PlanRange, Task, UploadInfo, VerifyPartition
from chalicelib.protocol.breaker import Breaker, for_quick, s3_of
from chalicelib.protocol.catalog import EndpointCatalog, read_catalog
from chalicelib.protocol.catchup import backfill_feeds, catch_up
from chalicelib.protocol.desired_state import desired_state_note
from chalicelib.protocol.lease import observe
from chalicelib.protocol.permits import waits_for_permit
from chalicelib.protocol.rechecking import recheck
from chalicelib.protocol.records import PLAN_MARK, ControlRecords, JobRecords
from chalicelib.protocol.regions import beat, note_storage, peers, region_fingerprint, watch_region
from chalicelib.protocol.reverify import verify_again
from chalicelib.protocol.settling import finish, settle
from chalicelib.protocol.stages import Work, in_turn, run_stages
from chalicelib.protocol.summing import sum_up
from chalicelib.protocol.table import get_best_effort, put_best_effort

CURSOR_JOB = "sweep"


@dataclass(slots=True)
class _Findings:
    """The findings of a sweep's stages, for the stages after them."""

    regions: dict[str, RegionFingerprint] = field(default_factory=dict)
    """The heartbeat fingerprint of each other Region. If a Region is missing here, its fingerprint is unknown, and
    nothing of that Region counts as dead."""
    dead: list[str] = field(default_factory=list)
    catalog: EndpointCatalog | None = None

    def read_catalog(self, env: Env) -> EndpointCatalog:
        """Return the endpoint catalog. It is read once for all stages that need it."""
        self.catalog = self.catalog or read_catalog(env)
        return self.catalog


def run(env: Env, deadline_ms: int, later: Mapping[Stage, Work] = MappingProxyType({})) -> None:
    """Run one sweep of this Region: its own jobs before another Region's, and after that `later`, the stages that
    belong to other steps. A dependency that doesn't answer is not asked again in this sweep."""
    breaker, findings = for_quick(env), _Findings()
    stages: dict[Stage, Work] = {
        Stage.HEARTBEATS: lambda env, _: _look_at_regions(env, findings),
        Stage.OWN_JOBS: lambda env, until_ms: _sweep_region(env, breaker, env.region, findings, until_ms),
        Stage.PEER_JOBS: lambda env, until_ms: _sweep_peers(env, breaker, findings, until_ms),
        Stage.FEEDS: lambda env, until_ms: _sweep_feeds(env, findings, until_ms),
        Stage.UPLOADS: lambda env, until_ms: _sweep_uploads(env, findings.read_catalog(env), until_ms),
        Stage.RECHECKS: lambda env, until_ms: recheck(env, findings.dead, until_ms),
    }
    run_stages(env, breaker, deadline_ms, stages | dict(later))


def _look_at_regions(env: Env, findings: _Findings) -> None:
    beat(env)
    for region in peers(env):
        try:
            findings.regions[region] = region_fingerprint(env, region)
        except Retry as error:
            env.log("region-not-seen", region=region, error=str(error))
            continue
        if watch_region(env, region, findings.regions[region]) >= env.policy.takeover_after_ms:
            findings.dead.append(region)


def _sweep_peers(env: Env, breaker: Breaker, findings: _Findings, until_ms: int) -> None:
    for region in peers(env):
        _sweep_region(env, breaker, region, findings, until_ms)


def _sweep_region(env: Env, breaker: Breaker, region: str, findings: _Findings, until_ms: int) -> None:
    try:
        _sweep_jobs(env, ControlRecords(env, region), findings.regions, until_ms)
    except (Retry, Denied, NoSuchBucket) as error:
        # That Region's storage can't be reached. Its jobs wait, and go on by themselves when it is back.
        env.log("control-bucket-unreachable", region=region, error=str(error))
        note_storage(env, region, reachable=False)
    else:
        note_storage(env, region, reachable=s3_of(region) not in breaker.tripped)


def _sweep_feeds(env: Env, findings: _Findings, until_ms: int) -> None:
    catalog = findings.read_catalog(env)
    third_ms = max(0, until_ms - env.clock.now_ms()) // 3
    for region in findings.dead:
        catch_up(env, catalog, region, until_ms - 2 * third_ms)
    backfill_feeds(env, findings.dead, until_ms - third_ms)
    verify_again(env, catalog, findings.dead, until_ms)


# --- jobs -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Cursor:
    """The name after which the next sweep of a Region's open jobs begins; "" for the first one."""

    after: str = ""


def _sweep_jobs(env: Env, control: ControlRecords, regions: RegionFingerprints, until_ms: int) -> None:
    """Sweep the open jobs in turn, starting after the job at which the last run ended. Start with the first job if the
    table doesn't answer, so that an error raised here always means that the Region's storage failed."""
    observation = get_best_effort(env, env.ledger.get_observation, CURSOR_JOB, control.region, env.region)
    cursor = note_of(observation, _Cursor) or _Cursor()
    start_after = cursor.after
    limit = env.policy.sweep_jobs_per_run
    job_ids = control.open_jobs(start_after, limit) or (control.open_jobs("", limit) if start_after else [])
    if not job_ids:
        return
    swept = env.part_pool.map(lambda name: _sweep_in_time(env, control, name, regions, until_ms), job_ids)
    # A job for which there was no time comes first next time, with the jobs after it. After the last job, the first one
    # follows.
    swept_count = next((index for index, done in enumerate(swept) if not done), len(job_ids))
    reached_last = swept_count == len(job_ids) < limit
    start_after = "" if reached_last else job_ids[swept_count - 1] if swept_count else start_after
    if start_after != cursor.after:
        next_observation = Observation.of(
            CURSOR_JOB, control.region, env.region, _Cursor(start_after), env.clock.now_ms()
        )
        put_best_effort(env, env.ledger.put_observation, next_observation)


def _sweep_in_time(env: Env, control: ControlRecords, name: str, regions: RegionFingerprints, until_ms: int) -> bool:
    """Sweep a job, and return False if no time is left for that. An error of one job must not hold up the others."""
    if env.clock.now_ms() >= until_ms:
        return False
    records = control.job(name.removesuffix(PLAN_MARK))
    try:
        _sweep_job(env, records, regions, in_making=name.endswith(PLAN_MARK))
    except Exception as error:  # noqa: BLE001 - one job's trouble must not hold up the others
        env.log("sweep-job-failed", job=records.job_id, error=repr(error), trace=True)
    return True


def _sweep_job(env: Env, records: JobRecords, regions: RegionFingerprints, *, in_making: bool) -> None:
    """Repair one open job. `in_making` says that the index lists it as a plan in the making."""
    spec = records.spec()
    if spec is None:
        env.log("open-job-without-spec", job=records.job_id)
        return
    snapshot = records.snapshot(planned_first=spec.planned_first)
    if in_making and (snapshot.planned or snapshot.terminal):
        # The plan is complete. An approval or a cancel lists it again, as a job.
        records.control.close_plan(records.job_id)
        return
    if snapshot.desired_state != AS_SUBMITTED and not snapshot.terminal:
        _note_desired_state(env, records, snapshot.desired_state)
    try:
        earlier = env.ledger.get_observation(records.job_id, JOB_SUBJECT, env.region)
    except Retry as error:
        # Without the table, the sweep can't tell what stands still. Complete jobs and plans can be settled or summed up
        # all the same.
        env.log("table-not-read", job=records.job_id, error=str(error))
        (sum_up if snapshot.desired_state.unapproved else settle)(env, records, spec)
        return
    if spec.home != env.region and spec.home not in regions:
        raise Retry("RegionNotSeen", f"{spec.home} is the home of {records.job_id}")
    repairs = decide(
        records.job_id,
        snapshot,
        earlier,
        region=env.region,
        home=spec.home,
        home_region=regions.get(spec.home),
        now_ms=env.clock.now_ms(),
        policy=env.policy,
        deletes=spec.deletion is not None,
        priority=spec.priority,
    )
    _execute(env, records, spec, repairs, regions, unapproved=snapshot.desired_state.unapproved)


def _note_desired_state(env: Env, records: JobRecords, desired_state: DesiredState) -> None:
    """Note the desired state in the table, for the API's answers. The worker that recorded it may have died before
    noting it, or noted it too late."""
    noted = env.ledger.get_observation(records.job_id, DESIRED_STATE_SUBJECT, env.region)
    if note_of(noted, DesiredState) != desired_state:
        put_best_effort(env, env.ledger.put_observation, desired_state_note(env, records.job_id, desired_state))


def _execute(
    env: Env,
    records: JobRecords,
    spec: JobSpec,
    repairs: Repairs,
    regions: RegionFingerprints,
    *,
    unapproved: bool,
) -> None:
    if repairs.close:
        terminal = records.terminal()
        if terminal is not None:
            finish(env, records, spec, terminal)
        return
    if repairs.settle and (sum_up if unapproved else settle)(env, records, spec):
        return
    _send_takeovers(env, records, spec, repairs, regions)
    tasks: list[Task] = [PlanRange.of(spec, range_id) for range_id in repairs.split]
    if not (repairs.again and repairs.copy and waits_for_permit(env, spec)):
        tasks += [CopyPartition.of(spec, partition_id) for partition_id in repairs.copy]
    tasks += [VerifyPartition.of(spec, partition_id) for partition_id in repairs.verify]
    if tasks:
        env.log("redriven", job=records.job_id, tasks=len(tasks), delay_ms=repairs.delay_ms)
    env.queue.send(tasks, delay_ms=repairs.delay_ms)
    if repairs.observation is not None:
        # Write this after the messages are sent: a crash in between sends them once more, which is harmless.
        env.ledger.put_observation(repairs.observation)


def _send_takeovers(
    env: Env, records: JobRecords, spec: JobSpec, repairs: Repairs, regions: RegionFingerprints
) -> None:
    """Start copy for claims whose leases have expired. For leases that expire before the next sweep, delay the message
    until then. Copy checks the lease again."""
    for partition_id, epoch in repairs.watch:
        lease = observe(env, records, partition_id, epoch, regions, rounds=repairs.resting.get(partition_id, 0))
        if lease.status is LeaseStatus.EXPIRED or (
            lease.status is LeaseStatus.WAITING and due_before_next_sweep(lease.wait_ms, env.policy)
        ):
            env.log("lease-expires", job=records.job_id, partition_id=partition_id, epoch=epoch, in_ms=lease.wait_ms)
            env.queue.send([CopyPartition.of(spec, partition_id, takeover=True)], delay_ms=lease.wait_ms)


# --- multipart uploads ----------------------------------------------------------------------------------------


def _sweep_uploads(env: Env, catalog: EndpointCatalog, until_ms: int) -> None:
    """Abort the uploads that are old, belong to this deployment, and are provably not in use. Do this in all target
    buckets, also in those of the other Region, whose own sweep may be dead."""
    prefixes = {(endpoint.bucket, endpoint.prefix) for endpoint in catalog.endpoints.values() if endpoint.writable}
    collected_ids: set[str] = set()
    ordered = sorted(prefixes, key=lambda item: (item[0].name, item[1]))
    for bucket, prefix in in_turn(env, ordered):
        if any(prefix.startswith(shorter) for name, shorter in prefixes if name == bucket and shorter != prefix):
            continue  # A shorter prefix of the same bucket covers it.
        try:
            uploads = env.store.list_uploads(bucket, prefix)
        except EftError as error:
            env.log("uploads-not-listed", bucket=bucket.name, error=str(error))
            continue
        for info in uploads:
            if env.clock.now_ms() >= until_ms:
                return
            if info.upload.upload_id not in collected_ids and _is_stale(env, info):
                collected_ids.add(info.upload.upload_id)
                _collect_safely(env, ControlRecords(env, bucket.region), info)


def _is_stale(env: Env, info: UploadInfo) -> bool:
    """Return whether an upload is old, by the store's own clock, and was started by one of our roles. Uploads of other
    applications, and of other deployments of this one, are left alone."""
    return info.age_ms >= env.policy.stale_upload_ms and acts_in(info.initiator, env.own_roles)


def _collect_safely(env: Env, control: ControlRecords, info: UploadInfo) -> None:
    try:
        _collect(env, control, info)
    except Exception as error:  # noqa: BLE001 - one upload's trouble must not hold up the others
        env.log("upload-not-collected", key=info.upload.key, error=repr(error), trace=True)


def _collect(env: Env, control: ControlRecords, info: UploadInfo) -> None:
    """Abort one upload, unless its row continues with it, or may do so later."""
    register_id = object_id(info.upload.bucket.name, info.upload.key)
    generations = control.register(register_id)
    action = _judge(control, info, generations)
    if action is StaleUploadAction.FENCE:
        # Its creator may be asleep between CreateMultipartUpload and registration. It fixed its generation before
        # CreateMultipartUpload, so that generation is at most the next one. Fill the next generation with a TOMBSTONE,
        # so that the upload can't be registered any more. Then look again.
        tombstone = Registration(Mark.TOMBSTONE, "", "", info.upload.upload_id, env.ids.nonce())
        control.registered(register_id, max(generations, default=0) + 1, tombstone)
        action = _judge(control, info, control.register(register_id))
        action = StaleUploadAction.ABORT if action is StaleUploadAction.FENCE else action
    if action is StaleUploadAction.ABORT:
        env.store.abort(info.upload)
        env.log("upload-aborted", bucket=info.upload.bucket.name, key=info.upload.key, age_ms=info.age_ms)


def _judge(control: ControlRecords, info: UploadInfo, generations: dict[int, Registration]) -> StaleUploadAction:
    settled = {
        f"{registration.job_id}/{registration.row}": control.job(registration.job_id).all_done(
            registration.row.rpartition("/")[0]
        )
        for registration in generations.values()
        if registration.mark is Mark.UPLOAD and registration.upload_id == info.upload.upload_id
    }
    return judge_upload(info.upload.upload_id, generations, settled)
