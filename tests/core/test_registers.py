"""The register of a destination object's uploads: which upload counts, which are dead, and which may be aborted."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.registers import Mark, Registration, StaleUploadAction, judge_upload, read_register

JOB, ROW = "job-mine", "r-000001/0"


def upload(name: str, job: str = JOB, row: str = ROW) -> Registration:
    return Registration(Mark.UPLOAD, job, row, name, f"nonce-{name}")


def dead(name: str, job: str = JOB, row: str = ROW) -> Registration:
    return Registration(Mark.DEAD, job, row, name, "nonce")


TOMBSTONE = Registration(Mark.TOMBSTONE, "", "", "unregistered", "nonce")
CLOSED = Registration(Mark.CLOSED, JOB, ROW, "", "nonce")
OTHER_CLOSED = Registration(Mark.CLOSED, "job-other", ROW, "", "nonce")


@pytest.mark.parametrize(
    ("generations", "next_generation", "upload_id", "closed"),
    [
        ({}, 1, None, False),
        ({1: upload("a")}, 2, "a", False),
        ({1: upload("a"), 2: upload("b")}, 3, "b", False),
        # TOMBSTONE_SUPERSEDES (protocol model): a tombstone fills a generation, but it does not end the upload below
        # it.
        ({1: upload("a"), 2: TOMBSTONE}, 3, "a", False),
        ({1: TOMBSTONE, 2: TOMBSTONE}, 3, None, False),
        # A dead upload is not gone on with. The one before it is, if it is alive.
        ({1: upload("a"), 2: dead("a")}, 3, None, False),
        ({1: upload("a"), 2: dead("a"), 3: upload("b")}, 4, "b", False),
        ({1: upload("a"), 2: upload("b"), 3: dead("b")}, 4, "a", False),
        # Other jobs' and other rows' uploads are never adopted, but their generations count.
        ({1: upload("a", job="job-other")}, 2, None, False),
        ({1: upload("a", row="r-000001/1")}, 2, None, False),
        ({1: upload("a"), 2: upload("b", job="job-other")}, 3, "a", False),
        ({7: upload("a")}, 8, "a", False),
        # The register is closed for this job, not for others.
        ({1: upload("a"), 2: CLOSED}, 3, "a", True),
        ({1: OTHER_CLOSED}, 2, None, False),
    ],
)
def test_reading(
    generations: dict[int, Registration], next_generation: int, upload_id: str | None, closed: bool
) -> None:
    register = read_register(generations, JOB, ROW)
    assert (register.next_generation, register.upload_id, register.closed) == (next_generation, upload_id, closed)


@pytest.mark.parametrize(
    ("upload_id", "generations", "settled", "action"),
    [
        # Nobody registered it, so it is fenced first.
        ("a", {}, False, StaleUploadAction.FENCE),
        ("a", {1: upload("b")}, False, StaleUploadAction.FENCE),
        ("a", {1: TOMBSTONE}, False, StaleUploadAction.FENCE),
        # An earlier sweep fenced it and did not get to the abort. Another upload's tombstone fences only that upload.
        ("unregistered", {1: TOMBSTONE}, False, StaleUploadAction.ABORT),
        ("unregistered", {1: upload("b"), 2: TOMBSTONE, 3: upload("c")}, False, StaleUploadAction.ABORT),
        # It is in use.
        ("a", {1: upload("a")}, False, StaleUploadAction.KEEP),
        ("a", {1: upload("a"), 2: TOMBSTONE}, False, StaleUploadAction.KEEP),
        ("a", {1: upload("a"), 2: upload("b", job="job-other")}, False, StaleUploadAction.KEEP),
        # It is superseded by a later upload of the same row, or given up, or its partition has a receipt.
        ("a", {1: upload("a"), 2: upload("b")}, False, StaleUploadAction.ABORT),
        ("a", {1: upload("a"), 2: dead("a")}, False, StaleUploadAction.ABORT),
        ("a", {1: upload("a")}, True, StaleUploadAction.ABORT),
        ("b", {1: upload("a"), 2: upload("b")}, False, StaleUploadAction.KEEP),
        # The later one died, so the row goes on with this one, if it is still open.
        ("a", {1: upload("a"), 2: upload("b"), 3: dead("b")}, False, StaleUploadAction.KEEP),
    ],
)
def test_judging(
    upload_id: str, generations: dict[int, Registration], settled: bool, action: StaleUploadAction
) -> None:
    assert judge_upload(upload_id, generations, {f"{JOB}/{ROW}": settled}) is action


def test_another_jobs_receipt_says_nothing_about_ours() -> None:
    generations = {1: upload("a"), 2: upload("b", job="job-other")}
    settled = {f"{JOB}/{ROW}": False, f"job-other/{ROW}": True}
    assert judge_upload("a", generations, settled) is StaleUploadAction.KEEP
    assert judge_upload("b", generations, settled) is StaleUploadAction.ABORT


registrations = st.builds(
    Registration,
    st.sampled_from([Mark.UPLOAD, Mark.TOMBSTONE, Mark.DEAD, Mark.CLOSED]),
    st.sampled_from([JOB, "job-other"]),
    st.sampled_from([ROW, "r-000002/0"]),
    st.sampled_from("abcd"),
    st.just("nonce"),
)
registers = st.dictionaries(st.integers(1, 9), registrations, max_size=6)


@given(registers)
def test_the_upload_that_is_gone_on_with_is_never_aborted(generations: dict[int, Registration]) -> None:
    """A worker would adopt it, so the sweep keeps it (I5)."""
    for job in (JOB, "job-other"):
        for row in (ROW, "r-000002/0"):
            adopted = read_register(generations, job, row).upload_id
            owners = {
                r.job_id + r.row for r in generations.values() if r.upload_id == adopted and r.mark is Mark.UPLOAD
            }
            if adopted is not None and len(owners) == 1:
                assert judge_upload(adopted, generations, {}) is StaleUploadAction.KEEP


@given(registers)
def test_the_next_generation_is_free_and_above_all(generations: dict[int, Registration]) -> None:
    free = read_register(generations, JOB, ROW).next_generation
    assert free not in generations
    assert all(free > generation for generation in generations)


@given(registers)
def test_only_one_own_live_upload_is_adopted(generations: dict[int, Registration]) -> None:
    adopted = read_register(generations, JOB, ROW).upload_id
    if adopted is not None:
        assert any(
            r.mark is Mark.UPLOAD and (r.job_id, r.row, r.upload_id) == (JOB, ROW, adopted)
            for r in generations.values()
        )
        assert not any(r.mark is Mark.DEAD and r.upload_id == adopted for r in generations.values())
