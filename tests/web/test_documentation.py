"""The documentation that the server gives out: small, without scripts, complete, and every link leads somewhere."""

from __future__ import annotations

import gzip
import json
import re
import shlex
import shutil
import subprocess
from html import unescape
from itertools import pairwise
from types import SimpleNamespace
from urllib.parse import urljoin

import pytest

from tests.missing import skip_unless_ci
from web.documentation.guides import FILES
from web.documentation.markdown import to_html
from web.documentation.snippets import snippets

URL = "http://127.0.0.1:8000"
GUIDES = [f"/docs/guides/{name}".rstrip("/") for name in FILES]
PAGES = ["/docs", "/docs/events", *GUIDES]
# Bytes on the wire, with what the page loads.
LIMITS = {"/docs": 300_000, "/docs/events": 200_000}


@pytest.fixture
def document(client):
    return client.get("/openapi.json").json


@pytest.mark.parametrize(("path", "limit"), LIMITS.items())
def test_a_page_is_small_on_the_wire_with_all_that_it_loads(client, path, limit):
    page = client.get(path, headers={"Accept-Encoding": "gzip"})
    assert page.headers["Content-Encoding"] == "gzip"
    text = gzip.decompress(page.data).decode()
    loaded = set(re.findall(r'(?:src|href)="(/static/[^"]+)"', text))
    assert [file for file in loaded if file.endswith("/docs.css")]
    assert len(page.data) + sum(len(client.get(file).data) for file in loaded) < limit


def test_a_page_is_compressed_only_for_those_who_can_read_it_and_not_sent_twice(client):
    plain, zipped = (client.get("/docs", headers={"Accept-Encoding": accept}) for accept in ("identity", "br, gzip"))
    assert "Content-Encoding" not in plain.headers
    assert gzip.decompress(zipped.data) == plain.data
    assert plain.headers["ETag"] != zipped.headers["ETag"]
    assert plain.headers["Vary"] == zipped.headers["Vary"] == "Accept-Encoding"
    again = client.get("/docs", headers={"Accept-Encoding": "gzip", "If-None-Match": zipped.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
    assert client.get("/docs", headers={"Accept-Encoding": "gzip;q=0"}).data == plain.data


@pytest.mark.parametrize("path", PAGES)
def test_a_page_runs_nothing(client, path):
    page = client.get(path)
    assert (page.status_code, page.mimetype) == (200, "text/html")
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert "unsafe" not in page.headers["Content-Security-Policy"]
    assert "<script" not in page.text
    assert " style=" not in page.text


def test_every_link_leads_to_a_page_and_a_part_that_is_there(client):
    texts = {path: client.get(path).text for path in PAGES}
    ids = {path: set(re.findall(r' id="([^"]+)"', text)) for path, text in texts.items()}
    broken = []
    for path, text in texts.items():
        for target in map(unescape, re.findall(r'(?:href|src)="([^"]*)"', text)):
            page, _, part = urljoin(path, target).partition("#")
            if page.startswith("/docs") and page in ids:
                found = not part or part in ids[page]
            else:
                # The page at / may not be built.
                found = target.startswith(("http:", "https:")) or client.get(page).status_code in (200, 503)
            if not found:
                broken.append((path, target))
    assert broken == []


def test_the_index_and_the_api_lead_to_the_guides(client):
    index = client.get("/docs/guides").text
    for name in ("services", "http", "realtime", "settings", "operations", "client", "start"):
        assert f'href="/docs/guides/{name}"' in index
    for part in ("authentication", "idempotency", "errors", "pagination", "limits"):
        assert f'href="/docs/guides/http#{part}"' in client.get("/docs").text


@pytest.mark.parametrize("name", ["nothing", "../README", "%2e%2e/CONTRIBUTING", "services.md", "a" * 5000, "%00"])
def test_no_other_file_is_a_guide(client, name):
    assert client.get(f"/docs/guides/{name}").status_code == 404


def test_every_operation_is_there_with_its_callers_parameters_and_members(client, document):
    page = client.get("/docs").text
    ids = re.findall(r' id="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            [article] = re.findall(rf'<article id="{operation["operationId"]}".*?</article>', page, re.DOTALL)
            assert f"<code>{method.upper()} {path}</code>" in article
            assert article.count('class="caller"') == len(operation["security"])
            for parameter in operation.get("parameters", ()):
                assert f"<code>{parameter['name']}</code>" in article
            for language in ("curl", "python", "javascript"):
                assert article.count(f'<pre class="example {language}">') == 1


def requests_of(document):
    """Each operation as the examples send it: method, path, body."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            content = operation.get("requestBody", {"content": {"": {}}})["content"]
            yield method.upper(), path, next(iter(content.values())).get("example")


def test_the_curl_and_python_examples_send_what_they_show(document, monkeypatch):
    monkeypatch.setenv("TOKEN", "secret")
    sent = []
    answer = SimpleNamespace(status_code=200, text="")
    for method, path, body in requests_of(document):
        lines = snippets(method, URL + path, body)
        words = shlex.split(lines["curl"].replace("\\\n", " "))
        options = dict(pairwise(words))
        assert options.get("-X", "GET") == method
        assert URL + path in words
        assert json.loads(options.get("-d", "null")) == body

        def send(url, *, timeout, headers, json=None):
            sent.append((url, headers["Authorization"], json))
            return answer

        stand_in = SimpleNamespace(**dict.fromkeys(("get", "post", "put", "patch", "delete"), send))
        code = lines["python"].replace("import requests\n", "")
        exec(compile(code, path, "exec"), {"requests": stand_in})
        assert sent.pop() == (URL + path, "Bearer secret", body)
        assert f"requests.{method.lower()}(" in lines["python"]


def test_the_javascript_examples_send_what_they_show(document):
    node = shutil.which("node") or skip_unless_ci("Node.js is not installed")
    wanted = [[method, URL + path, body] for method, path, body in requests_of(document)]
    program = "const token = 'secret'; const sent = []; const fetch = async (url, {method = 'GET', headers, body}) => {"
    program += "if (headers.Authorization !== 'Bearer secret') throw headers;"
    program += "sent.push([method, url, body ? JSON.parse(body) : null]); return {text: async () => ''}; };\n"
    program += "const log = console.log; console.log = () => {};\n"
    for method, url, body in wanted:
        program += "{" + snippets(method, url, body)["javascript"] + "}\n"
    program += "log(JSON.stringify(sent));"
    command = [node, "--input-type=module", "-"]
    ended = subprocess.run(command, input=program, capture_output=True, text=True, timeout=60, check=True)
    assert json.loads(ended.stdout) == wanted


def test_html_in_markdown_is_text_and_headings_have_the_anchors_of_github():
    html = to_html("# A `b`, c-d\n\n# A `b`, c-d\n\n<script>alert(1)</script>\n\n[x](javascript:alert(1))")
    assert 'id="a-b-c-d"' in html
    assert 'id="a-b-c-d-1"' in html
    assert "<script" not in html
    assert 'href="javascript' not in html
