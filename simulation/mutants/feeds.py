"""This module lists planted bugs in feeds: intake, catching up, pauses and their back-fills, deliveries and their
verification."""

from simulation.mutants.plant import Edit, Mutant

_CATCHUP = "chalicelib.protocol.catchup"
_DELIVERED = "chalicelib.protocol.delivered"
_DELIVERIES = "chalicelib.protocol.deliveries"
_FEEDLOG = "chalicelib.protocol.feedlog"
_HINTS = "chalicelib.protocol.hints"
_INTAKE = "chalicelib.steps.intake"
_OBJECT_EVENTS = "chalicelib.protocol.object_events"
_PUBLISH = "chalicelib.protocol.publish"
_REGISTERING = "chalicelib.protocol.registering"
_REVERIFY = "chalicelib.protocol.reverify"
_VERDICT = "chalicelib.core.verdict"
_VERIFY = "chalicelib.steps.verify"
_SHORT = "tests/steps/test_short_pages.py"
_FEED = "tests/steps/test_feed.py"
_BACKFILL = "tests/steps/test_feed_backfill.py"
_PAUSE = "tests/steps/test_feed_pause.py"
_RECORDS = "tests/steps/test_delivery_records.py"
_TROUBLE = "tests/steps/test_feed_trouble.py"

