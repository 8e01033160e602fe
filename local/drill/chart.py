"""Draw a case's timeline as inline SVG: what happened since the death, against what is promised. This module is
pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

from local.drill.model import Record
from local.drill.times import Promise

WIDTH, LEFT, RIGHT = 1080, 150, 24
_TOP, _ROW, _BAR = 34, 34, 15
_AXIS = 30
_STEPS = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600)
_TICKS_MAX = 12
_CHARACTER_PX = 6.3
_WHEN_PX = 60
_Scale = Callable[[float], float]


@dataclass(frozen=True, slots=True)
class Lane:
    """One promise and its measured time. Times are in seconds from `start`, which is itself counted from the origin."""

    name: str
    measured: float
    promised: float | None
    start: float = 0.0


@dataclass(frozen=True, slots=True)
class Mark:
    """A moment, drawn as a line through all lanes."""

    name: str
    at: float
    kind: str


def timeline(record: Record, promise: Promise) -> str:
    """Return the SVG, or "" if nothing was timed."""
    origin = record.death_ms or min((phase.at_ms for phase in record.phases), default=0)
    if not origin:
        return ""
    lanes = _lanes(record, promise, origin)
    marks = _marks(record, origin)
    ends = [mark.at for mark in marks] + [lane.start + max(lane.measured, lane.promised or 0) for lane in lanes]
    start = min([0.0, *(mark.at for mark in marks)])
    return _draw(lanes, marks, start, max([max(ends) * 1.02 + 1, *(_room(mark, start) for mark in marks)]))


def _room(mark: Mark, begin: float) -> float:
    """Return where the axis has to end so that the mark's label fits."""
    start, end = _span(mark, 0)
    share = 1 - (end - start) / (WIDTH - LEFT - RIGHT)
    return begin + (mark.at - begin) / share


def _lanes(record: Record, promise: Promise, origin: int) -> list[Lane]:
    def lane(name: str, at_ms: int | None, promised: float | None, since_ms: int = origin) -> list[Lane]:
        if at_ms is None:
            return []
        return [Lane(name, (at_ms - since_ms) / 1000, promised, (since_ms - origin) / 1000)]

    last_takeover_ms = max((takeover.at_ms for takeover in record.evidence.takeovers), default=None)
    promised = promise.recovery if record.death_ms or record.since_ms else None
    return [
        *lane("DNS", record.dns_ms, promise.dns),
        *lane("takeover", last_takeover_ms, promise.takeover),
        *lane("recovery", record.ended_ms, promised, record.since_ms or origin),
    ]


def _marks(record: Record, origin: int) -> list[Mark]:
    bad_words = ("dies", "hangs", "asleep", "becomes slow", "cut apart")
    good_words = ("back", "wakes", "joined", "well again")
    return [
        Mark(
            phase.name,
            (phase.at_ms - origin) / 1000,
            "bad"
            if any(word in phase.name for word in bad_words)
            else "good"
            if any(w in phase.name for w in good_words)
            else "",
        )
        for phase in sorted(record.phases, key=lambda phase: phase.at_ms)
    ]


def _draw(lanes: Sequence[Lane], marks: Sequence[Mark], start: float, end: float) -> str:
    def x(seconds: float) -> float:
        return LEFT + (seconds - start) / (end - start) * (WIDTH - LEFT - RIGHT)

    levels = stack([_span(mark, x(mark.at)) for mark in marks])
    labels = _TOP * 0.55 * (max(levels, default=0) + 1)
    top = labels + 12
    bottom = top + _ROW * max(1, len(lanes))
    elements = [_grid(x, start, end, top, bottom)]
    for index, lane in enumerate(lanes):
        elements.append(_lane(lane, x, top + index * _ROW + (_ROW - _BAR) / 2))
    for mark, level in zip(marks, levels, strict=True):
        elements.append(_mark(mark, x(mark.at), labels - level * _TOP * 0.55, bottom))
    height = bottom + _AXIS
    return (
        f'<svg viewBox="0 0 {WIDTH} {height:.0f}" role="img" aria-label="timeline" '
        f'xmlns="http://www.w3.org/2000/svg">{"".join(elements)}</svg>'
    )


def stack(spans: Sequence[tuple[float, float]]) -> list[int]:
    """Return a level for each label, 0 the lowest. `spans` holds the labels' ends, ordered by their beginnings.

    Each label stands above those that begin under it. So no line, which goes down from its label's beginning, crosses
    another label.
    """
    levels: list[int] = []
    for index, (_, end) in reversed(list(enumerate(spans))):
        following = zip(spans[index + 1 :], reversed(levels), strict=True)
        under = [level for (start, _), level in following if start <= end]
        levels.append(max(under) + 1 if under else 0)
    return levels[::-1]


def _span(mark: Mark, at: float) -> tuple[float, float]:
    return at, at + len(mark.name) * _CHARACTER_PX + _WHEN_PX


def ticks(begin: float, end: float) -> list[float]:
    step = next((step for step in _STEPS if (end - begin) / step <= _TICKS_MAX), _STEPS[-1])
    start = int(begin // step) * step
    return [tick for tick in range(start, int(end) + 1, step) if tick >= begin]


def _grid(x: _Scale, start: float, end: float, top: float, bottom: float) -> str:
    elements = []
    for tick in ticks(start, end):
        at = x(tick)
        elements.append(f'<line class="grid" x1="{at:.1f}" x2="{at:.1f}" y1="{top:.0f}" y2="{bottom:.0f}"/>')
        elements.append(f'<text class="tick" x="{at:.1f}" y="{bottom + 17:.0f}" text-anchor="middle">{tick:g} s</text>')
    return "".join(elements)


def _lane(lane: Lane, x: _Scale, y: float) -> str:
    start, measured = x(lane.start), lane.measured
    late = lane.promised is not None and measured > lane.promised
    elements = [f'<text class="lane" x="{LEFT - 12}" y="{y + 12:.0f}" text-anchor="end">{escape(lane.name)}</text>']
    if lane.promised is not None:
        width = max(1.0, x(lane.start + lane.promised) - start)
        elements.append(
            f'<rect class="promise" x="{start:.1f}" y="{y - 4:.1f}" width="{width:.1f}" height="{_BAR + 8}" rx="3"/>'
        )
    width = max(2.0, x(lane.start + measured) - start)
    kind = "late" if late else "bar"
    elements.append(f'<rect class="{kind}" x="{start:.1f}" y="{y:.1f}" width="{width:.1f}" height="{_BAR}" rx="2"/>')
    label = f"{measured:.1f} s" + ("" if lane.promised is None else f" of {lane.promised:.0f} s")
    inside = width > len(label) * _CHARACTER_PX + 12
    at, anchor, style = (start + width - 6, "end", "in") if inside else (start + width + 6, "start", "out")
    elements.append(
        f'<text class="value {style}" x="{at:.1f}" y="{y + 11.5:.1f}" text-anchor="{anchor}">{label}</text>'
    )
    return "".join(elements)


def _mark(mark: Mark, at: float, y: float, bottom: float) -> str:
    return (
        f'<line class="mark {mark.kind}" x1="{at:.1f}" x2="{at:.1f}" y1="{y - 10:.0f}" y2="{bottom:.0f}"/>'
        f'<text class="label {mark.kind}" x="{at + 5:.1f}" y="{y:.0f}">{escape(mark.name)}'
        f'<tspan class="when"> {mark.at:+.1f} s</tspan></text>'
    )
