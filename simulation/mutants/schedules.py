"""This module lists planted bugs in schedules: what is decided once, and the name under which a job is submitted."""

from simulation.mutants.plant import Edit, Mutant

_SCHEDULES = "chalicelib.steps.schedules"

SCHEDULES = (
    Mutant(
        "job-named-after-the-clock",
        "an occurrence's job goes by when a Region saw that it was due, not by when it was",
        (
            Edit(
                _SCHEDULES,
                """\
        spec = prepare(env, one.submission(made.occurrence_ms))
""",
                """\
        spec = prepare(env, one.submission(env.clock.now_ms()))
""",
            ),
            Edit(
                _SCHEDULES,
                """\
records.spec() or prepare(env, one.submission(run.occurrence_ms))
""",
                """\
records.spec() or prepare(env, one.submission(env.clock.now_ms()))
""",
            ),
        ),
    ),
    Mutant(
        "each-region-decides",
        "a Region goes by what it would have decided, whatever is recorded",
        (
            Edit(
                _SCHEDULES,
                """\
    found = records.decide(made)
""",
                """\
    found = (records.decide(made), made)[1]
""",
            ),
        ),
    ),
    Mutant(
        "noted-before-submitted",
        "an occurrence is noted as handled when it is decided, before its job is submitted",
        (
            Edit(
                _SCHEDULES,
                """\
        # Crash here: decided and not submitted. The next sweep of either Region finds the record, and submits.
""",
                """\
        note = Observation.of(SCHEDULES, one.schedule.id, env.region, Handled(occurrences[-1]), env.clock.now_ms())
        tell(env, env.ledger.put_observation, note)
""",
            ),
        ),
    ),
)
