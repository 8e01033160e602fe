"""This module lists planted bugs in publishing, recognising and reporting objects."""

from simulation.mutants.plant import Edit, Mutant

_COPY = "chalicelib.steps.copy"
_IDENTITY = "chalicelib.core.identity"
_INTAKE = "chalicelib.steps.intake"
_OBJECT_EVENTS = "chalicelib.protocol.object_events"
_PUBLISH = "chalicelib.protocol.publish"
_STATE = "simulation.memory.state"
_STORE = "simulation.memory.store"
_VERIFY = "chalicelib.steps.verify"

PUBLISHING = (
    Mutant(
        "source-before-destination",
        "a feed pins the source first, and then what it may replace",
        (
            Edit(
                _OBJECT_EVENTS,
                """\
        target_head = self.env.store.head(target.bucket, key_at_target)
        source_head = self.env.store.head(source.bucket, key)
""",
                """\
        source_head = self.env.store.head(source.bucket, key)
        target_head = self.env.store.head(target.bucket, key_at_target)
""",
            ),
        ),
    ),
    Mutant(
        "blind-copy",
        "CopyObject without a condition on the destination (as emulators have it)",
        (
            Edit(
                _STORE,
                """\
            original = self._source(source)
            store.expected_target_etag(key, expected_target_etag)
""",
                """\
            original = self._source(source)
""",
            ),
        ),
    ),
    Mutant(
        "blind-complete",
        "CompleteMultipartUpload without a condition on the destination",
        (
            Edit(
                _STORE,
                """\
            store.expected_target_etag(opened.key, expected_target_etag)
""",
                "",
            ),
        ),
    ),
    Mutant(
        "fresh-head",
        "the destination's precondition is taken from a fresh HEAD instead of the manifest",
        (
            Edit(
                _PUBLISH,
                """\
        try:
            written = self.env.store.copy(
                self.route.source_ref(row), target, row.target, row.expected_target_etag, self.route.placement(row)
""",
                """\
        fresh = self.env.store.head(target, row.target)
        try:
            written = self.env.store.copy(
                self.route.source_ref(row),
                target,
                row.target,
                fresh.facts.etag if fresh else None,
                self.route.placement(row),
""",
            ),
        ),
    ),
    Mutant(
        "no-source-pin",
        "copies take the current source, whichever it is (no CopySourceIfMatch)",
        (
            Edit(
                _STATE,
                """\
        if version.etag != source.etag:
            raise PreconditionFailed("PreconditionFailed", f"{source.key} has another ETag (CopySourceIfMatch)")
""",
                "",
            ),
        ),
    ),
    Mutant(
        "receipt-before-verify",
        "the receipt says what the copy step believed",
        (
            Edit(
                _VERIFY,
                """\
            lambda seeing: _verify_rows(seeing, spec, manifest, copied),
""",
                """\
            lambda seeing: list(copied.rows),
""",
            ),
        ),
    ),
    Mutant(
        "trusted-412",
        "412 counts as somebody else's object, without a look",
        (
            Edit(
                _PUBLISH,
                """\
        decided = self.look(row)
        if decided is None and (changed := self.source_outcome(row)) is not None:
""",
                """\
        return RowOutcome(row.key, Outcome.DESTINATION_CONFLICT, "412")
        decided = self.look(row)
        if decided is None and (changed := self.source_outcome(row)) is not None:
""",
            ),
        ),
    ),
    Mutant(
        "lost-answer-is-failure",
        "a request without an answer fails its row",
        (
            Edit(
                _COPY,
                """\
        trial.undecided(index, error)
""",
                """\
        lease.decide(index, RowOutcome(row.key, Outcome.FAILED, str(error)))
""",
            ),
        ),
    ),
    Mutant(
        "delivered-before-it-is",
        "a delivery is noted before the object is published",
        (
            Edit(
                _INTAKE,
                """\
        results = self.env.pool.map(self._deliver_one, rows)
""",
                """\
        early = [self.events.delivery(row, RowOutcome(row.key, Outcome.COPIED)) for row in rows]
        self.env.ledger.put_deliveries(early)
        results = self.env.pool.map(self._deliver_one, rows)
""",
            ),
        ),
    ),
    Mutant(
        "same-size-is-same",
        "an object of the same size counts as the pinned source",
        (
            Edit(
                _IDENTITY,
                """\
    both_plain = etag_parts(source.etag) == 0 and etag_parts(destination.etag) == 0
""",
                """\
    return Match.SAME_BY_ETAG
    both_plain = etag_parts(source.etag) == 0 and etag_parts(destination.etag) == 0
""",
            ),
        ),
    ),
)
