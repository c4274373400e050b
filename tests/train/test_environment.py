"""What a run records about its making."""

from __future__ import annotations

import getpass
import json
import platform
import socket
from pathlib import Path

import pytest

from accord.train import environment as env


def test_environment_names_versions_and_machine_and_no_person() -> None:
    found = env.environment()
    text = json.dumps(found)
    assert found["packages"]["torch"] and found["python"] == platform.python_version()
    assert found["machine"]["cores"] >= 1 and found["machine"]["threads"] >= 1
    assert f'"{socket.gethostname()}"' not in text
    assert str(Path.home()) not in text
    name = getpass.getuser()
    assert f'"{name}"' not in text and f"/{name}/" not in text


def test_package_that_is_not_there_has_no_version() -> None:
    assert env.package_version("no-such-distribution-at-all") is None


def test_commit_is_the_code_s_own_or_none() -> None:
    found = env.commit()
    assert found is None or (len(found["id"]) == 40 and isinstance(found["changed"], bool))


def test_memory_takes_the_smaller_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(env, "_text", lambda path: "1073741824\n" if "cgroup" in str(path) else "")
    assert env.memory_bytes() == 2**30


def test_disk_free_of_a_folder_that_does_not_exist_yet(tmp_path: Path) -> None:
    assert env.disk_free_bytes(tmp_path / "a" / "b") > 0
