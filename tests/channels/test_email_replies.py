"""What the replies of mail servers mean, and smtplib's errors."""

from __future__ import annotations

import inspect
import smtplib
import socket
import ssl

import pytest

from channels.email.replies import CLASSIFY, classify, classify_reply, essence, parse_reply
from models.deliveries.lifecycle import AddressGone, Failure, Outcome, Rejected, RetryLater, Sent


def refusal(code: int, text: str) -> smtplib.SMTPResponseException:
    return smtplib.SMTPResponseException(code, text.encode())


CREDENTIALS = RetryLater("", Failure.CREDENTIALS, 300)


@pytest.mark.parametrize(
    ("stage", "code", "text", "expected"),
    [
        ("rcpt", 550, "5.1.1 unknown", AddressGone("")),
        ("rcpt", 550, "5.1.2 no such host", AddressGone("")),
        ("rcpt", 550, "5.1.3 bad syntax", AddressGone("")),
        ("rcpt", 550, "5.1.6 moved", AddressGone("")),
        ("rcpt", 550, "5.1.10 null MX", AddressGone("")),
        # These are about the sender, or can mean anything.
        ("rcpt", 550, "5.1.0 sender denied", Rejected("")),
        ("rcpt", 550, "5.1.11 ?", Rejected("")),
        ("rcpt", 550, "no such user here", Rejected("")),
        ("rcpt", 550, "5.7.1 refused", Rejected("")),
        ("rcpt", 550, "5.1.8 sender domain not found", CREDENTIALS),
        ("rcpt", 553, "5.1.7 bad sender", CREDENTIALS),
        ("rcpt", 551, "5.1.1 elsewhere", AddressGone("")),
        ("rcpt", 551, "User not local; please try <bob@elsewhere.example>", AddressGone("")),
        ("rcpt", 551, "5.7.1 blocked", Rejected("")),
        ("rcpt", 550, "#5.1.1 no such address", AddressGone("")),
        ("rcpt", 556, "5.1.10 Domain mail.example does not accept mail (nullMX)", AddressGone("")),
        ("rcpt", 556, "no mail here", AddressGone("")),
        ("rcpt", 553, "5.1.3 not a mailbox", AddressGone("")),
        ("rcpt", 501, "5.1.3 Bad recipient address syntax", AddressGone("")),
        ("rcpt", 550, "5.1.1.9 is an address", Rejected("")),
        ("data", 550, "5.1.1 unknown", Rejected("")),
        ("rcpt", 552, "5.2.2 full", Rejected("")),
        ("rcpt", 554, "5.7.1 spam", Rejected("")),
        ("data", 554, "5.6.0 content", Rejected("")),
        ("mail", 552, "5.3.4 too large", Rejected("")),
        ("mail", 550, "5.7.1 not your address", CREDENTIALS),
        ("mail", 530, "5.7.0 must log in", CREDENTIALS),
        ("rcpt", 530, "5.7.0 must use TLS", CREDENTIALS),
        ("data", 535, "5.7.8 wrong password", CREDENTIALS),
        ("open", 554, "not welcome", CREDENTIALS),
        ("open", 454, "4.7.0 later", RetryLater("")),
        ("open", 421, "busy", RetryLater("")),
        ("rcpt", 450, "4.1.8 sender domain not found", RetryLater("")),
        ("rcpt", 452, "4.5.3 too many", RetryLater("")),
        ("mail", -1, "garbage", RetryLater("")),
        ("data", 250, "what?", RetryLater("")),
        ("data", 354, "what?", RetryLater("")),
    ],
)
def test_a_reply_is_classified_by_stage_code_and_status(stage: str, code: int, text: str, expected: Outcome) -> None:
    outcome = classify_reply(stage, refusal(code, text))
    assert type(outcome) is type(expected)
    assert not isinstance(outcome, Sent)
    assert outcome.reason == f"{code} {text}"
    if isinstance(expected, RetryLater):
        assert isinstance(outcome, RetryLater)
        assert (outcome.failure, outcome.after) == (expected.failure, expected.after)


