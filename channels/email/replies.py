"""What a mail server's replies and smtplib's errors mean: a table from each to the delivery's outcome."""

from __future__ import annotations

import re
import smtplib
import ssl
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from channels.failures import CREDENTIALS_RETRY_AFTER
from models.deliveries.lifecycle import AddressGone, Failure, Outcome, Rejected, RetryLater

# Seconds before a sender that has reached its limit tries again. Gmail and Exchange Online count over 24 hours.
QUOTA_RETRY_AFTER = 3600.0

_STATUS = r"[245]\.\d{1,3}\.\d{1,3}\b(?!\.\d)"
# IronPort writes `550 #5.1.0 Address rejected`.
_AT_BEGINNING = re.compile(rf"#?({_STATUS})\s*")
# The beginning of another server's reply that a relay passes on: `host mx.example said: 552 5.2.2 Mailbox full`
# (Postfix), `response to "RCPT TO:<a@b>" was: 550 No such user` (Exim).
_QUOTATION = re.compile(
    rf"\b(?:said|was|reply|response|returned|answered)\b[:\s]*([45]\d\d)\b[\s-]*(?:#?({_STATUS}))?"
    rf"|(?:^|(?<=[\s(:\"']))([45]\d\d)[\s-]#?({_STATUS})",
    re.IGNORECASE,
)


class Reply(NamedTuple):
    """An SMTP reply: its code (RFC 5321), the enhanced status that its text may begin with (RFC 3463), and its text.

    `said` is the server's own part of the text. `quoted` is another server's reply that the text passes on: its code
    and its status.
    """

    code: int
    status: str
    text: str
    said: str = ""
    quoted: tuple[int, str] | None = None


def parse_reply(error: Exception) -> Reply:
    """Return the server's reply that `error` carries. Its code is 0 if there was none."""
    raw: bytes | str
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        # Every mail has exactly one recipient.
        code, raw = next(iter(error.recipients.values()))
    elif isinstance(error, smtplib.SMTPResponseException):
        code, raw = error.smtp_code, error.smtp_error
    else:
        return Reply(0, "", str(error))
    text = raw.decode("utf-8", "replace") if isinstance(raw, bytes) else raw
    status = _AT_BEGINNING.match(text)
    said = text[status.end() :] if status else text
    quotation = _QUOTATION.search(said)
    quoted = None
    if quotation:
        inner_code, inner_status = quotation[1] or quotation[3], quotation[2] or quotation[4] or ""
        quoted = (int(inner_code), inner_status)
        said = said[: quotation.start()]
    # Every line of a reply can repeat the status.
    said = " ".join(re.sub(rf"(?<!\S)#?{_STATUS}(?!\S)", "", said).split())
    return Reply(code, status[1] if status else "", text, said, quoted)


def essence(reply: Reply) -> tuple[int, str, str]:
    """Return what is the same in one refusal of many mails: no addresses, domains, numbers or ids."""
    words = [word for word in reply.said.lower().split() if not re.search(r"[@\d]|\w\.\w", word)]
    return reply.code, reply.status, " ".join(words)


def is_about_content(error: Exception) -> bool:
    """Whether a refusal says that it is the mail's own: its size (552 and 5.3.4) or its content (5.6.x, RFC 3463)."""
    reply = parse_reply(error)
    return reply.code == 552 or re.match(r"5\.(6\.|3\.4)", reply.status) is not None


def _address_gone(reason: str) -> Outcome:
    return AddressGone(reason)


def _rejected(reason: str) -> Outcome:
    return Rejected(reason)


def _retry_later(reason: str) -> Outcome:
    return RetryLater(reason)


def _credentials(reason: str) -> Outcome:
    return RetryLater(reason, Failure.CREDENTIALS, CREDENTIALS_RETRY_AFTER)


def _quota(reason: str) -> Outcome:
    return RetryLater(reason, Failure.QUOTA, QUOTA_RETRY_AFTER)


# How servers say, in reply to RCPT or to the content, that they refuse us and not the recipient. Sources: Postfix 3.7
# (smtpd_check.c and `default_rbl_reply`), Exim 4.96 (the default configuration, and the specification's chapters on
# access control lists), "SMTP response codes returned by Amazon SES", "Gmail SMTP errors and codes", "NDR error codes
# in Exchange Online", the guides to SMTP errors of SendGrid and Postmark. Anchored where the text can name an address.
_REFUSES_US = r"""
    ^(<[^>]*>:\ )?(
        (mail\ )?relay(ing)?\ (access\ )?(is\ )?(denied|not\ (permitted|allowed)|prohibited)
      | (sender\ address|helo\ command|client\ host)\ rejected
      | service\ unavailable;\ (client\ host|sender\ address|helo\ command)\b
      | (smtp;\ )?(unable\ to\ relay|tenantattribution;\ relay\ access\ denied)
      | (smtp;\ )?client\ (does\ not\ have\ permissions\ to\ send\ as\ this\ sender|was\ not\ authenticated)
      | invalid\ credentials\ for\ relay
      | rejected\ because\ \S+\ is\ in\ a\ black\ ?list\ at\b
      | (smtp\ )?authentication\ (is\ )?required\b
      | message\ rejected:\ (email\ address\ is\ not\ verified|sending\ (suspended|paused))
      | access\ denied:\ user\b
      | the\ from\ address\ does\ not\ match\ a\ verified\ sender
      | unauthenticated\ senders\ not\ allowed
      | the\ 'from'\ address\ you\ supplied\b
    )
  | \bsender\ verify\ failed$
  | ^sendasdenied\b
"""
# Statuses for the sender: RFC 3463 and IANA's registry (5.1.7, 5.1.8; 5.7.8 to 5.7.14 authentication, 5.7.20 to 5.7.29
# DKIM, SPF, DMARC and reverse DNS), and those of Exchange Online.
_ABOUT_US = (
    r"5\.1\.[78]|5\.7\.([89]|1[0134]|2\d|5[047]|6[04]|50[123689]|51[12]|60[6-9]|6[1-4]\d|70[0-24-9]|750)|5\.2\.252"
)
_LIMIT_STATUS = r"5\.4\.5|5\.1\.90|5\.7\.23[23]"
_LIMIT = r"\b(daily|hourly|sending)\b[^.]{0,40}\b(limit|quota)\b"

