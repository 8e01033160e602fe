"""Defines what a life cycle is: a table that says which event leads from which state to which. What it does not list
raises."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Generic, TypeVar

State = TypeVar("State", bound=StrEnum)
Event = TypeVar("Event", bound=StrEnum)


class Unlisted(ValueError):
    """An event came in a state in which no table lists it. This is a bug of ours, so no handler treats it as an
    answer."""


@dataclass(frozen=True, slots=True)
class LifeCycle(Generic[State, Event]):
    """One life cycle."""

    name: str
    about: str
    """An explanation for readers of its diagram."""
    table: Mapping[tuple[State | None, Event], State]
    late: Mapping[tuple[State | None, Event], State] = field(default_factory=dict)
    """Further transitions, by events that come late or once more, since a worker slept or a request was repeated. Most
    of them change nothing."""

    def after(self, state: State | None, event: Event) -> State:
        """Return the state after an event. Raises Unlisted if the event is not listed for this state."""
        following = self.table.get((state, event)) or self.late.get((state, event))
        if following is None:
            raise Unlisted(f"{self.name} {state or 'that does not exist'}: {event}")
        return following

    def reached(self, events: Iterable[Event]) -> State:
        """Replay events from the beginning, and return the state that they lead to. Raises Unlisted if there are none,
        or if one is not listed where it comes."""
        state: State | None = None
        for event in events:
            state = self.after(state, event)
        if state is None:
            raise Unlisted(f"{self.name}: no event")
        return state

    def leads(self, before: State, after: State) -> bool:
        """Tell whether a state is the same as the one before, or some event leads from one to the other."""
        return before is after or (before, after) in {(source, to) for (source, _), to in self.listed}

    @property
    def listed(self) -> Sequence[tuple[tuple[State | None, Event], State]]:
        """All transitions, late ones last."""
        return (*self.table.items(), *self.late.items())

    @property
    def finals(self) -> frozenset[State]:
        """The states that no event leads out of, if none comes late."""
        return frozenset(self.table.values()) - {source for (source, _), to in self.table.items() if source is not to}
