"""Write the table of planted bugs in docs/verification.md. The hunt writes it; it is never edited by hand."""

from collections.abc import Sequence
from pathlib import Path

from simulation.mutants.catalogue import MUTANTS
from simulation.mutants.hunt import Found

PAGE = Path(__file__).resolve().parents[2] / "docs" / "verification.md"
_BEGIN, _END = "<!-- mutants: written by `make mutants` -->\n", "<!-- end of mutants -->\n"


def write_table(found: Sequence[Found]) -> None:
    before, _, rest = PAGE.read_text().partition(_BEGIN)
    _, _, after = rest.partition(_END)
    PAGE.write_text(f"{before}{_BEGIN}{table_of(found)}{_END}{after}")


def table_of(found: Sequence[Found]) -> str:
    by_name = {one.name: one for one in found}
    rows = [_row(by_name[mutant.name]) for mutant in MUTANTS]
    return "\n".join(["| planted bug | what it is | found by |", "|---|---|---|", *rows, ""])


def listed() -> list[str]:
    """Return the names in the page's table as it stands."""
    _, _, rest = PAGE.read_text().partition(_BEGIN)
    rows = rest.partition(_END)[0].splitlines()[2:]
    return [row.split("|")[1].strip().strip("`") for row in rows]


def _row(one: Found) -> str:
    """Return a table row. The test is shown without its parameters, which may hold any character."""
    by = f"`{one.test.removeprefix('tests/').partition('[')[0]}`" if one.test else one.by or "nothing"
    return f"| `{one.name}` | {one.what} | {by} |"
