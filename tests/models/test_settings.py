from __future__ import annotations

from pathlib import Path

import pytest

from config.settings import Settings, SettingsError


def test_the_defaults_are_usable_and_quiet():
    settings = Settings.from_env({})
    assert settings.database_url.startswith("sqlite:///")
    assert settings.broker_url == settings.redis_url
    assert settings.cors_origins == []


def test_everything_that_is_wrong_is_listed_at_once():
    with pytest.raises(SettingsError) as caught:
        Settings.from_env({"PORT": "many", "CARILLON_LAESE": "3", "LOG_LEVEL": "LOUD"})
    message = str(caught.value)
    assert all(name in message for name in ("PORT", "CARILLON_LAESE: unknown setting", "LOG_LEVEL"))
    assert len(message.splitlines()) == 4


def test_an_empty_variable_means_not_set():
    assert Settings.from_env({"SMTP_HOST": "", "PORT": ""}).port == 8000


@pytest.mark.parametrize("name", ["CARILLON_CORS_ORIGINS", "CORS_ORIGIN", "FRONTEND_URL"])
def test_the_origins_are_found_under_each_of_their_names(name):
    assert Settings.from_env({name: "https://a.test/, https://b.test"}).cors_origins == [
        "https://a.test",
        "https://b.test",
    ]


def test_every_origin_is_allowed_in_development_only():
    with pytest.raises(SettingsError, match="name the origins"):
        Settings.from_env({"CARILLON_CORS_ORIGINS": "*"})
    assert Settings.from_env({"CARILLON_CORS_ORIGINS": "*", "CARILLON_ENV": "development"}).cors_origins == ["*"]


@pytest.mark.parametrize(("lease", "timeout"), [("20", "10"), ("300", "10"), ("5", "3")])
def test_the_lease_outlives_the_provider_and_ends_before_the_message_is_given_away(lease, timeout):
    with pytest.raises(SettingsError, match="CARILLON_LEASE"):
        Settings.from_env({"CARILLON_LEASE": lease, "CARILLON_PROVIDER_TIMEOUT": timeout})


def test_firebase_credentials_have_two_names():
    assert Settings.from_env({"GOOGLE_APPLICATION_CREDENTIALS": "x.json"}).firebase_credentials == Path("x.json")
    assert Settings.from_env({"FIREBASE_CREDENTIALS_PATH": "y.json"}).firebase_credentials == Path("y.json")


def test_a_password_does_not_show():
    assert "hunter2" not in repr(Settings.from_env({"SMTP_PASSWORD": "hunter2"}))


def test_a_mail_server_needs_a_sender():
    with pytest.raises(SettingsError, match="SMTP_FROM must be set"):
        Settings.from_env({"SMTP_HOST": "smtp.example"})
    assert Settings.from_env({"SMTP_HOST": "smtp.example", "SMTP_FROM": "a@x.example"}).smtp_from == "a@x.example"


@pytest.mark.parametrize(
    ("name", "accepted"),
    [
        ("app1.example.com", True),
        ("[192.0.2.1]", True),
        ("[IPv6:2001:db8::1]", True),
        ("a b", False),
        ("x\r\ny", False),
    ],
)
def test_the_name_in_ehlo_is_a_host_name_or_an_address_in_brackets(name, accepted):
    if accepted:
        assert Settings.from_env({"SMTP_EHLO_NAME": name}).smtp_ehlo_name == name
    else:
        with pytest.raises(SettingsError, match="SMTP_EHLO_NAME"):
            Settings.from_env({"SMTP_EHLO_NAME": name})


def test_a_file_of_certificates_that_does_not_exist_is_found_at_the_start(tmp_path):
    with pytest.raises(SettingsError, match="SSL_CERT_FILE"):
        Settings.from_env({"SSL_CERT_FILE": str(tmp_path / "missing.pem")})
