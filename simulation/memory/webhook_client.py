"""Implement the webhook client and its receivers in memory."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from chalicelib.core.errors import Retry
from chalicelib.ports import Reply


@dataclass(frozen=True, slots=True)
class Post:
    url: str
    headers: dict[str, str]
    body: bytes


@dataclass(slots=True)
class MemoryWebhookClient:
    """Implements `ports.WebhookClient`. `receivers` holds the receiver under each URL; `posts` holds all posts."""

    receivers: dict[str, Callable[[Post], Reply]] = field(default_factory=dict)
    posts: list[Post] = field(default_factory=list)

    def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Reply:
        post = Post(url, dict(headers), body)
        self.posts.append(post)
        if url not in self.receivers:
            raise Retry("NoAnswer", "nobody listens")
        return self.receivers[url](post)
