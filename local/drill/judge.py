"""Judge the evidence. This module is pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

from local.drill.model import Asked, Counts, Evidence, Record, View
from local.drill.times import ANSWER_S, CLIENT_TIMEOUT_S, SWEEP_TIMEOUT_S, Promise

_SHOWN = 5
MOMENTS_S = 10
_CLOCK_MS = 2_000
"""Tolerance in milliseconds. S3 shows times in seconds only, and requests that a dying Region had sent may still be
carried out."""


def counts(evidence: Evidence) -> Counts:
    copied_before = [key for key in evidence.there_at_death if key in evidence.source]
    return Counts(
        objects=len(evidence.source),
        copied_before=len(copied_before),
        copied_after=len([key for key in evidence.target if key in evidence.source and key not in copied_before]),
        copied_twice=len(twice(evidence)),
        partial_seen=len(evidence.partial),
        lost=len(lost(evidence)),
        orphan_uploads=len(evidence.uploads_left),
        parts_resent_of_finished=sum(resent(evidence).values()),
    )


def twice(evidence: Evidence) -> list[str]:
    return sorted(key for key, target in evidence.target.items() if len(target.versions) > 1)


def lost(evidence: Evidence) -> list[str]:
    """Return keys that were sent and are not there, or differ from what was sent, or have no outcome COPIED."""
    differing = [
        key
        for key, digest in evidence.source.items()
        if key not in evidence.target or evidence.target[key].sha256 != digest
    ]
    not_copied = [key for key in evidence.asked if evidence.rows.get(key) != "COPIED"]
    return sorted({*differing, *not_copied})


def replaced(evidence: Evidence) -> list[str]:
    """Return keys whose versions at the target have changed since the death."""
    return sorted(
        key
        for key, versions in evidence.there_at_death.items()
        if key not in evidence.target or evidence.target[key].versions != versions
    )


def resent(evidence: Evidence) -> dict[str, int]:
    """Return how many upload parts of each key were copied although they had arrived before the death."""
    over = {key: evidence.parts_sent.get(key, 0) - missing for key, missing in evidence.parts_expected.items()}
    return {key: number for key, number in over.items() if number > 0}


def handed_twice(written: Mapping[str, Sequence[tuple[str, int]]], death_ms: int) -> tuple[list[str], list[str]]:
    """Return keys that a feed wrote more than once, and apart from them those that are excused. `written` holds
    versions and when they were written, the newest first.

    A key is excused if its first version was written in the moments before the death. The worker that published it may
    have died before it recorded that anywhere, and once the file is gone nothing shows it (docs/failover.md, "Feeds").
    """
    repeated = sorted(key for key, versions in written.items() if len(versions) > 1)
    excused = [
        key
        for key in repeated
        if len(written[key]) == 2 and -MOMENTS_S * 1000 <= written[key][-1][1] - death_ms <= _CLOCK_MS
    ]
    return [key for key in repeated if key not in excused], excused


def went_back(views: Sequence[View]) -> tuple[int, int]:
    """Return by how many objects progress went back within one Region's answers, and where the answering Region
    changed. In the latter case it may lag by what had not been replicated."""
    within = across = 0
    for earlier, later in pairwise(views):
        loss = max(0, earlier.objects_done - later.objects_done)
        if earlier.region == later.region:
            within += loss
        else:
            across += loss
    return within, across


def takeover_seconds(record: Record) -> float | None:
    if record.death_ms is None or not record.evidence.takeovers:
        return None
    return round((max(takeover.at_ms for takeover in record.evidence.takeovers) - record.death_ms) / 1000, 1)


def dns_seconds(record: Record) -> float | None:
    return None if None in (record.dns_ms, record.death_ms) else _seconds(record.death_ms, record.dns_ms)


def recovery_seconds(record: Record) -> float | None:
    since_ms = record.since_ms or record.death_ms
    return None if None in (record.ended_ms, since_ms) else _seconds(since_ms, record.ended_ms)


def _seconds(since_ms: int | None, at_ms: int | None) -> float:
    return round(((at_ms or 0) - (since_ms or 0)) / 1000, 1)


def judge(record: Record, promise: Promise) -> None:
    """Check the statements that hold in every case. Each case adds its own."""
    evidence = record.evidence
    totals = counts(evidence)
    record.check(
        "Every object is at the target, byte for byte, and its row says COPIED",
        bool(evidence.source) and not totals.lost,
        _some(lost(evidence)) or f"{totals.objects} objects compared by SHA-256",
    )
    record.check(
        "No object was written twice: one version each in a versioned bucket",
        not totals.copied_twice,
        _some(twice(evidence)) or f"{len(evidence.target)} keys, {len(evidence.target)} versions",
    )
    record.check(
        "No partial object was ever visible",
        not totals.partial_seen and (evidence.looks > 0 or not evidence.source),
        _some(evidence.partial) or f"{evidence.looks} looks by LIST and HEAD",
    )
    record.check(
        "No multipart upload of ours is left behind",
        not evidence.uploads_left,
        _some(evidence.uploads_left) or "ListMultipartUploads of both target buckets",
    )
    record.check(
        "Another application's upload, 48 h old, survived", evidence.foreign_alive, "one in each target bucket"
    )
    if evidence.there_at_death:
        record.check(
            "What was at the target when the Region died was not touched again",
            not replaced(evidence),
            _some(replaced(evidence)) or f"{len(evidence.there_at_death)} objects, same version ids",
        )
    if evidence.parts_expected:
        record.check(
            "No part that had arrived was sent again",
            not totals.parts_resent_of_finished,
            ", ".join(f"{key}: {number}" for key, number in resent(evidence).items())
            or f"{sum(evidence.parts_expected.values())} parts were missing, as many were sent",
        )
    _judge_customers(record)
    _judge_times(record, promise)
    _judge_sweeps(record)
    _judge_answers(record, promise)


def _judge_customers(record: Record) -> None:
    evidence = record.evidence
    if evidence.states:
        failed = [f"{job_id} {state}" for job_id, state in evidence.states.items() if state != "SUCCEEDED"]
        record.check("Every job SUCCEEDED", not failed, _some(failed) or f"{len(evidence.states)} jobs")
    if evidence.ids:
        _judge_answers_to_customers(record)


def _judge_answers_to_customers(record: Record) -> None:
    evidence = record.evidence
    mixed = [f"{key}: {sorted(set(ids))}" for key, ids in evidence.ids.items() if len(set(ids)) != 1]
    submissions = sum(len(ids) for ids in evidence.ids.values())
    record.check(
        "The same Idempotency-Key always meant the same job",
        not mixed,
        _some(mixed)
        or f"{submissions} submissions of {len(evidence.ids)} jobs, {evidence.retries} failed requests repeated",
    )
    backs = {key: went_back(views) for key, views in evidence.views.items()}
    within = [f"{key}: {back} objects" for key, (back, _) in backs.items() if back]
    across = sum(back for _, back in backs.values())
    polled = sum(len(views) for views in evidence.views.values())
    record.check(
        "Progress never went backwards within a Region's answers",
        not within,
        _some(within) or f"{polled} answers; where another Region began to answer it lagged by {across} objects",
    )


def _judge_times(record: Record, promise: Promise) -> None:
    dns, takeover, recovery = dns_seconds(record), takeover_seconds(record), recovery_seconds(record)
    if dns is not None:
        record.check("The one name led to the living Region in time", dns <= promise.dns, f"{dns} of {promise.dns:g} s")
    if record.judge_takeover:
        record.check(
            "Everything the dead Region held was taken over in time",
            takeover is not None and takeover <= promise.takeover,
            f"{takeover} of {promise.takeover:g} s, {len(record.evidence.takeovers)} partitions",
        )
    if (record.since_ms or record.death_ms) is not None:
        record.check(
            "All work was finished in time",
            recovery is not None and recovery <= promise.recovery,
            f"{recovery} of {promise.recovery:g} s",
        )


def _judge_sweeps(record: Record) -> None:
    """Check each sweep of a Region that was alive. Lambda ends one that takes too long, and nothing else shows that."""
    sweeps = record.evidence.sweeps
    if not sweeps:
        return
    failed = [s for s in sweeps if s.failure or s.took_ms > SWEEP_TIMEOUT_S * 1000]
    longest = max(sweeps, key=lambda swept: swept.took_ms)
    record.check(
        "Every sweep of a living Region ended by itself",
        not failed,
        _some([f"{s.region} after {s.took_ms / 1000:.1f} s: {s.failure[:200]}" for s in failed])
        or f"{len(sweeps)} sweeps, longest {longest.took_ms / 1000:.1f} of {SWEEP_TIMEOUT_S} s ({longest.region})",
    )


def _judge_answers(record: Record, promise: Promise) -> None:
    """Check the answers given while a Region was in trouble: those of the other Region's own API, and those to
    customers of the one name."""
    evidence = record.evidence
    if not evidence.inquiries:
        return
    record.check(
        f"Whatever the living Region was asked, it answered within {ANSWER_S:g} s",
        not late(evidence.inquiries),
        _some([_in_words(request) for request in late(evidence.inquiries)]) or _longest(evidence.inquiries),
    )
    until_ms = record.returned_ms or record.ended_ms or 0
    requests_after = [request for request in evidence.requests if (record.dns_ms or 0) <= request.sent_ms < until_ms]
    if record.dns_ms is None or not requests_after:
        return
    record.check(
        f"Once the name led to the living Region, customers were answered within {ANSWER_S:g} s",
        not late(requests_after),
        _some([_in_words(request) for request in late(requests_after)]) or _longest(requests_after),
    )
    waited_s, limit_s = longest_wait(evidence.requests) / 1000, promise.dns + CLIENT_TIMEOUT_S + ANSWER_S
    record.check(
        "No customer waited longer than the name takes to lead elsewhere, and their own timeout",
        waited_s <= limit_s,
        f"{waited_s:.1f} of {limit_s:g} s from his first try to an answer",
    )


def late(requests: Sequence[Asked]) -> list[Asked]:
    """Return requests that were not answered in time, or with an error that says neither what is wrong nor what to
    do."""
    return [
        request
        for request in requests
        if not request.answered
        or request.took_ms > ANSWER_S * 1000
        or (int(request.said) >= 500 and request.said != "503")
    ]


def longest_wait(requests: Sequence[Asked]) -> int:
    """Return the longest time in milliseconds from a request to an answer. A request without an answer is repeated; its
    time counts from the first try."""
    since: dict[str, int] = {}
    longest = 0
    for request in sorted(requests, key=lambda request: request.sent_ms):
        began_ms = since.setdefault(request.what, request.sent_ms)
        longest = max(longest, request.sent_ms + request.took_ms - began_ms)
        if request.answered:
            del since[request.what]
    return longest


def _longest(requests: Sequence[Asked]) -> str:
    slowest = max(requests, key=lambda request: request.took_ms)
    refused = len([request for request in requests if request.said == "503"])
    return f"{len(requests)} requests, {refused} of them 503; longest {_in_words(slowest)}"


def _in_words(request: Asked) -> str:
    return f"{request.what}: {request.said} after {request.took_ms / 1000:.1f} s"


def _some(names: Sequence[str]) -> str:
    ending = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + ending
