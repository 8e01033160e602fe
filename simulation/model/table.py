"""List every check. docs/model/README.md explains them; the bounds are the largest that all fit into a few minutes."""

from simulation.model.check import LIVENESS_VIOLATED, Check, CheckKind

NAIVE, FENCE, SHARES, DELETES = "naive_mrec", "s3fence", "shares", "deletes"
REGION_HEARTBEAT = "region_heartbeat"
FEEDS = "feeds"


def _safe(name: str, model: str, flags: str, shows: str, *, large: bool = False) -> Check:
    return Check(name, CheckKind.SAFETY, model, tuple(flags.split()), shows, large=large)


def _live(name: str, model: str, flags: str, shows: str, *, large: bool = False) -> Check:
    return Check(name, CheckKind.LIVENESS, model, ("LIVE", *flags.split()), shows, large=large)


def _broken(name: str, model: str, flags: str, shows: str, violates: str) -> Check:
    return Check(name, CheckKind.BROKEN, model, tuple(flags.split()), shows, violates)


def _reachable(name: str, model: str, flags: str, shows: str) -> Check:
    return Check(name, CheckKind.REACHABLE, model, tuple(flags.split()), shows, "REACHED")


_SAFETY = (
    # The longest first, so that the last ones to run are short.
    _safe(
        "two-jobs-cancel",
        FENCE,
        "ONLY1 JOBS=2 SUSP=0 CRASHES=1 CANCEL",
        "two jobs, one object; one is cancelled",
        large=True,
    ),
    _safe(
        "cancel-late",
        FENCE,
        "ONLY1 SUSP=1 CRASHES=1 CANCEL LATE=1",
        "cancel revokes, also what is under way",
        large=True,
    ),
    _safe(
        "dead-late-tombstone",
        FENCE,
        "ONLY1 SUSP=1 CRASHES=0 CONFLICTS=1 LATE=1 TOMBSTONES=1",
        "spent upload, late answer and TOMBSTONE together",
        large=True,
    ),
    _safe("dead-crash", FENCE, "ONLY1 SUSP=1 CRASHES=1 CONFLICTS=1", "spent upload, takeover and death", large=True),
    _safe(
        "late-tombstone",
        FENCE,
        "ONLY1 SUSP=1 CRASHES=1 LATE=1 TOMBSTONES=1",
        "a late Complete, a TOMBSTONE, a death",
        large=True,
    ),
    _safe("dead-cancel", FENCE, "ONLY1 SUSP=1 CRASHES=0 CONFLICTS=1 CANCEL", "spent upload and cancel", large=True),
    _safe(
        "both-rows-world",
        FENCE,
        "SUSP=1 CRASHES=0 SRCOW FOREIGN",
        "two rows, source and destination change",
        large=True,
    ),
    _safe(
        "two-jobs-crash",
        FENCE,
        "ONLY1 JOBS=2 SUSP=0 CRASHES=1 TOMBSTONES=1",
        "two jobs, one object; a death and a TOMBSTONE",
        large=True,
    ),
    _safe("cancel-three", FENCE, "ONLY1 SUSP=2 CRASHES=0 CANCEL LATE=1", "a cancel over three epochs", large=True),
    _safe("two-jobs-dead", FENCE, "ONLY1 JOBS=2 SUSP=0 CRASHES=0 CONFLICTS=1", "two jobs and a spent upload"),
    _safe(
        "two-jobs-tombstone",
        FENCE,
        "ONLY1 JOBS=2 SUSP=0 CRASHES=0 TOMBSTONES=1 CANCEL",
        "two jobs and a TOMBSTONE",
        large=True,
    ),
    _safe(
        "large-vanish",
        FENCE,
        "ONLY1 SUSP=1 CRASHES=1 SRCOW VANISH",
        "the object to be replaced vanishes (404)",
        large=True,
    ),
    _safe("dead-twice", FENCE, "ONLY1 SUSP=1 CRASHES=0 CONFLICTS=2", "two spent uploads", large=True),
    _safe("large-foreign", FENCE, "ONLY1 SUSP=1 CRASHES=1 FOREIGN", "others write at the destination", large=True),
    _safe(
        "small-world", FENCE, "ONLY0 SUSP=2 CRASHES=2 SRCOW FOREIGN LATE=1", "CopyObject against everything", large=True
    ),
    _safe(
        "large-tombstone",
        FENCE,
        "ONLY1 SUSP=1 CRASHES=1 TOMBSTONES=1",
        "the sweep never aborts an upload in use",
        large=True,
    ),
    _safe(
        "large-tombstone-stop",
        FENCE,
        "ONLY1 SUSP=1 CRASHES=1 TOMBSTONES=1 STOPS=1",
        "a sweep that stops after its TOMBSTONE finds it again",
        large=True,
    ),
    _safe("large-three", FENCE, "ONLY1 SUSP=2 CRASHES=1", "four epochs", large=True),
    _safe("both-rows", FENCE, "SUSP=1 CRASHES=1", "two rows, takeover and death"),
    _safe(
        "shares-world",
        SHARES,
        "SRCOW ABORTED FOREIGN",
        "helpers without claims, source and destination change",
        large=True,
    ),
    _safe("shares-again", SHARES, "RECOPIES=2", "zombies send parts again (other ETags)", large=True),
    _safe("heartbeat-calm", REGION_HEARTBEAT, "", "takeover in timeout + 1 rounds"),
    _safe("heartbeat-stall", REGION_HEARTBEAT, "STALL", "no takeover of a living Region while replication stalls"),
    _safe(
        "heartbeat-flap", REGION_HEARTBEAT, "STALL FLAP", "takeover in bounded time while storage answers now and then"
    ),
    _safe("naive-bounded", NAIVE, "SETTLE BOUNDED MUTEX", "a lease in the table works if replication is bounded"),
    _safe("naive-pinned", NAIVE, "EXPIRE PRECOND", "the pinned precondition works without that"),
    _safe(
        "feed-west",
        FEEDS,
        "REPEATS SLEEP LATE=1 WEST2 DUPS=0 CRASHES=0",
        "the newest version wins, whoever sleeps and whatever lands late",
        large=True,
    ),
    _safe(
        "feed-death",
        FEEDS,
        "REPEATS SLEEP LATE=1 QUICK DIES DEATH DUPS=0",
        "also when a Region dies, and nothing is lost",
        large=True,
    ),
    _safe("feed-never-back", FEEDS, "REPEATS SLEEP WEST2 DUPS=0 CRASHES=0", "nothing older is put after the newest"),
    _safe("feed-once", FEEDS, "QUICK DEATH", "no version twice, however fast it is taken away", large=True),
    _safe("feed-once-hang", FEEDS, "DEATH HANG CRASHES=0 DUPS=0", "also when a Region hangs and goes on", large=True),
    _safe("feed-once-two", FEEDS, "WEST2 DEATH", "also with two workers at it", large=True),
    _safe("delete-world", DELETES, "SUSP=2 CRASHES=2 FOREIGN", "a delete takes what was listed, and nothing else"),
)

