"""How a body can be sent: compressed, with a byte order mark, and not in part."""

from __future__ import annotations

import gzip
import json

import pytest

from tests.web.callers import body
from web.api.body import SINGLE

URL = "/v1/notifications"


def send(service, raw: bytes, **headers: str):
    return service.post(URL, raw, **headers)


def test_a_gzip_body_is_unpacked(service):
    for encoding in ("gzip", "x-gzip", "GZIP"):
        packed = gzip.compress(json.dumps(body()).encode())
        assert send(service, packed, Content_Encoding=encoding).status_code == 202
    assert send(service, json.dumps(body()).encode(), Content_Encoding="identity").status_code == 202


@pytest.mark.parametrize("encoding", ["br", "deflate", "gzip, gzip", "x"])
def test_another_encoding_is_refused_with_those_that_are_not(service, encoding):
    refused = send(service, b"{}", Content_Encoding=encoding)
    assert (refused.status_code, refused.json["code"]) == (415, "unsupported_encoding")
    assert refused.headers["Accept-Encoding"] == "gzip"


def test_a_gzip_body_that_becomes_too_large_is_not_unpacked(service):
    bomb = gzip.compress(b" " * (300 * SINGLE))
    assert len(bomb) < SINGLE
    refused = send(service, bomb, Content_Encoding="gzip")
    assert (refused.status_code, refused.json["detail"]) == (413, f"the body can have at most {SINGLE} bytes")
    refused = send(service, b" " * (SINGLE + 1))
    assert (refused.status_code, refused.json["detail"]) == (413, f"the body can have at most {SINGLE} bytes")


def test_what_is_not_whole_is_refused(service):
    packed = gzip.compress(json.dumps(body()).encode())
    for wrong in (b"{}", b"", packed[:-1], packed[:20], packed + b"x", packed + packed):
        refused = send(service, wrong, Content_Encoding="gzip")
        assert (refused.status_code, refused.json["code"]) == (400, "malformed_encoding"), wrong


def test_a_byte_order_mark_is_passed_over(service):
    assert send(service, b"\xef\xbb\xbf" + json.dumps(body()).encode()).status_code == 202
    assert send(service, "\ufeff".encode("utf-16-be") + b"{}").status_code == 400


def test_a_key_can_be_a_string_of_structured_fields(service):
    first = service.send(key="order-1")
    assert service.send(key='"order-1"').json["id"] == first.json["id"]
    assert service.send(key='"a\\"b\\\\"').json["id"] == service.send(key='a"b\\').json["id"]
    # It is one string or it is taken as it is.
    assert service.send(key='"a"b"').status_code == 202
    refused = service.send(key='""')
    assert (refused.status_code, refused.json["code"]) == (400, "invalid_header")
