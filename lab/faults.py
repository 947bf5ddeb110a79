"""The fault vocabulary: the words that an address can begin with, and the effect of each at every provider."""

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
    """A refusal in reply to RCPT TO. With `hang_up`, the connection is closed after it."""

    code: int
    text: str
    hang_up: bool = False

    def __str__(self) -> str:
        return f"{self.code} {self.text.split()[0]}" + (", then closes the connection" if self.hang_up else "")


@dataclass(frozen=True, slots=True)
class OauthError:
    """An error of the token endpoint (RFC 6749 §5.2)."""

    status: int
    error: str
    description: str

    def __str__(self) -> str:
        return f"{self.status} {self.error}"


@dataclass(frozen=True, slots=True)
class Slow:
    """Success, but the answer is delayed by this many seconds."""

    seconds: float

    def __str__(self) -> str:
        return f"answers after {self.seconds:g} s"


class Cut(Enum):
    """The connection is closed in place of an answer. The value says whether the message was accepted."""

    REFUSED = "closes the connection, not accepted"
    ACCEPTED = "accepts, then closes the connection"

    def __str__(self) -> str:
        return self.value


Fcm = FcmError | Slow | Cut
Smtp = SmtpError | Slow | Cut
Oauth = OauthError | Slow | Cut


@dataclass(frozen=True, slots=True)
class Word:
    """A fault word and its effect at each provider (None: no effect).

    `attempts` is how many attempts of an address fail if the address has no number after the word; None means all.
    """

    name: str
    meaning: str
    fcm: Fcm | None = None
    smtp: Smtp | None = None
    oauth: Oauth | None = None
    attempts: int | None = None

    @property
    def number(self) -> str:
        """The unit of a number after the word: `seconds` or `attempts`."""
        return "seconds" if isinstance(self.fcm, Slow) else "attempts"


_UNAVAILABLE = FcmError(
    503, "UNAVAILABLE", "The service is currently unavailable.", error_code="UNAVAILABLE", retry_after=1
)

WORDS = (
    Word(
        "gone",
        "The address no longer exists.",
        fcm=FcmError(404, "NOT_FOUND", "Requested entity was not found.", error_code="UNREGISTERED"),
        smtp=SmtpError(550, "5.1.1 No such mailbox here"),
    ),
    Word(
        "badtoken",
        "The address is malformed.",
        fcm=FcmError(
            400,
            "INVALID_ARGUMENT",
            "The registration token is not a valid FCM registration token",
            error_code="INVALID_ARGUMENT",
        ),
    ),
    Word(
        "badbody",
        "The provider rejects the message as malformed, which means a bug in the sender.",
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
        "The recipient's policy refuses the message.",
        smtp=SmtpError(550, "5.7.1 Message refused by policy"),
    ),
    Word(
        "quota",
        "The quota is exceeded.",
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
        "Greylisting: the first attempt is refused.",
        smtp=SmtpError(451, "4.7.1 Greylisted, please try again later"),
        attempts=1,
    ),
    Word(
        "busy",
        "The server is too busy and closes the connection.",
        smtp=SmtpError(421, "4.3.2 Too busy, closing the connection", hang_up=True),
    ),
    Word(
        "down",
        "The provider is unavailable.",
        fcm=_UNAVAILABLE,
        smtp=SmtpError(451, "4.3.0 Temporary system failure"),
        oauth=OauthError(503, "temporarily_unavailable", "The token endpoint is unavailable."),
    ),
    Word(
        "flaky",
        "The provider is unavailable for the first attempt only.",
        fcm=_UNAVAILABLE,
        attempts=1,
    ),
    Word(
        "error",
        "The provider has an internal error.",
        fcm=FcmError(500, "INTERNAL", "Internal error encountered.", error_code="INTERNAL"),
        oauth=OauthError(500, "internal_failure", "Internal error encountered."),
    ),
    Word(
        "apns",
        "Apple or the web push service rejects the project's credentials.",
        fcm=FcmError(
            401,
            "UNAUTHENTICATED",
            "Auth error from APNS or Web Push Service",
            error_code="THIRD_PARTY_AUTH_ERROR",
        ),
    ),
    Word(
        "expired",
        "FCM rejects the access token, although this lab issued it.",
        fcm=FcmError(401, "UNAUTHENTICATED", "Request had invalid authentication credentials."),
    ),
    Word(
        "denied",
        "The service account has no permission.",
        fcm=FcmError(403, "PERMISSION_DENIED", "Permission 'cloudmessaging.messages.create' denied on resource."),
        oauth=OauthError(400, "invalid_grant", "Invalid grant: account not found"),
    ),
    Word(
        "project",
        "The project does not exist. This 404 is not about the device token.",
        fcm=FcmError(404, "NOT_FOUND", "Requested entity was not found."),
    ),
    Word(
        "slow",
        "The message is accepted, but the answer is late.",
        fcm=Slow(3),
        smtp=Slow(3),
        oauth=Slow(3),
    ),
    Word(
        "close",
        "The connection is closed without an answer, and nothing is accepted. For mail, at the end of DATA.",
        fcm=Cut.REFUSED,
        smtp=Cut.REFUSED,
        oauth=Cut.REFUSED,
    ),
    Word(
        "lost",
        "The message is accepted, but the connection is closed before the answer. For mail, at the end of DATA.",
        fcm=Cut.ACCEPTED,
        smtp=Cut.ACCEPTED,
    ),
)
VOCABULARY = {word.name: word for word in WORDS}
PROVIDERS = ("fcm", "smtp", "oauth")
