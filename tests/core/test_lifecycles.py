"""The tables of the life cycles are complete, and the derived states are those of the rules that the code had before
them."""

from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.errors import EftError
from chalicelib.core.feeds import feed_state
from chalicelib.core.hooks import Webhook
from chalicelib.core.ids import DELETE_RANGE, ROOT_RANGE, partition_id_of
from chalicelib.core.jobs import JobState
from chalicelib.core.lifecycles import (
    DELIVERY,
    DELIVERY_EVENTS,
    FEED,
    JOB,
    JOB_ENDS,
    LIFE_CYCLES,
    NOTIFICATION,
    PARTITION,
    PLAN,
    UPLOAD,
    WEBHOOK,
    DeliveryStatus,
    FeedEvent,
    FeedState,
    JobEvent,
    NotificationEvent,
    NotificationState,
    PartitionEvent,
    PartitionState,
    PlanEvent,
    PlanState,
    UploadEvent,
    UploadState,
    WebhookState,
)
from chalicelib.core.planned import PlanFacts, plan_state
from chalicelib.core.policy import Policy
from chalicelib.core.progress import JOB_RULES, PHASES, JobFacts, job_state
from chalicelib.core.registers import Mark, Registration, upload_state
from chalicelib.core.sweep import JobSnapshot, waiting
from chalicelib.core.transitions import LifeCycle, Unlisted
from chalicelib.core.webhooks import event_of

cycles = pytest.mark.parametrize("cycle", LIFE_CYCLES, ids=lambda cycle: cycle.name)


# --- every table --------------------------------------------------------------------------------------------------


def _states(cycle: LifeCycle[Any, Any]) -> list[Any]:
    kind: Any = type(next(iter(cycle.table.values())))
    return list(kind)


def _events(cycle: LifeCycle[Any, Any]) -> list[Any]:
    kind: Any = type(next(iter(cycle.table))[1])
    return list(kind)


@cycles
def test_every_state_is_reached(cycle: LifeCycle[Any, Any]) -> None:
    """Events that come in time are enough to reach it."""
    reached: set[Any] = {None}
    while further := {to for (source, _), to in cycle.table.items() if source in reached} - reached:
        reached |= further
    assert reached - {None} == set(_states(cycle))


@cycles
def test_every_event_is_in_the_table(cycle: LifeCycle[Any, Any]) -> None:
    assert {event for _, event in cycle.table} == set(_events(cycle))


@cycles
def test_nothing_leads_out_of_a_final_state(cycle: LifeCycle[Any, Any]) -> None:
    out = {(state, event): to for (state, event), to in cycle.listed if state in cycle.finals and to is not state}
    # The exceptions: an approval that was under way, and notes of a delivery, which are hints.
    assert cycle is DELIVERY or out == (
        {(PlanState.CANCELLED, PlanEvent.APPROVED): PlanState.APPROVED} if cycle is PLAN else {}
    )


@cycles
def test_no_transition_is_listed_twice(cycle: LifeCycle[Any, Any]) -> None:
    assert not cycle.table.keys() & cycle.late.keys()


@cycles
def test_late_events_come_to_what_exists(cycle: LifeCycle[Any, Any]) -> None:
    assert None not in {state for state, _ in cycle.late}


@cycles
def test_what_is_not_listed_raises(cycle: LifeCycle[Any, Any]) -> None:
    listed = dict(cycle.listed)
    for state, event in product([None, *_states(cycle)], _events(cycle)):
        if (state, event) in listed:
            assert cycle.after(state, event) is listed[state, event]
        else:
            with pytest.raises(Unlisted, match=cycle.name):
                cycle.after(state, event)


def test_a_bug_is_no_answer() -> None:
    """Handlers treat our own errors as answers. This one must reach the alarm."""
    assert not issubclass(Unlisted, EftError)


def test_something_must_have_happened() -> None:
    with pytest.raises(Unlisted, match="no event"):
        JOB.reached(())


