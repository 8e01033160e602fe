"""Check again and again that the buckets of feeds and jobs are still their tenants'. A feed stands for years and a job
may run for days. Meanwhile an owner may take its bucket back (the tag `eft-tenants`), or remove it.

A feed or job that may not continue is paused, with the reason, by the same log in S3 as any pause. So both Regions see
the pause at once, intake and workers obey it, and a resume makes up for what was missed. A request to resume is refused
until the bucket names the tenant again (`probing.check_still_yours`). If S3 doesn't answer, that proves nothing: the
next round asks again.

Each Region goes through its feeds and its own open jobs, some in each sweep. It notes in the table how far it is.
"""

from collections.abc import Collection, Sequence

from chalicelib.core.desired_state import SERVICE, STOPPED_SUBJECT, PauseLogKind, Stopped
from chalicelib.core.endpoints import Endpoint
from chalicelib.core.entries import Entry, EntryKind
from chalicelib.core.errors import EftError, Retry
from chalicelib.core.feeds import MARGIN_MS, Backfill, FeedEnds
from chalicelib.core.leases import Observation, note_of
from chalicelib.core.rounds import Round, next_round
from chalicelib.ports import Env
from chalicelib.protocol.catalog import catalog_reading, declared_feed, ends_of
from chalicelib.protocol.catchup import is_mine
from chalicelib.protocol.desired_state import desired_state_note, set_desired_state
from chalicelib.protocol.feedlog import FeedLog
from chalicelib.protocol.probing import still_yours
from chalicelib.protocol.records import PLAN_MARK, ControlRecords
from chalicelib.protocol.table import put_best_effort

RECHECK = "recheck"
"""The "job" under which a Region notes how far its rounds are."""
_PAGE = 20
WHAT_TO_DO = "then resume it"


def recheck(env: Env, dead: Collection[str], until_ms: int) -> None:
    """Continue with both rounds, that of the feeds and that of the jobs."""
    _feeds(env, dead, until_ms)
    _jobs(env, until_ms)


