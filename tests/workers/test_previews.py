"""Previews of what members upload: drawn anew, small, and never at the cost of the worker."""

from __future__ import annotations

import hashlib
import io
import zlib
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from sqlalchemy import Engine, select

from models.attachments import queries as attachments
from models.attachments.queries import NewAttachment
from models.attachments.tables import attachments as table
from models.rooms.tables import rooms
from models.sql.engine import read, write
from storage.base import StorageUnavailable
from storage.files import FileStorage
from tests.bells import RecordingBells
from tests.chat import group
from tests.factories import NOW, bus_secret, create_installation, create_tenant, create_users
from workers import housekeeping
from workers.picture import MAX_PIXELS, NoPicture, draw
from workers.previews import make_previews
from workers.runtime import Runtime

ORIENTATION, DESCRIPTION = 0x112, 0x10E


def jpeg(size: tuple[int, int] = (800, 400), orientation: int = 1) -> bytes:
    exif = Image.Exif()
    exif[ORIENTATION], exif[DESCRIPTION] = orientation, "taken at home"
    picture = Image.new("RGB", size, "red")
    picture.paste("blue", (0, 0, size[0] // 2, size[1]))
    file = io.BytesIO()
    picture.save(file, "JPEG", exif=exif)
    return file.getvalue()


def png(picture: Image.Image, **other: Any) -> bytes:
    file = io.BytesIO()
    picture.save(file, "PNG", **other)
    return file.getvalue()


def preview_of(directory: Path, content: bytes) -> Image.Image:
    source, target = directory / "source", directory / "target"
    source.write_bytes(content)
    draw(source, target)
    assert b"taken at home" not in target.read_bytes()
    return Image.open(target)


def test_a_photo_is_turned_as_its_camera_was_and_says_nothing_else(tmp_path):
    small = preview_of(tmp_path, jpeg(orientation=6))
    assert (small.format, small.size, small.mode) == ("WEBP", (200, 400), "RGB")
    assert "exif" not in small.info
    # The left half of the original is at the top now.
    assert is_blue(small.getpixel((100, 50)))
    assert not is_blue(small.getpixel((100, 350)))


def is_blue(pixel: Any) -> bool:
    return pixel[2] > 200 > 50 > pixel[0]


def test_small_pictures_stay_as_they_are_and_transparent_ones_transparent(tmp_path):
    half = Image.new("RGBA", (100, 50), (0, 0, 0, 0))
    small = preview_of(tmp_path, png(half))
    assert (small.size, small.mode) == ((100, 50), "RGBA")
    gif = io.BytesIO()
    half.convert("P").save(gif, "GIF", save_all=True, append_images=[half.convert("P")])
    assert preview_of(tmp_path, gif.getvalue()).size == (100, 50)


def bomb() -> bytes:
    """A PNG of 30,000 × 30,000 pixels in a kilobyte: its data would be 900 million bytes, and is not all there."""
    header = (30_000).to_bytes(4, "big") * 2 + bytes([8, 0, 0, 0, 0])
    parts = [(b"IHDR", header), (b"IDAT", zlib.compress(bytes(100_000))), (b"IEND", b"")]
    chunks = [
        len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big") for kind, data in parts
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


@pytest.mark.parametrize(
    "content",
    [
        bomb(),
        b"",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"%PDF-1.7",
        jpeg()[:300],
        b"\x89PNG\r\n\x1a\n" + b"\x00" * 100,
    ],
    ids=["bomb", "empty", "svg", "pdf", "truncated", "rubbish"],
)
def test_of_what_is_no_picture_there_is_no_preview(tmp_path, content):
    with pytest.raises(NoPicture, match="not a picture"):
        preview_of(tmp_path, content)
    assert not (tmp_path / "target").exists()
    assert MAX_PIXELS < 30_000**2


def test_a_decoder_that_needs_too_much_is_ended(tmp_path, monkeypatch):
    monkeypatch.setattr("workers.picture._SECONDS", 0.01)
    with pytest.raises(NoPicture, match="too slow"):
        preview_of(tmp_path, jpeg())


# In the worker


@pytest.fixture
def run(engine: Engine, tmp_path: Path) -> Runtime:
    create_tenant(engine)
    storage = FileStorage(tmp_path / "attachments", "http://127.0.0.1", bus_secret)
    installation = create_installation(engine, storage=storage, attachment_max_bytes=10**9, now=lambda: NOW)
    return Runtime(
        engine=engine, channels={}, bells=RecordingBells(), lease=60, installation=installation, now=lambda: NOW
    )


def storage_of(run: Runtime) -> Any:
    assert run.installation is not None
    return run.installation.storage


@pytest.fixture
def place(run: Runtime) -> tuple[int, int]:
    """A conversation and its member, by their rows."""
    ids = create_users(run.engine, ["alice"])
    group(run.installation, "alice", id="talk")
    with read(run.engine) as connection:
        talk = select(rooms.c.id).where(rooms.c.key == "talk")
        return connection.execute(talk).scalar_one(), ids["alice"]


def upload(run: Runtime, place: tuple[int, int], content: bytes | None, size: int | None = None) -> Any:
    """A picture that is complete; None: whose file is lost."""
    given = content or b""
    new = NewAttachment("a.jpg", len(given) if size is None else size, "image/jpeg", hashlib.sha256(given).hexdigest())
    with write(run.engine) as connection:
        made = attachments.create(connection, "acme", *place, new, NOW)
        attachments.complete(connection, made.id, picture=True, now=NOW)
    if content is not None:
        storage_of(run).write(made.key, content)
    return made


def previews(run: Runtime) -> list[str | None]:
    with read(run.engine) as connection:
        return list(connection.execute(select(table.c.preview).order_by(table.c.id)).scalars())


def test_each_picture_gets_a_preview_and_what_is_none_is_not_tried_again(run, place):
    good, bad = upload(run, place, jpeg()), upload(run, place, b"no picture")
    lost, huge = upload(run, place, None), upload(run, place, jpeg(), size=10**9)
    make_previews(run)
    assert previews(run) == ["made", None, None, None]
    stored = storage_of(run)
    assert Image.open(stored.path(good.preview_key)).size == (400, 200)
    for other in (bad, lost, huge):
        assert not (stored.path(good.key).parent / f"{other.id}.preview").exists()


def test_previews_wait_for_a_storage_that_is_away(run, place, monkeypatch):
    upload(run, place, jpeg())

    def away(*_: Any) -> None:
        raise StorageUnavailable("away")

    with monkeypatch.context() as broken:
        broken.setattr(FileStorage, "read", away)
        make_previews(run)
    assert previews(run) == ["due"]
    make_previews(run)
    assert previews(run) == ["made"]


def test_housekeeping_deletes_a_picture_with_its_preview_and_survives_a_storage_that_is_away(run, place, monkeypatch):
    made = upload(run, place, jpeg())
    make_previews(run)
    folder = storage_of(run).path(made.key).parent
    assert len(list(folder.iterdir())) == 2
    assert run.installation is not None
    object.__setattr__(run.installation, "now", lambda: NOW + attachments.UNSENT)

    def away(*_: Any) -> None:
        raise StorageUnavailable("away")

    with monkeypatch.context() as broken:
        broken.setattr(FileStorage, "delete", away)
        housekeeping.purge(run)
    assert len(list(folder.iterdir())) == 2
    housekeeping.purge(run)
    assert list(folder.iterdir()) == []
    assert previews(run) == []
