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
        "records are read until there is one less than the limit",
        (Edit(_CONTROL_BUCKET, "len(objects) >= limit):", "len(objects) >= limit - 1):"),),
        (_SHORT,),
    ),
    Mutant(
        "links-of-one-page",
        "links are read of the first page of their names alone",
        (Edit(_RECORDS, "            truncated = page.truncated\n", "            truncated = False\n"),),
        (_SHORT,),
    ),
    Mutant(
        "links-from-and-including",
        "links after a partition begin with that partition",
        (
            Edit(
                _RECORDS,
                'after, truncated = f"{prefix}{part}", True',
                'after, truncated = f"{prefix}{part}"[:-1], True',
            ),
        ),
        (_SHORT,),
    ),
    Mutant(
        "receipts-of-one-page",
        "receipts are read of the first page of their names alone",
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
        "receipts are asked for behind a partition's name, without what stands before it",
        (
            Edit(
                _RECORDS, 'after = self._key(f"done/{part}") if part else ""', 'after = f"done/{part}" if part else ""'
            ),
        ),
        (_SHORT,),
    ),
    Mutant(
        "open-jobs-from-the-start",
        "open jobs are asked for behind a job's id, without what stands before it: always the first ones",
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
                '                return found, f"{link.part}.{position}"\n',
                '                return found, f"{link.part}.{position + 1}"\n',
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
                "(link.part == part and position < index)",
                "(link.part >= part and position < index)",
            ),
        ),
        (_SHORT,),
    ),
    Mutant(
        "object-page-full-too-soon",
        "a page that is just full leads to one more, which is empty",
        (
            Edit(
                _PAGING,
                """\
            if len(found) == limit:
                return found, f"{link.part}.{position}"
            found.append((link.part, row))
""",
                """\
            found.append((link.part, row))
            if len(found) == limit:
                return found, f"{link.part}.{position + 1}"
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
        ("tests/steps/test_feed_fill.py",),
    ),
    Mutant(
        "source-listed-anew",
        "each sweep lists a dead Region's source from its beginning",
        (
            Edit(
                _CATCHUP,
                "    begin = before if before and before.cursor else Listing(started_ms=env.clock.now_ms())\n",
                "    begin = Listing(started_ms=env.clock.now_ms())\n",
            ),
        ),
        (_SHORT,),
    ),
    Mutant(
        "deliveries-gone-through-in-part",
        "a window of deliveries that there was no time for counts as gone through",
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
        "deliveries are gone through from their beginning in each sweep",
        (Edit(_REVERIFY, "    cursor: str | None = window.cursor or None\n", "    cursor: str | None = None\n"),),
        (_SHORT,),
    ),
)
