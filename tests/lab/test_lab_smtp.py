"""The stand-in for a mail server, tested with smtplib."""

from __future__ import annotations

import smtplib
import socket
import ssl

import pytest
from lab_client import Lab

from lab.faults import WORDS, Cut, Slow, SmtpError


def test_a_mail_is_recorded_with_its_headers_and_text(lab: Lab) -> None:
    lab.mail(
        "anna@example.org",
        subject="Grüße aus dem Glockenturm, in dem es heute besonders laut und besonders lange läutet",
        body="Erste Zeile äöü\n.\nLetzte Zeile\n",
        X_Carillon_Notification="n1",
        Message_ID="<7@example.org>",
    )
    [seen] = lab.messages()
    assert (seen["channel"], seen["address"], seen["outcome"], seen["status"]) == (
        "email",
        "anna@example.org",
        "accepted",
        250,
    )
    assert seen["title"] == "Grüße aus dem Glockenturm, in dem es heute besonders laut und besonders lange läutet"
    assert seen["body"].splitlines() == ["Erste Zeile äöü", ".", "Letzte Zeile"]
    assert (seen["notification_id"], seen["message_id"], seen["action"]) == ("n1", "<7@example.org>", "show")
    assert seen["headers"]["From"] == "carillon@example.org"
    assert "Subject: =?utf-8?" in seen["raw"]


def test_a_mail_to_several_recipients_is_recorded_for_each(lab: Lab) -> None:
    with lab.connect() as client:
        refused = client.sendmail(
            "c@example.org", ["a@example.org", "gone-b@example.org", "d@example.org"], "x: y\n\nz"
        )
    assert set(refused) == {"gone-b@example.org"}
    seen = [(one["address"], one["outcome"]) for one in lab.messages()]
    assert seen == [("gone-b@example.org", "refused"), ("a@example.org", "accepted"), ("d@example.org", "accepted")]


def test_internationalised_addresses_are_accepted(lab: Lab) -> None:
    content = "Subject: Grüße\r\nTo: jürgen@example.org\r\n\r\nHällo\r\n".encode()
    with lab.connect() as client:
        client.ehlo()
        client.sendmail("c@example.org", "jürgen@example.org", content, mail_options=["SMTPUTF8", "BODY=8BITMIME"])
    [seen] = lab.messages()
    assert (seen["address"], seen["title"], seen["body"]) == ("jürgen@example.org", "Grüße", "Hällo\r\n")


HTML = b"MIME-Version: 1.0\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<p>Hi</p>"
BOTH = (
    b"MIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary=b\r\n\r\n"
    b"--b\r\nContent-Type: text/html\r\n\r\n<p>Hi</p>\r\n--b\r\nContent-Type: text/plain\r\n\r\nHi\r\n--b--\r\n"
)


@pytest.mark.parametrize(
    ("content", "title", "body"),
    [
        (HTML, None, "<p>Hi</p>"),
        (BOTH, None, "Hi"),
        (b"", None, ""),
        (b"no headers at all", None, "no headers at all"),
        (b"\xff\xfe\x00", None, None),
        (b"Subject: =?nonsense?q?x?=\r\n\r\n", "=?nonsense?q?x?=", ""),
        (b"Subject: =?utf-8?b?!!!?=\r\n\r\n", None, None),
        (b"Subject: a\r\n b\r\nSubject: c\r\n\r\n", "a b", ""),
        (b"Content-Type: text/plain; charset=nonsense\r\n\r\nx", None, "x"),
        (b"Content-Type: text/plain; charset=\xff\r\nContent-Transfer-Encoding: base64\r\n\r\n!", None, None),
        (b"Content-Type: multipart/mixed; boundary=\r\n\r\n--x", None, None),
        (b"Content-Type: image/png\r\n\r\nx", None, None),
    ],
)
def test_unusual_mails_are_accepted(lab: Lab, content: bytes, title: str | None, body: str | None) -> None:
    with lab.connect() as client:
        client.sendmail("c@example.org", "a@example.org", content)
    [seen] = lab.messages()
    assert seen["outcome"] == "accepted"
    if title is not None:
        assert seen["title"] == title
    if body is not None:
        assert seen["body"].strip() == body


def test_a_mail_that_is_too_large_is_refused(lab: Lab) -> None:
    with lab.connect() as client, pytest.raises(smtplib.SMTPSenderRefused) as caught:
        client.sendmail("c@example.org", "a@example.org", b"x: y\r\n\r\n" + b"z" * 70 * 80_000)
    assert caught.value.smtp_code == 552


REFUSALS = {
    "gone": (550, b"5.1.1"),
    "full": (552, b"5.2.2"),
    "policy": (550, b"5.7.1"),
    "grey": (451, b"4.7.1"),
    "down": (451, b"4.3.0"),
    "busy": (421, b"4.3.2"),
}


def test_every_word_of_smtp_is_tested_in_this_file() -> None:
    assert {word.name for word in WORDS if isinstance(word.smtp, SmtpError)} == set(REFUSALS)
    assert {word.name for word in WORDS if isinstance(word.smtp, Slow | Cut)} == {"slow", "close", "lost"}


