"""This module lists planted bugs in claims, leases, records, splitting, sweeping and settling."""

from simulation.mutants.plant import Edit, Mutant

_ACCEPTING = "chalicelib.protocol.accepting"
_COPY = "chalicelib.steps.copy"
_CORE_SWEEP = "chalicelib.core.sweep"
_DESIRED_STATE = "chalicelib.core.desired_state"
_LEASE = "chalicelib.protocol.lease"
_PREFIX_SOURCE = "chalicelib.protocol.prefix_source"
_PROGRESS = "chalicelib.core.progress"
_CONTROL_BUCKET = "chalicelib.protocol.control_bucket"
_SETTLE = "chalicelib.core.settle"
_PERMITS = "chalicelib.core.permits"
_SETTLING = "chalicelib.protocol.settling"
_SWEEP = "chalicelib.steps.sweep"

COORDINATION = (
    Mutant(
        "shared-counters",
        "progress is the sum of the Regions' own counts",
        (
            Edit(
                _PROGRESS,
                """\
    objects_decided = min(objects_planned, sum(item.decided.bit_count() for item in merged))
""",
                """\
    objects_decided = sum(item.decided.bit_count() for items in by_partition.values() for item in items)
""",
            ),
        ),
        ("tests/core/test_progress.py",),
    ),
    Mutant(
        "idle-job-plans-anew",
        "a job shows as PLANNING while none of its partitions is being copied",
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
        "a second pause is written to the pause log, and its even number resumes the job",
        (
            Edit(
                _DESIRED_STATE,
                "        if self.cancelled or self.paused is (kind is PauseLogKind.PAUSE):\n",
                "        if self.cancelled:\n",
            ),
        ),
    ),
    Mutant(
        "observation-in-memory",
        "a Region keeps its observations of leases in memory only",
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
        "both Regions write the same heartbeat item",
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
    if not records.create_claim(_claim(env, records.job_id, partition_id, epoch + 1)):
        return None
""",
                """\
    records.create_claim(_claim(env, records.job_id, partition_id, epoch + 1))
""",
            ),
        ),
    ),
    Mutant(
        "trusted-hint",
        "the sweep takes the hint that a partition is unclaimed for a fact",
        (
            Edit(
                _LEASE,
                """\
    if fresh and records.create_claim(_claim(env, records.job_id, partition_id, 1)):
""",
                """\
    if fresh:
""",
            ),
        ),
    ),
    Mutant(
        "takeover-by-table-alone",
        "a takeover does not read the other Region's heartbeats first",
        (Edit(_LEASE, "owner_region=regions.get(owner)", "owner_region=None"),),
    ),
    Mutant(
        "settled-without-halves",
        "a job counts as planned when the halves of a range split have not begun",
        (
            Edit(
                _SETTLE,
                """\
    return all(
        name in closed or (name in split_ranges and f"{name}0" in ranges and f"{name}1" in ranges) for name in ranges
    )
""",
                """\
    return all(name in closed or name in split_ranges for name in ranges)
""",
            ),
            Edit(
                _SETTLE,
                """\
    range_splits = (len(ranges) - 1) // 2
    return ROOT_RANGE in ranges and len(entries - done) == range_splits
""",
                """\
    return ROOT_RANGE in ranges
""",
            ),
        ),
    ),
    Mutant(
        "lost-key-at-a-range-split",
        "the lower half of a range split ends one key early",
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
    if not desired_state.may_copy:
        # The message is dropped""",
                """\
    if desired_state.unapproved:
        # The message is dropped""",
            ),
        ),
    ),
    Mutant(
        "not-on-the-list",
        "an accepted job is not entered in the index of open jobs",
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
        "a job leaves the index of open jobs before its end is written",
        (
            Edit(
                _SETTLING,
                """\
    receipt_fold = fold_receipts(env, records, sorted(snapshot.done))
""",
                """\
    records.control.close_job(records.job_id)
    receipt_fold = fold_receipts(env, records, sorted(snapshot.done))
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
        verify=frozenset(partition_ids[PartitionState.COPIED]),
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
        "permits-of-the-dead",
        "a permit belongs to its holder until it is freed, even if the holder has died",
        (
            Edit(
                _PERMITS,
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
        (
            Edit(
                _SWEEP,
                "    for region in findings.dead:\n        catch_up(",
                "    for region in ():\n        catch_up(",
            ),
        ),
    ),
)
