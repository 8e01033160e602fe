"""Keep the public keys of token issuers in the Region's own control bucket: the Region's sweep writes them, its API
reads them. So the API asks neither an issuer nor the other Region, and accepts tokens while either is down, for any
length of time."""

from chalicelib.core import codec
from chalicelib.core.keys import KeyRecord, record_key
from chalicelib.core.objects import Bucket
from chalicelib.ports import ObjectStore


def read_keys(store: ObjectStore, bucket: Bucket, issuer: str) -> KeyRecord | None:
    """Return the keys of an issuer, or None if nothing is kept yet. Raises EftError if they can't be read."""
    body = store.get(bucket, record_key(issuer))
    return None if body is None else codec.loads(body, KeyRecord)


def write_keys(store: ObjectStore, bucket: Bucket, record: KeyRecord) -> None:
    """Store the keys of an issuer, in place of the earlier ones. Raises EftError if that fails."""
    store.overwrite(bucket, record_key(record.issuer), codec.dumps(record))
