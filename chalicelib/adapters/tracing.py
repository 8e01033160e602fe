"""Wrap X-Ray in one function: aws-xray-sdk is in maintenance mode, and no other module may depend on it.

A step is one subsegment. Single S3 calls are not traced: a partition makes a thousand of them.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from aws_xray_sdk.core import xray_recorder

xray_recorder.configure(context_missing="IGNORE_ERROR")


@contextmanager
def step(name: str) -> Iterator[None]:
    """Trace a block as a subsegment of the invocation, if Lambda traces it."""
    if "_X_AMZN_TRACE_ID" not in os.environ:
        yield
        return
    with xray_recorder.in_subsegment(name):
        yield
