"""What a Region keeps of its issuers' keys, in its own control bucket: its sweep writes it, its API reads it. So the
API asks neither an issuer nor the other Region, and accepts tokens while either is down, for however long."""

from chalicelib.core import codec
from chalicelib.core.keys import KeyRecord, record_key
from chalicelib.core.model import Bucket
from chalicelib.ports import ObjectStore


def read_keys(store: ObjectStore, bucket: Bucket, issuer: str) -> KeyRecord | None:
    """None if nothing is kept yet. Raises EftError."""
    body = store.get(bucket, record_key(issuer))
    return None if body is None else codec.loads(body, KeyRecord)


def write_keys(store: ObjectStore, bucket: Bucket, record: KeyRecord) -> None:
    store.overwrite(bucket, record_key(record.issuer), codec.dumps(record))
