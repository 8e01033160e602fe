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
        "of a job's items only the first page is read: a megabyte of them",
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
        "whether there are more items than asked for is told one too early",
        (Edit(_LEDGER, "            if index == limit:\n", "            if index + 1 == limit:\n"),),
        (_PAGES,),
    ),
    Mutant(
        "job-list-ends-at-a-short-page",
        "a page of jobs that DynamoDB cut short counts as the last",
        (
            Edit(
                _LEDGER,
                '        more = len(found) > limit or "LastEvaluatedKey" in answer\n',
                "        more = len(found) > limit\n",
            ),
        ),
        (_PAGES,),
    ),
    Mutant(
        "job-list-leaves-one-out",
        "the next page of jobs begins behind the one that was read to see whether there are more",
        (Edit(_LEDGER, "_listing_key(specs[-1]) if more and specs", "_listing_key(found[-1]) if more and specs"),),
        (_PAGES,),
    ),
    Mutant(
        "deliveries-leave-one-out",
        "the next page of deliveries begins behind the one that was read to see whether there are more",
        (Edit(_LEDGER, "_delivery_cursor(shown[-1]) if more", "_delivery_cursor(items[-1]) if more"),),
        (_PAGES,),
    ),
    Mutant(
        "deliveries-end-at-a-short-page",
        "a page of deliveries that DynamoDB cut short counts as the last",
        (
            Edit(
                _LEDGER,
                'more = (len(items) > limit or "LastEvaluatedKey" in answer) and bool(shown)',
                "more = len(items) > limit and bool(shown)",
            ),
        ),
        (_PAGES,),
    ),
    Mutant(
        "until-is-in-it",
        "deliveries until a moment include those of that moment: two windows side by side both have them",
        (Edit(_LEDGER, 'f"{until_ms - 1:015d}~"', 'f"{until_ms:015d}~"'),),
        (_PAGES,),
    ),
    Mutant(
        "one-key-too-many",
        "more jobs a page than one batch can read the ends of",
        (
            Edit(
                _LEDGER,
                """\
        limit = min(limit, BATCH_GET_ITEMS // len(self._regions))
        start: dict[str, Any] = {} if cursor is None""",
                """\
        limit = min(limit, BATCH_GET_ITEMS)
        start: dict[str, Any] = {} if cursor is None""",
            ),
        ),
        (_PAGES,),
    ),
    Mutant(
        "ends-of-this-region-alone",
        "a list of jobs shows only those ends that its own Region has noted",
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
            left = answer.get("UnprocessedKeys", {}).get(self.name, {}).get("Keys", [])
""",
                """\
            left = []
""",
            ),
        ),
        (_PAGES,),
    ),
    Mutant(
        "leftovers-of-the-last-batch-alone",
        "what a batch of deliveries leaves unwritten is sent again only if it is the last batch",
        (
            Edit(
                _DYNAMO,
                """\
                left = answer.get("UnprocessedItems", {}).get(self.name, [])
""",
                """\
                left = answer.get("UnprocessedItems", {}).get(self.name, [])
                left = left if start + _BATCH_WRITE_ITEMS >= len(requests) else []
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
        (Edit(_DYNAMO, '{"Keys": left, "ConsistentRead": True}', '{"Keys": left}'),),
        (_PAGES,),
    ),
    Mutant(
        "audit-ends-at-a-short-page",
        "a page of changes that DynamoDB cut short counts as the last",
        (
            Edit(
                _REGISTRY,
                'ends = len(found) <= limit and "LastEvaluatedKey" not in answer',
                "ends = len(found) <= limit",
            ),
        ),
        (_PAGES,),
    ),
    Mutant(
        "audit-leaves-one-out",
        "the next page of changes begins behind the one that was read to see whether there are more",
        (Edit(_REGISTRY, "_audit_sk(shown[-1])", "_audit_sk(found[-1])"),),
        (_PAGES,),
    ),
    Mutant(
        "own-change-is-anothers",
        "a put whose first answer was lost counts as lost to somebody else",
        (Edit(_REGISTRY, "            return there == entry or (", "            return ("),),
        ("tests/contract/test_registry.py::test_a_repeated_put_is_the_same_put[moto]",),
    ),
    Mutant(
        "failed-messages-ignored",
        "of a batch of messages that was taken in part, what was not taken is forgotten",
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
        "that SQS will always refuse a message is not told: its sender tries for ever",
        (Edit(_QUEUE, "Permanent(*_why(queue, failure))", "Retry(*_why(queue, failure))"),),
        (_PAGES,),
    ),
    Mutant(
        "last-batch-dropped",
        "of messages that fill no last batch, the rest is not sent",
        (
            Edit(
                _QUEUE,
                "for start in range(0, len(wanted), _BATCH):",
                "for start in range(0, max(len(wanted) - _BATCH + 1, 1), _BATCH):",
            ),
        ),
        (_PAGES,),
    ),
    Mutant(
        "refused-one-stops-the-rest",
        "a message that SQS refuses keeps those behind it from being sent",
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
        "that one message is refused for good is told, and not that others have to be sent again",
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
        "of a batch that was taken in part all is sent again",
        (
            Edit(
                _QUEUE,
                'left[failure["Id"]] for failure in again}',
                'left[failure["Id"]] for failure in again} and left',
            ),
        ),
        (_PAGES,),
    ),
    Mutant(
        "not-sent-again",
        "what SQS could not take is not sent again",
        (Edit(_QUEUE, "            if not left:\n", "            if left:\n"),),
        (_PAGES,),
    ),
    Mutant(
        "first-batch-of-entries",
        "of more entries than a batch may read only the first hundred are",
        (
            Edit(
                _REGISTRY,
                "        for start in range(0, len(wanted), BATCH_GET_ITEMS):\n",
                "        for start in range(0, len(wanted[:1]), BATCH_GET_ITEMS):\n",
            ),
        ),
        (_PAGES,),
    ),
    Mutant(
        "unread-entries-are-missing",
        "entries that a batch leaves unread count as not there: their feeds are dropped",
        (Edit(_DYNAMO, 'raise Retry("Throttled", "the table left keys unread")', "return found"),),
        (_PAGES,),
    ),
    Mutant(
        "unread-entries-of-the-first-answer",
        "what a batch of entries leaves unread is asked for again as it was at first",
        (
            Edit(
                _DYNAMO,
                'left = answer.get("UnprocessedKeys", {}).get(self.name, {}).get("Keys", [])',
                'left = left if answer.get("UnprocessedKeys") else []',
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
        "a page of removed entries goes on at its place among those that are there",
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
        "an event that the bus did not take counts as told",
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
        "an item that somebody else's transaction holds fails for good",
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
