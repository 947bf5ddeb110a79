"""E-mail addresses: intranets and labs have mailboxes too, without changing email-validator for the whole process."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import email_validator
import pydantic
import pytest
from email_validator import EmailNotValidError, validate_email
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from carillon.requests import Recipient
from tests.databases import ROOT

ALL = ["arpa", "invalid", "local", "localhost", "onion", "test"]
OURS = ["local", "localhost", "test"]


@pytest.fixture
def special(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Set the list that email-validator reads, which other tests may have changed."""

    def set_to(names: list[str]) -> None:
        monkeypatch.setattr(email_validator, "SPECIAL_USE_DOMAIN_NAMES", names)

    return set_to


def ours(address: str) -> str | None:
    try:
        return Recipient(id="a", email=address).email
    except pydantic.ValidationError as error:
        return error.errors()[0]["msg"]


def theirs(address: str) -> str:
    try:
        return validate_email(address, strict=True, check_deliverability=False, globally_deliverable=False).normalized
    except EmailNotValidError as error:
        return str(error)


# fmt: off
_labels = st.sampled_from([
    "a", "host", "local", "LocalHost", "ｌｏｃａｌ", "test", "example", "org", "ü", "אב", "xn--tda", "arpa", "onion",
    "invalid", "", "-", "1", "x" * 63, "x" * 64,
])
# fmt: on
_addresses = st.builds(
    lambda box, at, dots, labels: box + at + dots.join(labels),
    st.sampled_from(["u", "Ü", "", '"quoted"', "a.b", "local", "x" * 64]),
    st.sampled_from(["@", "", "@@"]),
    st.sampled_from([".", "。"]),
    st.lists(_labels, max_size=4),
).filter(lambda address: 3 <= len(address) <= 254)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(_addresses)
def test_the_result_is_that_of_email_validator_without_three_special_names(special, address):
    special([name for name in ALL if name not in OURS])
    expected = theirs(address)
    special(ALL)
    assert ours(address) == expected


def test_domains_of_intranets_are_kept_as_they_are(special):
    special(ALL)
    for address in ("u@host.local", "u@localhost", "u@a.localhost", "u@host.test", "u@test", "u@local"):
        assert ours(address) == address


def test_nothing_global_is_changed():
    program = (
        "import email_validator as e; before = list(e.SPECIAL_USE_DOMAIN_NAMES)\n"
        "import carillon.requests as r; r.Recipient(id='a', email='u@host.local')\n"
        "assert before == e.SPECIAL_USE_DOMAIN_NAMES and 'local' in before\n"
    )
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True, timeout=60)
