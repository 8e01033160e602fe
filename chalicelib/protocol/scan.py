"""Read the facts of many keys at once: by LIST where they lie close together, by HEAD where they don't."""

from collections.abc import Sequence
from dataclasses import replace

from chalicelib.core.errors import EftError
from chalicelib.core.inputs import NO_FILTERS
from chalicelib.core.jobs import JobKind, JobSpec
from chalicelib.core.keyrange import just_below
from chalicelib.core.objects import Bucket, ObjectFacts
from chalicelib.core.plan import target_key
from chalicelib.core.policy import LIST_PAGE_KEYS
from chalicelib.ports import Env
from chalicelib.protocol.poison import safely

KEYS_A_LIST_IS_WORTH = 12
"""A LIST costs as much as this many HEADs (S3 prices: $0.005 against $0.0004 per 1,000)."""


def first_bound(spec: JobSpec, after: str, targets: Sequence[str]) -> str:
    """Return the key above which to list the destination, in order to see a partition's sorted targets.

    If a partition holds everything that the source has after `after`, its targets follow directly after the key for it.
    Otherwise they may lie anywhere, and the first one decides.
    """
    if spec.kind is JobKind.PREFIX and spec.filters == NO_FILTERS:
        return target_key(after, spec.source_prefix, spec.target_prefix) if after.startswith(spec.source_prefix) else ""
    return just_below(targets[0]) if targets else ""


def look_at(
    env: Env, bucket: Bucket, prefix: str, after: str, keys: Sequence[str]
) -> dict[str, ObjectFacts | EftError]:
    """Return the facts of those of `keys` that exist, or the error of one that can't be read. `keys` are sorted, lie
    under `prefix` and above `after`.

    Other objects may lie between them. A page that shows too few of the wanted keys ends the listing, and the rest is
    read one by one. So 1,000 neighbouring keys cost one LIST, and three keys among a million cost three HEADs.
    """
    results: dict[str, ObjectFacts | EftError] = {}
    index = 0
    while len(keys) - index >= KEYS_A_LIST_IS_WORTH:
        page = env.store.list(bucket, prefix, start_after=after, limit=LIST_PAGE_KEYS)
        listed = {facts.key: facts for facts in page.objects}
        end = len(keys) if not page.truncated else _first_above(keys, page.objects[-1].key, index)
        results.update((key, listed[key]) for key in keys[index:end] if key in listed)
        shown, index = end - index, end
        if not page.truncated:
            return results
        after = page.objects[-1].key
        if shown < KEYS_A_LIST_IS_WORTH:
            break
    heads = env.pool.map(lambda key: safely(env, key, lambda: env.store.head(bucket, key)), keys[index:])
    for key, head in zip(keys[index:], heads, strict=True):
        if head is not None:
            results[key] = head if isinstance(head, EftError) else replace(head.facts, key=key)
    return results


def _first_above(keys: Sequence[str], limit: str, index: int) -> int:
    """Return the first index from `index` on whose key is above `limit` in UTF-8 byte order (which is code point
    order)."""
    while index < len(keys) and keys[index] <= limit:
        index += 1
    return index