def _feeds(env: Env, dead: Collection[str], until_ms: int) -> None:
    current = _due(env, "feeds")
    for _ in range(max(1, env.policy.rechecks_per_sweep // _PAGE)):
        if current is None or env.clock.now_ms() >= until_ms:
            return
        page = env.registry.page(EntryKind.FEED, current.cursor, _PAGE)
        own = [
            (entry, ends)
            for entry in page.entries
            if declared_feed(env, entry.tenant, entry.name) is None
            and (ends := ends_of(entry)) is not None
            and is_mine(env, ends.source, ends.target.bucket.region, dead)
        ]
        env.part_pool.map(lambda pair: _feed_safely(env, *pair), own)
        current = _note(env, "feeds", current, page.cursor)


def _feed_safely(env: Env, entry: Entry, ends: FeedEnds) -> None:
    try:
        log = FeedLog.of(env, ends.feed, ends.target)
        # The request that registered the feed may have died before this.
        log.begun()
        _find_again(env, entry, ends, log)
        _feed(env, ends, log)
    except EftError as error:
        # One feed's failure must not hold up the others. The next round checks it again.
        env.log("feed-not-rechecked", feed=ends.feed.id, tenant=ends.feed.tenant, error=str(error))


def _find_again(env: Env, entry: Entry, ends: FeedEnds, log: FeedLog) -> None:
    """Make sure that intake finds the feed, and repair its index row if not.

    The row is missing if the feed was removed in one Region while it was changed in the other, in the same moment, and
    the change was the last write to the entry, but the removal the last write to its index row.
    """
    source = ends.source.below(ends.feed.source_prefix)
    if ends.feed.id in catalog_reading(env, [(source.bucket.name, source.prefix)]).feeds:
        return
    now, nonce = env.clock.now_ms(), env.ids.nonce()
    since_ms = max(0, entry.changed_ms - MARGIN_MS)
    log.order(Backfill(ends.feed.id, f"found-{entry.nonce}", since_ms, env.region, now, nonce, SERVICE))
    # Crash here: the back-fill is ordered, and waits until the feed is found. The next round gets here again.
    env.registry.point(entry)
    env.log("feed-found-again", feed=ends.feed.id, tenant=ends.feed.tenant)


def _feed(env: Env, ends: FeedEnds, log: FeedLog) -> None:
    feed = ends.feed
    why = _why(env, (ends.source, ends.target))
    if not why:
        return
    desired = log.desired()
    number = desired.state.number_for(PauseLogKind.PAUSE)
    if number is None:
        return  # It is paused already, by us or by its owner; a request to resume it is refused.
    now = env.clock.now_ms()
    # Crash after this: the event is sent, and the feed is not paused. The next round sends it again, as the same news.
    env.notifier.feed_stopped(feed.tenant, feed.name, f"{feed.id}/{number}", why, now)
    log.set_desired_state(PauseLogKind.PAUSE, SERVICE, why)
    env.log("feed-stopped", feed=feed.id, tenant=feed.tenant, why=why)


def _why(env: Env, endpoints: Sequence[Endpoint]) -> str:
    """Return why a feed or job with these endpoints must stop; "" if it need not. If one of them doesn't answer, the
    other one may give a reason."""
    reasons: list[str] = []
    for endpoint in endpoints:
        try:
            reasons += [f"endpoint {endpoint.id!r}: {finding}" for finding in still_yours(env, endpoint)]
        except Retry as error:
            env.log("endpoint-not-checked", endpoint=endpoint.id, tenant=endpoint.tenant, error=str(error))
    return f"{'; '.join(reasons)}; {WHAT_TO_DO}" if reasons else ""


def _jobs(env: Env, until_ms: int) -> None:
    """Check the open jobs whose records are in this Region. Jobs younger than a round are skipped: they were checked
    when they were accepted."""
    current, control = _due(env, "jobs"), ControlRecords(env, env.region)
    for _ in range(max(1, env.policy.rechecks_per_sweep // _PAGE)):
        if current is None or env.clock.now_ms() >= until_ms:
            return
        names = control.open_jobs(current.cursor or "", _PAGE)
        env.part_pool.map(lambda name: _job_safely(env, control, name), names)
        current = _note(env, "jobs", current, names[-1] if len(names) == _PAGE else None)


def _job_safely(env: Env, control: ControlRecords, name: str) -> None:
    try:
        if not name.endswith(PLAN_MARK):  # Nothing of a plan is copied until it is approved; then it is checked.
            _job(env, control, name)
    except EftError as error:
        env.log("job-not-rechecked", job=name, error=str(error))


def _job(env: Env, control: ControlRecords, job_id: str) -> None:
    records = control.job(job_id)
    spec = records.spec()
    # A feed's job has few rows and is soon done, so it may finish what its feed had begun.
    young = spec is None or env.clock.now_ms() - spec.created_ms < env.policy.endpoint_recheck_ms
    if spec is None or young or spec.feed_id is not None:
        return
    why = _why(env, (spec.source, spec.target))
    if not why or records.terminal() is not None or records.desired_state().paused:
        return
    desired_state = set_desired_state(env, records, PauseLogKind.PAUSE, SERVICE, why)
    # Crash here: the job is paused, and the API shows that only when the next sweep of any Region has noted it.
    put_best_effort(env, env.ledger.put_observation, desired_state_note(env, job_id, desired_state))
    stopped = Stopped(desired_state.highest, why)
    why_noted = Observation.of(job_id, STOPPED_SUBJECT, env.region, stopped, env.clock.now_ms())
    put_best_effort(env, env.ledger.put_observation, why_noted)
    env.log("job-stopped", job=job_id, tenant=spec.tenant, why=why)


# --- rounds ---------------------------------------------------------------------------------------------------


def _due(env: Env, subject: str) -> Round | None:
    observation = env.ledger.get_observation(RECHECK, subject, env.region)
    return next_round(note_of(observation, Round), env.clock.now_ms(), env.policy.endpoint_recheck_ms)


def _note(env: Env, subject: str, current: Round, cursor: str | None) -> Round | None:
    """Note how far the round is. Return where to continue; None at the end of the round."""
    progress = Round(current.begun_ms, cursor, ended=cursor is None)
    # Crash before this: the next sweep checks the same ones again.
    put_best_effort(
        env, env.ledger.put_observation, Observation.of(RECHECK, subject, env.region, progress, env.clock.now_ms())
    )
    return None if progress.ended else progress
