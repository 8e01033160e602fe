"""docs/states.md shows the tables of the life cycles."""

from pathlib import Path

import pytest

from chalicelib.core.lifecycles import LIFE_CYCLES
from tools import states


def test_the_page_is_up_to_date() -> None:
    assert states.main(["--check"]) == 0


def test_a_page_that_is_not_is_noticed(tmp_path: Path, monkeypatch, capsys) -> None:
    page = tmp_path / "states.md"
    monkeypatch.setattr(states, "PAGE", page)
    for text in (None, "another"):
        if text is not None:
            page.write_text(text)
        assert states.main(["--check"]) == 1
        assert "run `make states`" in capsys.readouterr().out
    assert states.main([]) == 0
    assert states.main(["--check"]) == 0


@pytest.mark.parametrize("cycle", LIFE_CYCLES, ids=lambda cycle: cycle.name)
def test_every_transition_is_drawn_or_listed(cycle) -> None:
    (section,) = [text for text in states.page().split("\n## ") if text.startswith(cycle.name.capitalize())]
    diagram = section[section.index("```mermaid") : section.rindex("```")]
    for (source, event), target in cycle.table.items():
        arrow = f"--> {target}: {event}\n"
        drawn = f"{source or '[*]'} {arrow}" in diagram or f"open {arrow}" in diagram
        assert drawn or source is target
    unchanged = {(source, event) for (source, event), target in cycle.table.items() if source is target}
    for source, event in unchanged | cycle.late.keys():
        assert any(event in line for line in section.splitlines() if line.startswith(f"| {source} |"))


def test_a_box_stands_for_every_open_state() -> None:
    """An arrow from the box says that each state in it has this transition."""
    job = states.page().split("\n## ")[1]
    assert job.count("--> SUCCEEDED: ") == 1
    assert job.count("open --> ") == 4
