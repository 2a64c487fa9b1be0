"""The directory that a job works in: its files alone, one process at a time, and nothing left of it when empty."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

import pytest

from aembed.jobs import JobOutputError
from aembed.jobs.directory import JobDirectory, opened_directory
from aembed.jobs.paths import is_part

PLACE = Path("v.npy.job")


def test_it_is_made_and_removed_if_nothing_is_left_in_it() -> None:
    with opened_directory(PLACE, "v.npy", is_part) as directory:
        assert stat.S_IMODE(PLACE.stat().st_mode) == 0o700
        assert directory.names() == []
    assert not PLACE.exists()
    with opened_directory(PLACE, "v.npy", is_part) as directory:
        directory.open("journal", "a+b").close()
    assert [path.name for path in PLACE.iterdir()] == ["journal"]


@pytest.mark.skipif(sys.platform == "win32", reason="has no such modes")
def test_one_that_others_may_read_is_made_private() -> None:
    PLACE.mkdir(mode=0o755)
    with opened_directory(PLACE, "v.npy", is_part) as directory:
        assert stat.S_IMODE(PLACE.stat().st_mode) == 0o700
        directory.open("keys", "w+b").close()
        assert stat.S_IMODE((PLACE / "keys").stat().st_mode) == 0o600


@pytest.mark.skipif(sys.platform == "win32", reason="has no such locks")
def test_one_process_works_in_it() -> None:
    with (
        opened_directory(PLACE, "v.npy", is_part),
        pytest.raises(JobOutputError) as caught,
        opened_directory(PLACE, "v.npy", is_part),
    ):
        pass
    assert str(caught.value) == "another process is at work on v.npy; wait for it, or choose another output"
    with opened_directory(PLACE, "v.npy", is_part):
        pass


def test_what_is_not_of_a_job_stays() -> None:
    PLACE.mkdir()
    (PLACE / "notes.txt").write_text("mine")
    with (
        pytest.raises(JobOutputError, match=r"holds 'notes\.txt', which is not aembed's; move it away"),
        opened_directory(PLACE, "v.npy", is_part),
    ):
        pass
    assert (PLACE / "notes.txt").read_text() == "mine"


def test_a_file_in_its_place_is_left_alone() -> None:
    PLACE.write_text("mine")
    with (
        pytest.raises(JobOutputError, match="is not a directory of aembed's; move it away, or choose another output"),
        opened_directory(PLACE, "v.npy", is_part),
    ):
        pass
    assert PLACE.read_text() == "mine"


@pytest.mark.parametrize("by_descriptor", [True, False])
def test_files_are_opened_as_they_say(by_descriptor: bool) -> None:
    PLACE.mkdir()
    descriptor = os.open(PLACE, os.O_RDONLY) if by_descriptor else None
    directory = JobDirectory(PLACE, descriptor)
    try:
        with pytest.raises(FileNotFoundError):
            directory.open("keys", "rb")
        with directory.open("keys", "w+b") as file:
            file.write(b"first")
            file.seek(0)
            assert file.read() == b"first"
        with directory.open("keys", "r+b") as file:
            file.write(b"F")
        with directory.open("keys", "a+b") as file:
            file.write(b"!")
        with directory.open("keys", "rb", buffered=True) as file:
            assert (file.read(1), file.read()) == (b"F", b"irst!")
        with directory.open("keys", "w+b", buffered=True) as file:
            assert file.read() == b"", "what was there is gone"
        with directory.open("new", "r+b") as file:
            assert file.read() == b""
        assert directory.names() == ["keys", "new"]
        assert (directory.has("keys"), directory.has("none")) == (True, False)
        directory.unlink("none", "keys", "new")
        assert directory.names() == []
    finally:
        if descriptor is not None:
            os.close(descriptor)


@pytest.mark.skipif(sys.platform == "win32", reason="needs links")
@pytest.mark.parametrize("mode", ["rb", "r+b", "w+b", "a+b"])
@pytest.mark.parametrize("link", ["symbolic", "hard", "dangling"])
def test_no_link_is_opened(link: str, mode: str) -> None:
    Path("elsewhere").write_text("precious")
    with opened_directory(PLACE, "v.npy", is_part) as directory:
        if link == "hard":
            os.link("elsewhere", PLACE / "keys")
        else:
            (PLACE / "keys").symlink_to("../elsewhere" if link == "symbolic" else "../none")
        with pytest.raises(JobOutputError) as caught:
            directory.open("keys", mode)  # type: ignore[arg-type]
        assert str(caught.value) == (
            f"{PLACE / 'keys'} is not a file of aembed's, but a link; remove it, and run again"
        )
        directory.unlink("keys")
    assert Path("elsewhere").read_text() == "precious"
    assert not Path("none").exists()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes")
def test_a_pipe_is_no_file_of_a_job() -> None:
    with opened_directory(PLACE, "v.npy", is_part) as directory:
        os.mkfifo(PLACE / "keys")
        with pytest.raises(JobOutputError, match="is not a file of aembed's"):
            directory.open("keys", "r+b")
        directory.unlink("keys")


@pytest.mark.skipif(sys.platform == "win32", reason="has no such modes")
@pytest.mark.parametrize("mode", [0o644, 0o600])
def test_a_finished_file_goes_to_its_place_in_one_step(mode: int) -> None:
    Path("v.npy").write_text("old")
    with opened_directory(PLACE, "v.npy", is_part) as directory:
        with directory.open("vectors.npy", "w+b") as file:
            file.write(b"new")
        directory.place("vectors.npy", Path("v.npy").absolute(), mode)
        assert directory.names() == []
    assert Path("v.npy").read_text() == "new"
    assert stat.S_IMODE(Path("v.npy").stat().st_mode) == mode
