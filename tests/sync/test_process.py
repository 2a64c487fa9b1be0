"""Forks, signals and exits, in real processes: nothing hangs, and nothing is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from aembed.testing import LoopbackServer

FORKS = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
KEY = "sk-any"


JOINED_TOO_SOON = ["-W", "ignore:This process:DeprecationWarning"] if sys.version_info[:2] == (3, 12) else []
"""In 3.12 a thread is joined slightly before it has left the system, so that a fork may warn of it."""


def python(code: str, *arguments: str) -> str:
    """The stderr of a program, with every warning shown; it must end by itself, with exit code 0."""
    command = [sys.executable, "-W", "always", *JOINED_TOO_SOON, "-c", textwrap.dedent(code), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stderr


OPENED = """
    import gc, os, sys, threading
    import aembed
    from aembed import Config, SyncEmbedder

    def openai(**options):
        return SyncEmbedder("openai:m", base_url=sys.argv[1], api_key="sk-any", config=Config(), **options)
"""


@pytest.mark.parametrize(
    "end",
    [
        "",
        "embedder.close()",
        "del embedder; gc.collect()",
        "threading.Thread(target=embedder.embed_documents, args=(['later'] * 100,)).start()",
        "threading.excepthook = print; threading.Thread(target=embedder.embed_query, args='x', daemon=True).start()",
    ],
)
def test_a_program_ends_with_or_without_close(end: str, tmp_path: Path) -> None:
    code = f"""{OPENED}
    embedder = openai(cache=sys.argv[2], merge=True)
    embedder.embed_query("text")
    stream = embedder.stream_documents(map(str, range(10_000)), chunk_size=1000)
    next(stream)
    {end}
    """
    with LoopbackServer(dim=8, api_key=KEY) as server:
        printed = python(code, server.base_url, str(tmp_path / "cache.db"))
    warned = [line.partition(": ")[2] for line in printed.splitlines() if "Enable tracemalloc" not in line]
    dropped = ["ResourceWarning: never closed: the SyncEmbedder of openai:m. Use 'with', or close()"]
    assert warned == (dropped if end.startswith("del") else [])


@FORKS
@pytest.mark.parametrize("options", ["merge=True", "cache=sys.argv[2]"])
def test_a_fork_uses_embedders_its_parent_opened(options: str, tmp_path: Path) -> None:
    """gunicorn's ``preload_app``: the application is imported, then workers are forked, and they exit."""
    code = f"""{OPENED}
    import warnings
    if "cache" in "{options}":  # its file has a thread, which ends with the cache alone
        warnings.filterwarnings("ignore", ".*multi-threaded.*fork", DeprecationWarning)
    embedder = openai({options})
    expected = embedder.embed_query("text")
    children = []
    for _ in range(2):
        child = os.fork()
        if not child:
            assert (embedder.embed_query("text") == expected).all()
            assert embedder.embed_documents(["a", "b", "c"]).shape == (3, 8)
            assert sum(len(chunk.items) for chunk in embedder.stream_documents(map(str, range(300)))) == 300
            assert [thread.name for thread in threading.enumerate()].count("aembed") == 1
            sys.exit()
        children.append(child)
    assert (embedder.embed_query("text") == expected).all()
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * 2
    """
    with LoopbackServer(dim=8, api_key=KEY) as server:
        assert python(code, server.base_url, str(tmp_path / "cache.db")) == ""


@FORKS
def test_a_fork_with_calls_in_flight_opens_the_model_again() -> None:
    """The parent's calls end as if nothing had happened; the child can know nothing of them."""
    code = f"""{OPENED}
    import asyncio, warnings
    warnings.filterwarnings("ignore", ".*multi-threaded.*fork", DeprecationWarning)
    embedder = openai()
    requests, go = threading.Event(), threading.Event()

    def wait(event):
        requests.set()
        go.wait()

    busy = openai(on_event=wait)  # its event loop is held while the process forks
    found = []
    thread = threading.Thread(target=lambda: found.append(busy.embed_query("text")))
    thread.start()
    requests.wait()
    child = os.fork()
    if not child:
        assert embedder.embed_query("text").shape == (8,)
        closed = openai()
        closed.close()
        embedder.close()
        os._exit(0)
    go.set()
    assert os.waitpid(child, 0)[1] == 0
    thread.join()
    assert found[0].shape == embedder.embed_query("text").shape
    """
    with LoopbackServer(dim=8, api_key=KEY) as server:
        assert python(code, server.base_url) == ""


@FORKS
def test_the_loop_ends_before_others_take_their_locks_for_a_fork() -> None:
    """The lock of concurrent.futures is one of them, and a loop that ends shuts down its executor."""
    code = """
    import os, sys, threading
    alive = []
    import aembed
    aembed.SyncEmbedder  # names are imported at their first use
    assert "concurrent.futures.thread" in sys.modules
    os.register_at_fork(before=lambda: alive.append("aembed" in {thread.name for thread in threading.enumerate()}))
    embedder = aembed.SyncEmbedder("mock", config=aembed.Config())
    embedder.embed_query("text")
    if not os.fork():
        os._exit(0)
    assert os.wait()[1] == 0
    assert alive == [False]
    embedder.embed_query("text")
    """
    assert python(code) == ""


@FORKS
def test_multiprocessing_by_fork() -> None:
    code = """
    import multiprocessing
    from aembed import Config, SyncEmbedder

    def work(text):
        return embedder.embed_query(text)

    embedder = SyncEmbedder("mock", config=Config())
    with multiprocessing.get_context("fork").Pool(2) as pool:
        assert all((found == work("text")).all() for found in pool.map(work, ["text"] * 8))
    """
    assert python(code) == ""


@pytest.mark.skipif(sys.platform == "win32", reason="sends a POSIX signal")
def test_ctrl_c_cancels_the_call_and_the_next_one_works() -> None:
    code = f"""{OPENED}
    import signal
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a job of the background ignores it
    embedder = openai()
    try:
        print("ready", flush=True)
        embedder.embed_query("slow")
    except KeyboardInterrupt:
        assert embedder.statistics().in_flight == 0
        assert embedder.embed_query("fast").shape == (8,)
        print("interrupted", flush=True)
    """
    from aembed.testing.faults import Hang

    with LoopbackServer(dim=8, api_key=KEY, faults=[Hang()]) as server:
        program = subprocess.Popen(
            [sys.executable, "-W", "always", "-c", textwrap.dedent(code), server.base_url],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert program.stdout is not None
        assert program.stdout.readline() == "ready\n"
        while not server.counters.requests:
            pass
        program.send_signal(signal.SIGINT)
        printed, errors = program.communicate(timeout=120)
    assert (printed, program.returncode) == ("interrupted\n", 0), errors
