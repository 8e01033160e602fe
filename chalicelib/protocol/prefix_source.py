"""Plan from a prefix: cut the listing of a job's source into the contents of manifests."""

from collections.abc import Iterable

from chalicelib.core.filters import ObjectFilter
from chalicelib.core.jobs import JobSpec
from chalicelib.core.objects import ObjectFacts
from chalicelib.core.plan import target_key
from chalicelib.core.policy import LIST_PAGE_KEYS
from chalicelib.core.prefixes import is_folder
from chalicelib.ports import Env
from chalicelib.protocol.planning import Cut, plan_rows

PAGES_PER_ENTRY = 20
"""Maximum number of pages that are listed for one manifest if a filter leaves few of their objects."""


def cut_prefix(env: Env, spec: JobSpec, object_filter: ObjectFilter, after: str, end: str) -> Cut:
    """Return the rows of one page of the source, or of several pages if a filter leaves few objects of each.

    The rows are those above the key `after`, up to the key `end`; "" means the end of the prefix.

    After `PAGES_PER_ENTRY` pages an entry is written even without rows. It keeps the position in the listing, so that
    neither a crash nor a filter that matches nothing makes the listing start again.
    """
    limit = min(env.policy.partition_rows, LIST_PAGE_KEYS)
    selected: list[ObjectFacts] = []
    dropped: list[str] = []
    cursor, last = after, False
    for _ in range(PAGES_PER_ENTRY):
        page = env.store.list(spec.source.bucket, spec.source_prefix, start_after=cursor, limit=limit - len(selected))
        objects = [facts for facts in page.objects if not end or facts.key <= end]
        _apply_filter(spec, object_filter, objects, selected, dropped)
        last = not page.truncated or len(objects) < len(page.objects)
        cursor = objects[-1].key if objects else end
        if last or not dropped or 2 * len(selected) > limit:
            break
    fitting = _within_bytes(selected, env.policy.partition_bytes)
    if len(fitting) < len(selected):
        cursor, last = fitting[-1].key, False
        dropped = [key for key in dropped if key < cursor]
    named = [facts for facts in fitting if not _is_own_marker(spec, facts)]
    return Cut(plan_rows(env, spec, named, after), cursor, last, len(dropped))


def _apply_filter(
    spec: JobSpec,
    object_filter: ObjectFilter,
    objects: Iterable[ObjectFacts],
    selected: list[ObjectFacts],
    dropped: list[str],
) -> None:
    """Add each object to `selected` if it passes the filter; otherwise add its key to `dropped`."""
    for facts in objects:
        if object_filter.passes(facts.key.removeprefix(spec.source_prefix), facts):
            selected.append(facts)
        else:
            dropped.append(facts.key)


def _is_own_marker(spec: JobSpec, facts: ObjectFacts) -> bool:
    """Return whether an object is the folder marker of the source prefix itself. Below an empty target prefix it has no
    counterpart. Any other object whose key equals the prefix is a real object, and gets a row."""
    nameless = not target_key(facts.key, spec.source_prefix, spec.target_prefix)
    return nameless and facts.size == 0 and is_folder(spec.source_prefix)


def _within_bytes(objects: list[ObjectFacts], limit: int) -> list[ObjectFacts]:
    """Return the first objects whose sizes sum up to at most `limit` bytes, but at least one object."""
    total = 0
    for index, facts in enumerate(objects):
        total += facts.size
        if total > limit and index > 0:
            return objects[:index]
    return objects
