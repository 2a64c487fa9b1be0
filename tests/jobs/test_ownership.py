"""No file that aembed did not write is replaced, removed or written through a link; the disk may be full anywhere."""

from __future__ import annotations

import json
import os
import re
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aembed import AembedError, AuthenticationError, Config, Limits
from aembed.jobs import JobChangedError, JobOutputError, JobStoppedError, run
from aembed.jobs.directory import JobDirectory
from tests.full_disk import small_files
from tests.jobs.conftest import mock_vectors
from tests.jobs.provider import Remembers

posix = pytest.mark.skipif(sys.platform == "win32", reason="needs links")


async def job(source: str, output: Any, provider: Remembers | None = None, **options: Any) -> None:
    if "parquet" in str(output):
        pytest.importorskip("pyarrow", reason="needs the extra parquet")
    await run(source, output, model=provider or Remembers(), config=Config(), **options)


def snapshot() -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in Path.cwd().rglob("*") if path.is_file()}


# --- 120: files that are named as ours would be


@pytest.mark.parametrize(
    ("source", "output", "options"),
    [
        ("v.npy.rejects.jsonl", "v.npy", {}),
        ("v.jsonl.json", "v.jsonl", {"input_format": "jsonl"}),
        ("v.npy.keys", "v.npy", {"input_format": "text"}),
        ("v.jsonl", "v.jsonl", {}),
        ("t.txt", "v.jsonl", {"cache": "v.jsonl"}),
        ("t.txt", "v.npy", {"cache": "v.npy.keys"}),
        ("t.txt", ["w.npy", "v.npy"], {"cache": "v.npy"}),
    ],
)
async def test_fault_120_files_of_a_job_must_differ(source: str, output: Any, options: dict[str, Any]) -> None:
    for name in {source, "t.txt"}:
        Path(name).write_text('{"text": "one"}\n')
    before = snapshot()
    with pytest.raises(JobOutputError, match="is a file that this job writes"):
        await run(source, output, model="mock", config=Config(), **options)
    assert snapshot() == before


@pytest.mark.parametrize("name", ["v.npy.rejects.jsonl", "v.npy.json", "v.npy.keys"])
@pytest.mark.parametrize("force", [False, True])
async def test_fault_120_foreign_files_stay(name: str, force: bool) -> None:
    Path("t.txt").write_text("one\n")
    Path(name).write_text('{"mine": 1}\n')
    before = snapshot()
    provider = Remembers()
    with pytest.raises(JobOutputError, match=f"{re.escape(name)} belongs to the output v.npy by its name"):
        await job("t.txt", "v.npy", provider, force=force)
    assert snapshot() == before
    assert provider.asked == []


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("name", ["notes.txt", "journal", "vectors.npy"])
async def test_fault_120_foreign_directory_stays(name: str, force: bool) -> None:
    Path("t.txt").write_text("one\n")
    Path("v.npy.job").mkdir()
    Path("v.npy.job", name).write_text("mine\n" * 30)
    before = snapshot()
    provider = Remembers()
    with pytest.raises((JobOutputError, JobChangedError), match=r"not aembed's|damaged"):
        await job("t.txt", "v.npy", provider, force=force)
    after = snapshot()
    after.pop(str(Path("v.npy.job/journal").absolute()), None) if name == "vectors.npy" else None
    assert after == before
    assert provider.asked == []


# --- links


@posix
@pytest.mark.parametrize("name", ["journal", "vectors.npy", "keys", "rejects.jsonl", "output-0"])
@pytest.mark.parametrize("link", [os.symlink, os.link])
async def test_links_in_the_directory_are_not_followed(
    name: str, link: Callable[[str, str], None], tmp_path: Path
) -> None:
    """Prepared before a resume: nothing elsewhere is overwritten."""
    Path("r.jsonl").write_text("".join(json.dumps({"text": f"row {i}"}) + "\n" for i in range(20)) + '{"text": ""}\n')
    failing = Remembers(good=2, failure=AuthenticationError("the key is rejected"))
    with pytest.raises(JobStoppedError):
        await job("r.jsonl", "v.jsonl", failing, limits=Limits(max_concurrency=1))
    victim = tmp_path / "elsewhere"
    victim.write_text("precious")
    place = Path("v.jsonl.job", name)
    place.unlink(missing_ok=True)
    link(str(victim), str(place))
    with pytest.raises(AembedError):
        await job("r.jsonl", "v.jsonl")
    assert victim.read_text() == "precious"


