"""Define protocols for everything the product needs from the outside world. Adapters, the simulation and the tests
implement them.

Every call may fail with an error of `core.errors`. `Retry` always means "perhaps it happened": a caller that wrote
looks before it writes again. No implementation retries a write by itself: a hidden retry turns your own success into a
412.
"""

from chalicelib.ports.env import Clock, Env, Ids, Log, Pool, Rng
from chalicelib.ports.messages import KeySource, Notifier, Queue, Reply, WebhookClient
from chalicelib.ports.store import (
    BucketFacts,
    ObjectStore,
    Page,
    Part,
    Placement,
    SourceRef,
    UploadInfo,
    UploadRef,
    Written,
)
from chalicelib.ports.table import (
    ChangePage,
    Delivery,
    DeliveryLock,
    DeliveryPage,
    EntryName,
    EntryPage,
    JobItems,
    JobPage,
    Ledger,
    ObjectEvent,
    Registry,
    Said,
)
from chalicelib.ports.tasks import (
    CopyPartition,
    CopyTask,
    CopyUploadParts,
    MakeReport,
    PlanRange,
    QueueName,
    RestingTask,
    Task,
    VerifyDelivery,
    VerifyPartition,
    queue_of,
)

__all__ = [
    "BucketFacts",
    "ChangePage",
    "Clock",
    "CopyPartition",
    "CopyTask",
    "CopyUploadParts",
    "Delivery",
    "DeliveryLock",
    "DeliveryPage",
    "EntryName",
    "EntryPage",
    "Env",
    "Ids",
    "JobItems",
    "JobPage",
    "KeySource",
    "Ledger",
    "Log",
    "MakeReport",
    "Notifier",
    "ObjectEvent",
    "ObjectStore",
    "Page",
    "Part",
    "Placement",
    "PlanRange",
    "Pool",
    "Queue",
    "QueueName",
    "Registry",
    "Reply",
    "RestingTask",
    "Rng",
    "Said",
    "SourceRef",
    "Task",
    "UploadInfo",
    "UploadRef",
    "VerifyDelivery",
    "VerifyPartition",
    "WebhookClient",
    "Written",
    "queue_of",
]
