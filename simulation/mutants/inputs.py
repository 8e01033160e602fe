"""This module lists planted bugs in what jobs select by: lists, retries, filters; and in plans."""

from simulation.mutants.plant import Edit, Mutant

_PLAN = "chalicelib.core.plan"
_LISTING = "chalicelib.protocol.listing"
_INTENTS = "chalicelib.core.intents"
_PREFIX_SOURCE = "chalicelib.protocol.prefix_source"
_PLAN_STEP = "chalicelib.steps.plan"
_SUMMING = "chalicelib.protocol.summing"
_RETRYING = "chalicelib.protocol.retrying"

INPUTS = (
    Mutant(
        "named-twice-written-twice",
        "mode always writes over what another row of the job, of the same key, has delivered",
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
                found.last = False
                break
""",
                """\
                found.last = False
                found.upto = after
                break
""",
            ),
        ),
    ),
    Mutant(
        "retry-of-everything",
        "a retry copies what had been delivered, too",
        (
            Edit(
                _RETRYING,
                """\
    return {row.key: row for row, outcome in ends if not outcome.good}
""",
                """\
    return {row.key: row for row, outcome in ends if outcome is not None}
""",
            ),
        ),
    ),
    Mutant(
        "missing-keys-dropped",
        "what a list names and isn't there is no row",
        (
            Edit(
                _LISTING,
                """\
    rows = plan_named(env, spec, list(found.named.values()), accepted_ms)
""",
                """\
    rows = plan_named(env, spec, list(found.named.values()), accepted_ms)
    rows = tuple(row for row in rows if row.etag)
""",
            ),
        ),
    ),
    Mutant(
        "place-lost-to-a-filter",
        "a link goes on behind the page that a filter left nothing of",
        (
            Edit(
                _PREFIX_SOURCE,
                """\
        if last or not dropped or 2 * len(meant) > limit:
            break
""",
                """\
        if last or dropped or 2 * len(meant) > limit:
            last = last or not meant
            break
""",
            ),
        ),
    ),
    Mutant(
        "plan-not-waiting",
        "a plan is taken for a job that may be copied, and its partitions are started",
        (
            Edit(
                _INTENTS,
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
        "an approved job is not put on the list of open jobs",
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
        "a plan is summed up when the halves of a fork have not been planned to their ends",
        (
            Edit(
                _SUMMING,
                """\
    if not complete(set(survey.links), forks, {end.part.rpartition("-")[0] for end in ends if end.closed}):
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