_LIVENESS = (
    _live(
        "live-late-world",
        FENCE,
        "ONLY1 SUSP=1 CRASHES=0 LATE=1 SRCOW FOREIGN",
        "every job ends, no upload is left",
        large=True,
    ),
    _live("live-two-jobs", FENCE, "ONLY1 JOBS=2 SUSP=0 CRASHES=1", "also of two jobs with one object", large=True),
    _live("live-cancel", FENCE, "ONLY1 SUSP=1 CRASHES=0 CANCEL", "also when cancelled", large=True),
    _live("live-both-rows", FENCE, "SUSP=1 CRASHES=1", "also of two rows, with takeover and death", large=True),
    _live("live-dead", FENCE, "ONLY1 SUSP=1 CRASHES=0 CONFLICTS=1", "also after a spent upload", large=True),
    _live("live-large", FENCE, "ONLY1 SUSP=1 CRASHES=1", "also of a large row, with takeover and death", large=True),
    _live("live-dead-crash", FENCE, "ONLY1 SUSP=0 CRASHES=1 CONFLICTS=1", "a spent upload whose finder dies"),
    _live("live-shares", SHARES, "", "owners decide, whatever helpers do or don't"),
    _live("live-shares-world", SHARES, "OWNERS=1 SRCOW ABORTED FOREIGN", "also while everything changes"),
    _live("live-heartbeat", REGION_HEARTBEAT, "STALL", "what a dead worker or Region held is taken over"),
    _live("live-heartbeat-flap", REGION_HEARTBEAT, "STALL FLAP", "also while storage answers now and then"),
    _live("live-feed", FEEDS, "REPEATS LATE=1 DEATH DUPS=0 TAKES=0", "every hint of a feed is dealt with"),
    _live("live-delete", DELETES, "FOREIGN", "every row to be deleted is decided"),
)

