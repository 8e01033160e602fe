"""The table of checks fits the models: each model knows all flags and properties that the table names for it."""

import re

import pytest

from simulation.model.check import LIVENESS_VIOLATED, Check, CheckKind
from simulation.model.run import MODELS, compile_command, jobs_at_once, search_command
from simulation.model.table import CHECKS

README = (MODELS / "README.md").read_text()


def text_of(model: str) -> str:
    """Return the text of a model with the files that it includes. Its head, which explains every flag, comes first."""
    return "".join(path.read_text() for path in sorted(MODELS.glob(f"{model}*.pml")))


def test_names_are_unique():
    assert len({check.name for check in CHECKS}) == len(CHECKS)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
def test_a_check_fits_its_model(check: Check):
    text = text_of(check.model)
    for flag in check.flags:
        name = flag.partition("=")[0]
        used = re.search(rf"#\s*(?:ifdef|ifndef|if|elif)\b.*\b{name}\b", text)
        assert used, f"{check.model}.pml has no flag {name}"
    if check.violates not in (None, LIVENESS_VIOLATED):
        assert f"HOLDS({check.violates}," in text


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
def test_kinds_expect_what_they_must(check: Check):
    assert (check.violates is None) == (check.kind in (CheckKind.SAFETY, CheckKind.LIVENESS))
    if check.kind is CheckKind.LIVENESS:
        assert check.liveness
    if check.kind is not CheckKind.BROKEN:
        assert not check.cut_off, "histories are cut off only where a violation is looked for"


def test_every_check_and_every_flag_is_explained():
    assert [check.name for check in CHECKS if f"`{check.name}`" not in README] == []
    for model in {check.model for check in CHECKS}:
        head = text_of(model).partition("*/")[0]
        flags = set(re.findall(r"#\s*if(?:def|ndef)\s+(\w+)", text_of(model))) - {"LIVE"}
        assert {flag for flag in flags if not re.search(rf"\b{flag}\b", head)} == set(), model


def test_how_a_check_is_run():
    live = next(check for check in CHECKS if check.kind is CheckKind.LIVENESS)
    safe = next(check for check in CHECKS if check.kind is CheckKind.SAFETY)
    cut = next(check for check in CHECKS if check.cut_off)
    assert {"-a", "-f"} <= set(search_command(live))
    assert "-DSAFETY" not in compile_command(live)
    assert "-DSAFETY" in compile_command(safe)
    assert "-E" in search_command(cut)
    assert "-E" not in search_command(safe)


@pytest.mark.parametrize(
    ("cores", "available_mb", "jobs"), [(1, 64_000, 1), (2, 64_000, 2), (16, 64_000, 2), (2, 7_000, 1), (2, 0, 1)]
)
def test_two_searches_at_once_only_if_memory_allows(cores: int, available_mb: int, jobs: int):
    assert jobs_at_once(cores, available_mb) == jobs
