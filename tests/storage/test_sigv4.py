"""Signatures, compared with those of others."""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import pytest

from storage.sigv4 import Credentials, presign

EXAMPLE = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
UPLOAD = {
    "content-type": "application/octet-stream",
    "content-length": "5",
    "x-amz-checksum-sha256": "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=",
}
DOWNLOAD = {
    "response-content-disposition": "attachment; filename=\"a b.txt\"; filename*=UTF-8''a%20b%C3%A9.txt",
    "response-content-type": "application/octet-stream",
}


def signature(url: str) -> str:
    return parse_qs(urlsplit(url).query)["X-Amz-Signature"][0]


def test_the_example_of_amazons_documentation():
    # docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html
    credentials = Credentials("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
    now = datetime(2013, 5, 24, tzinfo=UTC)
    url = presign(credentials, "us-east-1", "GET", "https://examplebucket.s3.amazonaws.com/test.txt", now, 86400)
    assert signature(url) == "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"


# What botocore 1.44.8 (S3SigV4QueryAuth, 300 s) makes of the same requests.
@pytest.mark.parametrize(
    ("method", "url", "headers", "query", "expected"),
    [
        (
            "PUT",
            "https://storage.example.test:9000/files/acme/0194-a%2Bb",
            UPLOAD,
            {},
            "cb5c271d343257079b03f1a85d66ae7a0cdf9c374ec0a6e831a81701263bef13",
        ),
        (
            "GET",
            "https://s3.eu-central-1.amazonaws.com/files/acme/0194",
            {},
            DOWNLOAD,
            "010c08ece2b52494c53885bc0c195ff480d11bd7e054c3dd9860911d9b991850",
        ),
        (
            "HEAD",
            "https://s3.eu-central-1.amazonaws.com/files/acme/0194",
            {"x-amz-checksum-mode": "ENABLED"},
            {},
            "16a361f076d9d9c80c58d1b30fe4ba5296dd005bfab2bbc3f810fbc816e99a2e",
        ),
    ],
)
def test_botocore_signs_the_same(method, url, headers, query, expected):
    assert signature(presign(EXAMPLE, "eu-central-1", method, url, NOON, 300, headers, query)) == expected


def test_the_secret_is_not_printed():
    assert EXAMPLE.secret not in repr(EXAMPLE)
