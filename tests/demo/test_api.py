import httpx
import pytest

from local.demo.api import Api
from local.demo.model import DemoError


class Server:
    """A server that gives its answers in turn, and keeps the requests."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.requests = []

    def __call__(self, request):
        self.requests.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def api(server, pauses=None):
    pause = (pauses if pauses is not None else []).append
    return Api("http://api", "secret", transport=httpx.MockTransport(server), pause=pause)


def test_a_submission_carries_token_and_key():
    server = Server(httpx.Response(201, json={"id": "j"}))
    assert api(server).submit({"a": 1}, "key") == {"id": "j"}
    (request,) = server.requests
    assert request.headers["Authorization"] == "Bearer secret"
    assert request.headers["Idempotency-Key"] == "key"


def test_a_lost_answer_is_asked_for_again_under_the_same_key():
    server = Server(httpx.ReadTimeout("lost"), httpx.Response(503), httpx.Response(200, json={"id": "j"}))
    pauses: list[float] = []
    client = api(server, pauses)
    assert client.submit({}, "key") == {"id": "j"}
    assert {request.headers["Idempotency-Key"] for request in server.requests} == {"key"}
    assert client.repeated == len(pauses) == 2


def test_giving_up():
    with pytest.raises(DemoError, match="the API does not answer"):
        api(Server(*[httpx.ConnectError("refused")] * 4)).job("j")
    with pytest.raises(DemoError, match="the API refused GET /jobs/j: 500 broken"):
        api(Server(*[httpx.Response(500, text="broken")] * 4)).job("j")


def test_what_the_client_did_wrong_is_not_repeated():
    server = Server(httpx.Response(403, text="no"))
    with pytest.raises(DemoError, match="403 no"):
        api(server).job("j")
    assert len(server.requests) == 1


def test_every_page_of_the_rows():
    server = Server(
        httpx.Response(200, json={"objects": [1, 2], "next_cursor": "r-1.2"}),
        httpx.Response(200, json={"objects": [3], "next_cursor": None}),
    )
    assert list(api(server).objects("j")) == [1, 2, 3]
    assert [request.url.params.get("cursor") for request in server.requests] == [None, "r-1.2"]
