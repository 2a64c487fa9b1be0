"""``python -m aembed.testing.server``: prints its address, serves, and ends on every signal and on a closed pipe."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from typing import IO

import pytest

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
        " --always-floats"
    )
    made = server(parser().parse_args(options.split()))
    script = made.script
    assert (made.dialect, script.dim, script.seed, script.api_key, script.models) == ("cohere", 8, 5, "k", ["a", "b"])
    assert (script.latency.median, script.latency.sigma, script.latency.per_text) == (0.1, 0.5, 0.01)
    assert script.capacity
    assert script.capacity.workers == 3
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


def test_hidden_hides_all_and_plain_is_plain() -> None:
    assert not server(parser().parse_args(["--hidden"])).script.hints.limits
    plain = server(parser().parse_args([])).script
    assert (plain.quota.rules, plain.capacity, plain.hints.retry_after) == ((), None, "seconds")
