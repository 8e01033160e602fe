"""Feeds: intake, catching up, pauses and their fills, deliveries and their verification."""

from simulation.mutants.plant import Edit, Mutant

_CATCHUP = "chalicelib.protocol.catchup"
_DELIVERIES = "chalicelib.protocol.deliveries"
_FEEDLOG = "chalicelib.protocol.feedlog"
_INTAKE = "chalicelib.steps.intake"
_PUBLISH = "chalicelib.protocol.publish"
_REVERIFY = "chalicelib.protocol.reverify"
_VERDICT = "chalicelib.core.verdict"
_VERIFY = "chalicelib.steps.verify"
_SHORT = "tests/steps/test_short_pages.py"
_FEED = "tests/steps/test_feed.py"
_FILL = "tests/steps/test_feed_fill.py"
_PAUSE = "tests/steps/test_feed_pause.py"
_TROUBLE = "tests/steps/test_feed_trouble.py"

FEEDS = (
    Mutant(
        "margin-left-out",
        "a dead Region's source is listed for what was written after its last sign of life, without a margin",
        (Edit(_CATCHUP, "last_seen_ms - MARGIN_MS", "last_seen_ms"),),
        (_SHORT,),
    ),
    Mutant(
        "verdict-not-taken-again",
        "after a look at the source has found it changed, the target is not looked at again",
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
        "a window of deliveries begins where the last one ended: what the other Region notes late is in none",
        (Edit(_REVERIFY, "max(0, before.until_ms - EVERY_MS)", "before.until_ms"),),
        (_SHORT,),
    ),
    Mutant(
        "verified-too-soon",
        "deliveries of this moment are gone through, too: whoever made them is still at it",
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
        "the fill at the end of a pause looks for what was written since its end, not since its beginning",
        (
            Edit(
                _FEEDLOG,
                'pause = self.control.env.store.head(self.control.bucket, self._key(f"intent/{number - 1:06d}"))',
                'pause = self.control.env.store.head(self.control.bucket, self._key(f"intent/{number:06d}"))',
            ),
        ),
        (_SHORT,),
    ),
    Mutant(
        "resumed-before-its-fill",
        "a feed is resumed before its fill is on the list: a death in between loses what arrived in the pause",
        (
            Edit(
                _FEEDLOG,
                """\
        if kind is IntentKind.RESUME:
            # Crash after""",
                """\
        if kind is IntentKind.PAUSE:
            # Crash after""",
            ),
            Edit(
                _FEEDLOG,
                """\
        self.control.create(self._key(f"intent/{number:06d}"), codec.dumps(intent))
""",
                """\
        self.control.create(self._key(f"intent/{number:06d}"), codec.dumps(intent))
        if kind is IntentKind.RESUME:
            self.control.create(self._marker(resume_name(number)), b"")
""",
            ),
        ),
        (_SHORT,),
    ),
    Mutant(
        "unknown-feed-is-removed",
        "fills of a feed that this Region doesn't know yet are forgotten, as those of a removed one",
        (Edit(_CATCHUP, "if log.feed_id in places.removed or", "if log.feed_id not in places.feeds or"),),
        (_FILL,),
    ),
    Mutant(
        "dead-regions-fills-left",
        "fills whose source lies in a dead Region are left to it",
        (Edit(_CATCHUP, "return home == env.region or home in dead", "return home == env.region"),),
        (_FILL,),
    ),
    Mutant(
        "fill-of-a-paused-feed",
        "a paused feed's source is listed all the same, and its fill counts as done",
        (
            Edit(
                _CATCHUP,
                """\
    if log.steering().paused:
        return  # Intake would put off all of it.
""",
                "",
            ),
        ),
        (_FILL, _PAUSE),
    ),
    Mutant(
        "forgotten-while-it-is-paused",
        "during a pause those arrivals are kept that its end will find, and the others are forgotten",
        (Edit(_INTAKE, "isinstance(ms, int) and ms < since_ms]", "isinstance(ms, int) and ms >= since_ms]"),),
        (_PAUSE,),
    ),
    Mutant(
        "unreadable-is-gone",
        "an arrival that can't be looked at during a pause counts as gone",
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
        "of what two Regions say about one version the later word counts, also if it is that it is queued",
        (Edit(_DELIVERIES, "ranks.get(d.status, 0), d.at_ms, d.region)", "d.at_ms, d.region)"),),
        ("tests/core/test_deliveries.py",),
    ),
    Mutant(
        "same-bytes-same-version",
        "in a bucket without versions a version is known by its ETag alone: the same bytes dropped again are none",
        (Edit(_VERDICT, 'else f"{row.etag}@{row.modified_ms}"', "else row.etag"),),
        (_TROUBLE,),
    ),
    Mutant(
        "null-is-a-version",
        'the version "null" names a version: of a bucket whose versioning is suspended, every object is the same one',
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
        "whoever verifies a delivery doesn't look whether it is still the newest version",
        (
            Edit(
                _VERIFY,
                "        _newest_again(env, source, known[0].key, head.facts, {d.etag for d in shown})",
                "        pass",
            ),
        ),
        ("tests/steps/test_feed_versions.py",),
    ),
    Mutant(
        "role-by-its-name",
        "an upload is one's own if its creator's role has the name of ours, in whatever account",
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
        "a delivery record is written, and nobody asks for it before a copy",
        (
            Edit(
                _INTAKE,
                "delivered = self.records.delivered([row for row in rows if self._is_asked_for(row)])",
                "delivered = self.records.delivered([])",
            ),
        ),
        ("tests/steps/test_delivery_records.py",),
    ),
)
