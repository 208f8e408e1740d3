import errno
from pathlib import Path

import pytest

from scoring.atomic_files import atomic_path, write_atomically
from scoring.errors import OutputError


def test_a_file_appears_whole_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    write_atomically(tmp_path / "deep" / "summary.json", b"{}")
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["summary.json"]
    assert (tmp_path / "deep" / "summary.json").read_bytes() == b"{}"


def test_a_failure_half_way_leaves_the_old_file_as_it_was(tmp_path: Path) -> None:
    write_atomically(tmp_path / "summary.json", b"old")

    def fail_half_way() -> None:
        with atomic_path(tmp_path / "summary.json") as partial:
            partial.write_bytes(b"ne")
            raise ArithmeticError

    with pytest.raises(ArithmeticError):
        fail_half_way()
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"old"]


@pytest.mark.parametrize("kind", [PermissionError, IsADirectoryError, NotADirectoryError, FileExistsError])
def test_what_goes_wrong_with_another_file_meanwhile_is_not_blamed_on_this_one(
    tmp_path: Path, kind: type[OSError]
) -> None:
    error = kind(errno.EACCES, "Permission denied", "model_1_1.skops")

    def read_something_else() -> None:
        with atomic_path(tmp_path / "rejects.csv"):
            raise error

    with pytest.raises(kind, match=r"model_1_1\.skops") as told:
        read_something_else()
    assert told.value is error
    assert not list(tmp_path.iterdir())


def test_a_place_that_cannot_be_written_is_known_before_any_work_is_done(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    begun = False

    def work() -> None:
        nonlocal begun
        with atomic_path(tmp_path / "file" / "rejects.csv"):
            begun = True

    with pytest.raises(OutputError):
        work()
    assert not begun


def test_several_files_of_one_folder_can_be_written_at_a_time(tmp_path: Path) -> None:
    with atomic_path(tmp_path / "a") as one, atomic_path(tmp_path / "b") as other:
        one.write_bytes(b"a")
        other.write_bytes(b"b")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"a": b"a", "b": b"b"}


def test_a_name_that_is_too_long_is_told(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="File name too long; choose another path"):
        write_atomically(tmp_path / ("x" * 300), b"")


def test_a_place_where_a_folder_stands_is_told(tmp_path: Path) -> None:
    (tmp_path / "summary.json" / "inside").mkdir(parents=True)
    with pytest.raises(OutputError, match=r"cannot write .*summary\.json: .*; choose another path"):
        write_atomically(tmp_path / "summary.json", b"")
    assert [path.name for path in tmp_path.iterdir()] == ["summary.json"]


def test_a_full_disk_is_told_with_the_file_and_may_pass(tmp_path: Path) -> None:
    def fill_the_disk() -> None:
        with atomic_path(tmp_path / "summary.json"):
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match=r"No space left on device: '.*summary\.json'"):
        fill_the_disk()
    assert not list(tmp_path.iterdir())


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"cannot write .*summary\.json: .*; choose another path"):
        write_atomically(tmp_path / "file" / "summary.json", b"")
