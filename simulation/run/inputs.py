"""Draw what a seed's jobs select by beside a prefix: a filter, a list of keys, a manifest, or another job's undelivered
rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from chalicelib.core.inputs import NO_FILTERS, Filters
from simulation.run import naive

FILTERS = (
    Filters(include=("b/**",)),
    Filters(exclude=("**/[0-2]",)),
    Filters(include=("?", "*/[!0]"), size_min_bytes=1),
    Filters(size_min_bytes=20),
    Filters(size_max_bytes=40),
    Filters(exclude=("**",)),
)
GONE = "gone"
"""A key that is named, and never there."""


@dataclass(frozen=True, slots=True)
class Input:
    """The objects below a job's prefix that are meant. Keys are below that prefix."""

    filters: Filters = NO_FILTERS
    keys: tuple[str, ...] = ()
    manifest: tuple[str, ...] = ()
    retries: int | None = None
    """The number of the job that it retries."""

    def means(self, name: str, size: int) -> bool:
        if self.keys or self.manifest:
            return name in self.keys + self.manifest
        return naive.passes(self.filters, name, size)

    @property
    def listed(self) -> bool:
        return bool(self.keys or self.manifest)


EVERYTHING = Input()


def draw_input(random: Random, names: Sequence[str], *, manifest: bool) -> Input:
    """Draw an input. `names` are those of the objects that are there, below the prefix."""
    kind = "manifest" if manifest else random.choice(("prefix",) * 5 + ("filter", "filter", "keys", "manifest"))
    chosen = [*random.sample(names, random.randint(1, len(names))), *random.choice(((), (GONE,)))]
    random.shuffle(chosen)
    if kind == "filter":
        return Input(filters=random.choice(FILTERS))
    if kind == "keys":
        return Input(keys=tuple(chosen))
    if kind == "manifest":  # Some are named again, near or far.
        return Input(manifest=(*chosen, *random.choices(chosen, k=random.choice((0, 0, 1, 5)))))
    return EVERYTHING


def manifest_body(bucket: str, prefix: str, names: Sequence[str]) -> bytes:
    return naive.manifest_of(bucket, [prefix + name for name in names])
