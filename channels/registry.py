"""Builds the channels of the table in models/channels.py. A factory is imported only when its channel is built."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from importlib import import_module
from typing import Literal

from channels.base import Channel
from config.settings import Settings
from models.channels import CHANNELS

Mode = Literal["live", "test"]


def build(settings: Settings, mode: Mode, now: Callable[[], datetime]) -> dict[str, Channel]:
    """Every channel that the settings configure, in `mode`; deliveries of a test key go to the lab only.

    `now` is the time of the installation, by which notifications expire.
    """
    built = {name: build_one(settings, mode, name, now) for name in CHANNELS}
    return {name: channel for name, channel in built.items() if channel is not None}


def build_one(settings: Settings, mode: Mode, name: str, now: Callable[[], datetime]) -> Channel | None:
    """The channel of that name, or None if the settings do not configure it. Raises SettingsError."""
    module, _, function = CHANNELS[name].factory.partition(":")
    channel: Channel | None = getattr(import_module(module), function)(settings, mode, now)
    return channel