_BROKEN = (
    _broken("naive-blind", NAIVE, "", "a lease in the table alone", "I2_ONCE"),
    _broken("naive-settle", NAIVE, "SETTLE", "a lease, settled by waiting and reading again", "I2_ONCE"),
    _broken("naive-expire", NAIVE, "SETTLE BOUNDED EXPIRE", "even if replication is bounded: zombies", "I2_ONCE"),
    _broken("naive-fresh-head", NAIVE, "EXPIRE FRESHHEAD", "a precondition from a fresh HEAD", "I2_ONCE"),
    _broken("naive-holders", NAIVE, "EXPIRE PRECOND MUTEX", "residual: there are two holders", "ONE_HOLDER"),
    _broken("BLIND", FENCE, "ONLY0 BLIND", "no precondition", "I2_ONCE"),
    _broken("FRESH", FENCE, "ONLY0 FRESH FOREIGN", "precondition from a fresh HEAD", "OTHERS_KEPT"),
    _broken("NOIDENT", FENCE, "ONLY0 FRESH NOIDENT", "and one's own copy not recognised", "I2_ONCE"),
    _broken("NOSRCMATCH-small", FENCE, "ONLY0 NOSRCMATCH SRCOW", "CopyObject without the source's ETag", "I4_PINNED"),
    _broken("NOSRCMATCH-large", FENCE, "ONLY1 NOSRCMATCH SRCOW", "parts without the source's ETag", "I4_PINNED"),
    _broken("NOREHEAD", FENCE, "ONLY1 NOREHEAD BLIND", "no HEAD after NoSuchUpload, nor a precondition", "I2_ONCE"),
    _broken(
        "GC_NAIVE", FENCE, "ONLY1 TOMBSTONES=1 GC_NAIVE CUT_OFF", "unregistered uploads aborted, no fence", "I5_IN_USE"
    ),
    _broken("GC_AGE", FENCE, "ONLY1 TOMBSTONES=1 GC_AGE CUT_OFF", "uploads aborted by age alone", "I5_IN_USE"),
    _broken(
        "GC_ANY_RECEIPT", FENCE, "ONLY1 JOBS=2 SUSP=0 GC_ANY_RECEIPT", "another job's receipt will do", "I5_IN_USE"
    ),
    _broken(
        "GC_ANY_TOMBSTONE",
        FENCE,
        "ONLY1 TOMBSTONES=1 STOPS=1 GC_ANY_TOMBSTONE CUT_OFF",
        "another upload's tombstone is taken for its own",
        "I5_IN_USE",
    ),
    _broken(
        "TOMBSTONE_SUPERSEDES",
        FENCE,
        "ONLY1 TOMBSTONES=1 TOMBSTONE_SUPERSEDES",
        "a TOMBSTONE ends the upload below it",
        "I5_IN_USE",
    ),
    _broken("TWO_LISTS", FENCE, "ONLY1 TOMBSTONES=1 TWO_LISTS", "upload and generation from two LISTs", "I5_IN_USE"),
    _broken("ADOPT_OTHER", FENCE, "ONLY1 JOBS=2 SUSP=0 ADOPT_OTHER", "another job's upload is adopted", "I4_PINNED"),
    _broken(
        "CLOSED_FOR_ALL",
        FENCE,
        "ONLY1 JOBS=2 SUSP=0 CANCEL CLOSED_FOR_ALL",
        "one job's cancel stops all",
        "TRUE_REPORT",
    ),
    _broken(
        "SPENT_GOES_ON",
        FENCE,
        "LIVE ONLY1 SUSP=0 CRASHES=0 CONFLICTS=1 SPENT_GOES_ON",
        "a spent upload is not marked DEAD",
        LIVENESS_VIOLATED,
    ),
    _broken("NOVERIFY", FENCE, "ONLY1 NOVERIFY FOREIGN", "receipt without verification", "I3_SEEN"),
    _broken("NOCLOSE", FENCE, "ONLY1 CANCEL NOCLOSE CUT_OFF", "cancel aborts without closing", "CANCEL_REVOKES"),
    _broken(
        "CLOSED_NO_ABORT",
        FENCE,
        "ONLY1 SUSP=1 CRASHES=0 CANCEL LATE=1 CLOSED_NO_ABORT",
        "who finds the register closed says CANCELLED, without aborting",
        "CANCEL_REVOKES",
    ),
    _broken("FDEL", FENCE, "ONLY0 FDEL", "residual: who deletes our copy lets a zombie write again", "I2_ONCE"),
    _broken(
        "small-cancel", FENCE, "ONLY0 CANCEL", "residual: a CopyObject under way can't be recalled", "CANCEL_REVOKES"
    ),
    _broken("shares-NOSRCMATCH", SHARES, "NOSRCMATCH SRCOW", "helpers' parts without the source's ETag", "I4_PINNED"),
    _broken("INVALID_FAILS", SHARES, "INVALID_FAILS", "a part sent again fails the row", "TRUE_REPORT"),
    _broken("TRUST_HELPERS", SHARES, "TRUST_HELPERS", "shares are taken to have arrived", "I1_WHOLE"),
    _broken("WAIT_FOR_HELPERS", SHARES, "LIVE WAIT_FOR_HELPERS", "the owner waits for helpers", LIVENESS_VIOLATED),
    _broken(
        "HEARTBEAT_ONLY",
        REGION_HEARTBEAT,
        "STALL HEARTBEAT_ONLY",
        "no region heartbeat: a stall looks like death",
        "NO_FALSE_TAKEOVER",
    ),
    _broken(
        "UNKNOWN_IS_MOVEMENT",
        REGION_HEARTBEAT,
        "FLAP UNKNOWN_IS_MOVEMENT",
        "a region heartbeat that can't be read counts as moved",
        "IN_TIME",
    ),
    _broken("UNCONDITIONAL", DELETES, "UNCONDITIONAL FOREIGN", "a delete without a condition", "PINNED_ONLY"),
    _broken("delete-FRESH", DELETES, "FRESH FOREIGN", "a condition from a fresh HEAD", "PINNED_ONLY"),
    _broken("NO_GATE", DELETES, "NO_GATE", "a delete before all of them are planned", "PLANNED_FIRST"),
    _broken("SAME", DELETES, "SAME", "residual: the same bytes, written anew, have the same ETag", "PINNED_ONLY"),
    _broken("APPEARS", DELETES, "APPEARS", "residual: a delete under way can't be recalled", "KEPT_STAYS"),
    _broken("PINNED", FEEDS, "PINNED SLEEP REPEATS WEST2", "a feed's copy pins a VersionId", "NEVER_BACK"),
    _broken("NO_RECORD", FEEDS, "NO_RECORD", "no record of what was delivered", "ONCE"),
    _broken("TABLE", FEEDS, "TABLE DEATH", "the table says what was delivered", "ONCE"),
    _broken("HINT_ANY", FEEDS, "HINT_ANY QUICK", "a forwarded hint counts though the other Region lives", "ONCE"),
    _broken("NO_LOOK", FEEDS, "NO_LOOK REPEATS LATE=1 DEAF WEST2", "no look at the source after the copy", "NEWEST"),
    _broken(
        "NO_OLDER",
        FEEDS,
        "NO_OLDER REPEATS LATE=1 WEST2",
        "a record counts though something older lies there",
        "NEWEST",
    ),
    _broken("RECORD_FIRST", FEEDS, "RECORD_FIRST", "the record before the copy", "NOTHING_LOST"),
    _broken("NO_NOTE", FEEDS, "NO_NOTE", "what was found in place is not recorded", "NOTHING_LOST"),
    _broken("STALE_LOOK", FEEDS, "STALE_LOOK WEST2", "in place, by a look that is older than the source's", "NEWEST"),
    _broken("feed-dies", FEEDS, "DIES QUICK", "residual: death between copy and record, and the file is gone", "ONCE"),
    _broken("feed-sleeps", FEEDS, "SLEEP WEST2", "residual: asleep between the last look and the copy", "ONCE"),
    _broken("feed-two", FEEDS, "QUICK WEST2", "residual: two at once, and the file is gone at once", "ONCE"),
    _broken("feed-late", FEEDS, "LATE=1", "residual: a copy under way can't be recalled", "ONCE"),
    _broken(
        "feed-back",
        FEEDS,
        "REPEATS LATE=1 BACK",
        "residual: it may put something older there, for a while",
        "NEVER_BACK",
    ),
    _broken(
        "feed-deaf", FEEDS, "DEAF REPEATS LATE=1 WEST2", "residual: and stay, if its sender died unheard", "NEWEST"
    ),
    _broken("CUT", REGION_HEARTBEAT, "CUT", "residual: a Region that is cut off looks dead", "NO_FALSE_TAKEOVER"),
)

