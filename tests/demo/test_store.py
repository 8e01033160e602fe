from urllib.parse import parse_qsl

from local.demo.model import Properties
from local.demo.plan import plan
from local.demo.store import properties_of, put_fields


def answer_of(fields):
    """Return S3's answer to a GET of an object that was put with these fields."""
    answer = {name: value for name, value in fields.items() if name not in ("Tagging", "Expires")}
    if "Expires" in fields:
        answer["ExpiresString"] = fields["Expires"].strftime("%a, %d %b %Y %H:%M:%S GMT")
    return answer, dict(parse_qsl(fields.get("Tagging", ""), keep_blank_values=True))


def test_every_planned_property_comes_back_as_it_went_out():
    for planned in plan(10):
        answer, tags = answer_of(put_fields(planned.properties))
        assert properties_of(answer, tags) == planned.properties


def test_metadata_names_go_out_in_mixed_case():
    assert put_fields(Properties(metadata={"sent-by": "x"}))["Metadata"] == {"Sent-By": "x"}


def test_metadata_can_be_sent_in_headers():
    for planned in plan(10):
        for text in (*planned.properties.metadata, *planned.properties.metadata.values()):
            assert text.isascii()
            assert "\n" not in text
