"""The table of channels: everything that is said about a channel outside its own module is said here, once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from models.retry import RetryPolicy


@dataclass(frozen=True, slots=True)
class ChannelSpec:
    """One line of the table.

    `factory` is "module:function"; channels/registry.py calls it with (settings, mode, now). `queue` is the Celery
    queue whose workers serve the channel: `deliver` unless the channel has processes of its own. A batch has at most
    `batch_size` messages.

    `addressed_by`: "room" if the address is the user's room in the event log, so that every user has exactly one;
    "address" if a user is reached at rows of `addresses`. `max_addresses` is how many of those a user can have.
    `withdraws`: the channel can take back what it has shown. `acknowledges`: the client reports what it has shown.

    `address_noun` is what one of its addresses is called, and `secret_address` whether it must not be shown to
    operators. `needs` names the settings that configure the channel, any of which is enough; none: it always works.
    """

    factory: str
    policy: RetryPolicy
    queue: str = "deliver"
    batch_size: int = 100
    addressed_by: Literal["room", "address"] = "address"
    max_addresses: int = 1
    withdraws: bool = False
    acknowledges: bool = False
    address_noun: str = "address"
    secret_address: bool = False
    needs: tuple[str, ...] = ()


# Names that other tables and the API know: devices are registered for push, and a user has a mailbox.
PUSH = "push"
EMAIL = "email"

CHANNELS: dict[str, ChannelSpec] = {
    # No limit of attempts: an in-app delivery is useful at the next connect, and ends by acknowledgement or expiry.
    "in_app": ChannelSpec(
        "channels.in_app:build",
        RetryPolicy(base=1, cap=300, max_attempts=None),
        batch_size=1000,
        addressed_by="room",
        withdraws=True,
        acknowledges=True,
        address_noun="room",
    ),
    # FCM asks for at least 10 s before a retry (firebase.google.com/docs/cloud-messaging/scale-fcm). The cap is the
    # longest time for which a push that was tried in an outage waits after its end.
    # No user carries more than 20 devices. Apps that are installed again leave tokens behind, and each costs a push.
    PUSH: ChannelSpec(
        "channels.fcm.channel:build",
        RetryPolicy(base=10, cap=900, max_attempts=8),
        queue="push",
        batch_size=500,
        max_addresses=20,
        withdraws=True,
        address_noun="device",
        secret_address=True,
        needs=("firebase_credentials", "firebase_project", "lab_url"),
    ),
    # Greylisting refuses the first attempt for a minute or more, so the base is a minute (RFC 6647). The cap is twice
    # the interval that RFC 5321 §4.5.4.1 gives for retries, so that the average is that interval.
    EMAIL: ChannelSpec(
        "channels.email.channel:build",
        RetryPolicy(base=60, cap=3600, max_attempts=12),
        queue="mail",
        batch_size=50,
        address_noun="mailbox",
        needs=("smtp_host", "lab_url"),
    ),
}

# The channel whose address is the user's room: its deliveries are events of the log.
[IN_APP] = [name for name, spec in CHANNELS.items() if spec.addressed_by == "room"]


def withdrawable() -> list[str]:
    """The channels that can take back at an address what they have shown there."""
    return [name for name, spec in CHANNELS.items() if spec.withdraws and spec.addressed_by == "address"]


def acknowledging() -> list[str]:
    """The channels whose clients report what they have shown."""
    return [name for name, spec in CHANNELS.items() if spec.acknowledges]
