"""Previews of pictures that members have uploaded."""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path

from models.attachments import queries as attachments
from models.attachments.queries import Attachment
from models.sql.engine import read, write
from storage.base import NotStored, Storage, StorageUnavailable
from workers.picture import NoPicture, draw
from workers.runtime import Runtime

log = logging.getLogger(__name__)

# Pictures in one round.
_BATCH = 20
# Larger files get no preview: they would be copied to this machine first.
MAX_BYTES = 50 * 1024 * 1024


def make_previews(run: Runtime) -> None:
    """Make the previews that are due. If the storage is away, they stay due; a bell rings for them every minute."""
    storage = run.installation.storage if run.installation is not None else None
    if storage is not None:
        # One picture at a time in a process, because each takes memory.
        run.previewing.run(lambda: _make_all(run, storage))


def _make_all(run: Runtime, storage: Storage) -> bool:
    run.previewing.accept_requests()
    while True:
        with read(run.engine) as connection:
            due = attachments.due_previews(connection, _BATCH)
        if not due:
            return True
        for attachment in due:
            try:
                made = _make(storage, attachment)
            except StorageUnavailable as error:
                log.warning("previews wait", extra={"error": str(error)})
                return True
            with write(run.engine) as connection:
                attachments.set_preview(connection, attachment.id, made=made)


def _make(storage: Storage, attachment: Attachment) -> bool:
    """Whether there is a preview now. Raises StorageUnavailable."""
    if attachment.size > MAX_BYTES:
        return False
    with tempfile.TemporaryDirectory(prefix="carillon-preview-") as directory:
        original, preview = Path(directory) / "original", Path(directory) / "preview"
        try:
            with original.open("wb") as file:
                storage.read(attachment.key, file)
            draw(original, preview)
        except (NoPicture, NotStored) as error:
            log.info("no preview", extra={"attachment": str(attachment.id), "reason": str(error)})
            return False
        storage.write(attachment.preview_key, preview.read_bytes())
    return True