def test_every_exception_of_smtplib_is_classified() -> None:
    found = {
        kind for _, kind in inspect.getmembers(smtplib, inspect.isclass) if issubclass(kind, smtplib.SMTPException)
    }
    assert found <= set(CLASSIFY)
    # smtplib also passes through errors of sockets and of TLS.
    assert OSError in CLASSIFY
    assert ssl.SSLError in CLASSIFY


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        (smtplib.SMTPNotSupportedError("STARTTLS extension not supported by server."), Failure.CREDENTIALS),
        (smtplib.SMTPException("No suitable authentication method found."), Failure.CREDENTIALS),
        (smtplib.SMTPAuthenticationError(535, b"5.7.8 no"), Failure.CREDENTIALS),
        (smtplib.SMTPAuthenticationError(454, b"4.7.0 later"), Failure.PROVIDER_DOWN),
        (smtplib.SMTPConnectError(554, b"no"), Failure.CREDENTIALS),
        (smtplib.SMTPHeloError(421, b"later"), Failure.PROVIDER_DOWN),
        (smtplib.SMTPServerDisconnected("gone"), Failure.PROVIDER_DOWN),
        (ssl.SSLCertVerificationError("self-signed"), Failure.CREDENTIALS),
        (ssl.SSLEOFError("in the handshake"), Failure.PROVIDER_DOWN),
        (ConnectionRefusedError(), Failure.PROVIDER_DOWN),
        (TimeoutError(), Failure.PROVIDER_DOWN),
        (socket.gaierror("no such host"), Failure.PROVIDER_DOWN),
    ],
)
def test_an_error_that_is_not_about_one_mail_is_retried(error: Exception, failure: Failure) -> None:
    outcome = classify(error)
    assert isinstance(outcome, RetryLater)
    assert outcome.failure is failure


# Each is a reply of a real server, at the stage at which it sends it.
REFUSALS_OF_US = [
    # Postfix 3.7
    ("rcpt", 554, "5.7.1 <bob@mail.example>: Relay access denied"),
    ("rcpt", 553, "5.7.1 <bell@x.example>: Sender address rejected: not owned by user carillon"),
    ("rcpt", 553, "5.7.1 <bell@x.example>: Sender address rejected: not logged in"),
    ("rcpt", 504, "5.5.2 <web1>: Helo command rejected: need fully-qualified hostname"),
    ("rcpt", 550, "5.7.1 <x.example>: Helo command rejected: Access denied"),
    ("rcpt", 554, "5.7.1 <unknown[192.0.2.1]>: Client host rejected: Access denied"),
    ("rcpt", 554, "5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org"),
    ("rcpt", 550, "5.1.0 <bell@x.example>: Sender address rejected: User unknown in local recipient table"),
    # Exim 4.96
    ("rcpt", 550, "relay not permitted"),
    ("rcpt", 550, "Verification failed for <bell@x.example>\nUnrouteable address\nSender verify failed"),
    ("rcpt", 550, "rejected because 192.0.2.1 is in a black list at zen.spamhaus.org"),
    ("rcpt", 550, "authentication required"),
    # Amazon SES
    ("data", 554, "Message rejected: Email address is not verified. The following identities failed the check"),
    ("data", 554, "Message rejected: Sending suspended for this account."),
    ("data", 554, "Access denied: User `arn:aws:iam::1:user/x' is not authorized to perform `ses:SendRawEmail'"),
    # Gmail
    ("rcpt", 550, "5.7.1 Invalid credentials for relay [192.0.2.1]. The IP address you've registered\n5.7.1 in your"),
    ("rcpt", 550, "5.7.0 Mail relay denied [192.0.2.1]. Please visit\n5.7.0 https://support.google.com/ - gsmtp"),
    ("data", 550, "5.7.26 Unauthenticated email from x.example is not accepted due to domain's\n5.7.26 DMARC policy."),
    # Exchange Online
    ("data", 550, "5.7.60 SMTP; Client does not have permissions to send as this sender"),
    ("data", 554, "5.2.252 SendAsDenied; bell@x.example not allowed to send as sales@x.example"),
    ("rcpt", 550, "5.7.64 TenantAttribution; Relay Access Denied"),
    ("rcpt", 550, "5.7.54 SMTP; Unable to relay recipient in non-accepted domain"),
    ("rcpt", 550, "5.7.708 Service unavailable. Access denied, traffic not accepted from this IP"),
    ("rcpt", 550, "5.1.8 Access denied, bad outbound sender"),
    # SendGrid, Postmark
    ("data", 550, "The from address does not match a verified Sender Identity. Mail cannot be sent"),
    ("data", 550, "The 'From' address you supplied <bell@x.example> is not a Sender Signature on your account"),
]  # fmt: skip


