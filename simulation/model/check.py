"""A check is one model in one configuration, with its expected result."""

from dataclasses import dataclass
from enum import StrEnum

LIVENESS_VIOLATED = "liveness"
"""Stands for a cycle in which the model's LTL property never comes true; safety properties have names of their own."""
DEADLOCK = "deadlock"


class CheckKind(StrEnum):
    """The kind of a check, by what it expects of the model."""

    SAFETY = "safety"
    """No property is ever violated, in any history within the bounds."""
    LIVENESS = "liveness"
    """The required progress happens in every history in which no process that could move stands still for ever."""
    BROKEN = "broken"
    """The protocol with one rule removed, or one of its documented residuals: the violation must be found."""
    REACHABLE = "reachable"
    """Something does happen, so that the properties about it are not vacuously true."""


@dataclass(frozen=True, slots=True)
class Check:
    name: str
    kind: CheckKind
    model: str
    """The file in docs/model/, without its ending."""
    flags: tuple[str, ...]
    """Preprocessor definitions; each model's head explains them."""
    shows: str
    violates: str | None = None
    """The property whose violation is expected; None: no violation."""
    large: bool = False
    """Worth optimising: hundreds of thousands of states and more."""

    @property
    def defines(self) -> tuple[str, ...]:
        return tuple(f"-D{flag}" for flag in self.flags)

    @property
    def liveness(self) -> bool:
        """True if the search is for cycles, under weak fairness."""
        return "LIVE" in self.flags

    @property
    def cut_off(self) -> bool:
        """True if histories beyond the bounds end where they are. Then invalid end states mean nothing."""
        return "CUT_OFF" in self.flags
