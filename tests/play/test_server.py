"""Who may reach a bot that is played: only its own page, on this machine, by its token."""

import socket
from pathlib import Path

import httpx
import pytest

from fsmkit.play.bots import PlayedFlows
from fsmkit.play.server import PlayServer
from fsmkit.play.session import Session

SIGNUP = Path(__file__).parents[2] / "examples" / "signup.py"


@pytest.fixture
def played(serve):
    return serve(SIGNUP)


def own(played):
    return f"http://127.0.0.1:{played.server.port}"


def test_who_comes_before_the_server_has_begun_waits_for_it():
    server = PlayServer(Session(PlayedFlows(str(SIGNUP))))
    with socket.create_connection(("127.0.0.1", server.port), timeout=5):
        server._socket.close()


def test_the_page_and_all_of_its_parts_are_served_with_a_strict_policy(played):
    with httpx.Client() as client:
        page = client.get(played.url)
        assert page.status_code == 200
        for name in ("app.js", "chat.js", "page.css", "diagram.css", "icon.svg", "preact.js"):
            assert client.get(played.url + name).status_code == 200
        policy = page.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert page.headers["referrer-policy"] == "no-referrer"
        assert "<script>" not in page.text


@pytest.mark.parametrize(
    "path", ["/", "/app.js", "/wrong/", "/wrong/do", "/wrong/events", "//", "/favicon.ico"]
)
def test_without_the_token_there_is_nothing(played, path):
    assert httpx.get(own(played) + path).status_code == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "127.0.0.1"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_a_foreign_host_or_origin_is_refused_with_the_token_too(played, headers):
    with httpx.Client() as client:
        assert client.get(played.url, headers=headers).status_code == 403
        headers = {"Origin": own(played), **headers}
        command = {"do": "act", "action": {"do": "say", "text": "/start"}}
        assert client.post(played.url + "do", json=command, headers=headers).status_code == 403
    assert len(played.session.tree.all) == 1


def test_a_command_without_an_origin_is_refused(played):
    command = {"do": "act", "action": {"do": "say", "text": "/start"}}
    assert httpx.post(played.url + "do", json=command).status_code == 403
    assert httpx.post(played.url + "do", json=command, headers={"Origin": own(played)}).status_code == 200
    assert len(played.session.tree.all) == 2


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"{", 200), (b"[]", 400), (b'{"do": "file"}', 400), (b"{}", 200), (b" " * 1_000_001, 413)],
)
def test_what_is_no_command_is_refused_in_words(played, body, status):
    answer = httpx.post(played.url + "do", content=body, headers={"Origin": own(played)})
    assert answer.status_code == status
    assert answer.json()["error"]


def test_nothing_outside_of_the_assets_can_be_read(played):
    for name in ("..%2f..%2fsession.py", "%2e%2e/session.py", "session.py", "file/..%2f..%2fetc/passwd"):
        assert httpx.get(played.url + name).status_code in (403, 404)


def test_it_listens_on_loopback_only(played):
    assert played.server._socket.getsockname()[0] == "127.0.0.1"


def test_pictures_that_a_bot_sends_are_served_and_nothing_else_of_its_files(serve, tmp_path):
    picture = tmp_path / "dot.png"
    picture.write_bytes(b"\x89PNG\r\n\x1a\n" + b"x" * 20)
    bot = tmp_path / "sends.py"
    bot.write_text(
        "from pathlib import Path\nfrom fsmkit import Flow, Reply\n"
        'flow = Flow("sends", ttl=60)\n\n@flow.defstate(None)\ndef said(event, ctx):\n'
        f'    ctx.reply(Reply("dot", photo=Path({str(picture)!r})))\n'
        f'    ctx.reply(Reply("doc", document=Path({str(bot)!r})))\n'
    )
    played = serve(bot)
    played.say("hello")
    world = played.session._live_driver().offline.world
    kinds = {each.file_id: httpx.get(f"{played.url}file/{each.file_id}") for each in world.files.values()}
    found = sorted((answer.status_code, answer.headers["content-type"]) for answer in kinds.values())
    assert found == [(200, "image/png"), (404, "text/plain; charset=utf-8")]
