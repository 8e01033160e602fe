"""Look at the target all the time. Every object that is visible there must be whole."""

from __future__ import annotations

import threading
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

_EVERY_S = 0.25


class Watcher(threading.Thread):
    """A thread that looks. `sizes` holds each target key's size when whole. LIST shows all keys, HEAD the large
    ones."""

    def __init__(self, s3: Any, bucket: str, prefix: str, sizes: dict[str, int], large: list[str]) -> None:  # noqa: ANN401
        super().__init__(name=f"watcher {prefix}", daemon=True)
        self.partial: list[str] = []
        self.looks = 0
        self._s3, self._bucket, self._prefix = s3, bucket, prefix
        self._sizes, self._large = sizes, large
        self._leaving = threading.Event()

    def leave(self) -> None:
        self._leaving.set()
        self.join()

    def run(self) -> None:
        while not self._leaving.is_set():
            try:
                self._look()
                self.looks += 1
            except (BotoCoreError, ClientError):
                pass  # its Region is dead, with its storage
            self._leaving.wait(_EVERY_S)

    def _look(self) -> None:
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=self._prefix)
        for page in pages:
            for entry in page.get("Contents", ()):
                self._judge("LIST", entry["Key"], entry["Size"])
        for key in self._large:
            try:
                self._judge("HEAD", key, self._s3.head_object(Bucket=self._bucket, Key=key)["ContentLength"])
            except ClientError as error:
                if error.response["ResponseMetadata"]["HTTPStatusCode"] != 404:
                    raise

    def _judge(self, operation: str, key: str, size: int) -> None:
        if size != self._sizes.get(key):
            self.partial.append(f"{operation} {key}: {size} bytes instead of {self._sizes.get(key)}")
