"""Hold the state that all rules about S3 share."""

from __future__ import annotations

from dataclasses import dataclass

from local.gateway.callers import Callers
from local.gateway.limits import SizeLimits
from local.gateway.locks import KeyLocks
from local.gateway.memory import ObjectMemory
from local.gateway.multipart import Uploads
from local.gateway.owners import Owners
from local.gateway.upstream import Upstream


@dataclass(frozen=True)
class S3State:
    upstream: Upstream
    locks: KeyLocks
    memory: ObjectMemory
    uploads: Uploads
    callers: Callers
    owners: Owners
    limits: SizeLimits
