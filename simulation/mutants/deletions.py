"""What jobs delete at their targets."""

from simulation.mutants.plant import Edit, Mutant

_COPY = "chalicelib.steps.copy"
_DELETIONS = "chalicelib.protocol.deletions"
_SPLIT = "chalicelib.steps.split"

DELETIONS = (
    Mutant(
        "delete-without-condition",
        "what is at the destination is deleted, whatever it is",
        (
            Edit(
                _DELETIONS,
                """\
            marker = self.publisher.env.store.delete_pinned(target, row.target, row.expect)
""",
                """\
            marker = None
            self.publisher.env.store.delete(target, row.target)
""",
            ),
        ),
    ),
    Mutant(
        "delete-what-is-there-now",
        "the condition of a delete is taken from a fresh look",
        (
            Edit(
                _DELETIONS,
                """\
            marker = self.publisher.env.store.delete_pinned(target, row.target, row.expect)
""",
                """\
            there = self.publisher.env.store.head(target, row.target)
            etag = there.facts.etag if there else row.expect
            marker = self.publisher.env.store.delete_pinned(target, row.target, etag)
""",
            ),
        ),
    ),
    Mutant(
        "delete-before-cap",
        "a deletion is carried out before it is known how many there are",
        (
            Edit(
                _COPY,
                """\
    if ids.is_delete_part(part) and not intents.cancelled and not may_be_carried_out(records):
""",
                """\
    if False:
""",
            ),
            Edit(
                _SPLIT,
                """\
        elif self.deletes and link.rows:
""",
                """\
        elif False:
""",
            ),
        ),
    ),
    Mutant(
        "delete-while-planning",
        "a worker that the sweep wakes doesn't ask whether the chain of deletions has ended",
        (
            Edit(
                _COPY,
                """\
    if ids.is_delete_part(part) and not intents.cancelled and not may_be_carried_out(records):
""",
                """\
    if False:
""",
            ),
        ),
    ),
    Mutant(
        "delete-though-not-delivered",
        "deletions begin though some objects were not delivered",
        (
            Edit(
                _SPLIT,
                """\
    if not found.all_delivered:
""",
                """\
    if False:
""",
            ),
        ),
    ),
    Mutant(
        "source-not-looked-at-again",
        "a deletion is carried out without another look at the source",
        (
            Edit(
                _DELETIONS,
                """\
        if self._is_at_source():
""",
                """\
        if False:
""",
            ),
        ),
    ),
    Mutant(
        "stale-listing-of-the-source",
        "what the source has of a page is taken from HEADs of half of it",
        (
            Edit(
                _DELETIONS,
                """\
    there = look_at(env, spec.source.bucket, spec.source_prefix, after, possible)
""",
                """\
    there = look_at(env, spec.source.bucket, spec.source_prefix, after, possible[: len(possible) // 2])
""",
            ),
        ),
    ),
)
