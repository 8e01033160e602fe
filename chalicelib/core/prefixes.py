"""Decides whether a prefix of keys means a folder. S3 takes a prefix as text: "data" is also a prefix of
"data-2026/ledger" and "database/prod.db". People who write a prefix nearly always mean a folder. So a prefix means a
folder unless its writer says that it is a text."""

_NEIGHBOUR = "-2026/"


def is_folder(prefix: str) -> bool:
    """Tell whether a prefix means a folder: all of the bucket, or what lies below a name that ends in "/"."""
    return not prefix or (prefix.endswith("/") and not prefix.startswith("/"))


def nearest_folder(prefix: str) -> str:
    """Return the folder that was most likely meant."""
    name = prefix.strip("/")
    return f"{name}/" if name else ""


def why_no_folder(prefix: str) -> str:
    """Say what is wrong with a prefix that is no folder, and what to send instead."""
    if prefix.startswith("/"):
        fault, excuse = "begins with '/', as hardly any key does", "if keys do begin so"
    else:
        fault = f"doesn't end in '/', so it is also that of {_shown(prefix) + _NEIGHBOUR!r}"
        excuse = "if all keys that begin so are meant"
    fix = _shown(nearest_folder(prefix))
    return f'prefix {_shown(prefix)!r} {fault}: send {fix!r}, or, {excuse}, send "text_prefix": true beside it'


def split_key(key: str) -> tuple[str, str]:
    """Return the folder that a key lies in and its name there, by which a job can ask for it."""
    folder, slash, name = key.rpartition("/")
    return (folder + slash, name) if is_folder(folder + slash) else ("", key)


def _shown(prefix: str) -> str:
    return prefix if len(prefix) <= 64 else f"{prefix[:30]}...{prefix[-30:]}"
