"""What a check is: one model in one configuration, and what must come of it."""

from dataclasses import dataclass
from enum import StrEnum

LIVENESS_VIOLATED = "liveness"
"""Stands for a cycle in which the model's LTL property never comes true; safety properties have names of their own."""
DEADLOCK = "deadlock"


class Kind(StrEnum):
    SAFETY = "safety"
    """No property is ever violated, in any history within the bounds."""
    LIVENESS = "liveness"
    """What must come does come, in every history in which nobody who could move stands still for ever."""
    BROKEN = "broken"
    """The protocol with one rule taken away, or one of its documented residuals: the violation must be found."""
    REACHABLE = "reachable"
    """Something does happen, so that the properties about it are not true of nothing."""


@dataclass(frozen=True, slots=True)
class Check:
    name: str
    kind: Kind
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
        """Searched for cycles, under weak fairness."""
        return "LIVE" in self.flags

    @property
    def cut_off(self) -> bool:
        """Histories beyond the bounds end where they are, so that ends mean nothing."""
        return "CUT_OFF" in self.flags