@pytest.mark.parametrize("word", REFUSALS)
def test_each_word_is_refused_with_its_code_and_status(lab: Lab, word: str) -> None:
    code, enhanced = REFUSALS[word]
    address = f"{word}-anna@example.org"
    with pytest.raises(smtplib.SMTPRecipientsRefused) as caught:
        lab.mail(address)
    seen_code, text = caught.value.recipients[address]
    assert seen_code == code
    assert text.startswith(enhanced)
    [seen] = lab.messages(outcome="refused")
    assert (seen["address"], seen["status"]) == (address, code)


def test_the_session_continues_after_a_refusal(lab: Lab) -> None:
    with lab.connect() as client:
        with pytest.raises(smtplib.SMTPRecipientsRefused):
            client.sendmail("c@example.org", "gone-a@example.org", "x: y\n\nz")
        client.sendmail("c@example.org", "a@example.org", "x: y\n\nz")


def test_busy_closes_the_connection(lab: Lab) -> None:
    client = lab.connect()
    client.ehlo()
    client.mail("c@example.org")
    assert client.rcpt("busy-a@example.org")[0] == 421
    with pytest.raises(smtplib.SMTPServerDisconnected):
        client.noop()


def test_a_limited_fault_ends_with_success(lab: Lab) -> None:
    for address, refusals in (("grey-a@example.org", 1), ("down2-a@example.org", 2)):
        for _ in range(refusals):
            with pytest.raises(smtplib.SMTPRecipientsRefused):
                lab.mail(address)
        lab.mail(address)


@pytest.mark.parametrize(("word", "outcome", "status"), [("close", "refused", 0), ("lost", "accepted", 250)])
def test_close_and_lost_close_the_connection_after_the_content(lab: Lab, word: str, outcome: str, status: int) -> None:
    with pytest.raises(smtplib.SMTPServerDisconnected):
        lab.mail(f"{word}1-anna@example.org", X_Carillon_Notification="n1")
    [seen] = lab.messages(notification_id="n1")
    assert (seen["outcome"], seen["status"]) == (outcome, status)
    lab.mail(f"{word}1-anna@example.org")


def test_a_fault_can_be_set_for_the_whole_server(lab: Lab) -> None:
    lab.post("/faults", {"smtp": "busy"})
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        lab.mail("anna@example.org")
    lab.post("/faults", {})
    lab.mail("anna@example.org")


def test_pipelined_commands_are_all_answered(lab: Lab) -> None:
    with socket.create_connection(lab.smtp, timeout=5) as connection, connection.makefile("rb") as replies:
        replies.readline()
        connection.sendall(b"EHLO x\r\n")
        offered = []
        while not offered or offered[-1][3:4] == b"-":
            offered.append(replies.readline().strip())
        assert {b"250-PIPELINING", b"250-SMTPUTF8", b"250-STARTTLS", b"250-8BITMIME"} <= set(offered)
        recipients = b"".join(b"RCPT TO:<%s-%d@example.org>\r\n" % (b"gone" if n % 2 else b"x", n) for n in range(100))
        connection.sendall(b"MAIL FROM:<c@example.org>\r\n" + recipients + b"DATA\r\n")
        codes = [replies.readline()[:3] for _ in range(102)]
        assert codes == [b"250", *[b"250", b"550"] * 50, b"354"]
        connection.sendall(b"x: y\r\n\r\nz\r\n.\r\nQUIT\r\n")
        assert [replies.readline()[:3] for _ in range(2)] == [b"250", b"221"]
    assert lab.get("/messages/count")["channels"]["email"] == {"accepted": 50, "refused": 50}


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_starttls_works_with_the_lab_s_certificate_trusted(lab: Lab, host: str) -> None:
    context = lab.trusting_context()
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    with smtplib.SMTP(host, lab.smtp[1], timeout=5) as client:
        client.starttls(context=context)
        client.ehlo()
        assert client.has_extn("auth")
        assert not client.has_extn("starttls")
        client.login("anybody", "secret")
        client.sendmail("c@example.org", "a@example.org", "x: y\n\nz")
    assert len(lab.messages()) == 1


def test_starttls_fails_without_trusting_the_certificate(lab: Lab) -> None:
    with lab.connect() as client, pytest.raises(ssl.SSLCertVerificationError):
        client.starttls(context=ssl.create_default_context())


def test_faults_close_the_connection_under_tls_too(lab: Lab) -> None:
    for word in ("busy", "close", "lost"):
        client = lab.connect()
        client.starttls(context=lab.trusting_context())
        with pytest.raises((smtplib.SMTPServerDisconnected, smtplib.SMTPRecipientsRefused)):
            client.sendmail("c@example.org", f"{word}-a@example.org", "x: y\n\nz")


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
def test_login_fails_only_with_the_password_wrong(lab: Lab, mechanism: str) -> None:
    def authenticate(client: smtplib.SMTP, password: str) -> int:
        client.user, client.password = "anybody", password
        code, _ = client.auth(mechanism, getattr(client, f"auth_{mechanism.lower()}"))
        return code

    with lab.connect() as client:
        client.ehlo()
        assert not client.has_extn("auth")
        with pytest.raises(smtplib.SMTPAuthenticationError) as before:
            authenticate(client, "secret")
        assert before.value.smtp_code == 538
        client.starttls(context=lab.trusting_context())
        client.ehlo()
        with pytest.raises(smtplib.SMTPAuthenticationError) as wrong:
            authenticate(client, "wrong")
        assert wrong.value.smtp_code == 535
        assert authenticate(client, "secret") == 235
