"""The code in docs/webhooks.md does what the page says, and its numbers are the product's."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from chalicelib.core import webhooks
from chalicelib.core.hooks import Replaced, Topic, Webhook
from chalicelib.core.policy import Policy
from chalicelib.core.webhooks import Notice

DOC = (Path(__file__).parents[2] / "docs" / "webhooks.md").read_text()
NOW_S = 1_800_000_000
SECRET, OTHER = (webhooks.secret_text(bytes([n]) * 32) for n in (0, 255))
BODY = webhooks.body_of(Notice(Topic.TEST, "acme", "x", NOW_S * 1000, {"webhook": "é"})).encode()
ROTATED = Webhook("https://acme.example/", (), SECRET, (Replaced(OTHER, (NOW_S + 1) * 1000),))


def code(language: str) -> str:
    [block] = re.findall(rf"```{language}\n(.*?)```", DOC, re.DOTALL)
    return str(block)


def headers(hook: Webhook = ROTATED) -> dict[str, str]:
    return webhooks.headers(hook, "msg_abc", BODY, NOW_S * 1000)


def python(sent_headers: dict[str, str], body: bytes, secret: str, now_s: float = NOW_S) -> bool:
    names: dict[str, Any] = {}
    exec(code("python"), names)
    return bool(names["verify"](sent_headers, body, secret, now_s))


def shell(folder: Path, sent_headers: dict[str, str], body: bytes, secret: str) -> bool:
    (folder / "body.json").write_bytes(body)
    variables = {name.upper().replace("-", "_"): value for name, value in sent_headers.items()}
    completed = subprocess.run(
        ["sh", "-c", code("sh")],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "SECRET": secret, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert completed.stdout.strip() == ("genuine" if completed.returncode == 0 else "forged"), completed.stderr
    return completed.returncode == 0


@pytest.mark.parametrize("secret", [SECRET, OTHER])
def test_what_is_genuine(tmp_path: Path, secret: str) -> None:
    assert python(headers(), BODY, secret)
    assert shell(tmp_path, headers(), BODY, secret)


@pytest.mark.parametrize("change", ["body", "id", "timestamp", "secret", "signature"])
def test_what_is_not(tmp_path: Path, change: str) -> None:
    sent_headers, body, secret = headers(), BODY, SECRET
    if change == "body":
        body += b" "
    elif change == "secret":
        secret = webhooks.secret_text(bytes(31) + b"x")
    else:
        sent_headers[f"webhook-{change}"] = {"id": "msg_abd", "timestamp": str(NOW_S + 1), "signature": "v1,AAAA v2,x"}[
            change
        ]
    assert not python(sent_headers, body, secret)
    assert not shell(tmp_path, sent_headers, body, secret)


@pytest.mark.parametrize("late_s", [301, -301])
def test_what_is_old(late_s: int) -> None:
    assert not python(headers(), BODY, SECRET, NOW_S + late_s)
    assert python(headers(), BODY, SECRET, NOW_S + late_s // 301 * 299)


def test_its_numbers() -> None:
    policy = Policy()
    assert f"{policy.webhook_attempts} tries" in DOC
    assert (policy.webhook_backoff_base_ms, policy.webhook_backoff_max_ms) == (30_000, 6 * 3_600_000)
    assert f"up to {Policy().webhooks_per_tenant} webhooks" in DOC
    assert webhooks.REPLACED_VALID_MS == 24 * 3_600_000
    assert webhooks.REPLACED_MAX == 4


def test_its_fields() -> None:
    notice = webhooks.job_settled("acme", "job-1", 1, {})
    assert notice.data.keys() == {"job", "settled_at"}
    for name in (*notice.data, *json.loads(BODY)["data"]):
        assert f"`{name}`" in DOC
