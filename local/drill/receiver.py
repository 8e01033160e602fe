"""Play a receiver of files, which removes every file from a feed's target as soon as it is there."""

from __future__ import annotations

import hashlib
import threading
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

_EVERY_S = 0.1


class Receiver(threading.Thread):
    """A thread that takes files away. `taken` holds, by key, one digest for each time that it found the file."""

    def __init__(self, s3: Any, bucket: str, prefix: str) -> None:  # noqa: ANN401 - boto3's client
        super().__init__(name=f"receiver {prefix}", daemon=True)
        self.taken: dict[str, list[str]] = {}
        self._s3, self._bucket, self._prefix = s3, bucket, prefix
        self._leaving = threading.Event()

    def leave(self) -> None:
        self._leaving.set()
        self.join()

    def run(self) -> None:
        while not self._leaving.wait(_EVERY_S):
            try:
                self._take_all()
            except (BotoCoreError, ClientError):
                continue  # a busy machine: it tries again

    def _take_all(self) -> None:
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=self._prefix)
        for key in [entry["Key"] for page in pages for entry in page.get("Contents", ())]:
            content = self._s3.get_object(Bucket=self._bucket, Key=key)["Body"].read()
            self._s3.delete_object(Bucket=self._bucket, Key=key)
            self.taken.setdefault(key, []).append(hashlib.sha256(content).hexdigest())
