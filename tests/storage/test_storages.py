"""Both storages, by the same tests: what is signed can be done, and nothing else."""

from __future__ import annotations

import hashlib
import io
import logging
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest

from config.settings import SettingsError
from storage.base import Member, NotStored, StorageUnavailable, content_disposition
from storage.files import Busy, FileStorage, InvalidTicket, Refused, hmac_key
from storage.registry import build
from storage.s3 import Bucket, S3Storage
from storage.sigv4 import Credentials
from tests.factories import bus_secret, create_settings
from tests.storage.s3_stand_in import KEY_ID, SECRET, S3StandIn, s3_stand_in

ALICE = Member("acme", "alice")


class InterruptedUpload(Exception):
    """What a web process makes of a client that went away."""


KEY = "acme/01a00000-0000-7000-8000-000000000001"
CONTENT = b"The bytes of a file, a few of them."
SHA = hashlib.sha256(CONTENT).hexdigest()


def soon(seconds: float = 60) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)


@pytest.fixture
def files(tmp_path: Path) -> FileStorage:
    return FileStorage(tmp_path / "attachments", "https://carillon.example.test", bus_secret)


@pytest.fixture
def server() -> Iterator[S3StandIn]:
    with s3_stand_in() as server:
        yield server


@pytest.fixture
def s3(server: S3StandIn) -> Iterator[S3Storage]:
    storage = S3Storage(Bucket.parse(server.url), Credentials(KEY_ID, SECRET), 5.0)
    yield storage
    storage.close()


