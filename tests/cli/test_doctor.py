"""`accord doctor`."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest

from accord.cli.doctor import problems
from accord.cli.main import main


def test_doctor_json_is_one_object(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {"python", "packages", "machine", "disk_free_gb", "models", "problems"} <= set(found)


def test_doctor_for_people_names_the_cpu(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor"]) == 0
    out = capsys.readouterr().out
    assert "cores" in out and "torch" in out and out.splitlines()[0].startswith("accord")


def test_problems_say_what_to_do() -> None:
    from accord.train.environment import NEEDED

    found = {
        "packages": {**dict.fromkeys(NEEDED, "1"), "torch": None},
        "models": {"small": False, "encoder": False},
        "machine": {"memory_gb": 2.0},
        "disk_free_gb": 1.0,
        "data": "/nowhere",
    }
    assert [line.split(":")[0] for line in problems(found)] == [
        "torch is missing",
        "model small is not here",
        "2.0 GiB of memory",
        "1.0 GiB of disk free",
        "ACCORD_DATA=/nowhere has no MANIFEST.tsv",
    ]


def test_what_every_extra_brings_is_named() -> None:
    from accord.train.environment import NEEDED, OPTIONAL

    told = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    extras = {
        name: wanted for name, wanted in told["optional-dependencies"].items() if name != "dev"
    }
    names = {re.split(r"[^\w-]", item)[0] for wanted in extras.values() for item in wanted}
    assert names and names <= {*NEEDED, *OPTIONAL}
