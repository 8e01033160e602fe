"""This module lists planted bugs in the deletions of jobs at their targets."""

from simulation.mutants.plant import Edit, Mutant

_COPY = "chalicelib.steps.copy"
_DELETIONS = "chalicelib.protocol.deletions"
_PREFIXES = "chalicelib.protocol.prefixes"
_PROBING = "chalicelib.protocol.probing"
_SPLIT = "chalicelib.steps.split"
_FOR_EVER = "tests/steps/test_deletions_for_ever.py"

DELETIONS = (
    Mutant(
        "delete-without-condition",
        "an object at the destination is deleted without any condition",
        (
            Edit(
                _DELETIONS,
                """\
            marker = self.publisher.env.store.delete_pinned(target, row.target, row.expected_target_etag)
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
            marker = self.publisher.env.store.delete_pinned(target, row.target, row.expected_target_etag)
""",
                """\
            head = self.publisher.env.store.head(target, row.target)
            etag = head.facts.etag if head else row.expected_target_etag
            marker = self.publisher.env.store.delete_pinned(target, row.target, etag)
""",
            ),
        ),
    ),
    Mutant(
        "delete-before-cap",
        "a deletion is carried out before the number of deletions is known",
        (
            Edit(
                _COPY,
                """\
    if ids.is_delete_partition(partition_id) and not desired_state.cancelled and not may_be_carried_out(records):
""",
                """\
    if False:
""",
            ),
            Edit(
                _SPLIT,
                """\
        elif self.deletes and entry.rows:
""",
                """\
        elif False:
""",
            ),
        ),
    ),
    Mutant(
        "delete-while-planning",
        "a worker that the sweep starts doesn't ask whether the manifest log of deletions has ended",
        (
            Edit(
                _COPY,
                """\
    if ids.is_delete_partition(partition_id) and not desired_state.cancelled and not may_be_carried_out(records):
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
    if not receipt_fold.all_delivered:
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
        "only half of a page's keys are looked up at the source",
        (
            Edit(
                _DELETIONS,
                """\
    sources = look_at(env, spec.source.bucket, spec.source_prefix, after, possible)
""",
                """\
    sources = look_at(env, spec.source.bucket, spec.source_prefix, after, possible[: len(possible) // 2])
""",
            ),
        ),
    ),
    Mutant(
        "text-prefix-with-delete",
        "a job may delete although its prefix is no folder: it also deletes keys beside it",
        (
            Edit(_PREFIXES, "            if not is_folder(text):\n", "            if False:\n"),
            Edit(
                "chalicelib.protocol.submitting",
                "    if submission.source.text_prefix or submission.target.text_prefix:\n",
                "    if False:\n",
            ),
        ),
        ("tests/steps/test_prefixes.py::test_a_text_prefix_never_goes_with_delete",),
    ),
    Mutant(
        "endpoints-text-prefix-with-delete",
        "only a job's own prefixes decide whether it may delete, and not those of its endpoints",
        (
            Edit(
                _PREFIXES,
                '((f"endpoint {endpoint.id!r}", endpoint.prefix), ("the job", prefix))',
                '(("the job", prefix),)',
            ),
        ),
        ("tests/steps/test_prefixes.py::test_an_endpoint_whose_prefix_is_a_text_takes_no_deletes",),
    ),
    Mutant(
        "leading-slash-is-a-folder",
        "a prefix that begins with a slash counts as a folder",
        (
            Edit(
                "chalicelib.core.prefixes",
                'return not prefix or (prefix.endswith("/") and not prefix.startswith("/"))',
                'return not prefix or prefix.endswith("/")',
            ),
        ),
        ("tests/core/test_prefixes.py",),
    ),
    Mutant(
        "suspended-is-enabled",
        "a bucket whose versioning is suspended counts as one that keeps versions",
        (
            Edit(
                "chalicelib.core.deletions",
                "        case Versioning.ENABLED:\n",
                "        case Versioning.ENABLED | Versioning.SUSPENDED:\n",
            ),
        ),
        ("tests/steps/test_deletions_for_ever.py::test_it_is_refused",),
    ),
    Mutant(
        "versioning-not-asked-again",
        "a worker that deletes does not ask again whether the bucket keeps versions",
        (Edit(_COPY, "replace(Route.of(spec), for_ever=Finality(env, spec).why)", "Route.of(spec)"),),
        (f"{_FOR_EVER}::test_it_is_suspended_after_they_were_planned",),
    ),
    Mutant(
        "unsaid-versioning-is-enabled",
        "a bucket that doesn't say whether it keeps versions counts as one that does",
        (Edit(_PROBING, "        versioning = None\n", '        return ""\n'),),
        (f"{_FOR_EVER}::test_a_bucket_that_does_not_say_is_taken_for_one_that_keeps_nothing",),
    ),
    Mutant(
        "silence-says-nothing-is-kept",
        "a bucket that does not answer now counts as one that keeps no versions",
        (
            Edit(
                _PROBING,
                """\
    except Retry:
        raise
    except EftError as error:
        env.log("versioning-not-shown",""",
                """\
    except EftError as error:
        env.log("versioning-not-shown",""",
            ),
        ),
        (f"{_FOR_EVER}::test_where_nobody_answers_the_job_waits_for_the_answer",),
    ),
)
