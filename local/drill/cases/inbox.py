"""Case inbox: a feed's receiver takes its files away, while the tables don't replicate and West dies and returns."""

from __future__ import annotations

import threading
from random import Random

from local.drill import collect, judge
from local.drill.cases.feed import forward
from local.drill.cases.steps import happened, return_west
from local.drill.customer import now_ms
from local.drill.model import Held, Record
from local.drill.receiver import Receiver
from local.drill.stage import Stage, Work, side, small_sizes
from local.gateway.launch import EAST, WEST
from local.wait import WaitError, wait_until

STORY = (
    "A partner's inbox: whoever receives the files takes each away as soon as it is there. The tables do not see each "
    "other, and every event reaches both Regions. West delivers, dies in mid-stream with messages in its queue, and "
    "returns. An empty target is no sign that nothing was delivered: every file is handed over once."
)
FILES = 60
EVERY_S = 0.2


def play(stage: Stage, record: Record, rng: Random) -> None:
    work = Work("inbox", "inbox/drill-taken/", "", stage.west, stage.west, {})
    receiver = Receiver(stage.s3, work.target.target_bucket, work.prefix)
    intervention = stage.noted(record, stage.regions.isolate("west"))
    record.phase("tables cut apart", intervention.steps[-1][0])
    stage.watch(work)
    moment = rng.randrange(FILES // 3, FILES - 5)
    stage.say(f"  West dies after {moment} of {FILES} files")
    receiver.start()
    stream = _Stream(stage, work, rng)
    stream.start()
    wait_until(lambda: len(receiver.taken) >= 1 and len(work.sizes) >= moment, "mid-stream", 180)
    stage.kill(record, "west")
    handed = {key for key, digests in receiver.taken.items() if digests}
    happened(record, now_ms(), f"{len(handed)} files had been taken away")
    stream.join()
    limit_s = stage.times.promise.recovery + stage.times.hint_delay_s + stage.times.policy.feed_catch_up_ms / 1000 + 60
    try:
        wait_until(lambda: len(receiver.taken) == FILES, "every file is handed over", limit_s)
    except WaitError as error:
        happened(record, now_ms(), str(error))
    record.ended_ms = now_ms()
    record.phase("all handed over", record.ended_ms)
    record.dns_ms = stage.resolved_ms(EAST, record.death_ms or 0)
    return_west(stage, record)
    receiver.leave()
    stage.leave(record)
    collect.collect(stage, record, [])  # nothing is left at the target; `_judge` counts versions
    _judge(stage, record, work, receiver)


class _Stream(threading.Thread):
    """The partner. It drops a file every `EVERY_S` seconds. West's rule forwards each event to East, whoever is
    alive."""

    def __init__(self, stage: Stage, work: Work, rng: Random) -> None:
        super().__init__(name="partner", daemon=True)
        self._stage, self._work = stage, work
        self._sizes = small_sizes(rng, FILES)
        self._pause = threading.Event()

    def run(self) -> None:
        for index, size in enumerate(self._sizes):
            key = f"{self._work.prefix}{index:03d}"
            self._stage.put(self._work, {key: size})
            forward(self._stage, {key: size})
            self._pause.wait(EVERY_S)


def _judge(stage: Stage, record: Record, work: Work, receiver: Receiver) -> None:
    """Judge by S3's own versions, which remain after the receiver's deletes, and by what the receiver saw."""
    evidence = record.evidence
    written = collect.writes(stage, work.target.target_bucket, work.prefix)
    evidence.source = dict(work.digests)
    evidence.target = {
        key: Held(tuple(version for version, _ in versions), (receiver.taken.get(key) or [""])[0])
        for key, versions in written.items()
    }
    repeated, excused = judge.handed_twice(written, record.death_ms or 0)
    for key in excused:
        evidence.target[key] = Held(evidence.target[key].versions[-1:], evidence.target[key].sha256)
    record.check(
        "Every file was handed over once",
        not repeated and len(written) == FILES,
        f"{len(repeated)} twice: {', '.join(repeated[:5])}"
        if repeated
        else f"{len(written)} of {FILES} files; {len(excused)} twice that {side(WEST)} had published at its death",
    )
