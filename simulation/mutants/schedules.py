"""This module lists planted bugs in schedules: what is decided once, and the name under which a job is submitted."""

from simulation.mutants.plant import Edit, Mutant

_SCHEDULES = "chalicelib.steps.schedules"

SCHEDULES = (
    Mutant(
        "job-named-after-the-clock",
        "an occurrence's job is named after when a Region saw that it was due, not after when it was due",
        (
            Edit(
                _SCHEDULES,
                """\
        spec = prepare(env, registered.submission(proposed.occurrence_ms))
""",
                """\
        spec = prepare(env, registered.submission(env.clock.now_ms()))
""",
            ),
            Edit(
                _SCHEDULES,
                """\
records.spec() or prepare(env, registered.submission(run.occurrence_ms))
""",
                """\
records.spec() or prepare(env, registered.submission(env.clock.now_ms()))
""",
            ),
        ),
    ),
    Mutant(
        "each-region-decides",
        "a Region follows its own decision about an occurrence, whatever is recorded",
        (
            Edit(
                _SCHEDULES,
                """\
    decided = records.decide(proposed)
""",
                """\
    decided = (records.decide(proposed), proposed)[1]
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
        handled = Handled(occurrences[-1])
        note = Observation.of(SCHEDULES, registered.schedule.id, env.region, handled, env.clock.now_ms())
        put_best_effort(env, env.ledger.put_observation, note)
""",
            ),
        ),
    ),
)
