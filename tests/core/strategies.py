"""Records of every kind, made by hypothesis from their types."""

from dataclasses import fields, is_dataclass
from typing import Any, get_type_hints

from hypothesis import strategies as st

from chalicelib.core import model
from chalicelib.core.inputs import Filters
from chalicelib.core.intents import Intent
from chalicelib.core.planned import Approval, PlanSummary
from chalicelib.core.registers import Registration
from chalicelib.core.totals import ClassTotals, Totals

TEXT = st.text(st.characters(codec="utf-8"), max_size=12)
st.register_type_strategy(str, TEXT)
RECORDS: tuple[type[Any], ...] = (
    model.JobSpec,
    model.Manifest,
    model.Fork,
    model.Claim,
    model.Cancel,
    Intent,
    model.CopyRecord,
    model.Receipt,
    model.ReportMade,
    Registration,
    model.Terminal,
    PlanSummary,
    Approval,
)


def records(kind: type[Any]) -> st.SearchStrategy[Any]:
    assert is_dataclass(kind)
    hints = get_type_hints(kind)
    return st.builds(kind, **{field.name: st.from_type(hints[field.name]) for field in fields(kind)})


for _kind in (
    ClassTotals,
    Totals,
    model.Checksum,
    model.Bucket,
    Filters,
    model.ObjectList,
    model.Endpoint,
    model.RowOutcome,
    model.PartPlan,
    model.Row,
):
    st.register_type_strategy(_kind, records(_kind))
