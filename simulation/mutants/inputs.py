"""This module lists planted bugs in what jobs select by: lists, retries, filters; and in plans."""

from simulation.mutants.plant import Edit, Mutant

_PLAN = "chalicelib.core.plan"
_LISTING = "chalicelib.protocol.listing"
_DESIRED_STATE = "chalicelib.core.desired_state"
_PREFIX_SOURCE = "chalicelib.protocol.prefix_source"
_PLAN_STEP = "chalicelib.steps.plan"
_SUMMING = "chalicelib.protocol.summing"
_RETRYING = "chalicelib.protocol.retrying"

INPUTS = (
    Mutant(
        "named-twice-written-twice",
        "mode always overwrites what another row of the job has delivered under the same key",
        (
            Edit(
                _PLAN,
                """\
        return self.since_ms is not None and self.exists""",
                """\
        return False and self.exists""",
            ),
        ),
    ),
    Mutant(
        "line-lost-between-partitions",
        "a partition of a list ends one line later than it has read",
        (
            Edit(
                _LISTING,
                """\
                lines.last = False
                break
""",
                """\
                lines.last = False
                lines.upto = after
                break
""",
            ),
        ),
    ),
    Mutant(
        "retry-of-everything",
        "a retry also copies objects that had been delivered",
        (
            Edit(
                _RETRYING,
                """\
    return {row.key: row for row, outcome in outcomes if not outcome.good}
""",
                """\
    return {row.key: row for row, outcome in outcomes if outcome is not None}
""",
            ),
        ),
    ),
    Mutant(
        "missing-keys-dropped",
        "an object that a list names and that is missing gets no row",
        (
            Edit(
                _LISTING,
                """\
    rows = plan_named(env, spec, list(lines.named.values()), accepted_ms)
""",
                """\
    rows = plan_named(env, spec, list(lines.named.values()), accepted_ms)
    rows = tuple(row for row in rows if row.source_etag)
""",
            ),
        ),
    ),
    Mutant(
        "position-lost-to-a-filter",
        "an entry counts as the last one if the filter left nothing of its page",
        (
            Edit(
                _PREFIX_SOURCE,
                """\
        if last or not dropped or 2 * len(selected) > limit:
            break
""",
                """\
        if last or dropped or 2 * len(selected) > limit:
            last = last or not selected
            break
""",
            ),
        ),
    ),
    Mutant(
        "plan-not-waiting",
        "a plan counts as a job that may be copied, and its partitions are started",
        (
            Edit(
                _DESIRED_STATE,
                """\
        return not self.paused and not self.unapproved
""",
                """\
        return not self.paused
""",
            ),
        ),
    ),
    Mutant(
        "approval-forgotten",
        "an approved job is not entered in the index of open jobs",
        (
            Edit(
                _PLAN_STEP,
                """\
    records.control.open_job(plan_id)
""",
                """\
    pass
""",
            ),
        ),
    ),
    Mutant(
        "half-a-plan",
        "a plan is summed up before both halves of a range split are planned to their ends",
        (
            Edit(
                _SUMMING,
                """\
    if not complete(
        set(snapshot.entries), range_splits, {end.partition_id.rpartition("-")[0] for end in ends if end.closed}
    ):
        return False
""",
                """\
    if not any(end.closed for end in ends):
        return False
""",
            ),
        ),
    ),
)