@pytest.fixture(params=["file", "s3"])
def storage(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue("files" if request.param == "file" else "s3")


def read_of(content: bytes) -> Callable[[int], bytes]:
    return io.BytesIO(content).read


def test_what_is_written_is_there_until_it_is_deleted(storage):
    assert not storage.holds(KEY, len(CONTENT), SHA)
    storage.write(KEY, CONTENT)
    assert storage.holds(KEY, len(CONTENT), SHA)
    assert not storage.holds(KEY, len(CONTENT) + 1, SHA)
    copy = io.BytesIO()
    storage.read(KEY, copy)
    assert copy.getvalue() == CONTENT
    for _ in range(2):
        storage.delete(KEY)
    assert not storage.holds(KEY, len(CONTENT), SHA)
    with pytest.raises(NotStored):
        storage.read(KEY, io.BytesIO())


def test_a_storage_checks_itself_and_leaves_nothing(storage, tmp_path):
    storage.check()
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


# A directory


def test_the_announced_bytes_are_stored_and_no_others(files):
    ticket = ticket_of(files, files.upload(KEY, len(CONTENT), SHA, ALICE, soon()).url)
    for wrong, short in ((CONTENT[:-1], True), (CONTENT[:-1] + b"!", False), (b"", True)):
        with pytest.raises(Refused) as refused:
            files.receive(ticket, read_of(wrong))
        assert refused.value.short == short
        assert not files.holds(KEY, len(CONTENT), SHA)
    # What is longer is not read.
    body = io.BytesIO(CONTENT + b"more")
    files.receive(ticket, body.read)
    assert body.read() == b"more"
    assert files.path(KEY).read_bytes() == CONTENT
    assert [path.name for path in files.path(KEY).parent.iterdir()] == [KEY.partition("/")[2]]


def test_a_client_that_goes_away_leaves_nothing(files, tmp_path):
    ticket = ticket_of(files, files.upload(KEY, len(CONTENT), SHA, ALICE, soon()).url)
    with pytest.raises(InterruptedUpload):
        files.receive(ticket, raising(InterruptedUpload))
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_one_file_is_written_once_at_a_time(files):
    ticket = ticket_of(files, files.upload(KEY, len(CONTENT), SHA, ALICE, soon()).url)
    refused = []

    def read(number: int) -> bytes:
        try:
            files.receive(ticket, read_of(CONTENT))
        except Busy:
            refused.append(True)
        return CONTENT[:number]

    files.receive(ticket, read)
    assert refused == [True]
    assert files.holds(KEY, len(CONTENT), SHA)


def test_a_full_disk_is_the_storages_fault_and_names_no_path(files, tmp_path):
    ticket = ticket_of(files, files.upload(KEY, len(CONTENT), SHA, ALICE, soon()).url)
    (tmp_path / "attachments").write_text("not a directory")
    for work in (lambda: files.receive(ticket, read_of(CONTENT)), files.check, lambda: files.delete(KEY)):
        with pytest.raises(StorageUnavailable) as error:
            work()
        assert str(tmp_path) not in str(error.value)


@pytest.mark.parametrize("key", ["../x", "../../etc/passwd", "./" + "0" * 36, "../" + "0" * 36, "acme/../" + "0" * 36])
def test_no_key_leads_out_of_the_directory(files, key):
    with pytest.raises(ValueError):
        files.write(key, b"")


def test_a_url_counts_as_it_was_signed_and_until_it_expires(files):
    url = files.upload(KEY, len(CONTENT), SHA, ALICE, soon()).url
    token = url.rpartition("/")[2]
    assert files.ticket(token, "PUT").member == ALICE
    old = files.upload(KEY, len(CONTENT), SHA, ALICE, soon(-1)).url.rpartition("/")[2]
    claims = jwt.decode(token, options={"verify_signature": False})
    forged = jwt.encode(claims | {"size": 10**9}, b"another key of thirty-two bytes!", "HS256")
    unsigned = jwt.encode(claims, None, "none")
    of_the_bus = jwt.encode(claims, bus_secret(), "HS256")
    endless = jwt.encode({name: claims[name] for name in claims if name != "exp"}, hmac_key(bus_secret()), "HS256")
    for wrong in (old, forged, unsigned, of_the_bus, endless, token[:-2], "", "x", token + "A"):
        with pytest.raises(InvalidTicket):
            files.ticket(wrong, "PUT")
    with pytest.raises(InvalidTicket):
        files.ticket(token, "GET")


def raising(kind: type[Exception]) -> Callable[[int], bytes]:
    def read(_: int) -> bytes:
        raise kind

    return read


def ticket_of(files: FileStorage, url: str) -> Any:
    return files.ticket(url.rpartition("/")[2], "PUT")


# S3


def test_a_client_puts_what_was_announced_and_nothing_else(s3, server):
    signed = s3.upload(KEY, len(CONTENT), SHA, ALICE, soon())
    assert "content-length" not in signed.headers
    for wrong in (CONTENT[:-1], CONTENT + b"!", CONTENT[:-1] + b"!"):
        assert httpx.put(signed.url, content=wrong, headers=signed.headers).status_code in (400, 403)
    # The hash is part of the signature: another one cannot be announced with the bytes.
    other = dict(s3.upload(KEY, len(CONTENT), "0" * 64, ALICE, soon()).headers)
    assert httpx.put(signed.url, content=CONTENT, headers=other).status_code == 403
    assert httpx.put(signed.url, content=CONTENT).status_code == 403
    altered = signed.url.replace(KEY, KEY[:-1] + "2")
    assert httpx.put(altered, content=CONTENT, headers=signed.headers).status_code == 403
    assert server.objects == {}
    assert httpx.put(signed.url, content=CONTENT, headers=signed.headers).status_code == 200
    assert s3.holds(KEY, len(CONTENT), SHA)
    assert not s3.holds(KEY, len(CONTENT), "0" * 64)


def test_a_download_says_how_it_is_saved_and_ends(s3):
    s3.write(KEY, CONTENT)
    name = 'a "b".html'
    got = httpx.get(s3.download(KEY, name, ALICE, soon()).url)
    assert got.content == CONTENT
    assert got.headers["content-type"] == "application/octet-stream"
    assert got.headers["content-disposition"] == content_disposition(name)
    url = s3.download(KEY, name, ALICE, soon()).url
    assert httpx.get(url.replace("octet-stream", "xhtml")).status_code == 403
    late = S3Storage(
        Bucket.parse(s3_url(s3)), Credentials(KEY_ID, SECRET), 5.0, lambda: datetime.now(UTC) - timedelta(hours=1)
    )
    assert httpx.get(late.download(KEY, name, ALICE, soon(-3300)).url).status_code == 403
    assert httpx.get(s3.show(KEY, "image/webp", ALICE, soon()).url).headers["content-type"] == "image/webp"


def s3_url(s3: Any) -> str:
    endpoint = s3._bucket.url.rpartition("/")[0]
    return f"s3://files/below?region=eu-central-1&endpoint={endpoint}"


def test_a_storage_that_fails_is_said_without_urls_and_credentials(s3, server, caplog):
    caplog.set_level(logging.DEBUG)
    server.broken = 503
    for work in (s3.check, lambda: s3.holds(KEY, 1, SHA), lambda: s3.read(KEY, io.BytesIO()), lambda: s3.delete(KEY)):
        with pytest.raises(StorageUnavailable) as error:
            work()
        assert "503" in str(error.value)
        assert "X-Amz" not in str(error.value)
    wrong = S3Storage(Bucket.parse(server.url), Credentials(KEY_ID, "wrong"), 5.0)
    with pytest.raises(StorageUnavailable, match="403"):
        wrong.check()
    away = S3Storage(Bucket.parse("s3://files?endpoint=http://127.0.0.1:1"), Credentials(KEY_ID, SECRET), 5.0)
    with pytest.raises(StorageUnavailable, match="ConnectError"):
        away.check()
    assert SECRET not in caplog.text


def test_a_storage_without_checksums_is_not_believed(s3, server):
    server.tells_checksums = False
    with pytest.raises(StorageUnavailable, match="SHA-256"):
        s3.check()


# Settings


def test_the_settings_choose_the_storage(tmp_path):
    assert build(create_settings(tmp_path, CARILLON_ATTACHMENTS_URL=""), bus_secret) is None
    files = build(create_settings(tmp_path, CARILLON_ATTACHMENTS_URL=(tmp_path / "a b").as_uri()), bus_secret)
    assert isinstance(files, FileStorage)
    files.write(KEY, b"")
    assert (tmp_path / "a b" / KEY).exists()
    keys = {"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret"}
    s3 = build(create_settings(tmp_path, CARILLON_ATTACHMENTS_URL="s3://files?region=eu-west-1", **keys), bus_secret)
    assert isinstance(s3, S3Storage)
    assert s3.upload(KEY, 1, SHA, ALICE, soon()).url.startswith(f"https://s3.eu-west-1.amazonaws.com/files/{KEY}?")
    s3.close()


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("ftp://files", "pattern"),
        ("file://relative", "pattern"),
        ("s3://files", "AWS_ACCESS_KEY_ID"),
    ],
)
def test_a_storage_that_cannot_be_is_refused_at_the_start(tmp_path, url, says):
    with pytest.raises(SettingsError, match=says):
        create_settings(tmp_path, CARILLON_ATTACHMENTS_URL=url)