@posix
async def test_directory_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    Path("t.txt").write_text("one\n")
    (tmp_path / "elsewhere").mkdir()
    Path("v.npy.job").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(JobOutputError, match="is not a directory of aembed's"):
        await job("t.txt", "v.npy")
    assert list((tmp_path / "elsewhere").iterdir()) == []


@posix
@pytest.mark.parametrize("name", ["v.npy", "v.npy.rejects.jsonl", "v.npy.json", "v.npy.keys"])
async def test_dangling_links_are_not_followed(name: str, tmp_path: Path) -> None:
    Path("t.txt").write_text("one\n")
    Path(name).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(JobOutputError):
        await job("t.txt", "v.npy")
    assert not (tmp_path / "elsewhere").exists()


@posix
async def test_dangling_link_of_a_cache(tmp_path: Path) -> None:
    Path("t.txt").write_text("one\n")
    Path("c.db").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(AembedError, match="is a link to a file that does not exist"):
        await run("t.txt", "v.npy", model="mock", config=Config(), cache="c.db")
    assert not (tmp_path / "elsewhere").exists()


@posix
async def test_files_are_private_while_they_are_written() -> None:
    Path("r.jsonl").write_text('{"text": "one"}\n{"text": ""}\n')
    modes: dict[str, int] = {}
    place = JobDirectory.place

    def look(directory: JobDirectory, name: str, target: Path, mode: int) -> None:
        modes["."] = stat.S_IMODE(directory.path.stat().st_mode)
        modes.update({each: stat.S_IMODE((directory.path / each).stat().st_mode) for each in directory.names()})
        place(directory, name, target, mode)

    before = os.umask(0o022)
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(JobDirectory, "place", look)
            await job("r.jsonl", ["v.jsonl", "v.npy"])
    finally:
        os.umask(before)
    assert modes.pop(".") == 0o700
    assert {"journal", "rejects.jsonl", "vectors.npy", "output-0", "keys"} <= modes.keys()
    assert set(modes.values()) == {0o600}
    assert {stat.S_IMODE(path.stat().st_mode) for path in Path.cwd().glob("v.*")} == {0o644}


# --- the disk


@posix
async def test_order_and_number_of_syncs() -> None:
    """Vectors before the journal that believes in them; everything before it is put in its place."""
    Path("t.txt").write_text("".join(f"line {i}\n" for i in range(40)))
    events: list[str] = []
    sync, replace = os.fsync, os.replace

    def fsync(descriptor: int) -> None:
        events.append(f"sync {Path(os.readlink(f'/proc/self/fd/{descriptor}')).name}")
        sync(descriptor)

    def rename(source: Any, target: Any, **how: Any) -> None:
        events.append(f"place {source}")
        replace(source, target, **how)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", fsync)
        patch.setattr(os, "replace", rename)
        await job("t.txt", "v.npy")
    root = f"sync {Path.cwd().name}"
    assert events == [
        *("sync journal", "sync v.npy.job"),  # whose directory it is
        *("sync vectors.npy", "sync journal"),  # all rows are done
        *("sync keys", "sync record-0"),
        *("sync vectors.npy", "sync journal"),  # once more, after any failure
        "sync journal",  # all is there: from now on files are put in their places
        *("sync keys", "place keys", root),
        *("sync record-0", "place record-0", root),
        *("sync vectors.npy", "place vectors.npy", root),
    ]


@posix
@pytest.mark.parametrize("output", ["v.npy", "v.jsonl", "v.parquet"])
async def test_fault_118_full_disk_at_every_stage(output: str) -> None:
    """Whenever it is full, the job can be resumed, and only the texts in flight are paid twice."""
    texts = [f"line {i} {i * 7919 % 1000}" for i in range(300)]
    Path("r.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in [*texts, ""]))
    asked: list[str] = []
    failures = 0
    for size in (500, 3_000, 9_000, 12_000, 20_000, 45_000, 79_000, 90_000, 110_000):
        provider = Remembers(batch=20, dim=64)
        try:
            with small_files(size):
                await job("r.jsonl", output, provider, limits=Limits(max_concurrency=1))
        except JobStoppedError as error:
            failures += 1
            assert isinstance(error.__cause__, OSError)
            assert "free some space" in str(error)
            assert not Path(output).exists()
        asked += provider.asked
    provider = Remembers(batch=20, dim=64)
    await job("r.jsonl", output, provider)
    asked += provider.asked
    assert failures >= 6
    assert set(asked) == set(texts)
    assert len(asked) <= len(texts) + failures * 3 * 20
    if output == "v.npy":
        np.testing.assert_array_equal(np.load(output)[:-1], await mock_vectors(texts, 64))
    assert not Path(f"{output}.job").exists()
