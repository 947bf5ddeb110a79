"""Presigned URLs: AWS Signature Version 4 in the query (docs.aws.amazon.com, "Authenticating Requests: Query")."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import quote, urlsplit

_ALGORITHM = "AWS4-HMAC-SHA256"


@dataclass(frozen=True, slots=True)
class Credentials:
    """The access key of a storage."""

    key_id: str
    secret: str = field(repr=False)


def presign(
    credentials: Credentials,
    region: str,
    method: str,
    url: str,
    now: datetime,
    seconds: int,
    headers: Mapping[str, str] | None = None,
    query: Mapping[str, str] | None = None,
) -> str:
    """The URL with a signature that is valid for `seconds`, at most a week.

    The request must have these `headers` with these values, and `url` must have no query of its own.
    """
    parts = urlsplit(url)
    moment = now.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    scope = f"{moment[:8]}/{region}/s3/aws4_request"
    signed = {name.lower(): value.strip() for name, value in {**(headers or {}), "host": parts.netloc}.items()}
    names = ";".join(sorted(signed))
    parameters = {
        **(query or {}),
        "X-Amz-Algorithm": _ALGORITHM,
        "X-Amz-Credential": f"{credentials.key_id}/{scope}",
        "X-Amz-Date": moment,
        "X-Amz-Expires": str(seconds),
        "X-Amz-SignedHeaders": names,
    }
    canonical_query = "&".join(sorted(f"{_encoded(name)}={_encoded(value)}" for name, value in parameters.items()))
    canonical_headers = "".join(f"{name}:{signed[name]}\n" for name in sorted(signed))
    # The body is not known yet. Where its hash is, it is a signed header.
    request = "\n".join(
        [method, parts.path or "/", canonical_query, canonical_headers, names, "UNSIGNED-PAYLOAD"]
    ).encode()
    to_sign = "\n".join([_ALGORITHM, moment, scope, hashlib.sha256(request).hexdigest()])
    key = f"AWS4{credentials.secret}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, to_sign.encode(), "sha256").hex()
    return f"{parts.scheme}://{parts.netloc}{parts.path or '/'}?{canonical_query}&X-Amz-Signature={signature}"


def _encoded(text: str) -> str:
    return quote(text, safe="-_.~")
