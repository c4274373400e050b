"""The command line as a process: exit codes, errors as JSON, and what it imports."""

from __future__ import annotations

import errno
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from accord.cli.common import emit, run
from accord.cli.main import COMMANDS, load_command, main
from accord.errors import DataError


def accord(*args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "accord", *args], capture_output=True, text=True, timeout=60
    )


def test_help_lists_every_command_with_its_line() -> None:
    done = accord("--help")
    assert done.returncode == 0
    for name, (_, _, text) in COMMANDS.items():
        assert name in done.stdout and text in done.stdout


def test_help_imports_no_command_and_nothing_heavy() -> None:
    code = (
        "import sys, accord\n"
        "from accord.cli.main import main\n"
        "assert main(['--help']) == 0\n"
        "heavy = {'torch', 'transformers', 'numpy', 'matplotlib', 'pyoxigraph', 'numba', 'rich'}\n"
        "loaded = {m.split('.')[0] for m in sys.modules}\n"
        "groups = {m for m in sys.modules if m.startswith('accord.cli.')}\n"
        "print(sorted(heavy & loaded), sorted(groups), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stderr.strip() == "[] ['accord.cli.common', 'accord.cli.main']"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_loads_and_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert load_command(name) is not None
    assert main([name, "--help"]) == 0
    assert name in capsys.readouterr().out


def test_a_groups_help_says_all_that_its_commands_do(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["graph", "--help"]) == 0
    page = " ".join(capsys.readouterr().out.split())
    assert "the store of record and a snapshot." in page and "..." not in page.split("Commands")[1]


def test_unknown_command_suggests_the_nearest() -> None:
    done = accord("trian", "--json")
    assert done.returncode == 2
    assert json.loads(done.stdout) == {
        "error": "no command 'trian'",
        "hint": "did you mean 'train' or 'refine' or 'extract'?",
    }


def test_usage_errors_are_mendable() -> None:
    done = accord("report", "--no-such-option", "--json")
    assert done.returncode == 2
    found = json.loads(done.stdout)
    assert "--no-such-option" in found["error"]
    assert found["hint"] == "see `accord report --help`"


def test_errors_for_people_go_to_stderr() -> None:
    done = accord("trian")
    assert (done.returncode, done.stdout) == (2, "")
    hint = "did you mean 'train' or 'refine' or 'extract'?"
    assert done.stderr == f"error: no command 'trian'\n  hint: {hint}\n"


def test_json_knows_paths_arrays_and_no_nan(capsys: pytest.CaptureFixture[str]) -> None:
    result = {"a": np.arange(2), "b": float("nan"), "c": [Path("x")], "d": np.float32(0.5)}
    emit(result, True, lambda: "")
    assert json.loads(capsys.readouterr().out) == {"a": [0, 1], "b": None, "c": ["x"], "d": 0.5}


def raising(error: BaseException) -> Callable[..., None]:
    def app(**_: object) -> None:
        raise error

    return app


def test_data_errors_name_the_place(capsys: pytest.CaptureFixture[str]) -> None:
    app = raising(DataError("3 columns, not 2", "g.tsv", 7, "add a column"))
    assert run(app, ["--json"]) == 2
    assert json.loads(capsys.readouterr().out) == {
        "error": "g.tsv:7: 3 columns, not 2",
        "hint": "add a column",
    }


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (errno.ENOSPC, "No space left on device"),
        (errno.EEXIST, "File exists"),
        (errno.ENOENT, "No such file or directory"),
    ],
)
def test_what_a_path_or_a_disk_is_at_fault_for_is_mendable(
    code: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    app = raising(OSError(code, message, "out/x"))
    assert run(app, ["--json"]) == 2
    found = json.loads(capsys.readouterr().out)
    assert found["error"] == f"out/x: {message}" and found["hint"]
    assert run(raising(OSError(errno.EIO, "Input/output error", "out/x")), []) == 1


def test_defects_exit_1_with_a_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(raising(ZeroDivisionError("boom")), ["--json"]) == 1
    out, err = capsys.readouterr()
    assert "boom" in json.loads(out)["error"]
    assert "ZeroDivisionError" in err


def test_ctrl_c_exits_130(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(raising(KeyboardInterrupt()), []) == 130
    assert capsys.readouterr().out == ""
    assert run(raising(KeyboardInterrupt()), ["--json"]) == 130
    assert json.loads(capsys.readouterr().out)["error"] == "stopped"


@pytest.mark.parametrize(
    "words", ["synthesize --graph umls --generate 3 --out", "report run --out", "link r t --out"]
)
def test_a_folder_in_an_output_files_place_is_said_before_any_work(
    words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words.split(), str(tmp_path), "--json"]) == 2
    assert "is a directory" in json.loads(capsys.readouterr().out)["error"]
