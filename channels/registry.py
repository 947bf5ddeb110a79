"""Which channels exist. Importing this loads no vendor code: a factory is imported when its channel is built."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Literal

from channels.base import Channel
from config.settings import Settings
from models.deliveries.retry import RetryPolicy

Mode = Literal["live", "test"]


@dataclass(frozen=True, slots=True)
class ChannelSpec:
    """One line of the registry.

    `factory` is "module:function", called with (settings, mode), and returns the channel or None where the settings do
    not provide for it. `queue` is the Celery queue whose workers serve the channel: `deliver` unless the channel has
    processes of its own. `batch_size` messages are claimed at once.
    """

    factory: str
    policy: RetryPolicy
    queue: str = "deliver"
    batch_size: int = 100


CHANNELS: dict[str, ChannelSpec] = {
    # No limit of attempts: an in-app delivery is useful at the next connect, and ends by acknowledgement or expiry.
    "in_app": ChannelSpec("channels.in_app:build", RetryPolicy(base=1, cap=300, max_attempts=None), batch_size=1000),
    # FCM asks for at least 10 s before a retry (firebase.google.com/docs/cloud-messaging/scale-fcm).
    "push": ChannelSpec(
        "channels.fcm.channel:build",
        RetryPolicy(base=10, cap=3600, max_attempts=8),
        queue="push",
        batch_size=500,
    ),
    # Greylisting refuses the first attempt for a minute or more, so the base is a minute (RFC 6647).
    "email": ChannelSpec(
        "channels.email.channel:build",
        RetryPolicy(base=60, cap=14400, max_attempts=12),
        queue="mail",
        batch_size=50,
    ),
}


def build(settings: Settings, mode: Mode) -> dict[str, Channel]:
    """Every channel that the settings provide for, in `mode`; a test key's deliveries go to the lab only."""
    built = {name: build_one(settings, mode, name) for name in CHANNELS}
    return {name: channel for name, channel in built.items() if channel is not None}


def build_one(settings: Settings, mode: Mode, name: str) -> Channel | None:
    """The channel of that name, or None where the settings do not provide for it. Raises SettingsError."""
    module, _, function = CHANNELS[name].factory.partition(":")
    channel: Channel | None = getattr(import_module(module), function)(settings, mode)
    return channel
