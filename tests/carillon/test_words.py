"""What is wrong with a request is said in words, with the name that was probably meant."""

from __future__ import annotations

import pytest

from carillon.problems import ValidationError
from carillon.requests import BulkItem, Notification
from carillon.validation import validated, validated_items

GOOD = {"title": "T", "message": "M", "audience": {"users": ["alice"]}}


@pytest.mark.parametrize(
    ("change", "field", "message"),
    [
        ({"titel": "T"}, "titel", "is unknown: did you mean `title`?"),
        ({"zzz": 1}, "zzz", "is unknown"),
        (
            {"audience": {"user": ["alice"], "tenant": True}},
            "audience.user",
            "is unknown: did you mean `users`?",
        ),
        (
            {"audience": {"users": ["bob", {"id": "a", "emial": "a@b.example"}]}},
            "audience.users.1.emial",
            "is unknown: did you mean `email`?",
        ),
        ({"type": "a b"}, "type", "must be 1 to 64 letters, digits and _ . : -"),
        ({"expires_in": "60"}, "expires_in", "must be a whole number"),
        ({"expires_in": 1}, "expires_in", "must be at least 60"),
        ({"title": 1}, "title", "must be a text"),
        ({"title": ""}, "title", "must not be empty"),
        ({"data": []}, "data", "must be an object"),
        ({"audience": 1}, "audience", "must be an object"),
        ({"priority": "fast"}, "priority", "must be 'critical', 'high', 'normal', 'low' or 'bulk'"),
    ],
)
def test_a_message_is_plain(change, field, message):
    with pytest.raises(ValidationError) as refused:
        validated(Notification, None, GOOD | change)
    assert (refused.value.errors[0].field, refused.value.errors[0].message) == (field, message)


def test_a_bulk_item_suggests_too():
    with pytest.raises(ValidationError, match=r"items\.0\.idempotency_kay: .* `idempotency_key`"):
        validated_items([GOOD | {"idempotency_kay": "k"}])
    assert "idempotency_key" in BulkItem.model_fields