def test_events_are_replayed_in_order() -> None:
    events = [PartitionEvent.CUT, PartitionEvent.CLAIMED, PartitionEvent.TRIED]
    assert PARTITION.reached(events) is PartitionState.RESTING
    assert PARTITION.reached([*events, PartitionEvent.CLAIMED]) is PartitionState.COPYING
    with pytest.raises(Unlisted):
        PARTITION.reached(reversed(events))


def test_which_states_are_final() -> None:
    assert JOB.finals == {state for state in JobState if state.terminal} == JOB_ENDS.keys()
    assert PLAN.finals == {PlanState.APPROVED, PlanState.CANCELLED}
    assert PARTITION.finals == {PartitionState.DONE}
    assert UPLOAD.finals == {UploadState.COMPLETED, UploadState.ABORTED}
    assert FEED.finals == {FeedState.REMOVED}
    assert DELIVERY.finals == {DeliveryStatus.VERIFIED, DeliveryStatus.GONE}
    assert WEBHOOK.finals == {WebhookState.REMOVED}
    assert NOTIFICATION.finals == {NotificationState.ACCEPTED, NotificationState.DROPPED}


# --- where a table must list everything ---------------------------------------------------------------------------


@pytest.mark.parametrize("event", [event for event in JobEvent if event is not JobEvent.ACCEPTED])
def test_a_job_may_be_seen_for_the_first_time_in_any_state(event: JobEvent) -> None:
    assert JOB.after(JobState.PLANNING, event)


@pytest.mark.parametrize("state", [state for state in JobState if not state.terminal])
def test_an_open_job_may_be_paused_wait_and_end(state: JobState) -> None:
    for following in (JobState.PAUSED, JobState.WAITING_FOR_REGION, *JOB_ENDS):
        assert JOB.leads(state, following)


@pytest.mark.parametrize("end", JOB_ENDS)
def test_a_job_that_has_ended_stays_so(end: JobState) -> None:
    assert [state for state in JobState if JOB.leads(end, state)] == [end]


def test_a_job_at_work_does_not_plan_anew() -> None:
    assert not JOB.leads(JobState.RUNNING, JobState.PLANNING)
    assert not JOB.leads(JobState.RUNNING, JobState.PLANNED)


@pytest.mark.parametrize("state", DeliveryStatus)
def test_any_note_may_follow_any_other(state: DeliveryStatus) -> None:
    assert {DELIVERY.after(state, event) for event in DELIVERY_EVENTS.values()} == set(DeliveryStatus)


@pytest.mark.parametrize("state", [PartitionState.COPIED, PartitionState.DONE])
@pytest.mark.parametrize("event", [PartitionEvent.CLAIMED, PartitionEvent.TRIED, PartitionEvent.COPIED])
def test_late_workers_change_nothing(state: PartitionState, event: PartitionEvent) -> None:
    assert PARTITION.after(state, event) is state


@pytest.mark.parametrize("event", [UploadEvent.REGISTERED, UploadEvent.COMPLETED])
def test_a_fenced_upload_never_comes_into_use(event: UploadEvent) -> None:
    with pytest.raises(Unlisted):
        UPLOAD.after(UploadState.FENCED, event)


@pytest.mark.parametrize(
    ("state", "event"),
    [
        (FeedState.PAUSED, FeedEvent.PAUSED),
        (FeedState.PAUSED, FeedEvent.STOPPED),
        (FeedState.STOPPED, FeedEvent.PAUSED),
        (FeedState.STOPPED, FeedEvent.STOPPED),
        (FeedState.RUNNING, FeedEvent.RESUMED),
    ],
)
def test_what_is_desired_already_is_not_written(state: FeedState, event: FeedEvent) -> None:
    with pytest.raises(Unlisted):
        FEED.after(state, event)


