"""This module lists planted bugs in pages of records, of a job's objects, of sources and of deliveries: entries left
out between two pages."""

from simulation.mutants.plant import Edit, Mutant

_CATCHUP = "chalicelib.protocol.catchup"
_PAGING = "chalicelib.protocol.paging"
_CONTROL_BUCKET = "chalicelib.protocol.control_bucket"
_RECORDS = "chalicelib.protocol.records"
_REVERIFY = "chalicelib.protocol.reverify"
_SHORT = "tests/steps/test_short_pages.py"

PAGING = (
    Mutant(
        "short-page-is-the-last",
        "a page of records that is not full counts as the last",
        (
            Edit(
                _CONTROL_BUCKET,
                "            if not page.truncated or (limit is not None and len(objects) >= limit):\n",
                "            if len(page.objects) < 1000 or (limit is not None and len(objects) >= limit):\n",
            ),
        ),
        (_SHORT,),
    ),
    Mutant(
        "records-from-the-pages-first",
        "the next page of records begins behind the first record of this one",
        (
            Edit(
                _CONTROL_BUCKET,
                "            start_after = page.objects[-1].key\n",
                "            start_after = page.objects[0].key\n",
            ),
        ),
        (_SHORT,),
    ),
    Mutant(
        "limit-cuts-a-page-early",
        "records are read only until there is one less than the limit",
        (Edit(_CONTROL_BUCKET, "len(objects) >= limit):", "len(objects) >= limit - 1):"),),
        (_SHORT,),
    ),
    Mutant(
        "entries-of-one-page",
        "entries are read from the first page of their names alone",
        (Edit(_RECORDS, "            truncated = page.truncated\n", "            truncated = False\n"),),
        (_SHORT,),
    ),
    Mutant(
        "entries-from-and-including",
        "entries after a partition begin with that partition",
        (
            Edit(
                _RECORDS,
                'after, truncated = f"{prefix}{partition_id}", True',
                'after, truncated = f"{prefix}{partition_id}"[:-1], True',
            ),
        ),
        (_SHORT,),
    ),
    Mutant(
        "receipts-of-one-page",
        "receipts are read from the first page of their names alone",
        (
            Edit(
                _RECORDS,
                """\
            if not page.truncated:
                return
            after = page.objects[-1].key
""",
                """\
            if page.objects:
                return
""",
            ),
        ),
        (_SHORT,),
    ),
    Mutant(
        "receipts-by-the-wrong-name",
        "receipts are listed from a partition's name on, without the prefix of its key",
        (
            Edit(
                _RECORDS,
                'after = self._key(f"done/{partition_id}") if partition_id else ""',
                'after = f"done/{partition_id}" if partition_id else ""',
            ),
        ),
        (_SHORT,),
    ),
    Mutant(
        "open-jobs-from-the-start",
        "open jobs are listed from a job's id on, without the prefix of its key: always the first ones",
        (
            Edit(
                _RECORDS,
                'start_after=f"open/{start_after}" if start_after else "", limit=limit',
                "start_after=start_after, limit=limit",
            ),
        ),
        (_SHORT,),
    ),
    Mutant(
        "object-cursor-one-too-far",
        "the next page of a job's objects begins one row late",
        (
            Edit(
                _PAGING,
                '                return rows, f"{entry.partition_id}.{position}"\n',
                '                return rows, f"{entry.partition_id}.{position + 1}"\n',
            ),
        ),
        (_SHORT,),
    ),
    Mutant(
        "object-cursor-in-every-partition",
        "the index of a cursor is left out in each partition that follows, too",
        (
            Edit(
                _PAGING,
                "(entry.partition_id == partition_id and position < index)",
                "(entry.partition_id >= partition_id and position < index)",
            ),
        ),
        (_SHORT,),
    ),
    Mutant(
        "object-page-full-too-soon",
        "a page that is just full is followed by an empty one",
        (
            Edit(
                _PAGING,
                """\
            if len(rows) == limit:
                return rows, f"{entry.partition_id}.{position}"
            rows.append((entry.partition_id, row))
""",
                """\
            rows.append((entry.partition_id, row))
            if len(rows) == limit:
                return rows, f"{entry.partition_id}.{position + 1}"
""",
            ),
        ),
        (_SHORT,),
    ),
    Mutant(
        "sources-cursor-left-out",
        "a source is listed behind the second key of its page",
        (
            Edit(
                _CATCHUP,
                'cursor=page.objects[-1].key if page.truncated else "",',
                'cursor=page.objects[0].key if page.truncated else "",',
            ),
        ),
        ("tests/steps/test_feed_backfill.py",),
    ),
    Mutant(
        "source-listed-anew",
        "each sweep lists a dead Region's source from its beginning",
        (
            Edit(
                _CATCHUP,
                "    begin = previous if previous and previous.cursor else Listing(started_ms=env.clock.now_ms())\n",
                "    begin = Listing(started_ms=env.clock.now_ms())\n",
            ),
        ),
        (_SHORT,),
    ),
    Mutant(
        "deliveries-gone-through-in-part",
        "a window of deliveries counts as verified although the time did not suffice for it",
        (
            Edit(
                _REVERIFY,
                'at = _Window(window.since_ms, window.until_ms, cursor or "")',
                'at = _Window(window.since_ms, window.until_ms, "")',
            ),
        ),
        (_SHORT,),
    ),
    Mutant(
        "cursor-of-the-last-sweep-dropped",
        "each sweep begins the window of deliveries anew",
        (Edit(_REVERIFY, "    cursor: str | None = window.cursor or None\n", "    cursor: str | None = None\n"),),
        (_SHORT,),
    ),
)
