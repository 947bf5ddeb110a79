"""The settings for Microsoft 365 in docs/settings.md."""

from __future__ import annotations

import shlex

from channels.email import channel as email
from config.settings import Settings
from tests.snippets.blocks import block

MICROSOFT = block("docs/settings.md", "smtp.office365.com")


def test_the_settings_for_microsoft_365_make_a_channel_that_logs_in_with_tokens():
    environ = dict(word.split("=", 1) for word in shlex.split(MICROSOFT))
    channel = email.build(Settings.from_env(environ), "live")
    assert channel is not None
    assert channel._server.tokens is not None
    channel.close()
