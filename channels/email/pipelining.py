"""One mail in two round trips instead of four, where the server offers PIPELINING (RFC 2920)."""

from __future__ import annotations

import re
import smtplib
from collections.abc import Callable

from channels.email.message import Mail


def sendmail(smtp: smtplib.SMTP, sender: str, mail: Mail) -> None:
    """Hand in one mail as `SMTP.sendmail` does, and raise what that raises, but write MAIL, RCPT and DATA at once.

    The session is closed where the server ends it, or where a reply is out of place: only by counting do we know which
    command it is for.

    RFC 2920 §3.1 would let the next mail's commands follow the content in the same write. But a server may keep replies
    until it has obeyed all that it was sent (Postfix does): one mail's outcome would wait for another's recipient.
    """
    # Writes block, but neither side waits for the other for ever: three short replies fit into the buffers between us,
    # and a server that writes more meets the deadline.
    smtp.send(_envelope(smtp, sender, mail))
    refused: tuple[tuple[tuple[int, ...], Callable[[int, bytes], smtplib.SMTPException]], ...] = (
        ((250,), lambda code, text: smtplib.SMTPSenderRefused(code, text, sender)),
        ((250, 251), lambda code, text: smtplib.SMTPRecipientsRefused({mail.recipient: (code, text)})),
        ((354,), smtplib.SMTPDataError),
    )
    errors: list[smtplib.SMTPException] = []
    try:
        for expected, refusal in refused:
            code, text = _reply(smtp, *expected)
            if code not in expected:
                errors.append(refusal(code, text))
        if errors and code == 354:
            _send_nothing(smtp, errors[-1])
    except smtplib.SMTPServerDisconnected as error:
        errors.append(error)
    if errors:
        # What came after the first refusal, even the end of the session, says nothing about the mail.
        raise errors[0]
    smtp.send(_quoted(mail.content))
    code, text = _reply(smtp, 250)
    if code != 250:
        raise smtplib.SMTPDataError(code, text)


def _envelope(smtp: smtplib.SMTP, sender: str, mail: Mail) -> bytes:
    options = f" size={len(mail.content)}" if smtp.has_extn("size") else ""
    options += " SMTPUTF8 BODY=8BITMIME" if mail.utf8 else ""
    sender, recipient = smtplib.quoteaddr(sender), smtplib.quoteaddr(mail.recipient)
    return f"mail FROM:{sender}{options}\r\nrcpt TO:{recipient}\r\ndata\r\n".encode()


def _quoted(content: bytes) -> bytes:
    # As `SMTP.data` does: a line that begins with a dot gets another one, and a dot of its own is the end.
    quoted = re.sub(rb"(?m)^\.", b"..", content)
    return quoted + (b".\r\n" if quoted.endswith(b"\r\n") else b"\r\n.\r\n")


def _send_nothing(smtp: smtplib.SMTP, error: smtplib.SMTPException) -> None:
    """End the content that the server waits for although it refused the mail, with `error` last."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        # As RFC 2920 §3.1 asks. There is no recipient, and §3.2 forbids the server to send this to anybody.
        smtp.send(b".\r\n")
        _reply(smtp, 250)
    else:
        # The sender was refused and the recipient was not, who might get an empty mail.
        smtp.close()


def _reply(smtp: smtplib.SMTP, *expected: int) -> tuple[int, bytes]:
    """The next reply. After one that ended the session there is none: SMTPServerDisconnected."""
    code, text = smtp.getreply()
    if code == 421 or (code not in expected and not 400 <= code <= 599):
        smtp.close()
    return code, text