# --- jobs ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("facts", "state"),
    [
        (JobFacts(), JobState.PLANNING),
        (JobFacts(claimed=True), JobState.RUNNING),
        (JobFacts(claimed=True, storage_down=True), JobState.WAITING_FOR_REGION),
        (JobFacts(storage_down=True), JobState.WAITING_FOR_REGION),
        (JobFacts(claimed=True, storage_down=True, paused=True), JobState.PAUSED),
        (JobFacts(claimed=True, storage_down=True, paused=True, ended=JobState.PARTIAL), JobState.PARTIAL),
        # It matters only for an approved plan whether rows are copied, and where.
        (JobFacts(unapproved=True), JobState.PLANNING),
        (JobFacts(unapproved=True, claimed=True, storage_down=True), JobState.PLANNING),
        (JobFacts(unapproved=True, summed_up=True, claimed=True, storage_down=True), JobState.PLANNED),
        (JobFacts(unapproved=True, summed_up=True, paused=True), JobState.PAUSED),
        (JobFacts(unapproved=True, summed_up=True, ended=JobState.CANCELLED), JobState.CANCELLED),
        (JobFacts(summed_up=True), JobState.PLANNING),
        (JobFacts(summed_up=True, claimed=True), JobState.RUNNING),
    ],
)
def test_the_state_of_a_job(facts: JobFacts, state: JobState) -> None:
    assert job_state(facts) is state


def _state_before(facts: JobFacts) -> JobState:
    """Derive a job's state as the API did before there was a table, in the same order of cases."""
    state = JobState.PAUSED if facts.paused else JobState.RUNNING if facts.claimed else JobState.PLANNING
    if facts.ended is not None:
        return facts.ended
    if facts.unapproved:
        return state if state is JobState.PAUSED else JobState.PLANNED if facts.summed_up else JobState.PLANNING
    if state is JobState.PAUSED:
        return state
    return JobState.WAITING_FOR_REGION if facts.storage_down else state


job_facts = st.builds(
    JobFacts,
    ended=st.none() | st.sampled_from(sorted(JOB_ENDS)),
    paused=st.booleans(),
    unapproved=st.booleans(),
    summed_up=st.booleans(),
    storage_down=st.booleans(),
    claimed=st.booleans(),
)


@given(job_facts)
def test_the_state_of_a_job_is_what_it_was(facts: JobFacts) -> None:
    assert job_state(facts) is _state_before(facts)


@pytest.mark.parametrize("table", [JOB_RULES, PHASES])
def test_rules_have_names_of_their_own(table: Any) -> None:
    names = [rule.name for rule in table]
    assert len(set(names)) == len(names)


# --- plans --------------------------------------------------------------------------------------------------------


def _plan_state_before(facts: PlanFacts) -> PlanState:
    if facts.approved:
        return PlanState.APPROVED
    if facts.cancelled:
        return PlanState.CANCELLED
    if facts.summed_up:
        return PlanState.EXPIRED if facts.expired else PlanState.PLANNED
    return PlanState.PLANNING


@pytest.mark.parametrize(("summed_up", "expired", "cancelled", "approved"), list(product([False, True], repeat=4)))
def test_the_state_of_a_plan_is_what_it_was(summed_up: bool, expired: bool, cancelled: bool, approved: bool) -> None:
    if expired and not (summed_up or approved):
        return  # A plan that isn't complete has no time at which it expires.
    facts = PlanFacts(summed_up, expired, cancelled, approved)
    assert plan_state(facts) is _plan_state_before(facts)


# --- partitions ---------------------------------------------------------------------------------------------------

partition_ids = st.sampled_from(
    [partition_id_of(ROOT_RANGE, 1), partition_id_of(ROOT_RANGE, 2), partition_id_of("r0", 1), partition_id_of("r1", 1)]
)
snapshots = st.builds(
    lambda entries, claims, copied, done, resting: JobSnapshot(
        entries=frozenset(entries | claims.keys()),
        claims=claims,
        copied={partition_id: epoch for partition_id, epoch in copied.items() if partition_id in claims},
        done=frozenset(done & (entries | claims.keys())),
        resting={partition_id: 1 for partition_id in resting if partition_id in claims},
    ),
    st.sets(partition_ids),
    st.dictionaries(partition_ids, st.integers(1, 3)),
    st.dictionaries(partition_ids, st.integers(1, 3)),
    st.sets(partition_ids),
    st.sets(partition_ids),
)


