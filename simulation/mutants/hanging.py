"""This module lists planted bugs for dependencies that hang: which ones are still called, a sweep's stages, heartbeats,
and to whom buckets belong."""

from simulation.mutants.plant import Edit, Mutant

_BREAKER = "chalicelib.protocol.breaker"
_REGIONS = "chalicelib.protocol.regions"
_SHARES = "chalicelib.core.shares"
_STAGES = "chalicelib.protocol.stages"
_SWEEP = "chalicelib.steps.sweep"
_HANGING = "tests/steps/test_hanging.py"
_TIMES = "tests/core/test_promised_times.py"
_SWEEPS = "tests/steps/test_sweep.py"

HANGING = (
    Mutant(
        "breaker-never-trips",
        "a dependency that does not answer is asked again and again, at full cost",
        (Edit(_BREAKER, "        if is_dear or len(calls) >= self.strikes:\n", "        if False:\n"),),
        (f"{_HANGING}::test_a_worker_asks_three_times_in_a_row",),
    ),
    Mutant(
        "one-silence-speaks-for-all",
        "after one Region did not answer, no other Region is asked any more",
        (
            Edit(
                _BREAKER,
                "            if dependency in self.breaker.tripped:\n",
                "            if self.breaker.tripped:\n",
            ),
        ),
        (f"{_HANGING}::test_a_worker_asks_three_times_in_a_row",),
    ),
    Mutant(
        "one-object-speaks-for-its-bucket",
        "three calls about one object that hangs make its whole bucket count as silent",
        (Edit(_BREAKER, "        calls.add(request)\n", '        calls.add(f"{request}{len(calls)}")\n'),),
        (f"{_HANGING}::test_one_object_that_hangs_does_not_speak_for_its_bucket",),
    ),
    Mutant(
        "silences-are-never-forgotten",
        "calls without an answer count though there were answers in between",
        (
            Edit(
                _BREAKER,
                "        self.unanswered.pop(dependency, None)\n        return answer\n",
                "        return answer\n",
            ),
        ),
        (f"{_HANGING}::test_an_answer_in_between_begins_the_count_anew",),
    ),
    Mutant(
        "closed-connection-is-silence",
        "a connection that is closed at once counts as a call that used up its time budget",
        (
            Edit(
                _BREAKER,
                "is_dear = self.dear_ms is not None and took_ms >= self.dear_ms",
                "is_dear = self.dear_ms is not None",
            ),
        ),
        (f"{_HANGING}::test_a_connection_closed_at_once_is_not_silence_yet",),
    ),
    Mutant(
        "api-begins-late-calls",
        "the API begins calls whose answers come too late, though something hangs",
        (Edit(_BREAKER, "        if is_late and self.breaker.waited:\n", "        if False:\n"),),
        ("tests/entry/test_hanging.py",),
    ),
    Mutant(
        "each-stage-asks-anew",
        "each stage of a sweep finds out anew which dependency does not answer",
        (
            Edit(
                _STAGES,
                "stages[stage](guarded_env, ",
                "stages[stage](guarded(env, type(breaker)(breaker.clock, dear_ms=breaker.dear_ms), limits), ",
            ),
        ),
        (f"{_HANGING}::test_the_peers_s3_hangs_and_every_stage_has_its_turn",),
    ),
    Mutant(
        "stage-without-a-share",
        "the signing keys have no share of a sweep's time",
        (Edit(_SHARES, "    Stage.KEYS: 8,\n", "    Stage.KEYS: 0,\n"),),
        (f"{_TIMES}::test_what_matters_most_is_begun_though_all_before_it_hangs",),
    ),
    Mutant(
        "first-stage-takes-all",
        "each stage may use all the remaining time of a sweep",
        (Edit(_STAGES, "        until_ms = ends[stage]\n", "        until_ms = max(ends.values())\n"),),
        (f"{_HANGING}::test_all_is_slow_and_the_sweep_ends_in_time_and_each_stage_has_begun",),
    ),
    Mutant(
        "failed-stage-ends-the-sweep",
        "a stage that fails prevents the stages after it",
        (Edit(_STAGES, "            failure = failure or error\n", "            raise\n"),),
        (f"{_HANGING}::test_the_table_hangs_and_heartbeats_are_written_and_keys_kept",),
    ),
    Mutant(
        "failed-stage-is-not-told",
        "a sweep counts as a success although one of its stages has failed",
        (Edit(_STAGES, "    if failure is not None:\n", "    if False:\n"),),
        (f"{_HANGING}::test_the_table_hangs_and_heartbeats_are_written_and_keys_kept",),
    ),
    Mutant(
        "heartbeat-needs-the-table",
        "a heartbeat goes to the table before it goes to S3: while the table hangs, the Region looks dead",
        (
            Edit(
                _REGIONS,
                """\
    now_ms = env.clock.now_ms()
    for region in (env.region, *peers(env)):
""",
                """\
    now_ms = env.clock.now_ms()
    env.ledger.put_region_heartbeat(RegionHeartbeat(env.region, now_ms, now_ms))
    for region in (env.region, *peers(env)):
""",
            ),
        ),
        (f"{_HANGING}::test_the_table_hangs_and_heartbeats_are_written_and_keys_kept",),
    ),
    Mutant(
        "unreadable-region-heartbeat-is-a-sign-of-life",
        "a region heartbeat that can't be read now looks as if it had moved",
        (Edit(_REGIONS, "    if UNKNOWN in etags.values():\n", "    if False:\n"),),
        (f"{_SWEEPS}::test_a_dead_region_whose_storage_answers_now_and_then_is_taken_over_in_time",),
    ),
    Mutant(
        "throttled-table-is-dead-storage",
        "one read of the table that fails counts as a Region's storage being down",
        (
            Edit(
                _SWEEP,
                "get_best_effort(env, env.ledger.get_observation, CURSOR_JOB, control.region, env.region)",
                "env.ledger.get_observation(CURSOR_JOB, control.region, env.region)",
            ),
        ),
        (f"{_HANGING}::test_one_throttled_read_of_the_table_is_not_dead_storage",),
    ),
    Mutant(
        "silence-is-a-verdict",
        "a bucket that does not say who owns it counts as revoked, and its feed stops",
        (
            Edit(
                "chalicelib.protocol.rechecking",
                """\
        except Retry as error:
            env.log("endpoint-not-checked",""",
                """\
        except Retry as error:
            reasons.append(str(error))
            env.log("endpoint-not-checked",""",
            ),
        ),
        ("tests/steps/test_recheck.py::test_that_nobody_answers_is_no_verdict",),
    ),
)
