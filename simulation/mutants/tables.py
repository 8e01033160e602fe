"""This module lists planted bugs in the adapters of the table, the registry, the queues and the bus: pages, leftovers
of batches, and how answers are read."""

from simulation.mutants.plant import Edit, Mutant

_LEDGER = "chalicelib.adapters.ledger"
_DYNAMO = "chalicelib.adapters.dynamo"
_REGISTRY = "chalicelib.adapters.registry"
_QUEUE = "chalicelib.adapters.queue"
_ERRORS = "chalicelib.adapters.aws_errors"
_PAGES = "tests/contract/test_table_pages.py"
_FAULTS = "tests/contract/test_ledger_faults.py"
_QUEUES = "tests/contract/test_queue.py"

TABLES = (
    Mutant(
        "first-page-of-items",
        "only the first page of a job's items is read, a megabyte of them",
        (
            Edit(
                _DYNAMO,
                """\
            if "LastEvaluatedKey" not in answer:
                return
            more["ExclusiveStartKey"] = answer["LastEvaluatedKey"]
""",
                """\
            return
""",
            ),
        ),
        (_PAGES,),
    ),
    Mutant(
        "empty-page-of-items-is-the-end",
        "a page of no items counts as the last one, though there are more",
        (
            Edit(
                _DYNAMO,
                """\
            if "LastEvaluatedKey" not in answer:
                return
""",
                """\
            if not answer["Items"] or "LastEvaluatedKey" not in answer:
                return
""",
            ),
        ),
        (_PAGES,),
    ),
    Mutant(
        "limit-is-each-pages",
        "the truncation of a job's items is reported one item too early",
        (Edit(_LEDGER, "            if index == limit:\n", "            if index + 1 == limit:\n"),),
        (_PAGES,),
    ),
    Mutant(
        "job-list-ends-at-a-short-page",
        "a page of jobs that DynamoDB cut short counts as the last",
        (
            Edit(
                _LEDGER,
                '        more_follow = len(specs) > limit or "LastEvaluatedKey" in answer\n',
                "        more_follow = len(specs) > limit\n",
            ),
        ),
        (_PAGES,),
    ),
    Mutant(
        "job-list-leaves-one-out",
        "the next page of jobs leaves out the job that was read to see whether there are more",
        (Edit(_LEDGER, "_listing_key(shown[-1]) if more_follow", "_listing_key(specs[-1]) if more_follow"),),
        (_PAGES,),
    ),
    Mutant(
        "deliveries-leave-one-out",
        "the next page of deliveries leaves out the one that was read to see whether there are more",
        (Edit(_LEDGER, "_delivery_cursor(shown[-1]) if more", "_delivery_cursor(items[-1]) if more"),),
        (_PAGES,),
    ),
    Mutant(
        "deliveries-end-at-a-short-page",
        "a page of deliveries that DynamoDB cut short counts as the last",
        (
            Edit(
                _LEDGER,
                'more_follow = (len(items) > limit or "LastEvaluatedKey" in answer) and bool(shown)',
                "more_follow = len(items) > limit and bool(shown)",
            ),
        ),
        (_PAGES,),
    ),
    Mutant(
        "until-is-in-it",
        "deliveries until a moment include those of that moment, so two adjacent windows both have them",
        (Edit(_LEDGER, 'f"{until_ms - 1:015d}~"', 'f"{until_ms:015d}~"'),),
        (_PAGES,),
    ),
    Mutant(
        "one-key-too-many",
        "a page has more jobs than one batch can read the ends of",
        (
            Edit(
                _LEDGER,
                """\
        limit = min(limit, BATCH_GET_ITEMS // len(self._regions))
        start_key: dict[str, Any] = {} if cursor is None""",
                """\
        limit = min(limit, BATCH_GET_ITEMS)
        start_key: dict[str, Any] = {} if cursor is None""",
            ),
        ),
        (_PAGES,),
    ),
    Mutant(
        "ends-of-this-region-alone",
        "a list of jobs shows only the ends that its own Region has noted",
        (
            Edit(
                _LEDGER,
                'keys = [(f"JOB#{job_id}", f"END#{region}") for job_id in job_ids for region in self._regions]',
                'keys = [(f"JOB#{job_id}", f"END#{self._regions[0]}") for job_id in job_ids]',
            ),
        ),
        (_PAGES,),
    ),
    Mutant(
        "unread-keys-dropped",
        "keys that a batch leaves unread count as not there",
        (
            Edit(
                _DYNAMO,
                """\
            unprocessed = answer.get("UnprocessedKeys", {}).get(self.name, {}).get("Keys", [])
""",
                """\
            unprocessed = []
""",
            ),
        ),
        (_PAGES,),
    ),
    Mutant(
        "leftovers-of-the-last-batch-alone",
        "items that a batch of deliveries leaves unwritten are sent again only for the last batch",
        (
            Edit(
                _DYNAMO,
                """\
                unprocessed = answer.get("UnprocessedItems", {}).get(self.name, [])
""",
                """\
                unprocessed = answer.get("UnprocessedItems", {}).get(self.name, [])
                unprocessed = unprocessed if start + _BATCH_WRITE_ITEMS >= len(requests) else []
""",
            ),
        ),
        (_PAGES,),
    ),
    Mutant(
        "leftovers-given-up",
        "deliveries that the table never takes are forgotten after some tries",
        (
            Edit(
                _DYNAMO,
                """\
                raise Retry("Throttled", "the table left items unwritten")
""",
                """\
                break
""",
            ),
        ),
        (_PAGES,),
    ),
    Mutant(
        "any-batch-is-strong",
        "a batch is read without strong consistency",
        (Edit(_DYNAMO, '{"Keys": unprocessed, "ConsistentRead": True}', '{"Keys": unprocessed}'),),
        (_PAGES,),
    ),
    Mutant(
        "audit-ends-at-a-short-page",
        "a page of changes that DynamoDB cut short counts as the last",
        (
            Edit(
                _REGISTRY,
                'is_last = len(changes) <= limit and "LastEvaluatedKey" not in answer',
                "is_last = len(changes) <= limit",
            ),
        ),
        (_PAGES,),
    ),
    Mutant(
        "audit-leaves-one-out",
        "the next page of changes leaves out the one that was read to see whether there are more",
        (Edit(_REGISTRY, "_audit_sk(shown[-1])", "_audit_sk(changes[-1])"),),
        (_PAGES,),
    ),
    Mutant(
        "own-change-is-anothers",
        "a put whose first answer was lost counts as lost to somebody else",
        (Edit(_REGISTRY, "            return current == entry or (", "            return ("),),
        ("tests/contract/test_registry.py::test_a_repeated_put_is_the_same_put[moto]",),
    ),
    Mutant(
        "failed-messages-ignored",
        "messages that SQS did not take from a batch are forgotten",
        (
            Edit(
                _QUEUE,
                'failed = answer.get("Failed", [])',
                'failed = [] if answer.get("Successful") else answer.get("Failed", [])',
            ),
        ),
        (_PAGES,),
    ),
    Mutant(
        "senders-fault-tried-again",
        "a message that SQS will always refuse is not reported as such: its sender tries for ever",
        (Edit(_QUEUE, "Permanent(*_why(queue, failure))", "Retry(*_why(queue, failure))"),),
        (_PAGES,),
    ),
    Mutant(
        "last-batch-dropped",
        "messages that are left over after the full batches are not sent",
        (
            Edit(
                _QUEUE,
                "for start in range(0, len(entries), _BATCH):",
                "for start in range(0, max(len(entries) - _BATCH + 1, 1), _BATCH):",
            ),
        ),
        (_PAGES,),
    ),
    Mutant(
        "refused-one-stops-the-rest",
        "a message that SQS refuses prevents the sending of those after it",
        (
            Edit(
                _QUEUE,
                "                failures += self._send_batch(queue, batch)\n",
                """\
                failures += self._send_batch(queue, batch)
                if failures:
                    raise failures[0]
""",
            ),
        ),
        (_PAGES,),
    ),
    Mutant(
        "refused-for-good-hides-the-others",
        "a message that is refused for good hides that others have to be sent again",
        (
            Edit(
                _QUEUE,
                "raise next((failure for failure in failures if isinstance(failure, Retry)), failures[0])",
                "raise failures[0]",
            ),
        ),
        (_PAGES,),
    ),
    Mutant(
        "whole-batch-again",
        "a batch that SQS took partly is sent again as a whole",
        (
            Edit(
                _QUEUE,
                'unsent[failure["Id"]] for failure in refused_for_now}',
                'unsent[failure["Id"]] for failure in refused_for_now} and unsent',
            ),
        ),
        (_PAGES,),
    ),
    Mutant(
        "not-sent-again",
        "messages that SQS could not take are not sent again",
        (Edit(_QUEUE, "            if not unsent:\n", "            if unsent:\n"),),
        (_PAGES,),
    ),
    Mutant(
        "first-batch-of-entries",
        "only the first hundred entries are read, as many as a batch may hold",
        (
            Edit(
                _REGISTRY,
                "        for start in range(0, len(unique_names), BATCH_GET_ITEMS):\n",
                "        for start in range(0, len(unique_names[:1]), BATCH_GET_ITEMS):\n",
            ),
        ),
        (_PAGES,),
    ),
    Mutant(
        "unread-entries-are-missing",
        "entries that a batch leaves unread count as not there: their feeds are dropped",
        (Edit(_DYNAMO, 'raise Retry("Throttled", "the table left keys unread")', "return items"),),
        (_PAGES,),
    ),
    Mutant(
        "unread-entries-of-the-first-answer",
        "entries that a batch leaves unread are requested again with the whole first batch",
        (
            Edit(
                _DYNAMO,
                'unprocessed = answer.get("UnprocessedKeys", {}).get(self.name, {}).get("Keys", [])',
                'unprocessed = unprocessed if answer.get("UnprocessedKeys") else []',
            ),
        ),
        (_PAGES,),
    ),
    Mutant(
        "entries-page-ends-when-empty",
        "a page of no entries counts as the last one",
        (
            Edit(
                _REGISTRY,
                'last = answer.get("LastEvaluatedKey")',
                'last = answer.get("LastEvaluatedKey") if answer["Items"] else None',
            ),
        ),
        (_PAGES,),
    ),
    Mutant(
        "cursor-of-the-other-list",
        "a page of removed entries goes on at the cursor of the entries that are not removed",
        (
            Edit(
                _REGISTRY,
                '{"ExclusiveStartKey": _key(pk, cursor)}',
                '{"ExclusiveStartKey": _key(_pk(kind), cursor)}',
            ),
        ),
        (_PAGES,),
    ),
    Mutant(
        "removed-of-one-page",
        "removed entries are counted on the first page alone",
        (
            Edit(
                _REGISTRY,
                'sum(answer["Count"] for answer in answers)',
                'int(next(answers)["Count"])',
            ),
        ),
        (_PAGES,),
    ),
    Mutant(
        "delay-longer-than-sqs-takes",
        "a delay is not cut to what SQS takes: it refuses the whole batch",
        (Edit(_QUEUE, "min(delay_ms, _MAX_DELAY_MS) // 1000", "delay_ms // 1000"),),
        (_PAGES,),
    ),
    Mutant(
        "refused-events-ignored",
        "an event that the bus did not take counts as sent",
        (
            Edit(
                _QUEUE,
                '        if answer.get("FailedEntryCount"):\n',
                '        if answer.get("FailedEntryCount", 0) > 1:\n',
            ),
        ),
        (_PAGES,),
    ),
    Mutant(
        "transaction-conflict-is-final",
        "an item fails for good if another transaction holds it",
        (Edit(_ERRORS, '        "TransactionConflictException",\n', ""),),
        (_FAULTS,),
    ),
    Mutant(
        "throttled-sender-is-denied",
        "SQS throttling a sender (403) counts as a permission that is missing",
        (Edit(_ERRORS, '        "RequestThrottled",\n', ""),),
        (_QUEUES,),
    ),
)
