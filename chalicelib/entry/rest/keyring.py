"""Give the authorizer the keys that it accepts: those from the settings, or those that this Region's sweep has fetched
from an issuer. No issuer and no other Region is ever asked from here."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import jwt

from chalicelib.core.errors import Denied, EftError, Retry
from chalicelib.core.keys import Issuer, KeyRecord, accepted, signing_key
from chalicelib.core.objects import Bucket
from chalicelib.ports import Clock, Log, ObjectStore
from chalicelib.protocol.keys import read_keys

LOOK_AGAIN_MS = 60_000
"""How old the keys in this process's memory may become, in milliseconds."""
LOOK_AGAIN_UNKNOWN_MS = 10_000
"""The same for a token that names an unknown key, in milliseconds. Anybody can make such tokens, so they must not each
cause a request."""


@dataclass(slots=True)
class _Remembered:
    looked_ms: int | None = None
    record: KeyRecord | None = None
    parsed: Mapping[str, jwt.PyJWK] = field(default_factory=dict)
    failure: Retry | None = None
    """The error of the last read; None if it succeeded, or if there may be no record yet."""


class Keyring:
    """The issuers that one process trusts. `bucket` is the control bucket of its Region."""

    def __init__(
        self, issuers: Iterable[Issuer], store: ObjectStore, bucket: Bucket, clock: Clock, log: Log, grace_ms: int
    ) -> None:
        self._issuers = {issuer.name: issuer for issuer in issuers}
        self._store, self._bucket, self._clock, self._log = store, bucket, clock, log
        self._grace_ms = grace_ms
        self._remembered = {name: _Remembered() for name in self._issuers}

    def issuer(self, name: str) -> Issuer | None:
        return self._issuers.get(name)

    def key(self, issuer: Issuer, kid: str) -> jwt.PyJWK | None:
        """Return the issuer's key with this id if it is valid now, else None. Raises Retry if the key isn't known and
        the keys can't be read, whatever the reason: a good token must not be refused then."""
        if not issuer.jwks_url:
            return issuer.keys.get(kid)
        self._look(issuer, LOOK_AGAIN_MS)
        key = self._known(issuer, kid)
        if key is None and self._look(issuer, LOOK_AGAIN_UNKNOWN_MS):
            key = self._known(issuer, kid)
        failure = self._remembered[issuer.name].failure
        if key is None and failure is not None:
            raise failure
        return key

    def _known(self, issuer: Issuer, kid: str) -> jwt.PyJWK | None:
        remembered = self._remembered[issuer.name]
        is_accepted = remembered.record is not None and kid in accepted(
            remembered.record, self._clock.now_ms(), self._grace_ms
        )
        return remembered.parsed.get(kid) if is_accepted else None

    def _look(self, issuer: Issuer, age_ms: int) -> bool:
        """Read the stored keys, and return True. If the last read is younger than `age_ms`, return False instead. A
        read that fails replaces nothing, and is not repeated at once."""
        remembered, now_ms = self._remembered[issuer.name], self._clock.now_ms()
        if remembered.looked_ms is not None and 0 <= now_ms - remembered.looked_ms < age_ms:
            return False
        remembered.looked_ms, remembered.failure = now_ms, None
        try:
            record = read_keys(self._store, self._bucket, issuer.name)
            if record is not None and (remembered.record is None or record.keys != remembered.record.keys):
                remembered.parsed = {kid: signing_key(stored_key.jwk) for kid, stored_key in record.keys.items()}
                remembered.record = record
        except (EftError, ValueError) as error:
            self._log("keys-not-read", issuer=issuer.name, error=str(error))
            # S3 answers 403 for a missing key to callers that may not list the bucket, as the authorizer may not.
            if not isinstance(error, Denied):
                detail = f"the keys of {issuer.name} can't be read: {error}"
                remembered.failure = error if isinstance(error, Retry) else Retry("KeysNotRead", detail)
        return True
