"""Divides a sweep's time among its stages."""

from collections.abc import Mapping
from enum import StrEnum


class Stage(StrEnum):
    """A stage of a sweep. The order is that in which a sweep runs them: the most urgent ones come first."""

    HEARTBEATS = "heartbeats"
    OWN_JOBS = "own-jobs"
    PEER_JOBS = "peer-jobs"
    FEEDS = "feeds"
    UPLOADS = "uploads"
    SCHEDULES = "schedules"
    KEYS = "keys"
    RECHECKS = "rechecks"


SHARES: Mapping[Stage, int] = {
    Stage.HEARTBEATS: 13,
    Stage.OWN_JOBS: 26,
    Stage.PEER_JOBS: 16,
    Stage.FEEDS: 12,
    Stage.UPLOADS: 8,
    Stage.SCHEDULES: 10,
    Stage.KEYS: 8,
    Stage.RECHECKS: 7,
}
"""Percentages. Time that a stage does not need is left for those after it."""


def stage_ends(begin_ms: int, end_ms: int) -> Mapping[Stage, int]:
    """Return when each stage has to stop, so that all stages after it keep their shares. The ends are computed
    backwards from `end_ms`. So the time that the first stages leave unused belongs to the later ones, and an overrun
    costs only the next stage, not all of them."""
    whole_ms, remaining = max(0, end_ms - begin_ms), sum(SHARES.values())
    ends: dict[Stage, int] = {}
    for stage, share in SHARES.items():
        remaining -= share
        ends[stage] = end_ms - whole_ms * remaining // sum(SHARES.values())
    return ends


def shortest_share_ms(whole_ms: int) -> int:
    return whole_ms * min(SHARES.values()) // sum(SHARES.values())
