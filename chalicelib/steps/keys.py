"""The keys step runs after every sweep. It fetches the public keys of the token issuers that are due, and merges them
into the key records.

Known keys stay, whatever an issuer answers and even if it doesn't answer, until the issuer explicitly publishes a key
set without them.
"""

from chalicelib.core.errors import Corrupt, EftError
from chalicelib.core.keys import Issuer, KeyRecord, UnusableKeys, due, merge, published
from chalicelib.ports import Env
from chalicelib.protocol.keys import read_keys, write_keys
from chalicelib.protocol.stages import in_turn


def run(env: Env, until_ms: int) -> None:
    """Refresh the keys of the issuers that are due. Start none after `until_ms`."""
    for issuer in in_turn(env, env.issuers):
        if issuer.jwks_url and env.clock.now_ms() < until_ms:
            try:
                _refresh(env, issuer)
            except Exception as error:  # noqa: BLE001 - one issuer's trouble must not hold up the others
                env.log("keys-not-refreshed", issuer=issuer.name, error=repr(error), trace=True)


def _refresh(env: Env, issuer: Issuer) -> None:
    bucket = env.control_buckets[env.region]
    old_record = _stored_record(env, issuer)
    if not due(old_record, env.clock.now_ms(), env.policy.keys_refresh_ms):
        return
    try:
        published_keys = published(env.key_source.fetch(issuer.jwks_url))
    except (EftError, UnusableKeys) as error:
        # The record is left as it is, so the next sweep asks again.
        checked_ms = old_record.checked_ms if old_record else None
        env.log("keys-not-refreshed", issuer=issuer.name, error=str(error), checked_ms=checked_ms)
        return
    new_record = merge(old_record, issuer.name, published_keys, env.clock.now_ms(), env.policy.keys_grace_ms)
    # Crash here: the next sweep asks again.
    write_keys(env.store, bucket, new_record)
    if old_record is None or old_record.keys != new_record.keys:
        published_ids = sorted(published_keys)
        env.log(
            "keys-changed",
            issuer=issuer.name,
            published=published_ids,
            left=sorted(new_record.keys.keys() - published_keys),
        )


def _stored_record(env: Env, issuer: Issuer) -> KeyRecord | None:
    try:
        return read_keys(env.store, env.control_buckets[env.region], issuer.name)
    except Corrupt as error:
        # The API can't read the record either. The keys that the issuer publishes now replace it.
        env.log("keys-unreadable", issuer=issuer.name, error=str(error))
        return None