@pytest.mark.parametrize(("stage", "code", "text"), REFUSALS_OF_US)
def test_a_refusal_of_us_is_not_the_recipients_fault(stage: str, code: int, text: str) -> None:
    outcome = classify_reply(stage, refusal(code, text))
    assert isinstance(outcome, RetryLater)
    assert outcome.failure is Failure.CREDENTIALS


@pytest.mark.parametrize(
    ("stage", "code", "text"),
    [
        ("data", 550, "5.4.5 Daily user sending limit exceeded. For more information on Gmail sending limits - gsmtp"),
        ("mail", 550, "5.4.5 Daily SMTP relay limit exceeded for customer"),
        ("data", 554, "5.1.90 Your message can't be sent because you've reached your daily limit for recipients"),
        ("rcpt", 550, "5.7.233 Your message can't be sent because your tenant exceeded its daily limit"),
        ("rcpt", 550, "x.example has exceeded the max daily sending limit"),
    ],
)
def test_a_limit_that_is_reached_is_a_quota(stage: str, code: int, text: str) -> None:
    outcome = classify_reply(stage, refusal(code, text))
    assert outcome == RetryLater(f"{code} {text}", Failure.QUOTA, 3600)


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (554, "5.7.1 <relay-denied@mail.example>: Recipient address rejected: Access denied"),
        (552, "5.2.2 Mailbox full: over quota"),
        (550, "5.7.1 <bob@mail.example>: Recipient address rejected: mailbox takes no mail from outside"),
        (550, "5.7.703 Your message can't be delivered because messages to bob are blocked by your organization"),
    ],
)
def test_a_refusal_of_the_recipient_is_not_taken_for_one_of_us(code: int, text: str) -> None:
    assert isinstance(classify_reply("rcpt", refusal(code, text)), Rejected)


@pytest.mark.parametrize(
    ("code", "text", "expected"),
    [
        (550, "5.1.1 <b@m.example>: undeliverable address: host mx said: 554 5.7.1 Client host blocked", Rejected),
        (550, "5.1.1 <b@m.example>: undeliverable address: host mx.m.example said: 552 5.2.2 Mailbox full", Rejected),
        (550, "5.1.1 <b@m.example>: undeliverable address: host mx.m.example said: 550 Blocked", Rejected),
        (550, '5.1.1 response to "RCPT TO:<b@m.example>" was: 550-5.7.26 DMARC policy', Rejected),
        (550, "5.1.1 mx.m.example refused (552 5.2.2 over quota)", Rejected),
        (554, "5.7.1 refused: host mx.m.example said: 550 5.1.1 no such user", Rejected),
        (550, "5.7.26 undeliverable address: host mx.m.example said: 550-5.7.26 not authenticated", Rejected),
        (550, "5.1.1 <b@m.example>: undeliverable: host mx[192.0.2.7] said: 550 5.1.1 User unknown (in reply to RCPT)",
         AddressGone),
        (550, "5.1.1 The account does not exist. Try\n5.1.1 double-checking for typos - gsmtp", AddressGone),
    ],
)  # fmt: skip
def test_an_address_is_gone_only_if_every_server_that_is_quoted_says_so(
    code: int, text: str, expected: type[Outcome]
) -> None:
    assert type(classify_reply("rcpt", refusal(code, text))) is expected


def test_refusals_of_many_mails_are_the_same_without_what_differs() -> None:
    one, other = (
        parse_reply(refusal(550, f"5.7.1 <{name}@{domain}>: no mail for {domain} here, id {number} - gsmtp"))
        for name, domain, number in (("ann", "a.example", "x12y"), ("bob", "mail.b.example", "x13z"))
    )
    assert essence(one) == essence(other) == (550, "5.7.1", "no mail for here, id - gsmtp")
