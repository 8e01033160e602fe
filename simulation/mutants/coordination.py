"""This module lists planted bugs in claims, leases, records, splitting, sweeping and settling."""

from simulation.mutants.plant import Edit, Mutant

_ACCEPTING = "chalicelib.protocol.accepting"
_COPY = "chalicelib.steps.copy"
_CORE_SWEEP = "chalicelib.core.sweep"
_INTENTS = "chalicelib.core.intents"
_LEASE = "chalicelib.protocol.lease"
_PREFIX_SOURCE = "chalicelib.protocol.prefix_source"
_PROGRESS = "chalicelib.core.progress"
_CONTROL_BUCKET = "chalicelib.protocol.control_bucket"
_SETTLE = "chalicelib.core.settle"
_SLOTS = "chalicelib.core.slots"
_SETTLING = "chalicelib.protocol.settling"
_SWEEP = "chalicelib.steps.sweep"

COORDINATION = (
    Mutant(
        "shared-counters",
        "progress is summed over what each Region counted",
        (
            Edit(
                _PROGRESS,
                """\
    objects_decided = min(objects_planned, sum(item.decided.bit_count() for item in merged))
""",
                """\
    objects_decided = sum(item.decided.bit_count() for items in by_part.values() for item in items)
""",
            ),
        ),
        ("tests/core/test_progress.py",),
    ),
    Mutant(
        "idle-job-plans-anew",
        "a job of which no partition is being copied at this moment shows as one that is planned",
        (
            Edit(
                _PROGRESS,
                "        claimed=bool(merged),\n",
                "        claimed=any(item.phase is LeasePhase.COPYING for item in merged),\n",
            ),
        ),
    ),
    Mutant(
        "asked-twice-written-twice",
        "a pause of what is paused already is written too, and its even number resumes it",
        (
            Edit(
                _INTENTS,
                "        if self.cancelled or self.paused is (kind is IntentKind.PAUSE):\n",
                "        if self.cancelled:\n",
            ),
        ),
    ),
    Mutant(
        "observation-in-memory",
        "what a Region has seen of a lease is kept in memory only",
        (
            Edit(
                _LEASE,
                """\
    if judgement.status is LeaseStatus.MOVED:
""",
                """\
    if False:
""",
            ),
        ),
    ),
    Mutant(
        "one-heartbeat-item",
        "both Regions write one and the same heartbeat item",
        (
            Edit(
                _LEASE,
                """\
            region=self.env.region,
            epoch=self.epoch,
""",
                """\
            region="us-gov-west-1",
            epoch=self.epoch,
""",
            ),
        ),
    ),
    Mutant(
        "claim-not-won",
        "a worker goes on though another has won the claim",
        (
            Edit(
                _LEASE,
                """\
    if not records.create_claim(_claim(env, records.job_id, part, epoch + 1)):
        return None
""",
                """\
    records.create_claim(_claim(env, records.job_id, part, epoch + 1))
""",
            ),
        ),
    ),
    Mutant(
        "trusted-hint",
        "the hint that nobody has claimed a partition is taken for a fact",
        (
            Edit(
                _LEASE,
                """\
    if fresh and records.create_claim(_claim(env, records.job_id, part, 1)):
""",
                """\
    if fresh:
""",
            ),
        ),
    ),
    Mutant(
        "takeover-by-table-alone",
        "the other Region's heartbeats are not asked before a takeover",
        (Edit(_LEASE, "owner_region=regions.get(owner)", "owner_region=None"),),
    ),
    Mutant(
        "settled-without-halves",
        "a job counts as planned when the halves of a fork have not begun",
        (
            Edit(
                _SETTLE,
                """\
    return all(name in closed or (name in forked and f"{name}0" in ranges and f"{name}1" in ranges) for name in ranges)
""",
                """\
    return all(name in closed or name in forked for name in ranges)
""",
            ),
            Edit(
                _SETTLE,
                """\
    forks = (len(ranges) - 1) // 2
    return ROOT_RANGE in ranges and len(links - done) == forks
""",
                """\
    return ROOT_RANGE in ranges
""",
            ),
        ),
    ),
    Mutant(
        "lost-key-at-a-fork",
        "the lower half of a fork ends one key early",
        (
            Edit(
                _PREFIX_SOURCE,
                """\
        objects = [facts for facts in page.objects if not end or facts.key <= end]
""",
                """\
        objects = [facts for facts in page.objects if not end or facts.key < end]
""",
            ),
        ),
    ),
    Mutant(
        "pause-not-honoured",
        "a worker that gets a task of a paused job works on it",
        (
            Edit(
                _COPY,
                """\
    if not intents.may_copy:
        # The message is dropped""",
                """\
    if intents.unapproved:
        # The message is dropped""",
            ),
        ),
    ),
    Mutant(
        "not-on-the-list",
        "an accepted job is not put on the list of open jobs",
        (
            Edit(
                _ACCEPTING,
                """\
        records.control.open_job(spec.job_id)
""",
                """\
        pass
""",
            ),
        ),
    ),
    Mutant(
        "off-the-list-too-soon",
        "a job is taken off the list of open jobs before its end is written",
        (
            Edit(
                _SETTLING,
                """\
    tally = fold(env, records, sorted(survey.done))
""",
                """\
    records.control.close_job(records.job_id)
    tally = fold(env, records, sorted(survey.done))
""",
            ),
        ),
    ),
    Mutant(
        "nobody-starts-verify",
        "the sweep doesn't see partitions that are copied and not verified",
        (
            Edit(
                _CORE_SWEEP,
                """\
        verify=frozenset(parts[PartitionState.COPIED]),
""",
                """\
        verify=frozenset(),
""",
            ),
        ),
    ),
    Mutant(
        "overwritten-records",
        "records are written without If-None-Match",
        (
            Edit(
                _CONTROL_BUCKET,
                """\
                self.env.store.create(self.bucket, key, body)
""",
                """\
                self.env.store.overwrite(self.bucket, key, body)
""",
            ),
        ),
    ),
    Mutant(
        "slots-of-the-dead",
        "a slot is its holder's until it is freed, also if he has died",
        (
            Edit(
                _SLOTS,
                """\
        return bool(self.holder) and now_ms < self.until_ms
""",
                """\
        return bool(self.holder)
""",
            ),
        ),
    ),
    Mutant(
        "feeds-not-caught-up",
        "a dead Region's feeds are not listed",
        (Edit(_SWEEP, "    for region in found.dead:\n        catch_up(", "    for region in ():\n        catch_up("),),
    ),
)
