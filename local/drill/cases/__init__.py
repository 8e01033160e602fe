"""This package holds the drill's stories. Each is played on a stage, and notes in its record what happened."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random

from local.drill.cases import batch, feed, hang, inbox, multipart, sleep, slow, small, splitbrain, storage
from local.drill.model import Record
from local.drill.stage import Stage


@dataclass(frozen=True, slots=True)
class Case:
    title: str
    story: str
    play: Callable[[Stage, Record, Random], None]
    takeover: bool = True


CASES: Mapping[str, Case] = {
    "a": Case("Published, not recorded", small.STORY, small.play),
    "b": Case("In mid multipart copy", multipart.STORY, multipart.play),
    "c": Case("A batch, part done", batch.STORY, batch.play),
    "feed": Case("Feeds of a dead Region", feed.STORY, feed.play, takeover=False),
    "hang": Case("West hangs", hang.STORY, hang.play),
    "slow": Case("West is slow", slow.STORY, slow.play, takeover=False),
    "inbox": Case("A receiver who takes files away", inbox.STORY, inbox.play, takeover=False),
    "return": Case("West returns from its sleep", sleep.STORY, sleep.play),
    "split-brain": Case("Tables cut apart", splitbrain.STORY, splitbrain.play, takeover=False),
    "storage": Case("The destination's storage is dead", storage.STORY, storage.play, takeover=False),
}