@given(snapshots)
def test_what_waits_in_a_job_is_what_it_was(records: JobSnapshot) -> None:
    work = waiting(records)
    ranges = {partition_id.rpartition("-")[0]: partition_id for partition_id in sorted(records.entries)}
    range_splits = {ranges[ROOT_RANGE]} if {ROOT_RANGE, "r0", "r1"} <= ranges.keys() else set()
    assert work.copy == records.entries - records.done - records.claims.keys() - range_splits
    assert work.working == records.claims.keys() - records.done - records.copied.keys()
    assert work.verify == records.copied.keys() - records.done


def test_a_copy_record_whose_claim_was_not_listed() -> None:
    """A LIST of several pages began before the claim, and ended after the copy record."""
    partition_id = partition_id_of(DELETE_RANGE, 1)
    work = waiting(JobSnapshot(entries=frozenset({partition_id}), copied={partition_id: 1}))
    assert not work.copy
    assert work.verify == {partition_id}


# --- uploads ------------------------------------------------------------------------------------------------------

UPLOADED = Registration(Mark.UPLOAD, "job", "r-000001/0", "mine", "n")
OTHERS = Registration(Mark.UPLOAD, "other", "r-000001/0", "theirs", "n")
TOMBSTONE = Registration(Mark.TOMBSTONE, "", "", "mine", "n")
DEAD = Registration(Mark.DEAD, "job", "r-000001/0", "mine", "n")
CLOSED = Registration(Mark.CLOSED, "job", "r-000001/0", "", "n")
OTHER_CLOSED = Registration(Mark.CLOSED, "other", "r-000001/0", "", "n")


@pytest.mark.parametrize(
    ("records", "state"),
    [
        ([], UploadState.BEGUN),
        ([OTHERS, OTHER_CLOSED], UploadState.BEGUN),
        ([OTHERS, TOMBSTONE], UploadState.FENCED),
        ([UPLOADED], UploadState.REGISTERED),
        ([UPLOADED, OTHERS, OTHER_CLOSED], UploadState.REGISTERED),
        ([UPLOADED, CLOSED], UploadState.CLOSED),
        ([UPLOADED, DEAD], UploadState.DEAD),
        ([UPLOADED, DEAD, CLOSED], UploadState.DEAD),
        ([UPLOADED, CLOSED, DEAD], UploadState.DEAD),
    ],
)
def test_the_state_of_an_upload(records: list[Registration], state: UploadState) -> None:
    assert upload_state("mine", dict(enumerate(records, start=1))) is state


# --- feeds, webhooks ----------------------------------------------------------------------------------------------


def test_the_state_of_a_feed() -> None:
    assert feed_state(paused=False, stopped=False) is FeedState.RUNNING
    assert feed_state(paused=True, stopped=False) is FeedState.PAUSED
    assert feed_state(paused=True, stopped=True) is FeedState.STOPPED


def test_the_state_of_a_webhook() -> None:
    assert Webhook("https://acme.example/", (), "whsec_").state is WebhookState.ACTIVE
    assert Webhook("https://acme.example/", (), "whsec_", disabled=True).state is WebhookState.DISABLED


@pytest.mark.parametrize(
    ("status", "posts", "state"),
    [
        (204, 1, NotificationState.ACCEPTED),
        (204, 3, NotificationState.ACCEPTED),
        (410, 1, NotificationState.DROPPED),
        (410, 3, NotificationState.DROPPED),
        (500, 2, NotificationState.WAITING),
        (None, 2, NotificationState.WAITING),
        (500, 3, NotificationState.GIVEN_UP),
        (None, 3, NotificationState.GIVEN_UP),
    ],
)
def test_what_a_post_leads_to(status: int | None, posts: int, state: NotificationState) -> None:
    event = event_of(status, posts, Policy(webhook_attempts=3))
    assert NOTIFICATION.after(NotificationState.WAITING, event) is state


def test_a_dead_letter_that_is_moved_back_is_posted_again() -> None:
    events = (NotificationEvent.SENT, NotificationEvent.FAILED_LAST, NotificationEvent.REDRIVEN)
    assert NOTIFICATION.reached(events) is NotificationState.WAITING