# The mailbox or host does not exist, the address is invalid, the mailbox has moved, or the host accepts no mail.
# Excludes 5.1.0, with which Exchange refuses senders.
_GONE = r"5\.1\.([1236]|10)"


class Row(NamedTuple):
    """A row of REPLIES: `code` and `status` match in full, `said` anywhere. Empty fields match any reply."""

    stage: str
    code: str
    status: str
    said: str
    outcome: Callable[[str], Outcome]


# The outcome of a reply, by stage, code, enhanced status and text. The first matching row applies.
REPLIES: tuple[Row, ...] = (
    Row("", r"4..", "", "", _retry_later),
    # Authentication is missing or failed: 530, 534, 535 and 538 of RFC 4954.
    Row("", r"53[0458]", "", "", _credentials),
    # The server does not accept us, or not this sender. Most servers say it in reply to RCPT. 552 in reply to MAIL is
    # about the size of the mail.
    Row("open", r"5..", "", "", _credentials),
    Row("", r"5..", _LIMIT_STATUS, "", _quota),
    Row("", r"5..", "", _LIMIT, _quota),
    Row("", r"5..", _ABOUT_US, "", _credentials),
    Row("", r"5..", "", _REFUSES_US, _credentials),
    Row("mail", r"5(?!52)..", "", "", _credentials),
    # 551 and 556 say it without a status too: the user is elsewhere (RFC 5321), the domain accepts no mail (RFC 7504).
    # A 550 without a status can mean anything.
    Row("rcpt", r"55[01346]|501", _GONE, "", _address_gone),
    Row("rcpt", r"55[16]", r"(?!.)", "", _address_gone),
    Row("", r"5..", "", "", _rejected),
    # Not an error code: replies and commands are out of step.
    Row("", r".*", "", "", _retry_later),
)


def classify_reply(stage: str, error: Exception) -> Outcome:
    """Map the reply in `error` to an outcome. `stage` is the command it answers: open, mail, rcpt or data."""
    reply = parse_reply(error)
    outcome = next(row.outcome for row in REPLIES if _matches(row, stage, reply))
    # What a relay passes on was said of the relay, perhaps: a block list, a policy, a full mailbox. The address is gone
    # only if both servers say so.
    if reply.quoted is not None and stage in ("rcpt", "data") and 500 <= reply.code <= 599:
        both = outcome is _address_gone and re.fullmatch(_GONE, reply.quoted[1])
        outcome = _address_gone if both else _rejected
    return outcome(f"{reply.code} {reply.text}")


def _matches(row: Row, stage: str, reply: Reply) -> bool:
    return (
        row.stage in ("", stage)
        and re.fullmatch(row.code, str(reply.code)) is not None
        and (not row.status or re.fullmatch(row.status, reply.status) is not None)
        and re.search(row.said, reply.said, re.IGNORECASE | re.VERBOSE) is not None
    )


def _without_reply(outcome: Callable[[str], Outcome], error: Exception) -> Outcome:
    return outcome(f"{type(error).__name__}: {error}")


CLASSIFY: dict[type[Exception], Callable[[Exception], Outcome]] = {
    smtplib.SMTPRecipientsRefused: partial(classify_reply, "rcpt"),
    smtplib.SMTPSenderRefused: partial(classify_reply, "mail"),
    smtplib.SMTPDataError: partial(classify_reply, "data"),
    smtplib.SMTPConnectError: partial(classify_reply, "open"),
    smtplib.SMTPHeloError: partial(classify_reply, "open"),
    smtplib.SMTPAuthenticationError: partial(classify_reply, "open"),
    # STARTTLS was refused.
    smtplib.SMTPResponseException: partial(classify_reply, "open"),
    # STARTTLS or AUTH is not offered. The base class: there is no login method that both sides support.
    smtplib.SMTPNotSupportedError: partial(_without_reply, _credentials),
    smtplib.SMTPException: partial(_without_reply, _credentials),
    # The server may have accepted the mail if the whole content was sent. The retry has the same Message-ID.
    smtplib.SMTPServerDisconnected: partial(_without_reply, _retry_later),
    # An untrusted certificate, or no TLS on that port. The subclasses are connections lost during the handshake.
    ssl.SSLError: partial(_without_reply, _credentials),
    ssl.SSLEOFError: partial(_without_reply, _retry_later),
    ssl.SSLZeroReturnError: partial(_without_reply, _retry_later),
    ssl.SSLSyscallError: partial(_without_reply, _retry_later),
    OSError: partial(_without_reply, _retry_later),
}


def classify(error: Exception) -> Outcome:
    """Map an exception raised by smtplib, or passed through by it, to the delivery's outcome."""
    classifier = next(CLASSIFY[kind] for kind in type(error).__mro__ if kind in CLASSIFY)
    return classifier(error)
