"""The pages for people, as a browser gets them."""

from __future__ import annotations

import gzip
import io
import re
import wave
import zipfile

import pytest

import carillon
from web import VERSION, assets


@pytest.fixture
def built(tmp_path, monkeypatch):
    """A directory of static files with what the pages need, as `make client` leaves it."""
    for name in ("console.html", "inbox.html", "chat.html", "carillon.svg"):
        (tmp_path / name).write_text((assets.STATIC / name).read_text())
    for name in ("console/console", "inbox/inbox", "chat/chat"):
        for ending in (".js", ".css"):
            path = tmp_path / "build" / f"{name}{ending}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("/* */\n")
    monkeypatch.setattr(assets, "STATIC", tmp_path)
    return tmp_path


@pytest.mark.parametrize("path", ["/", "/chat", "/console", "/console/notifications", "/console/users/acme/a/b"])
def test_a_page_runs_nothing_but_its_own_files(client, built, path):
    answer = client.get(path)
    assert (answer.status_code, answer.mimetype) == (200, "text/html")
    policy = answer.headers["Content-Security-Policy"]
    for rule in ("default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'"):
        assert rule in policy
    assert "unsafe" not in policy
    assert "style=" not in answer.text
    assert "<script>" not in answer.text


@pytest.mark.parametrize("path", ["/static/build/carillon.js", "/js/websocket.js"])
def test_a_file_that_has_not_changed_is_not_sent_again(client, built, path):
    (built / "build" / path.rpartition("/")[2]).write_text("export {};\n")
    first = client.get(path)
    assert (first.status_code, first.headers["Cache-Control"]) == (200, "no-cache")
    assert first.mimetype == "text/javascript"
    again = client.get(path, headers={"If-None-Match": first.headers["ETag"]})
    assert again.status_code == 304


@pytest.mark.parametrize("path", ["/", "/chat", "/console", "/docs", "/docs/events", "/docs/guides"])
def test_a_page_loads_files_from_addresses_that_can_be_kept_for_ever(client, built, path):
    (built / "docs.css").write_text("/* */\n")
    names = re.findall(r'"(/static/[^"]+\.(?:js|css|svg))"', client.get(path).text)
    assert len(names) >= 2
    for name in names:
        file = client.get(name, headers={"Accept-Encoding": "gzip"})
        assert (file.status_code, file.headers["Content-Encoding"]) == (200, "gzip")
        assert file.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert client.get(name, headers={"Accept-Encoding": "identity"}).data == gzip.decompress(file.data)
        again = client.get(name, headers={"If-None-Match": file.headers["ETag"], "Accept-Encoding": "gzip"})
        assert (again.status_code, "immutable" in again.headers["Cache-Control"]) == (304, True)


def test_another_content_has_another_address(client, built):
    [old] = re.findall(r'src="([^"]+)"', client.get("/console").text)
    (built / "build/console/console.js").write_text("export {};\n")
    [new] = re.findall(r'src="([^"]+)"', client.get("/console").text)
    assert (old != new, client.get(new).text) == (True, "export {};\n")
    # A page of the version before gets what there is now, and does not keep it.
    stale = client.get(old)
    assert (stale.status_code, stale.text, stale.headers["Cache-Control"]) == (200, "export {};\n", "no-cache")
    assert client.get("/console").headers["Cache-Control"] == "no-cache"


def test_pages_of_other_sites_may_load_the_programs_and_nothing_else(client, built):
    elsewhere = {"Origin": "https://shop.test"}
    program = client.get("/static/build/console/console.js", headers=elsewhere)
    assert program.headers["Access-Control-Allow-Origin"] == "*"
    assert program.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert "Access-Control-Allow-Origin" not in client.get("/static/console.html", headers=elsewhere).headers


@pytest.mark.parametrize(
    ("path", "program"),
    [("/", "inbox/inbox.js"), ("/chat", "chat/chat.js"), ("/console", "console/console.js")],
)
def test_a_page_that_was_not_built_says_how(client, built, path, program):
    assert client.get(path).status_code == 200
    (built / "build" / program).unlink()
    answer = client.get(path)
    assert (answer.status_code, answer.json["code"]) == (503, "not_built")
    assert "make client" in answer.json["detail"]


def test_the_console_is_told_before_the_sign_in_what_it_needs_to_know(client, built):
    told = client.get("/console/config.json")
    assert told.json == {"version": VERSION, "development": True, "flower_url": None}


@pytest.mark.parametrize("path", ["../app.py", "%2e%2e/app.py", "/etc/passwd", "nothing.js", "build"])
def test_nothing_but_static_files_is_served(client, built, path):
    assert client.get(f"/static/{path}").status_code == 404
    assert client.get(f"/static/v-0/{path}").status_code == 404


def test_the_pages_of_four_namespaces_find_their_files(client):
    sound = client.get("/sounds/notification.mp3")
    assert (sound.status_code, sound.mimetype) == (200, "audio/wav")
    with wave.open(io.BytesIO(sound.data)) as played:
        assert 0.3 < played.getnframes() / played.getframerate() < 1
    script = client.get("/js/websocket.js")
    assert (script.status_code, script.mimetype) in {(200, "text/javascript"), (503, "application/problem+json")}


def test_the_packages_are_given_out(client):
    index = client.get("/packages/").text
    wheel, tarball = re.findall(r'href="(/packages/[^"]*\.whl)"', index)[0], "/packages/carillon-client.tgz"
    assert f'href="{tarball}"' in index
    answer = client.get(wheel)
    assert answer.mimetype == "application/zip"
    names = zipfile.ZipFile(io.BytesIO(answer.data)).namelist()
    assert "carillon/client.py" in names
    assert f"carillon-{carillon.__version__}.dist-info/licenses/LICENSE" in names
    assert {name.partition("/")[0] for name in names} == {"carillon", f"carillon-{carillon.__version__}.dist-info"}
    assert client.get(tarball).status_code in (200, 503)


def test_what_the_build_has_compressed_is_sent_compressed(client, tmp_path, monkeypatch):
    (tmp_path / "build").mkdir()
    for ending in ("", ".br", ".gz"):
        (tmp_path / "build" / f"x.js{ending}").write_text(f"x{ending}")
    monkeypatch.setattr(assets, "STATIC", tmp_path)
    for accepted, (encoding, text) in {
        "gzip, br": ("br", "x.br"),
        "gzip": ("gzip", "x.gz"),
        "br;q=0": (None, "x"),
        "": (None, "x"),
    }.items():
        answer = client.get("/static/build/x.js", headers={"Accept-Encoding": accepted})
        assert (answer.headers.get("Content-Encoding"), answer.text) == (encoding, text)
        assert (answer.mimetype, answer.headers["Vary"]) == ("text/javascript", "Accept-Encoding")
        again = {"Accept-Encoding": accepted, "If-None-Match": answer.headers["ETag"]}
        assert client.get("/static/build/x.js", headers=again).status_code == 304
    assert client.get("/static/../x.js", headers={"Accept-Encoding": "br"}).status_code == 404
