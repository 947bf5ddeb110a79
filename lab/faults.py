"""The fault vocabulary: every word an address can begin with, and what it does to each provider."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


@dataclass(frozen=True, slots=True)
class FcmError:
    """An error of FCM HTTP v1. `error_code` becomes an FcmError detail, `field` a BadRequest detail."""

    status: int
    code: str
    message: str
    error_code: str | None = None
    field: str | None = None
    retry_after: int | None = None

    def __str__(self) -> str:
        return f"{self.status} {self.error_code or self.code}" + (" (BadRequest)" if self.field else "")


@dataclass(frozen=True, slots=True)
class SmtpError:
    """A refusing reply to RCPT TO; with `hang_up` the connection ends after it."""

    code: int
    text: str
    hang_up: bool = False

    def __str__(self) -> str:
        return f"{self.code} {self.text.split()[0]}" + (" and hangs up" if self.hang_up else "")


@dataclass(frozen=True, slots=True)
class OauthError:
    """A refusal by the token endpoint, in the shape of RFC 6749 §5.2."""

    status: int
    error: str
    description: str

    def __str__(self) -> str:
        return f"{self.status} {self.error}"


@dataclass(frozen=True, slots=True)
class Slow:
    """Success, answered this many seconds late."""

    seconds: float

    def __str__(self) -> str:
        return f"answers after {self.seconds:g} s"


class Cut(Enum):
    """The connection ends where the answer should be; the value says what became of the message."""

    REFUSED = "hangs up, not accepted"
    ACCEPTED = "accepts, then hangs up"

    def __str__(self) -> str:
        return self.value


Fcm = FcmError | Slow | Cut
Smtp = SmtpError | Slow | Cut
Oauth = OauthError | Slow | Cut


@dataclass(frozen=True, slots=True)
class Word:
    """One prefix and its effect on each provider (None: no effect there).

    `first` is how many attempts per address it lasts for where the address names no number; None means all.
    """

    name: str
    meaning: str
    fcm: Fcm | None = None
    smtp: Smtp | None = None
    oauth: Oauth | None = None
    first: int | None = None

    @property
    def number(self) -> str:
        """What a number after the word counts: `seconds` or `attempts`."""
        return "seconds" if isinstance(self.fcm, Slow) else "attempts"


_UNAVAILABLE = FcmError(
    503, "UNAVAILABLE", "The service is currently unavailable.", error_code="UNAVAILABLE", retry_after=1
)

WORDS = (
    Word(
        "gone",
        "The address does not exist any more.",
        fcm=FcmError(404, "NOT_FOUND", "Requested entity was not found.", error_code="UNREGISTERED"),
        smtp=SmtpError(550, "5.1.1 No such mailbox here"),
    ),
    Word(
        "badtoken",
        "What was given is not an address at all.",
        fcm=FcmError(
            400,
            "INVALID_ARGUMENT",
            "The registration token is not a valid FCM registration token",
            error_code="INVALID_ARGUMENT",
        ),
    ),
    Word(
        "badbody",
        "The provider finds the message itself malformed: the sender's bug.",
        fcm=FcmError(
            400,
            "INVALID_ARGUMENT",
            "Invalid value at 'message.data[0].value' (TYPE_STRING), 1",
            field="message.data[0].value",
        ),
    ),
    Word(
        "sender",
        "The token belongs to another Firebase project.",
        fcm=FcmError(403, "PERMISSION_DENIED", "SenderId mismatch", error_code="SENDER_ID_MISMATCH"),
    ),
    Word(
        "full",
        "The mailbox is over its quota.",
        smtp=SmtpError(552, "5.2.2 Mailbox full"),
    ),
    Word(
        "policy",
        "Refused by the receiver's policy.",
        smtp=SmtpError(550, "5.7.1 Message refused by policy"),
    ),
    Word(
        "quota",
        "Too many messages for now.",
        fcm=FcmError(
            429,
            "RESOURCE_EXHAUSTED",
            "Quota exceeded for quota metric 'Message send requests per minute'.",
            error_code="QUOTA_EXCEEDED",
            retry_after=1,
        ),
    ),
    Word(
        "grey",
        "Greylisting: the first attempt is turned away.",
        smtp=SmtpError(451, "4.7.1 Greylisted, please try again later"),
        first=1,
    ),
    Word(
        "busy",
        "The server takes no more for now and ends the session.",
        smtp=SmtpError(421, "4.3.2 Too busy, closing the connection", hang_up=True),
    ),
    Word(
        "down",
        "The provider is out of order.",
        fcm=_UNAVAILABLE,
        smtp=SmtpError(451, "4.3.0 Temporary system failure"),
        oauth=OauthError(503, "temporarily_unavailable", "The token endpoint is out of order."),
    ),
    Word(
        "flaky",
        "Out of order for the first attempt only.",
        fcm=_UNAVAILABLE,
        first=1,
    ),
    Word(
        "error",
        "The provider failed inside.",
        fcm=FcmError(500, "INTERNAL", "Internal error encountered.", error_code="INTERNAL"),
        oauth=OauthError(500, "internal_failure", "Internal error encountered."),
    ),
    Word(
        "apns",
        "Apple or the web push service refuses the project's credentials.",
        fcm=FcmError(
            401,
            "UNAUTHENTICATED",
            "Auth error from APNS or Web Push Service",
            error_code="THIRD_PARTY_AUTH_ERROR",
        ),
    ),
    Word(
        "expired",
        "The access token is not accepted, although this lab issued it.",
        fcm=FcmError(401, "UNAUTHENTICATED", "Request had invalid authentication credentials."),
    ),
    Word(
        "denied",
        "The service account may not do this.",
        fcm=FcmError(403, "PERMISSION_DENIED", "Permission 'cloudmessaging.messages.create' denied on resource."),
        oauth=OauthError(400, "invalid_grant", "Invalid grant: account not found"),
    ),
    Word(
        "project",
        "There is no such project: a 404 that says nothing about the token.",
        fcm=FcmError(404, "NOT_FOUND", "Requested entity was not found."),
    ),
    Word(
        "slow",
        "Accepted, but the answer is late.",
        fcm=Slow(3),
        smtp=Slow(3),
        oauth=Slow(3),
    ),
    Word(
        "close",
        "The connection ends without an answer; nothing was accepted. By mail, at the end of DATA.",
        fcm=Cut.REFUSED,
        smtp=Cut.REFUSED,
        oauth=Cut.REFUSED,
    ),
    Word(
        "lost",
        "Accepted and recorded, but the connection ends before the answer. By mail, at the end of DATA.",
        fcm=Cut.ACCEPTED,
        smtp=Cut.ACCEPTED,
    ),
)
VOCABULARY = {word.name: word for word in WORDS}
PROVIDERS = ("fcm", "smtp", "oauth")