FEEDS = (
    Mutant(
        "margin-left-out",
        "the listing of a dead Region's source begins at its last sign of life, without a margin",
        (Edit(_CATCHUP, "last_seen_ms - MARGIN_MS", "last_seen_ms"),),
        (_SHORT,),
    ),
    Mutant(
        "verdict-not-taken-again",
        "the target is not looked at again after the source was found changed",
        (
            Edit(
                _PUBLISH,
                "            return self.look(row) or changed\n        return decided or",
                "            return changed\n        return decided or",
            ),
        ),
        (_SHORT,),
    ),
    Mutant(
        "late-notes-missed",
        "a window of deliveries begins where the last one ended, and misses the other Region's late notes",
        (Edit(_REVERIFY, "max(0, before.until_ms - EVERY_MS)", "before.until_ms"),),
        (_SHORT,),
    ),
    Mutant(
        "verified-too-soon",
        "deliveries are verified again while their worker is still busy with them",
        (
            Edit(
                _REVERIFY,
                'return _Window(now_ms - FIRST_MS, now_ms - OVERDUE_MS, "")',
                'return _Window(now_ms - FIRST_MS, now_ms, "")',
            ),
        ),
        (_SHORT,),
    ),
    Mutant(
        "since-the-resume",
        "the back-fill after a pause looks for objects written since its end, not since its beginning",
        (
            Edit(
                _FEEDLOG,
                "paused_ms = self._pause_log.written_ms(number - 1)",
                "paused_ms = self._pause_log.written_ms(number)",
            ),
        ),
        (_SHORT,),
    ),
    Mutant(
        "resumed-before-its-back-fill",
        "a feed is resumed before its back-fill is in the index: a death in between loses the pause's events",
        (
            Edit(
                _FEEDLOG,
                """\
        if kind is PauseLogKind.RESUME:
            # Crash after""",
                """\
        if kind is PauseLogKind.PAUSE:
            # Crash after""",
            ),
            Edit(
                _FEEDLOG,
                """\
        self._pause_log.append(number, entry)
""",
                """\
        self._pause_log.append(number, entry)
        if kind is PauseLogKind.RESUME:
            self.control.create(self._marker(resume_name(number)), b"")
""",
            ),
        ),
        (_SHORT,),
    ),
    Mutant(
        "unknown-feed-is-removed",
        "back-fills of a feed that this Region doesn't know yet are forgotten, as those of a removed one",
        (Edit(_CATCHUP, "if log.feed_id in catalog.removed or", "if log.feed_id not in catalog.feeds or"),),
        (_BACKFILL,),
    ),
    Mutant(
        "dead-regions-back-fills-left",
        "back-fills whose source lies in a dead Region are left to it",
        (Edit(_CATCHUP, "return home == env.region or home in dead", "return home == env.region"),),
        (_BACKFILL,),
    ),
    Mutant(
        "back-fill-of-a-paused-feed",
        "a paused feed's source is listed all the same, and its back-fill counts as done",
        (
            Edit(
                _CATCHUP,
                """\
    if log.desired().paused:
        return  # Intake would postpone all of it.
""",
                "",
            ),
        ),
        (_BACKFILL, _PAUSE),
    ),
    Mutant(
        "forgotten-while-it-is-paused",
        "during a pause the wrong events are kept: those that the back-fill finds, and not the others",
        (Edit(_INTAKE, "modified_ms < since_ms", "modified_ms >= since_ms"),),
        (_PAUSE,),
    ),
    Mutant(
        "unreadable-is-gone",
        "an event that can't be looked at during a pause counts as gone",
        (
            Edit(
                _INTAKE,
                "        except EftError:\n            return 0\n",
                "        except EftError:\n            return None\n",
            ),
        ),
        (_SHORT,),
    ),
    Mutant(
        "replaced-at-the-target-is-the-end",
        "a feed job's row that met another destination is not looked at again",
        (
            Edit(
                _DELIVERIES,
                "AGAIN = (Outcome.SOURCE_CHANGED, Outcome.DESTINATION_CONFLICT)",
                "AGAIN = (Outcome.SOURCE_CHANGED,)",
            ),
        ),
        (_TROUBLE,),
    ),
    Mutant(
        "verified-by-size",
        "a delivery that is neither proven by ETag nor by checksum counts as verified",
        (
            Edit(
                _DELIVERIES,
                "outcome.verification in (Verification.ETAG, Verification.CHECKSUM)",
                "outcome.verification is not Verification.NONE",
            ),
        ),
        ("tests/core/test_deliveries.py",),
    ),
    Mutant(
        "last-word-counts",
        "if two Regions report on one version, the later report counts, even if it says queued",
        (Edit(_DELIVERIES, "ranks.get(d.status, 0), d.at_ms, d.region)", "d.at_ms, d.region)"),),
        ("tests/core/test_deliveries.py",),
    ),
    Mutant(
        "same-bytes-same-version",
        "in a bucket without versions the ETag alone names a version: equal bytes dropped again are no new one",
        (Edit(_VERDICT, 'else f"{row.source_etag}@{row.modified_ms}"', "else row.source_etag"),),
        (_TROUBLE,),
    ),
    Mutant(
        "null-is-a-version",
        'the version id "null" counts as a name, so all versions of a suspended bucket look the same',
        (
            Edit(
                _VERDICT,
                'return row.version_id if row.version_id not in (None, "null")',
                "return row.version_id if row.version_id",
            ),
        ),
        ("tests/core/test_deliveries.py",),
    ),
    Mutant(
        "version-pinned-by-a-feed",
        "a feed's copy pins a VersionId: an older version is copied as long as it exists",
        (Edit(_PUBLISH, "None if self.newest else row.version_id", "row.version_id"),),
        ("tests/steps/test_feed_versions.py",),
    ),
    Mutant(
        "no-look-after-the-copy",
        "verification of a delivery doesn't look whether it is still the newest version",
        (
            Edit(
                _VERIFY,
                "_newest_again(env, source, deliveries[0].key, head.facts, {delivery.etag for delivery in shown})",
                "pass",
            ),
        ),
        ("tests/steps/test_feed_versions.py",),
    ),
    Mutant(
        "role-by-its-name",
        "an upload counts as ours if its creator's role has our role's name, in any account",
        (
            Edit(
                "chalicelib.core.roles",
                "return principal.startswith(tuple(session_prefix(arn) for arn in role_arns))",
                'return any(session_prefix(arn).split("/")[1] == principal.split("/")[1] for arn in role_arns)',
            ),
        ),
        ("tests/core/test_roles.py",),
    ),
    Mutant(
        "record-not-asked-for",
        "a delivery record is written, but a copy doesn't read it first",
        (
            Edit(
                _OBJECT_EVENTS,
                "delivered = self.records.delivered(rows_to_check)",
                "delivered = self.records.delivered([])",
            ),
        ),
        ("tests/steps/test_delivery_records.py",),
    ),
    Mutant(
        "hint-counts-though-it-lives",
        "a forwarded event is acted upon though the Region that has it lives",
        (
            Edit(
                _HINTS,
                "    if age_ms is None or age_ms >= env.policy.takeover_after_ms:\n",
                "    if True:\n",
            ),
        ),
        (f"{_RECORDS}::test_a_hint_of_a_region_that_lives_is_put_off_until_it_has_delivered",),
    ),
    Mutant(
        "hint-put-off-for-ever",
        "a forwarded event is put off even when no queue keeps the original event any longer",
        (
            Edit(
                _HINTS,
                "    return event.waited * env.policy.hint_again_ms >= env.policy.events_kept_ms\n",
                "    return False\n",
            ),
        ),
        (f"{_RECORDS}::test_a_hint_is_all_that_is_left_when_no_queue_keeps_its_event_any_longer",),
    ),
    Mutant(
        "unreadable-heartbeat-is-death",
        "if one control bucket can't be read, the other one is not asked whether the Region lives",
        (
            Edit(
                "chalicelib.protocol.regions",
                """\
            env.log("region-heartbeat-not-read", region=region, where=bucket_region, error=str(error))
            continue
""",
                """\
            env.log("region-heartbeat-not-read", region=region, where=bucket_region, error=str(error))
            return None
""",
            ),
        ),
        (f"{_RECORDS}::test_a_control_bucket_that_cannot_be_read_is_no_sign_of_death",),
    ),
    Mutant(
        "table-before-the-record",
        "a delivery is put in the table before it is recorded in S3",
        (
            Edit(
                _INTAKE,
                """\
            self.events.records.note([result.row for result in decided if result.outcome.outcome.good])
""",
                """\
            self.env.ledger.put_deliveries([self.events.delivery(result.row, result.outcome) for result in decided])
            self.events.records.note([result.row for result in decided if result.outcome.outcome.good])
""",
            ),
        ),
        (f"{_RECORDS}::test_who_dies_once_a_delivery_is_recorded_and_before_the_table_is_told",),
    ),
    Mutant(
        "batch-without-its-marker",
        "a batch of deliveries is recorded without the marker that leads to its record",
        (Edit(_DELIVERED, "            if not self._exists(marker):\n", "            if False:\n"),),
        (f"{_RECORDS}::test_a_stalled_table_delivers_nothing_again",),
    ),
    Mutant(
        "job-forgets-what-was-delivered",
        "a feed job publishes a version although the delivery record says that it is delivered",
        (Edit(_DELIVERED, "        if digest(row) in self.known:\n            return True\n", ""),),
        (f"{_RECORDS}::test_what_a_dead_worker_had_recorded_is_not_published_again",),
    ),
    Mutant(
        "sleeper-trusts-its-memory",
        "a feed job's worker that was asleep trusts what it had read from the delivery record before",
        (
            Edit(
                _DELIVERED,
                "if self.known_ms is None or self.env.clock.now_ms() - self.known_ms > fresh_ms:",
                "if self.known_ms is None:",
            ),
        ),
        (f"{_RECORDS}::test_a_jobs_worker_that_was_asleep_does_not_go_by_what_it_had_asked_before",),
    ),
    Mutant(
        "created-without-a-back-fill",
        "a new feed begins without a back-fill: events are lost in a Region that doesn't know it yet",
        (Edit("chalicelib.steps.feeds", "        _log(env, view).begun()\n", "        pass\n"),),
        ("tests/steps/test_feed_created.py",),
    ),
    Mutant(
        "parts-dated-like-others",
        "a listing by time treats multipart objects like others, although S3 dates them by their upload's beginning",
        (Edit(_CATCHUP, "_Since(at_ms, at_ms - env.policy.feed_upload_age_ms)", "_Since(at_ms, at_ms)"),),
        ("tests/steps/test_catch_up.py::test_an_upload_that_took_a_day_is_delivered_though_its_event_is_lost",),
    ),
    Mutant(
        "removed-ones-count",
        "removed feeds count towards the number that a tenant may have",
        (
            Edit(
                _REGISTERING,
                "count, count_max = len(env.registry.of_tenant(kind, tenant)), most_of(env, kind)\n",
                """\
count, count_max = len(env.registry.of_tenant(kind, tenant)), most_of(env, kind)
    count += env.registry.count_removed(kind, tenant)
""",
            ),
        ),
        ("tests/entry/test_feeds.py::test_a_tenant_has_so_many_feeds",),
    ),
    Mutant(
        "removed-without-bound",
        "a tenant may create and remove feeds without limit",
        (Edit(_REGISTERING, "    if removed >= limit:\n", "    if False:\n"),),
        ("tests/entry/test_feeds.py::test_making_and_removing_has_a_limit",),
    ),
    Mutant(
        "stale-look",
        "equal contents at the target are not looked at again after the look at the source",
        (
            Edit(
                _OBJECT_EVENTS,
                "            self._look_again(key_at_target, target_head.facts.etag)\n",
                "            pass\n",
            ),
        ),
        ("tests/steps/test_feed_versions.py",),
    ),
    Mutant(
        "lock-not-heeded",
        "a version is delivered at once although another worker of the Region has its lock",
        (
            Edit(
                _INTAKE,
                "        busy = [row for row, locked in zip(rows_to_lock, lock_taken, strict=True) if not locked]\n",
                "        busy: list[Row] = []\n",
            ),
        ),
        (f"{_RECORDS}::test_two_of_one_region_at_the_same_moment",),
    ),
    Mutant(
        "no-look-under-the-lock",
        "a worker doesn't read the delivery record again once it has a version's lock",
        (
            Edit(
                _INTAKE,
                "        delivered_digests = self.events.records.delivered(locked_rows)\n",
                "        delivered_digests = set[str]()\n",
            ),
        ),
        (f"{_RECORDS}::test_a_worker_that_was_asleep_before_it_had_the_lock_asks_again",),
    ),
    Mutant(
        "job-without-locks",
        "a feed job publishes a version though another worker of the Region has its lock",
        (Edit(_DELIVERED, "        if not self.locks.take(row):\n", "        if False:\n"),),
        (f"{_RECORDS}::test_two_jobs_of_the_same_rows_at_the_same_moment",),
    ),
    Mutant(
        "lock-kept-in-vain",
        "a worker that has delivered nothing keeps its locks until they expire",
        (Edit(_INTAKE, "        self.locks.give_back({event.key for event in to_retry})\n", ""),),
        (f"{_RECORDS}::test_what_came_to_nothing_is_tried_again_without_waiting_for_its_lock",),
    ),
)
