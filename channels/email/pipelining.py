"""SMTP pipelining (RFC 2920): sends a mail in two round trips instead of four, if the server offers it."""

from __future__ import annotations

import re
import smtplib
from collections.abc import Callable

from channels.email.message import Mail


def sendmail(smtp: smtplib.SMTP, sender: str, mail: Mail) -> None:
    """Send one mail like `SMTP.sendmail`, and raise the same exceptions, but write MAIL, RCPT and DATA at once.

    Closes the session if the server ends it, or if a reply is not valid for its command. Replies are matched to
    commands by counting, so after an invalid one the count could be wrong.

    RFC 2920 §3.1 allows the next mail's commands in the same write as the content. This is not used: a server may hold
    back replies until it has processed all commands it received (Postfix does), so one mail's outcome would wait for
    the next mail's recipient.
    """
    # Writes block, but cannot deadlock: three short replies fit into the socket buffers, and if the server writes more,
    # the deadline ends the session.
    smtp.send(_envelope(smtp, sender, mail))
    steps: tuple[tuple[tuple[int, ...], Callable[[int, bytes], smtplib.SMTPException]], ...] = (
        ((250,), lambda code, text: smtplib.SMTPSenderRefused(code, text, sender)),
        ((250, 251), lambda code, text: smtplib.SMTPRecipientsRefused({mail.recipient: (code, text)})),
        ((354,), smtplib.SMTPDataError),
    )
    errors: list[smtplib.SMTPException] = []
    try:
        for expected, make_error in steps:
            code, text = _read_reply(smtp, *expected)
            if code not in expected:
                errors.append(make_error(code, text))
        if errors and code == 354:
            _send_empty_content(smtp, errors[-1])
    except smtplib.SMTPServerDisconnected as error:
        errors.append(error)
    if errors:
        # Only the first error is about the mail. Later ones, even a lost connection, are its consequences.
        raise errors[0]
    smtp.send(_dot_stuffed(mail.content))
    code, text = _read_reply(smtp, 250)
    if code != 250:
        raise smtplib.SMTPDataError(code, text)


def _envelope(smtp: smtplib.SMTP, sender: str, mail: Mail) -> bytes:
    options = f" size={len(mail.content)}" if smtp.has_extn("size") else ""
    options += " SMTPUTF8 BODY=8BITMIME" if mail.utf8 else ""
    sender, recipient = smtplib.quoteaddr(sender), smtplib.quoteaddr(mail.recipient)
    return f"mail FROM:{sender}{options}\r\nrcpt TO:{recipient}\r\ndata\r\n".encode()


def _dot_stuffed(content: bytes) -> bytes:
    # Same as `SMTP.data`: double a dot at the beginning of a line, and end with a line that is a single dot.
    stuffed = re.sub(rb"(?m)^\.", b"..", content)
    return stuffed + (b".\r\n" if stuffed.endswith(b"\r\n") else b"\r\n.\r\n")


def _send_empty_content(smtp: smtplib.SMTP, error: smtplib.SMTPException) -> None:
    """End the DATA phase of a server that refused the mail but still waits for content. `error` is its last refusal."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        # As RFC 2920 §3.1 requires. There is no recipient, so §3.2 forbids the server to deliver this.
        smtp.send(b".\r\n")
        _read_reply(smtp, 250)
    else:
        # The server refused the sender but accepted the recipient, who could get an empty mail.
        smtp.close()


def _read_reply(smtp: smtplib.SMTP, *expected: int) -> tuple[int, bytes]:
    """Read the next reply. Raises SMTPServerDisconnected if an earlier reply ended the session."""
    code, text = smtp.getreply()
    if code == 421 or (code not in expected and not 400 <= code <= 599):
        smtp.close()
    return code, text
