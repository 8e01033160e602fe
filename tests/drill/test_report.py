"""The page and the JSON are self-contained, complete and harmless, whatever the evidence holds."""

import re
from html.parser import HTMLParser
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from local.drill.chart import stack, ticks, timeline
from local.drill.judge import judge
from local.drill.model import Drill, Record
from local.drill.report import as_html, as_json, write
from local.drill.times import Promise
from tests.drill.test_judge import PROMISE, evidence, record

REQUIRED = {
    "ok",
    "objects",
    "copied_twice",
    "partial_seen",
    "lost",
    "orphan_uploads",
    "parts_resent_of_finished",
    "takeover_seconds",
    "recovery_seconds",
    "scale",
}


def drill(*records: Record, error: str = "") -> Drill:
    for each in records:
        judge(each, PROMISE)
    return Drill(
        seed=7,
        scale=20.0,
        began_ms=1_700_000_000_000,
        seconds=61.5,
        promise={"dns": 8, "takeover": 35, "recovery": 90},
        policy={"heartbeat_ms": 750},
        emulated=["Route 53 is played by the gateway."],
        machine="Linux x86_64",
        commit="abc1234",
        logs="out/run/drill",
        cases=records,
        error=error,
    )


def played() -> Record:
    case = record(evidence())
    case.phase("West dies", 1_000)
    case.phase("the name leads to East", 5_000)
    case.phase("all jobs settled", 20_000)
    case.happened.append((1_200, "kill us-gov-west-1: 8 function processes killed"))
    return case


def test_every_case_has_the_numbers_that_are_promised() -> None:
    summary = as_json(drill(played()))
    case = summary["cases"]["a"]
    assert case.keys() >= REQUIRED
    assert (case["ok"], case["objects"], case["copied_twice"], case["takeover_seconds"]) == (True, 3, 0, 10.0)
    assert (summary["ok"], summary["seed"], summary["scale"]) == (True, 7, 20.0)
    assert [phase["name"] for phase in case["phases"]] == ["West dies", "the name leads to East", "all jobs settled"]


def test_a_drill_without_cases_or_that_broke_off_has_failed() -> None:
    assert not as_json(drill())["ok"]
    assert not as_json(drill(played(), error="interrupted"))["ok"]


def test_the_page_needs_no_network() -> None:
    page = as_html(drill(played()))
    assert "<svg" in page
    addresses = re.findall(r"""(?:src|href)=["']([^"']*)|url\(([^)]*)\)|@import""", page)
    assert all(address.startswith("#") for address, _ in addresses), addresses
    assert "<script" not in page


class _Balanced(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_well_formed() -> None:
    failed = record(evidence(partial=["HEAD p/3: 5 bytes"]))
    failed.error = "WaitError: not within 10 s"
    parser = _Balanced()
    parser.feed(as_html(drill(played(), failed, error="interrupted")))
    assert parser.open == []


def test_whatever_the_evidence_says_is_text() -> None:
    bad = record(evidence(partial=["<b>&</b>"]))
    bad.phase("<script>", 2_000)
    page = as_html(drill(bad, error="<script>alert(1)</script>"))
    assert "<script>" not in page
    assert "<b>&</b>" not in page


def test_both_files_are_written(tmp_path: Path) -> None:
    page, data = write(drill(played()), tmp_path / "out")
    assert page.read_text().startswith("<!doctype html>")
    assert '"seed": 7' in data.read_text()


def test_a_late_takeover_is_drawn_as_late() -> None:
    promise = Promise(dns=8, takeover=9, recovery=90)
    assert 'class="late"' in timeline(played(), promise)
    assert 'class="late"' not in timeline(played(), PROMISE)


def test_what_is_judged_without_a_death_shows_what_was_promised() -> None:
    case = Record("slow", "title", "story", 1_000, since_ms=1_000, ended_ms=3_000)
    case.phase("West becomes slow", 1_000)
    assert 'class="promise"' in timeline(case, PROMISE)


def test_a_case_of_which_nothing_was_timed_has_no_chart() -> None:
    assert timeline(Record("a", "title", "story", 0), PROMISE) == ""


def test_labels_fit_into_the_picture() -> None:
    case = played()
    case.phase("something that happened at the very end, with a long name", 300_000)
    xs = [float(x) for x in re.findall(r'class="label[^"]*" x="([\d.]+)"', timeline(case, PROMISE))]
    assert max(xs) + 6.3 * len("something that happened at the very end, with a long name") <= 1080


@given(st.lists(st.tuples(st.floats(0, 1000), st.floats(1, 200)), max_size=12))
def test_no_line_crosses_a_label(drawn: list[tuple[float, float]]) -> None:
    spans = sorted((start, start + width) for start, width in drawn)
    levels = stack(spans)
    for index, (_, end) in enumerate(spans):
        for other in range(index + 1, len(spans)):
            assert spans[other][0] > end or levels[other] < levels[index]


def test_the_axis_is_labelled_in_round_steps() -> None:
    assert ticks(0, 35) == [0, 5, 10, 15, 20, 25, 30, 35]
    assert ticks(-3, 30)[0] == 0
    assert len(ticks(0, 900)) <= 16
