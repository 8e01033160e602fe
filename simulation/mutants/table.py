"""Write the table of planted bugs in docs/verification.md. The hunt writes it; it is never edited by hand."""

from collections.abc import Sequence
from pathlib import Path

from simulation.mutants.catalogue import MUTANTS
from simulation.mutants.hunt import Found

PAGE = Path(__file__).resolve().parents[2] / "docs" / "verification.md"
_BEGIN, _END = "<!-- mutants: written by `make mutants` -->\n", "<!-- end of mutants -->\n"


def write_table(results: Sequence[Found]) -> None:
    beginning, _, remainder = PAGE.read_text().partition(_BEGIN)
    _, _, end = remainder.partition(_END)
    PAGE.write_text(f"{beginning}{_BEGIN}{table_of(results)}{_END}{end}")


def table_of(results: Sequence[Found]) -> str:
    results_by_name = {result.name: result for result in results}
    rows = [_row(results_by_name[mutant.name]) for mutant in MUTANTS]
    return "\n".join(["| planted bug | what it is | found by |", "|---|---|---|", *rows, ""])


def listed() -> list[str]:
    """Return the names in the page's table as it stands."""
    _, _, remainder = PAGE.read_text().partition(_BEGIN)
    rows = remainder.partition(_END)[0].splitlines()[2:]
    return [row.split("|")[1].strip().strip("`") for row in rows]


def _row(result: Found) -> str:
    """Return a table row. The test is shown without its parameters, which may hold any character."""
    by = f"`{result.test.removeprefix('tests/').partition('[')[0]}`" if result.test else result.by or "nothing"
    return f"| `{result.name}` | {result.what} | {by} |"
