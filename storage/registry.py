"""Which storage the settings name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote, urlsplit

from config.settings import Settings, SettingsError
from storage.base import Storage
from storage.files import FileStorage
from storage.s3 import Bucket, S3Storage
from storage.sigv4 import Credentials


def build(settings: Settings, secret: Callable[[], bytes]) -> Storage | None:
    """The storage of attachments, or None if they are switched off. Connects to nothing yet.

    `secret` is the installation's, with which URLs of our own are signed; called when it is first needed. Raises
    SettingsError.
    """
    url = settings.attachments_url
    if url is None:
        return None
    if url.startswith("file:"):
        return FileStorage(Path(unquote(urlsplit(url).path)), settings.public_url, secret)
    key_id, key = settings.aws_access_key_id, settings.aws_secret_access_key
    # The settings have been checked.
    credentials = Credentials(key_id or "", key.get_secret_value() if key else "")
    try:
        bucket = Bucket.parse(url)
    except ValueError as error:
        raise SettingsError(f"CARILLON_ATTACHMENTS_URL: {error}") from error
    return S3Storage(bucket, credentials, settings.provider_timeout)