@pytest.mark.parametrize("query", ["?zone=a", "?endpoint=localhost:9000", "?region"])
def test_an_option_that_is_not_known_is_refused_at_the_start(tmp_path, query):
    keys = {"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret"}
    settings = create_settings(tmp_path, CARILLON_ATTACHMENTS_URL=f"s3://files{query}", **keys)
    with pytest.raises(SettingsError, match="CARILLON_ATTACHMENTS_URL"):
        build(settings, bus_secret)


# Names


@pytest.mark.parametrize(
    ("name", "header"),
    [
        ("a.txt", "attachment; filename=\"a.txt\"; filename*=UTF-8''a.txt"),
        (
            'x"; filename=evil.exe',
            "attachment; filename=\"x_; filename=evil.exe\"; filename*=UTF-8''x%22%3B%20filename%3Devil.exe",
        ),
        (
            "Rechnung für José.pdf",
            "attachment; filename=\"Rechnung fur Jose.pdf\"; filename*=UTF-8''Rechnung%20f%C3%BCr%20Jos%C3%A9.pdf",
        ),
        ("東京", "attachment; filename=\"file\"; filename*=UTF-8''%E6%9D%B1%E4%BA%AC"),
        ("a\r\nSet-Cookie: x", "attachment; filename=\"a__Set-Cookie: x\"; filename*=UTF-8''a%0D%0ASet-Cookie%3A%20x"),
    ],
)
def test_a_name_stays_inside_its_header(name, header):
    assert content_disposition(name) == header
    assert header.isascii()
