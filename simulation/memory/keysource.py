"""Publish issuers' keys in memory."""

from collections.abc import Callable
from dataclasses import dataclass, field

from chalicelib.core.errors import Permanent


@dataclass(slots=True)
class MemoryKeySource:
    """Implements `ports.KeySource`. `answers` holds the answer under each URL; `asked` holds the URLs of all
    requests."""

    answers: dict[str, Callable[[], bytes]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def fetch(self, url: str) -> bytes:
        self.asked.append(url)
        if url not in self.answers:
            raise Permanent("KeysNotPublished", f"{url}: 404")
        return self.answers[url]()
