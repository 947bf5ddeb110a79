"""Reasons that people read: without addresses, and with all other words."""

from __future__ import annotations

import pytest

from channels.failures import redact
from models.deliveries.lifecycle import AddressGone, Rejected


@pytest.mark.parametrize(
    ("address", "reason", "redacted"),
    [
        (
            "jane.doe@mail.example",
            "550 Jane.Doe@mail.example: jane.doe is unknown",
            "550 <address>: <address> is unknown",
        ),
        ("relay@mail.example", "554 <relay@mail.example>: Relay access denied", "554 <<address>>: Relay access denied"),
        ("user@mail.example", "550 5.1.1 User unknown", "550 5.1.1 User unknown"),
        ("ann@mail.example", "554 Cannot deliver; ann, go away", "554 Cannot deliver; <address>, go away"),
        ("sent@mail.example", "550 5.7.1 presented no absentee", "550 5.7.1 presented no absentee"),
        ("al@mail.example", "550 al: all gone", "550 al: all gone"),
    ],
)
def test_a_reason_loses_the_address_and_no_other_word(address: str, reason: str, redacted: str) -> None:
    assert redact(AddressGone(reason), address) == AddressGone(redacted)
    assert redact(Rejected(reason), address) == Rejected(redacted)
