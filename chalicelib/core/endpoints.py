"""Defines what tenants register and jobs name: endpoints and feeds."""

from dataclasses import dataclass, field, replace

from chalicelib.core.objects import Bucket
from chalicelib.core.rows import OverwriteMode


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A registered location: the only way in which a job can name a bucket. `prefix` is a folder or, where its owner
    has said so, a text (`core.prefixes`)."""

    id: str
    tenant: str
    bucket: Bucket
    prefix: str
    readable: bool
    writable: bool
    kms_key: str | None = None
    """The key to encrypt with at a destination. None leaves it to the bucket's default encryption."""
    website: bool = False
    """Objects here may carry a website redirect, which CopyObject loses. So each source needs a HEAD."""
    max_concurrency: int | None = None
    """How many partitions a Region's workers copy from or to this endpoint at once. None: no limit."""

    def below(self, prefix: str) -> "Endpoint":
        """Return the same endpoint, narrowed to a prefix below its own."""
        return replace(self, prefix=self.prefix + prefix) if prefix else self


@dataclass(frozen=True, slots=True)
class Feed:
    """A standing rule: new objects under `source` are copied to `target`. Both are ids of the tenant's endpoints, with
    prefixes below theirs."""

    id: str
    """Unique among all feeds that any tenant ever had: delivery records are kept under it."""
    tenant: str
    source: str
    target: str
    mode: OverwriteMode = OverwriteMode.IF_CHANGED
    name: str = ""
    """The name that the tenant gave it."""
    labels: dict[str, str] = field(default_factory=dict)
    source_prefix: str = ""
    target_prefix: str = ""
