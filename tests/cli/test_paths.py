"""`accord graph paths`: keys, and what it says where there is nothing to show."""

from __future__ import annotations

import json
from typing import Any

import pytest

from accord.cli.main import main
from tests.conftest import build_tiny_graph


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(build_tiny_graph().save(tmp_path_factory.mktemp("paths") / "graph"))


def call(capsys: pytest.CaptureFixture[str], folder: str, *args: str) -> tuple[int, dict[str, Any]]:
    code = main(["graph", "paths", folder, *args, "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_hops_are_stored_triples_by_id(folder: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, found = call(capsys, folder, "orebro", "sweden", "--max-hops", "1")
    assert code == 0 and found["complete"]
    assert [hop for path in found["paths"] for hop in path["hops"]] == [
        {"head": "orebro", "relation": "city_of", "tail": "sweden", "inverse": False},
        {"head": "sweden", "relation": "has_city", "tail": "orebro", "inverse": True},
    ]


@pytest.mark.parametrize("ends", [("japan", "sweden"), ("sweden", "sweden")])
def test_nothing_that_joins_is_a_complete_answer(
    folder: str, capsys: pytest.CaptureFixture[str], ends: tuple[str, str]
) -> None:
    code, found = call(capsys, folder, *ends)
    assert (code, found["complete"], found["paths"]) == (0, True, [])


def test_no_time_is_said(folder: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, found = call(capsys, folder, "orebro", "sweden", "--seconds", "0")
    assert (code, found["complete"], found["expanded"], found["paths"]) == (0, False, 0, [])
    assert main(["graph", "paths", folder, "orebro", "sweden", "--seconds", "0"]) == 0
    assert "incomplete: the budget ended the search" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("sweeden", "japan"), "sweeden"),
        (("sweden", "japan", "--max-paths", "-1"), "--max-paths is -1"),
        (("sweden", "japan", "--max-hops", "9"), "max_hops is 9"),
        (("sweden", "japan", "--allow", "lovse"), "lovse"),
    ],
)
def test_what_the_user_can_mend(
    folder: str, capsys: pytest.CaptureFixture[str], args: tuple[str, ...], said: str
) -> None:
    code, found = call(capsys, folder, *args)
    assert code == 2 and said in found["error"]
