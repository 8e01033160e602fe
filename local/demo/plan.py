"""Plan the objects that the demo makes: many small ones, the keys that break transfers, and large ones. This module is
pure."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.header import Header

from local.demo.model import KEY_MAX_BYTES, MIB, Properties, Route, Upload

SMALL_MAX_BYTES = 4096
FEED_SHARE = 8
"""One in so many small objects travels by the feed."""

_ODD_NAMES = (
    " leading space.txt",
    "trailing space ",
    "two  spaces/in  a row.txt",
    "plus+plus=equals.txt",
    "100% percent.txt",
    "%2F literally, %41 and %zz.txt",
    "'single' and \"double\" quotes.txt",
    "<tag> & &amp; entities.xml",
    "#hash?query=1&more.txt",
    "semi;colon:at@comma,dollar$bang!star*(paren).txt",
    "[brackets] {braces} |pipe| ^caret^ `tick` ~tilde~.txt",
    "back\\slash.txt",
    "tab\tand newline\n.txt",
    ".hidden",
    "...dots",
    "UPPER and lower.TXT",
    "upper and LOWER.txt",
    "Upper And Lower.Txt",
    # "-" < "." < "/": tools that sort by path component get these wrong.
    "order/a-b",
    "order/a.b",
    "order/a/b",
    "order/a0b",
    # UTF-8 sorts full width before the emoji, UTF-16 the other way round.
    "order/Ｚ full width.txt",
    "order/🚀 rocket.txt",
    "unicode/ünïcödé.txt",
    "unicode/nfc-\u00e9.txt",
    "unicode/nfd-e\u0301.txt",
    "unicode/Ελληνικά и русский.txt",
    "unicode/عربى עברית.txt",
    "unicode/日本語 中文 한국어.txt",
    "unicode/👩‍👩‍👧 family, 🏴󠁧󠁢󠁳󠁣󠁴󠁿 flag.txt",
    "unicode/𐀀 linear b, 𝔘𝔫𝔦𝔠𝔬𝔡𝔢, 𠀀 plane 2.txt",
    "unicode/\ue000 private use.txt",
    "no extension",
)
_NO_FILE_NAMES = (
    "order/a",  # beside the folder order/a/
    "double//slash.txt",
    "ends with slashes//",
)
_FEED_ODD_NAMES = (
    " leading and trailing ",
    "plus+plus 100% %2F <&>'\".txt",
    "日本語/🚀 ünïcödé.txt",
    "Case.txt",
    "case.TXT",
)


@dataclass(frozen=True)
class Planned:
    """An object to make. Its bytes follow from its name."""

    name: str
    route: Route
    size: int
    properties: Properties = field(default_factory=Properties)
    upload: Upload = field(default_factory=Upload)
    file: bool = True
    """True if a file can have this name."""


def plan(small: int, seed: int = 1) -> list[Planned]:
    """Plan `small` small objects, and all the special ones."""
    return [*_small(small, random.Random(seed)), *_odd(), *_described(), *_large()]


def content(planned: Planned) -> bytes:
    return random.Random(planned.name).randbytes(planned.size)


def _small(count: int, rng: random.Random) -> Iterator[Planned]:
    kinds = (("txt", "text/plain"), ("csv", "text/csv; charset=utf-8"), ("json", "application/json"), ("dat", None))
    checksums = ("CRC32", "CRC64NVME", None, "SHA256")
    for number in range(count):
        suffix, content_type = kinds[number % len(kinds)]
        metadata = {"batch": str(number // 100), "sent-by": "partner-7"} if number % 5 == 0 else {}
        yield Planned(
            name=f"batch-{number // 100:03}/file-{number:05}.{suffix}",
            route=Route.FEED if number % FEED_SHARE == FEED_SHARE - 1 else Route.JOB,
            size=rng.randint(0, SMALL_MAX_BYTES),
            properties=Properties(content_type=content_type or "application/octet-stream", metadata=metadata),
            upload=Upload(checksum=checksums[number // 7 % len(checksums)]),
        )


def _odd() -> Iterator[Planned]:
    for name in _ODD_NAMES:
        yield Planned(f"odd/{name}", Route.JOB, 100 + len(name), Properties("text/plain"))
    for name in _NO_FILE_NAMES:
        yield Planned(f"odd/{name}", Route.JOB, 100 + len(name), Properties("text/plain"), file=False)
    for name in _FEED_ODD_NAMES:
        yield Planned(f"odd/{name}", Route.FEED, 100 + len(name), Properties("text/plain"))
    for route in Route:
        yield Planned("odd/zero bytes", route, 0)
        yield Planned("odd/folder/", route, 0, Properties("application/x-directory"), file=False)
        yield Planned(longest_name(route), route, 1024)


def longest_name(route: Route) -> str:
    """Return a name, valid for a file, whose key at the destination has exactly as many bytes as S3 allows."""
    room = KEY_MAX_BYTES - len(route.value.target_prefix)
    name = "odd/" + "/".join([f"{'kilobyte-é🚀-' * 12}"[:150]] * 4)
    return name + "/" + "x" * (room - len(name.encode()) - 1)


def _described() -> Iterator[Planned]:
    """Yield small objects with everything that S3 keeps beside the bytes."""
    for route in Route:
        for name, properties in _properties().items():
            yield Planned(f"described/{name}", route, 2000, properties)


def _large() -> Iterator[Planned]:
    """Yield objects above the multipart threshold. Each is uploaded in another way, since each has to be verified in
    another way."""
    full = _properties()["everything.bin"]
    yield Planned("large/one-request.bin", Route.JOB, 12 * MIB + 1, full, Upload())
    yield Planned("large/one-request-sha256.bin", Route.JOB, 9 * MIB, full, Upload(checksum="SHA256"))
    yield Planned("large/parts-and-crc64.bin", Route.JOB, 16 * MIB, full, Upload(5 * MIB, "CRC64NVME"))
    yield Planned("large/parts-without-checksum.bin", Route.JOB, 18 * MIB + 7, full, Upload(6 * MIB, None))
    yield Planned("large/parts-and-sha256.bin", Route.FEED, 13 * MIB, full, Upload(5 * MIB, "SHA256"))


def _properties() -> dict[str, Properties]:
    disposition = "attachment; filename=\"quoted name.csv\"; filename*=UTF-8''na%C3%AFve%20%E2%82%AC.csv"
    expires = "Fri, 01 Jan 2038 12:34:56 GMT"
    metadata = {
        "partner-id": "7",
        "sent-by": "Partner Seven, Inc.",
        "mixedcase": "Value With Upper CASE",
        "encoded-word": Header("Ünïcödé €", "utf-8").encode(),
        "percent-encoded": "na%C3%AFve%20%E2%82%AC",
        "empty": "",
        "punctuation": "a=b; c,d \"e\" 'f' <g> & h",
        "long": "x" * 1000,
    }
    tags = {
        "classification": "internal",
        "cost center": "A+B = C/D:E_F-G.H@I",
        "Ünïcödé": "€ 日本語",
        "empty": "",
    }
    return {
        "page.html.gz": Properties("text/html; charset=utf-8", content_encoding="gzip", content_language="de, en-GB"),
        "download.csv": Properties("text/csv", content_disposition=disposition),
        "cached.json": Properties("application/json", cache_control="public, max-age=3600", expires=expires),
        "metadata.xml": Properties("application/xml", metadata=metadata),
        "tagged.pdf": Properties("application/pdf", tags=tags),
        "infrequent.log": Properties("text/plain", storage_class="STANDARD_IA"),
        "everything.bin": Properties(
            "application/vnd.example+json; v=2",
            content_encoding="gzip",
            content_language="en",
            content_disposition=disposition,
            cache_control="no-cache",
            expires=expires,
            storage_class="STANDARD_IA",
            metadata=metadata,
            tags=tags,
        ),
    }
