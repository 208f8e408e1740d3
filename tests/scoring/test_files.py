from pathlib import Path

import pytest

from scoring.errors import OutputError
from scoring.files import atomic_path, write_atomically


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


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"cannot write .*summary\.json: .*; choose another place"):
        write_atomically(tmp_path / "file" / "summary.json", b"")
