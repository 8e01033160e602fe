"""How the stages of a sweep share its time."""

from collections.abc import Mapping
from enum import StrEnum


class Stage(StrEnum):
    """In the order in which a sweep goes through them: what cannot wait comes first."""

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
"""In hundredths. What a stage does not need is for those after it."""


def stage_ends(begin_ms: int, end_ms: int) -> Mapping[Stage, int]:
    """When each stage has to stop, so that all after it have their shares. Reckoned from the end: the first stages'
    slack belongs to the later ones, and an overrun takes from the next one alone, not from all."""
    whole_ms, left = max(0, end_ms - begin_ms), sum(SHARES.values())
    ends: dict[Stage, int] = {}
    for stage, share in SHARES.items():
        left -= share
        ends[stage] = end_ms - whole_ms * left // sum(SHARES.values())
    return ends


def shortest_share_ms(whole_ms: int) -> int:
    return whole_ms * min(SHARES.values()) // sum(SHARES.values())
