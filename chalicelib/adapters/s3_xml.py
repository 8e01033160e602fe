"""Make S3's answers parseable where they name keys that XML can't hold.

Keys may contain any Unicode character, XML 1.0 documents may not: of the control characters only tab, line feed and
carriage return, and not U+FFFE and U+FFFF (XML 1.0, section 2.2, "Characters"). Where a request can ask for url-encoded
keys, it does. Errors, and the answers to CreateMultipartUpload, CompleteMultipartUpload and ListParts, name the key as
it is (S3 user guide, "Naming Amazon S3 objects"). botocore's parser refuses them, and reports a 500 for the success
that they tell of. The key is not needed there, so characters that XML can't hold are replaced before the answer is
parsed.
"""

import re
from typing import Any

_ECHOING = ("CreateMultipartUpload", "CompleteMultipartUpload", "ListParts")
_NAMES = re.compile(rb"<(Key|Location|Resource|Message)>(.*?)</\1>", re.DOTALL)
_RAW = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f]|\xef\xbf[\xbe\xbf]")
_REFERENCE = re.compile(rb"&#(?:x([0-9a-fA-F]+)|([0-9]+));")
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}".encode()
_RESULT = re.compile(rb"\s*(?:<\?xml[^>]*\?>)?\s*<(\w+)")


def make_readable(operation_model: Any, response_dict: dict[str, Any], **_: object) -> None:  # noqa: ANN401 - botocore's
    """Replace, before an answer is parsed, the characters that XML can't hold in its key and in other elements that
    quote the key. It is a handler of botocore's event `before-parse.s3.*`."""
    body = response_dict.get("body")
    if not isinstance(body, bytes):
        return
    root = _RESULT.match(body)
    is_error = root is not None and root[1] == b"Error"
    if not is_error and operation_model.name not in _ECHOING:
        return
    readable = _NAMES.sub(lambda match: b"<%s>%s</%s>" % (match[1], _cleaned(match[2]), match[1]), body)
    if readable == body:
        return
    response_dict["body"] = readable
    if response_dict["status_code"] == 500 and root is not None and root[1].endswith(b"Result"):
        # botocore has looked at the answer before us, and has taken the body that it could not parse for an error
        # inside a 200.
        response_dict["status_code"] = 200


def _cleaned(text: bytes) -> bytes:
    return _REFERENCE.sub(_referred, _RAW.sub(_REPLACEMENT, text))


def _referred(match: re.Match[bytes]) -> bytes:
    number = int(match[1], 16) if match[1] else int(match[2])
    allowed = number in (0x9, 0xA, 0xD) or 0x20 <= number <= 0xD7FF or 0xE000 <= number <= 0xFFFD
    return match[0] if allowed or 0x10000 <= number <= 0x10FFFF else _REPLACEMENT
