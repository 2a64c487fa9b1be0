"""``python -m aembed.testing.server``: prints its address, serves, and ends on every signal and on a closed pipe."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from dataclasses import fields
from typing import IO

import pytest
from anyio.lowlevel import checkpoint

from aembed.testing import Quirks
from aembed.testing.server import __main__ as command
from aembed.testing.server.__main__ import _loop_factory as loop_factory
from aembed.testing.server.__main__ import parser, server
from aembed.testing.server.log import Entry

END: dict[str, Callable[[subprocess.Popen[str], IO[str]], None]] = {
    "end of input": lambda _, stdin: stdin.close(),
    "SIGTERM": lambda process, _: process.send_signal(signal.SIGTERM),
    "SIGINT": lambda process, _: process.send_signal(signal.SIGINT),
}


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize("end", END)
@pytest.mark.parametrize("loop", ["asyncio", "auto"])
def test_it_serves_until_a_signal(end: str, loop: str) -> None:
    command = [sys.executable, "-m", "aembed.testing.server", "--dim", "4", "--until-eof", "--loop", loop]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as process:
        assert process.stdin
        assert process.stdout
        assert process.stderr
        where = json.loads(process.stdout.readline())
        assert where["base_url"] == f"http://127.0.0.1:{where['port']}/v1"
        body = json.dumps({"model": "m", "input": "text"}).encode()
        request = urllib.request.Request(f"{where['base_url']}/embeddings", body)  # noqa: S310
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
            assert len(json.load(answer)["data"][0]["embedding"]) == 4
        END[end](process, process.stdin)
        counters = json.loads(process.stdout.readline())
        assert (counters["requests"], counters["statuses"], counters["connections"]) == (1, {"200": 1}, 0)
        assert process.wait(60) == 0
        assert process.stderr.read() == ""


def test_options_become_the_script() -> None:
    options = (
        "--dialect cohere --dim 8 --seed 5 --api-key k --model a --model b --latency 0.1 --sigma 0.5 --per-text 0.01"
        " --workers 3 --rpm 10 --tpm 20 --ipm 30 --algorithm sliding --span 10 --count-rejected --retry-after none"
        " --always-floats --per-token 0.001 --max-waiting 7 --host localhost --port 1 --cache-bytes 100 --fault-rate 1"
    )
    made = server(parser().parse_args(options.split()))
    script = made.script
    assert (made.dialect, script.dim, script.seed, script.api_key, script.models) == ("cohere", 8, 5, "k", ["a", "b"])
    assert (script.latency.median, script.latency.sigma, script.latency.per_text) == (0.1, 0.5, 0.01)
    assert script.capacity
    assert (script.latency.per_token, script.capacity.workers, script.capacity.max_waiting) == (0.001, 3, 7)
    assert (made.url, made._dispatcher._handler._encoder._room) == ("http://localhost:1", 100)
    assert made._dispatcher._faults.take() is not None
    assert [(rule.resource, rule.per_minute, rule.algorithm, rule.span) for rule in script.quota.rules] == [
        ("requests", 10, "sliding", 10),
        ("tokens", 20, "sliding", 10),
        ("inputs", 30, "sliding", 10),
    ]
    assert script.quota.count_rejected
    assert (script.hints.retry_after, script.hints.limits) == (None, True)
    assert script.quirks.always_floats
    assert not script.quirks.spaced


def test_it_keeps_no_log_and_runs_on_the_loop_of_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    log = server(parser().parse_args([])).log
    log.append(Entry("POST", "/", (), 1, 0, 0, 200, 0.0, 0.0))
    assert not len(log)
    assert loop_factory("asyncio") is None
    monkeypatch.setitem(sys.modules, "uvloop", None)
    assert loop_factory("auto") is None
    with pytest.raises(SystemExit, match="pip install uvloop, or --loop asyncio"):
        loop_factory("uvloop")


def test_every_quirk_is_an_option() -> None:
    names = [quirk.name for quirk in fields(Quirks)]
    for name in names:
        quirks = server(parser().parse_args([f"--{name.replace('_', '-')}"])).script.quirks
        assert [each for each in names if getattr(quirks, each)] == [name]


def test_it_runs_on_the_core_it_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    pinned, served = list[object](), list[int]()

    async def note(options: argparse.Namespace) -> None:
        await checkpoint()
        served.append(options.dim)

    monkeypatch.setattr(os, "sched_setaffinity", lambda *given: pinned.append(given), raising=False)
    monkeypatch.setattr(command, "serve", note)
    command.main(["--cpu", "3", "--dim", "8"])
    command.main([])
    assert (pinned, served) == ([(0, {3})], [8, 1536])


@pytest.mark.skipif(sys.platform == "win32", reason="its loop has no readers of pipes")
def test_it_ends_with_its_input_and_says_what_it_did(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ours, theirs = os.pipe()
    os.write(theirs, b"ignored")
    said: list[str] = []

    async def main() -> None:
        serving = asyncio.create_task(command.serve(parser().parse_args(["--until-eof"])))
        while not said:
            await checkpoint()
            said.extend(capsys.readouterr().out.splitlines())
        for _ in range(5):
            await checkpoint()
        assert not serving.done(), "its input may go on"
        os.close(theirs)
        await serving

    with os.fdopen(ours) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        asyncio.run(main())
    where, counters = map(json.loads, [*said, *capsys.readouterr().out.splitlines()])
    assert where == {
        "url": f"http://127.0.0.1:{where['port']}",
        "base_url": f"http://127.0.0.1:{where['port']}/v1",
        "port": where["port"],
        "pid": os.getpid(),
    }
    assert counters["requests"] == counters["connections_opened"] == 0
    assert "requests_per_connection" not in counters


def test_hidden_hides_all_and_plain_is_plain() -> None:
    assert not server(parser().parse_args(["--hidden"])).script.hints.limits
    plain = server(parser().parse_args([])).script
    assert (plain.quota.rules, plain.capacity, plain.hints.retry_after) == ((), None, "seconds")
