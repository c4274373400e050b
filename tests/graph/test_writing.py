"""What is there is lost only when the new one is complete."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from accord.errors import DataError
from accord.graph.writing import new_folder, write_file


@pytest.mark.parametrize("error", [RuntimeError("no"), KeyboardInterrupt()])
def test_a_folder_half_written_changes_nothing(tmp_path: Path, error: BaseException) -> None:
    target = tmp_path / "g"
    target.mkdir()
    (target / "old").write_text("old")
    with pytest.raises(type(error)), new_folder(target) as work:
        (work / "half").write_text("half")
        raise error
    assert [p.name for p in tmp_path.iterdir()] == ["g"]
    assert (target / "old").read_text() == "old"


def test_a_stop_between_the_two_renames_brings_the_old_one_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "g"
    target.mkdir()
    (target / "old").write_text("old")
    rename = Path.rename

    def stopped(self: Path, to: Path) -> Path:
        if self.name == "new":
            raise KeyboardInterrupt
        return rename(self, to)

    monkeypatch.setattr(Path, "rename", stopped)
    with pytest.raises(KeyboardInterrupt), new_folder(target):
        pass
    assert [p.name for p in tmp_path.iterdir()] == ["g"]
    assert (target / "old").read_text() == "old"


def test_a_file_appears_only_when_complete(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "a.gz"
    with write_file(target) as stream:
        stream.write(b"1")
        assert not target.exists()
    before = target.read_bytes()
    with pytest.raises(RuntimeError), write_file(target) as stream:
        stream.write(b"2")
        raise RuntimeError
    assert target.read_bytes() == before
    assert [p.name for p in target.parent.iterdir()] == ["a.gz"]


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "no space left"),
        (OSError("IO error: No space left on device: appending"), "no space left"),
        (PermissionError(errno.EACCES, "Permission denied"), "permission denied"),
        (OSError("IO error: While open a file: store/LOG: Permission denied"), "may not be"),
        (OSError(errno.EROFS, "Read-only file system"), "may not be written"),
    ],
)
def test_disk_errors_name_the_place(tmp_path: Path, error: OSError, words: str) -> None:
    with pytest.raises(DataError, match=words) as caught, new_folder(tmp_path / "g"):
        raise error
    assert caught.value.path == tmp_path / "g"
    assert ("space" in caught.value.hint) == ("space" in words)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(OSError, match="other"), new_folder(tmp_path / "g"):
        raise OSError("other")
