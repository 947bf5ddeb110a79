"""The settings of Carillon, read from the environment once, when a process starts."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    FilePath,
    SecretStr,
    ValidationError,
    model_validator,
)

from config.audiences import USUAL_AUDIENCES, Binding, known_audiences, tenant_ids

# Celery reads this too (celeryconfig.py): a task not finished by then is given to another worker.
VISIBILITY_TIMEOUT = 300


class SettingsError(Exception):
    """The environment is unusable; the message lists everything that is wrong, one line each."""


def _comma_list(value: object) -> object:
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return value


def _usable_catalogue(path: Path) -> Path:
    # Imported only here: few installations have such a file.
    from models.catalogue.source import shared

    shared(path)
    return path


def _origins(values: list[str]) -> list[str]:
    # An origin has no path, and browsers send it without the slash.
    return [value.rstrip("/") for value in values]


CommaList = Annotated[list[str], BeforeValidator(_comma_list)]
Audiences = Annotated[CommaList, AfterValidator(known_audiences)]
TenantIds = Annotated[CommaList, AfterValidator(tenant_ids)]
CatalogueFile = Annotated[Path, AfterValidator(_usable_catalogue)]


class Settings(BaseModel):
    """The environment, validated. docs/settings.md describes each."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    env: Literal["development", "production"] = Field("production", validation_alias="CARILLON_ENV")
    var: Path = Field(Path("var"), validation_alias="CARILLON_VAR")
    database_url: str = Field("", validation_alias="DATABASE_URL")
    redis_url: str = Field("redis://127.0.0.1:6379/0", validation_alias="REDIS_URL")
    broker_url: str = Field("", validation_alias="BROKER_URL")
    # The topic of the bus, and the prefix of keys: installations that share a Redis differ in it.
    bus_topic: str = Field("carillon", validation_alias="CARILLON_REDIS_CHANNEL")

    port: int = Field(8000, ge=0, le=65535, validation_alias="PORT")
    public_url: str = Field("", validation_alias="CARILLON_PUBLIC_URL")
    cors_origins: Annotated[CommaList, AfterValidator(_origins)] = Field(
        default_factory=list,
        validation_alias=AliasChoices("CARILLON_CORS_ORIGINS", "CORS_ORIGIN", "FRONTEND_URL"),
    )
    flower_url: str | None = Field(None, pattern=r"^https?://\S+$", validation_alias="CARILLON_FLOWER_URL")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", validation_alias="LOG_LEVEL")

    socketio_async_mode: Literal["gevent", "threading"] = Field("gevent", validation_alias="SOCKETIO_ASYNC_MODE")
    socketio_ping_interval: int = Field(25, ge=1, validation_alias="SOCKETIO_PING_INTERVAL")
    socketio_ping_timeout: int = Field(60, ge=1, validation_alias="SOCKETIO_PING_TIMEOUT")

    jwks_file: Path | None = Field(None, validation_alias="CARILLON_JWKS_FILE")
    jwks_url: str | None = Field(None, pattern=r"^https?://[^\s/]+\S*$", validation_alias="CARILLON_JWKS_URL")
    jwks_url_audiences: Audiences = Field([*USUAL_AUDIENCES], validation_alias="CARILLON_JWKS_URL_AUDIENCES")
    jwks_url_tenants: TenantIds | None = Field(None, validation_alias="CARILLON_JWKS_URL_TENANTS")
    jwt_issuer: str = Field("carillon", min_length=1, validation_alias="CARILLON_JWT_ISSUER")
    # A name, or a path with dots.
    jwt_user_claim: str = Field("sub", pattern=r"^\S+$", validation_alias="CARILLON_JWT_USER_CLAIM")
    jwt_tenant_claim: str = Field("tenant", pattern=r"^\S+$", validation_alias="CARILLON_JWT_TENANT_CLAIM")

    catalogue_file: CatalogueFile | None = Field(None, validation_alias="CARILLON_CATALOGUE_FILE")

    attachments_url: str | None = Field(
        None, pattern=r"^(file:///\S+|s3://[a-z0-9][a-z0-9.-]+\S*)$", validation_alias="CARILLON_ATTACHMENTS_URL"
    )
    # 5 GiB: the most that S3 takes in one request.
    attachment_max_bytes: int = Field(
        26_214_400, ge=1, le=5 * 1024**3, validation_alias="CARILLON_ATTACHMENT_MAX_BYTES"
    )
    aws_access_key_id: str | None = Field(None, validation_alias="AWS_ACCESS_KEY_ID")
    aws_secret_access_key: SecretStr | None = Field(None, validation_alias="AWS_SECRET_ACCESS_KEY")

    firebase_credentials: Path | None = Field(
        None,
        validation_alias=AliasChoices("FIREBASE_CREDENTIALS_PATH", "GOOGLE_APPLICATION_CREDENTIALS"),
    )
    # Project ids, also those of organisations: example.com:project.
    firebase_project: str | None = Field(None, pattern=r"^[a-z][a-z0-9.:-]*$", validation_alias="FIREBASE_PROJECT_ID")
    fcm_quota: int = Field(600_000, ge=60, validation_alias="CARILLON_FCM_QUOTA")
    smtp_host: str | None = Field(None, validation_alias="SMTP_HOST")
    smtp_port: int = Field(587, ge=1, le=65535, validation_alias="SMTP_PORT")
    smtp_username: str | None = Field(None, validation_alias="SMTP_USERNAME")
    smtp_password: SecretStr | None = Field(None, validation_alias="SMTP_PASSWORD")
    smtp_oauth_token_url: str | None = Field(None, pattern=r"^https://\S+$", validation_alias="SMTP_OAUTH_TOKEN_URL")
    smtp_oauth_client_id: str | None = Field(None, validation_alias="SMTP_OAUTH_CLIENT_ID")
    smtp_oauth_client_secret: SecretStr | None = Field(None, validation_alias="SMTP_OAUTH_CLIENT_SECRET")
    smtp_oauth_scope: str = Field("https://outlook.office365.com/.default", validation_alias="SMTP_OAUTH_SCOPE")
    smtp_security: Literal["starttls", "tls", "none"] = Field("starttls", validation_alias="SMTP_SECURITY")
    smtp_from: str = Field("Carillon <carillon@localhost.localdomain>", validation_alias="SMTP_FROM")
    # A host name, or an address in brackets (RFC 5321 §4.1.3).
    smtp_ehlo_name: str | None = Field(
        None,
        pattern=r"^([\w-]+(\.[\w-]+)*|\[[0-9A-Fa-f:.]+\]|\[IPv6:[0-9A-Fa-f:.]+\])$",
        validation_alias="SMTP_EHLO_NAME",
    )
    smtp_connections: int = Field(8, ge=1, le=100, validation_alias="SMTP_CONNECTIONS")
    # Whether the mail server offers SMTPUTF8 (RFC 6531). Only then can an address have non-ASCII letters before the @.
    smtp_utf8: bool = Field(False, validation_alias="SMTP_UTF8")
    email_footer: str | None = Field(None, max_length=1000, validation_alias="CARILLON_EMAIL_FOOTER")

    lab_url: str | None = Field(None, validation_alias="CARILLON_LAB_URL")
    lab_smtp_port: int = Field(8026, ge=1, le=65535, validation_alias="LAB_SMTP_PORT")

    # Read by OpenSSL and by channels/http_batch.py; here, so that a wrong path is found at the start.
    ssl_cert_file: FilePath | None = Field(None, validation_alias="SSL_CERT_FILE")
    provider_timeout: float = Field(10.0, gt=0, le=60, validation_alias="CARILLON_PROVIDER_TIMEOUT")
    lease: float = Field(60.0, gt=0, validation_alias="CARILLON_LEASE")
    retention_days: int = Field(30, ge=1, le=3650, validation_alias="CARILLON_RETENTION_DAYS")

    @model_validator(mode="before")
    @classmethod
    def _derive(cls, values: dict[str, Any]) -> dict[str, Any]:
        # An empty variable means "not set": that is how a Procfile or a compose file clears one.
        return {k: v for k, v in values.items() if v != ""}

    @model_validator(mode="after")
    def _check(self) -> Self:
        fill: dict[str, Any] = {}
        if not self.database_url:
            fill["database_url"] = f"sqlite:///{self.var.resolve() / 'carillon.db'}"
        if not self.broker_url:
            fill["broker_url"] = self.redis_url
        if not self.public_url:
            fill["public_url"] = f"http://127.0.0.1:{self.port}"
        for name, value in fill.items():
            object.__setattr__(self, name, value)
        # A connect and a read may each take the time-out, and the record follows the send.
        if not 2 * self.provider_timeout < self.lease < VISIBILITY_TIMEOUT:
            raise ValueError(
                f"CARILLON_LEASE must lie between twice CARILLON_PROVIDER_TIMEOUT and {VISIBILITY_TIMEOUT} seconds"
            )
        if "*" in self.cors_origins and self.env == "production":
            raise ValueError("CARILLON_CORS_ORIGINS may be * only with CARILLON_ENV=development: name the origins")
        if (self.attachments_url or "").startswith("s3:") and not (
            self.aws_access_key_id and self.aws_secret_access_key
        ):
            raise ValueError("CARILLON_ATTACHMENTS_URL needs AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY for s3:")
        if not self.database_url.startswith(("sqlite:", "postgresql")):
            raise ValueError("DATABASE_URL must begin with sqlite: or postgresql+psycopg:")
        return self

    @model_validator(mode="after")
    def _check_mail(self) -> Self:
        if self.smtp_host is not None and "smtp_from" not in self.model_fields_set:
            raise ValueError("SMTP_FROM must be set with SMTP_HOST: mail servers refuse a sender that does not exist")
        oauth = (self.smtp_oauth_token_url, self.smtp_oauth_client_id, self.smtp_oauth_client_secret)
        if any(oauth) and not (all(oauth) and self.smtp_username):
            names = "SMTP_USERNAME, SMTP_OAUTH_TOKEN_URL, SMTP_OAUTH_CLIENT_ID and SMTP_OAUTH_CLIENT_SECRET"
            raise ValueError(f"{names} must be set together")
        if any(oauth) and self.smtp_password:
            raise ValueError("SMTP_PASSWORD cannot be set with SMTP_OAUTH_TOKEN_URL: there is one way to log in")
        return self

    @model_validator(mode="after")
    def _check_sign_in(self) -> Self:
        if self.env == "production" and (self.jwks_url or "").startswith("http://"):
            raise ValueError("CARILLON_JWKS_URL must begin with https: its answer decides who can sign in")
        if self.jwks_url is None and {"jwks_url_audiences", "jwks_url_tenants"} & self.model_fields_set:
            raise ValueError(
                "CARILLON_JWKS_URL_AUDIENCES and CARILLON_JWKS_URL_TENANTS bind the keys of CARILLON_JWKS_URL, "
                "which is not set; a key in CARILLON_JWKS_FILE is bound by its own members"
            )
        registered = {"iss", "aud", "iat", "exp", "jti"}
        if self.jwt_user_claim in registered:
            raise ValueError(f"CARILLON_JWT_USER_CLAIM cannot be one of {', '.join(sorted(registered))}")
        if self.jwt_tenant_claim in (taken := registered | {"sub", self.jwt_user_claim}):
            raise ValueError(f"CARILLON_JWT_TENANT_CLAIM cannot be one of {', '.join(sorted(taken))}")
        return self

    @property
    def jwks_url_binding(self) -> Binding:
        """For whom the keys of the identity provider may sign."""
        tenants = self.jwks_url_tenants
        return Binding(frozenset(self.jwks_url_audiences), None if tenants is None else frozenset(tenants))

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Read and validate the environment.

        Raises SettingsError with one line for each thing that is wrong, unknown `CARILLON_` names included.
        """
        environ = os.environ if environ is None else environ
        known = _environment_names()
        wrong = [
            f"{name}: unknown setting" for name in sorted(environ) if name.startswith("CARILLON_") and name not in known
        ]
        try:
            settings = cls(**{n: environ[n] for n in known if n in environ})
        except ValidationError as error:
            wrong += [f"{'.'.join(map(str, e['loc'])) or 'settings'}: {e['msg']}" for e in error.errors()]
        if wrong:
            raise SettingsError("unusable settings:\n" + "\n".join(f"  {line}" for line in wrong))
        return settings


def environment_name(field: str) -> str:
    """The name of a setting in the environment; the first, if it has several."""
    alias = Settings.model_fields[field].validation_alias
    return str(alias.choices[0]) if isinstance(alias, AliasChoices) else str(alias)


def _environment_names() -> set[str]:
    names: set[str] = set()
    for field in Settings.model_fields.values():
        alias = field.validation_alias
        if isinstance(alias, AliasChoices):
            names.update(str(choice) for choice in alias.choices)
        else:
            names.add(str(alias))
    return names