_ALL_EVENTS = "ONLY1 SUSP=1 CRASHES=1 LATE=1 TOMBSTONES=1 CONFLICTS=1"
_REACHABLE = (
    _reachable("reach-succeeded", FENCE, f"{_ALL_EVENTS} REACH=1", "a job ends SUCCEEDED"),
    _reachable("reach-both", FENCE, "REACH=1", "also with two rows"),
    _reachable("reach-adoption", FENCE, f"{_ALL_EVENTS} REACH=2", "a successor adopts an upload"),
    _reachable("reach-dead", FENCE, f"{_ALL_EVENTS} REACH=3", "a dead upload is replaced by the next generation"),
    _reachable("reach-cancelled", FENCE, f"{_ALL_EVENTS} CANCEL REACH=4", "a row ends CANCELLED"),
    _reachable("reach-late", FENCE, f"{_ALL_EVENTS} REACH=5", "a Complete lands after its sender gave up"),
    _reachable("reach-tombstone", FENCE, f"{_ALL_EVENTS} REACH=6", "a TOMBSTONE is put while the creator lives"),
    _reachable("reach-conflict", FENCE, f"{_ALL_EVENTS} FOREIGN REACH=7", "a conflict is reported"),
    _reachable("reach-again", SHARES, "REACH=1", "a row is COPIED although a part was sent again"),
    _reachable("reach-invalid", SHARES, "REACH=2", "an owner meets InvalidPart"),
    _reachable("reach-takeover", REGION_HEARTBEAT, "STALL REACH=1", "the other Region takes over"),
    _reachable("reach-deleted", DELETES, "REACH=1", "it is deleted"),
    _reachable("reach-kept", DELETES, "REACH=2", "it is kept, since there are too many"),
    _reachable("reach-late-delete", DELETES, "REACH=3", "a delete lands after its sender gave up"),
    _reachable("reach-appeared", DELETES, "APPEARS REACH=4", "it is kept, since it appeared at the source"),
    _reachable("reach-feed-east", FEEDS, "REPEATS LATE=1 DEATH REACH=1", "East delivers"),
    _reachable(
        "reach-feed-again", FEEDS, "REPEATS LATE=1 DEATH REACH=2", "the newest is put over something older, again"
    ),
    _reachable("reach-feed-known", FEEDS, "REPEATS LATE=1 DEATH REACH=3", "a record keeps one from coming back"),
    _reachable("reach-feed-late", FEEDS, "REPEATS LATE=1 DEATH REACH=4", "a copy lands after its sender gave up"),
    _reachable("reach-feed-same", FEEDS, "REPEATS LATE=1 DEATH REACH=5", "the newest finds its contents in place"),
    _reachable("reach-own", REGION_HEARTBEAT, "STALL REACH=2", "a Region takes over its own dead worker's claim"),
)

CHECKS: tuple[Check, ...] = _SAFETY + _LIVENESS + _BROKEN + _REACHABLE
