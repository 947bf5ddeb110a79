"""Debian's Postfix and Exim on free ports of this machine. `.ci/mail-servers` unpacks them, and nothing is installed.

What they accept stays in their queue.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.databases import ROOT
from tests.factories import free_port
from tests.missing import skip_unless_ci
from tests.waiting import eventually

SERVERS = ROOT / "var" / "mail-servers"
LIBRARIES = SERVERS / "usr" / "lib"

POSTFIX_MAIN = """
compatibility_level = 3.6
command_directory = {servers}/usr/sbin
daemon_directory = {libraries}/postfix/sbin
shlib_directory = {libraries}/postfix
meta_directory = {directory}
queue_directory = {directory}/queue
data_directory = {directory}/data
mail_owner = mail
setgid_group = daemon
default_privs = nobody
import_environment = MAIL_CONFIG LANG=C POSTLOG_SERVICE POSTLOG_HOSTNAME LD_LIBRARY_PATH
maillog_file = {directory}/log
maillog_file_prefixes = {directory}
myhostname = relay.example
mydestination =
alias_maps =
local_recipient_maps =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination
smtpd_data_restrictions = check_sender_access static:hold
smtpd_client_event_limit_exceptions =
relayhost = [127.0.0.1]:{next_port}
address_verify_poll_delay = 1
unverified_recipient_reject_code = 550
"""
POSTFIX_SERVICES = """
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
smtp unix - - n - - smtp
verify unix - - n - 1 verify
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
"""
POSTFIX_QUEUE = ("active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming", "maildrop", "pid",
                 "private", "public", "saved", "trace")  # fmt: skip

EXIM = """
primary_hostname = relay.example
spool_directory = {directory}/spool
log_file_path = {directory}/%slog
daemon_smtp_ports = {port}
local_interfaces = 127.0.0.1
tls_advertise_hosts =
queue_only
keep_environment =
acl_smtp_rcpt = rcpt
acl_smtp_data = accept
{options}
begin acl
rcpt:
{rcpt}
begin routers
next:
  driver = manualroute
  route_list = * 127.0.0.1::{next_port}
  self = send
  transport = smtp
begin transports
smtp:
  driver = smtp
  hosts_override
  allow_localhost
"""


@dataclass(frozen=True)
class Relay:
    """A running mail server. `ports` are those of its services by name."""

    ports: Mapping[str, int]
    queue: Path

    def accepted(self) -> int:
        """The number of mails in its queue."""
        return len(list(self.queue.glob("*-H" if self.queue.name == "input" else "*")))


@contextmanager
def postfix(services: Mapping[str, Mapping[str, str]], next_port: int = 9) -> Iterator[Relay]:
    """Run Postfix with an SMTP service for each name. The values are parameters of main.cf for this service only.

    It asks the server at `next_port` about recipients, if it has to verify them.
    """
    with _directory() as directory:
        for name in POSTFIX_QUEUE:
            (directory / "queue" / name).mkdir(parents=True)
        (directory / "data").mkdir()
        _own(directory / "data", *(directory / "queue" / name for name in POSTFIX_QUEUE if name != "pid"), user="mail")
        ports = {name: free_port() for name in services}
        lines = [
            " ".join(
                [f"127.0.0.1:{ports[name]} inet n - n - - smtpd", *(f"-o {{ {k} = {v} }}" for k, v in given.items())]
            )
            for name, given in services.items()
        ]
        main = POSTFIX_MAIN.format(servers=SERVERS, libraries=LIBRARIES, directory=directory, next_port=next_port)
        (directory / "main.cf").write_text(main)
        (directory / "master.cf").write_text("\n".join(lines) + POSTFIX_SERVICES)
        master = [str(LIBRARIES / "postfix" / "sbin" / "master"), "-c", str(directory), "-d"]
        with _running(master, {"MAIL_CONFIG": str(directory)}, list(ports.values()), directory / "log"):
            yield Relay(ports, directory / "queue" / "hold")


@contextmanager
def exim(rcpt: str, options: str = "", next_port: int = 9) -> Iterator[Relay]:
    """Run Exim with this access control list for RCPT, and these lines in the main part of its configuration.

    It asks the server at `next_port` about recipients, if it has to verify them.
    """
    with _directory() as directory:
        port = free_port()
        configuration = directory / "exim.conf"
        configuration.write_text(
            EXIM.format(directory=directory, port=port, options=options, rcpt=rcpt, next_port=next_port)
        )
        # Exim is compiled for a user of its own, which this machine does not have.
        (directory / "passwd").write_text("root:x:0:0::/root:/bin/sh\nDebian-exim:x:8:8::/nonexistent:/bin/false\n")
        (directory / "group").write_text("root:x:0:\nDebian-exim:x:8:\n")
        (directory / "spool").mkdir()
        _own(directory, directory / "spool", user="mail")
        environment = {
            "LD_PRELOAD": next(map(str, LIBRARIES.glob("*/libnss_wrapper.so"))),
            "NSS_WRAPPER_PASSWD": str(directory / "passwd"),
            "NSS_WRAPPER_GROUP": str(directory / "group"),
        }
        command = [str(SERVERS / "usr" / "sbin" / "exim4"), "-C", str(configuration), "-bdf"]
        with _running(command, environment, [port], directory / "paniclog"):
            yield Relay({"smtp": port}, directory / "spool" / "input")


@contextmanager
def _directory() -> Iterator[Path]:
    if not (SERVERS / ".unpacked").exists():
        skip_unless_ci("Postfix and Exim are not there: run .ci/mail-servers")
    if os.geteuid() != 0:
        skip_unless_ci("Postfix and Exim have to be started as root")
    # A short path: it becomes part of the names of Unix sockets.
    with tempfile.TemporaryDirectory(prefix="relay-") as name:
        directory = Path(name)
        directory.chmod(0o755)
        yield directory


def _own(*paths: Path, user: str) -> None:
    for path in paths:
        subprocess.run(["chown", user, str(path)], check=True)


@contextmanager
def _running(command: Sequence[str], environment: Mapping[str, str], ports: Sequence[int], log: Path) -> Iterator[None]:
    libraries = [LIBRARIES / "postfix", *LIBRARIES.glob("*-linux-gnu"), *(SERVERS / "lib").glob("*-linux-gnu")]
    server = subprocess.Popen(
        command,
        env={"PATH": os.environ["PATH"], "LD_LIBRARY_PATH": ":".join(map(str, libraries)), **environment},
        # A group of its own, so that its children end with it.
        start_new_session=True,
    )
    try:
        for port in ports:
            try:
                eventually(partial(_greets, port))
            except AssertionError as error:
                error.add_note(log.read_text() if log.exists() else "it has logged nothing")
                raise
        yield
    finally:
        server.terminate()
        server.wait(timeout=10)
        with suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGKILL)


def _greets(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            return connection.recv(4).startswith(b"220")
    except OSError:
        return False
