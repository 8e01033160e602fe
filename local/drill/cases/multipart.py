"""Case B: West dies in the middle of multipart copies."""

from __future__ import annotations

from random import Random

from chalicelib.core.ids import object_id
from local.drill import collect
from local.drill.cases.steps import await_settled, happened, kill_west, return_west
from local.drill.customer import now_ms
from local.drill.faults import Rules, count, hold
from local.drill.model import Record
from local.drill.stage import MIB, ORPHAN_AGE_H, Stage, Work
from local.drill.times import SIZES
from local.gateway.launch import EAST, WEST
from local.wait import wait_until

STORY = (
    "West dies in the middle of multipart copies. East adopts the uploads that are registered, keeps their finished "
    "parts and copies the rest. At the same moment West dies between CreateMultipartUpload and its registration of "
    "another object; and of a third one somebody aborts the upload meanwhile. Nothing partial is ever visible."
)
LARGE = (12, 24, 40)
"""Sizes in MiB: 3, 5 and 8 upload parts."""
PART = SIZES["part_size_bytes"]


def play(stage: Stage, record: Record, rng: Random) -> None:
    large = stage.work("b", "large", [size * MIB for size in LARGE])
    unregistered = stage.work("b", "unregistered", [12 * MIB])
    aborted = stage.work("b", "aborted", [16 * MIB])
    works = [large, unregistered, aborted]
    stage.faults(*_moment(stage, large, unregistered, aborted, rng))
    for work in works:
        stage.submit(work)
    stage.reached("large", "unregistered", "aborted")
    kill_west(stage, record, works)
    orphan = _look_at_uploads(stage, record, works)
    _abort(stage, record, aborted)
    await_settled(stage, record, works)
    record.evidence.parts_sent = {key: number for key, number in stage.fired().items() if key in large.sizes}
    _let_sweep_collect(stage, record, orphan)
    return_west(stage, record)
    stage.leave(record)
    collect.collect(stage, record, works)
    _judge(stage, record, large, orphan)


def _moment(stage: Stage, large: Work, unregistered: Work, aborted: Work, rng: Random) -> list[Rules]:
    total = sum(parts_of(size) for size in large.sizes.values())
    parts_before, aborted_parts_before = rng.randrange(1, total - 1), rng.randrange(1, 3)
    stage.say(f"  West dies after {parts_before} of {total} parts")
    (lone,) = unregistered.sizes
    register = f"reg/{object_id(unregistered.target.target_bucket, lone)}"
    west, east = ({"operation": "UploadPartCopy", "caller": region} for region in (WEST, EAST))
    return [
        hold("large", west | {"key_prefix": large.prefix}, skip=parts_before),
        hold("aborted", west | {"key_prefix": aborted.prefix}, skip=aborted_parts_before),
        hold("unregistered", {"caller": WEST, "operation": "PutObject", "key_prefix": register}),
        *(count(key, east | {"key_prefix": key}) for key in large.sizes),
    ]


def parts_of(size: int) -> int:
    return -(-size // PART)


def _look_at_uploads(stage: Stage, record: Record, works: list[Work]) -> str:
    """Note which upload parts have arrived, once no copy is in progress any more. Return the id of the upload that
    nobody has registered."""
    large, unregistered, _ = works
    bucket = large.target.target_bucket

    def arrived() -> dict[str, set[int]]:
        open_now = collect.uploads(stage, bucket, large.prefix)
        return {key: collect.parts(stage, bucket, key, upload_id) for key, upload_id in open_now}

    looks = [arrived()]

    def still() -> bool:
        looks.append(arrived())
        return len(looks) > 4 and looks[-1] == looks[-2] == looks[-3]

    wait_until(still, "no part copy of West is under way", 10)
    versions_there = record.evidence.there_at_death = {
        key: versions for work in works for key, versions in collect.versions(stage, bucket, work.prefix).items()
    }
    record.evidence.parts_expected = {
        key: 0 if key in versions_there else parts_of(size) - len(looks[-1].get(key, ()))
        for key, size in large.sizes.items()
    }
    finished = sum(len(numbers) for numbers in looks[-1].values())
    happened(record, now_ms(), f"{len(looks[-1])} registered uploads with {finished} finished parts are left")
    orphans = [upload_id for _, upload_id in collect.uploads(stage, bucket, unregistered.prefix)]
    record.check("West had created an upload that nothing names", len(orphans) == 1, f"{len(orphans)} found")
    return orphans[0] if orphans else ""


def _abort(stage: Stage, record: Record, work: Work) -> None:
    """Abort the upload as a third party with rights of its own."""
    bucket = work.target.target_bucket
    uploads = collect.uploads(stage, bucket, work.prefix)
    for key, upload_id in uploads:
        stage.s3.abort_multipart_upload(Bucket=bucket, Key=key, UploadId=upload_id)
        happened(record, now_ms(), f"a third party aborts the upload of {key}")
    record.check("A registered upload was there to be aborted", len(uploads) == 1, f"{len(uploads)} found")


def _let_sweep_collect(stage: Stage, record: Record, orphan: str) -> None:
    """Make the unregistered upload a day old in S3's listing: then the sweep has to abort it."""
    if not orphan:
        return
    bucket = stage.east.target_bucket
    stage.age(orphan, ORPHAN_AGE_H)
    happened(record, now_ms(), f"the unregistered upload is made {ORPHAN_AGE_H} h old")
    wait_until(
        lambda: orphan not in [upload_id for _, upload_id in collect.uploads(stage, bucket)],
        "the sweep aborts the unregistered upload",
        3 * stage.times.sweep_s + 60,
    )
    happened(record, now_ms(), "a sweep has aborted the unregistered upload")
    record.phase("orphan collected", now_ms())


def _judge(stage: Stage, record: Record, large: Work, orphan: str) -> None:
    evidence = record.evidence
    created = stage.requests(EAST, "CreateMultipartUpload", "2xx")
    record.check("The upload that nothing named was collected by the sweep", bool(orphan), orphan[:16])
    adopted = [key for key, number in evidence.parts_sent.items() if 0 < number < parts_of(large.sizes[key])]
    record.check(
        "Every part that was missing was sent once",
        evidence.parts_sent == evidence.parts_expected,
        f"sent by East {sum(evidence.parts_sent.values())}, missing {sum(evidence.parts_expected.values())}; "
        f"{len(adopted)} uploads adopted in the middle, {created} new ones created by East",
    )
