"""/openapi.json and /asyncapi.json: made once, compressed, and not sent again to who has them."""

from __future__ import annotations

import gzip
import json

import pytest


@pytest.mark.parametrize(("path", "member"), [("/openapi.json", "paths"), ("/asyncapi.json", "channels")])
def test_a_document_is_made_once_and_sent_as_small_as_the_client_can_take_it(app, client, path, member, monkeypatch):
    plain = client.get(path, headers={"Accept-Encoding": "identity"})
    assert plain.json[member]
    # Whatever made it is not asked again.
    monkeypatch.setattr(app, "spec_json", {})
    monkeypatch.setattr("web.asyncapi.document", None)
    zipped = client.get(path, headers={"Accept-Encoding": "gzip"})
    assert (zipped.headers["Content-Encoding"], "Content-Encoding" in plain.headers) == ("gzip", False)
    assert json.loads(gzip.decompress(zipped.data)) == plain.json
    assert len(zipped.data) < len(plain.data) / 5
    assert zipped.headers["ETag"] != plain.headers["ETag"]
    for answer, encoding in ((plain, "identity"), (zipped, "gzip")):
        known = {"If-None-Match": answer.headers["ETag"], "Accept-Encoding": encoding}
        assert client.get(path, headers=known).status_code == 304
