"""Define the outcomes that a client sees: the ways in which a row can end."""

from typing import Annotated

from pydantic import AfterValidator, WithJsonSchema

from chalicelib.core.rows import Outcome


def _is_end(outcome: Outcome) -> Outcome:
    if not outcome.is_end:
        raise ValueError("no object ends so")
    return outcome


RowEnd = Annotated[
    Outcome,
    AfterValidator(_is_end),
    WithJsonSchema({"type": "string", "enum": [outcome.value for outcome in Outcome if outcome.is_end]}),
]
"""An outcome that ends a row. The one other outcome only says that another partition holds the row's end
(`Outcome.is_end`)."""
