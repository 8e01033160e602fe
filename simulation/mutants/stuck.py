"""This module lists planted bugs for rows that stay undecided: rounds, rests, rows set aside, and the end of it."""

from simulation.mutants.plant import Edit, Mutant

_COPY = "chalicelib.steps.copy"
_RETRY_BUDGET = "chalicelib.protocol.retry_budget"
_PROGRESS = "chalicelib.core.progress"
_SETTLE = "chalicelib.core.settle"
_TRIAL = "chalicelib.protocol.trial"
_TRIES = "chalicelib.core.tries"
_STUCK = "tests/steps/test_stuck_rows.py"
_SETTLES = "tests/core/test_settle.py::test_rows_set_aside_count_where_they_end"
_PROGRESSES = "tests/core/test_progress.py::test_rows_set_aside_count_once"

STUCK = (
    Mutant(
        "rounds-not-counted",
        "a failed round leaves a record, but counts for none of its rows",
        (Edit(_TRIES, "(before.rounds if before else 0) + counts", "(before.rounds if before else int(counts))"),),
        ("tests/core/test_tries.py",),
    ),
    Mutant(
        "rests-do-not-grow",
        "a partition's rest does not grow with its number of failed rounds",
        (Edit(_TRIES, "min(REST_MIN_MS << min(max(0, rounds - 1), 16), REST_MAX_MS)", "REST_MIN_MS"),),
        (f"{_STUCK}::test_at_defaults_a_row_is_tried_for_some_six_hours",),
    ),
    Mutant(
        "silent-bucket-fails-rows",
        "rounds count though the row's bucket answers nobody: an outage of some hours fails rows",
        (Edit(_TRIAL, "        if counted and not self._answered():\n", "        if False:\n"),),
        (f"{_STUCK}::test_a_bucket_that_answers_nobody_fails_no_row",),
    ),
    Mutant(
        "silent-bucket-fails-looks",
        "looks count as failed though nobody answers: an outage of some hours fails objects in planning",
        (Edit(_RETRY_BUDGET, "    if answers(env, spec):\n", "    if True:\n"),),
        (f"{_STUCK}::test_objects_that_are_looked_at_wait_for_a_bucket_that_answers_nobody",),
    ),
    Mutant(
        "rows-set-aside-counted-twice",
        "rows that were set aside count for their parent's receipt and for their own",
        (
            Edit(
                _SETTLE,
                "rows = [row for row in receipt.rows if row.outcome.is_end]",
                "rows = list(receipt.rows)",
            ),
        ),
        (_SETTLES,),
    ),
    Mutant(
        "rows-set-aside-planned-twice",
        "while a job runs, rows that were set aside are counted as planned twice",
        (
            Edit(
                _PROGRESS,
                "return sum(item.rows for item in self.merged if not is_aside(item.partition_id))",
                "return sum(item.rows for item in self.merged)",
            ),
        ),
        (_PROGRESSES,),
    ),
    Mutant(
        "rows-set-aside-decided-twice",
        "rows that were set aside count as decided twice: in their old partition and in the new one",
        (
            Edit(
                _PROGRESS,
                """\
    decided = furthest.decided if receipted else 0
    for item in () if receipted else items:
""",
                """\
    decided = 0
    for item in items:
""",
            ),
        ),
        (_PROGRESSES,),
    ),
    Mutant(
        "settled-without-what-was-set-aside",
        "a job settles without the receipt of rows that were set aside",
        (
            Edit(
                _SETTLE,
                "len(entries - done) == range_splits",
                "len({entry for entry in entries - done if not is_aside(entry)}) == range_splits",
            ),
        ),
        (_SETTLES,),
    ),
    Mutant(
        "never-set-aside",
        "rows that stay undecided keep their neighbours waiting for their receipt",
        (Edit(_TRIAL, "        if not due or not lease.outcomes", "        if True or not lease.outcomes"),),
        (f"{_STUCK}::test_neighbours_get_their_receipt_at_once",),
    ),
    Mutant(
        "given-up-without-a-look",
        "a row is given up as failed though its last try was a success whose answer was lost",
        (Edit(_COPY, "    return outcome or given_up(row, tried_row)\n", "    return given_up(row, tried_row)\n"),),
        (f"{_STUCK}::test_a_last_try_whose_answer_was_lost_is_no_failure",),
    ),
)
