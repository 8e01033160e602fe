"""Records of every kind, which hypothesis makes from their types."""

from dataclasses import fields, is_dataclass
from typing import Any, get_type_hints

from hypothesis import strategies as st

from chalicelib.core import endpoints, jobs, manifests, objects, rows
from chalicelib.core.desired_state import PauseLogEntry
from chalicelib.core.inputs import Filters
from chalicelib.core.planned import Approval, PlanSummary
from chalicelib.core.registers import Registration
from chalicelib.core.schedules import Run
from chalicelib.core.totals import ClassTotals, Totals

TEXT = st.text(st.characters(codec="utf-8"), max_size=12)
st.register_type_strategy(str, TEXT)
RECORDS: tuple[type[Any], ...] = (
    jobs.JobSpec,
    manifests.Manifest,
    manifests.RangeSplit,
    manifests.Claim,
    jobs.Cancel,
    PauseLogEntry,
    manifests.CopyRecord,
    manifests.Receipt,
    jobs.ReportMade,
    Registration,
    jobs.Terminal,
    Run,
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
    objects.Checksum,
    objects.Bucket,
    Filters,
    jobs.ObjectList,
    endpoints.Endpoint,
    rows.RowOutcome,
    rows.PartPlan,
    rows.Row,
):
    st.register_type_strategy(_kind, records(_kind))
