"""``python -m aembed.testing.server``: the loopback server as a separate process.

Prints one line of JSON when it listens, and one with its counters when it ends: on SIGTERM, SIGINT, or with
``--until-eof`` when its standard input is closed.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import fields

import msgspec

from aembed.testing.faults import at_random
from aembed.testing.quotas import Quota
from aembed.testing.server import DIALECTS, Capacity, Hints, Latency, LoopbackServer, Quirks


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m aembed.testing.server",
        description="A server on this machine that speaks like an embedding provider.",
        epilog="Prints JSON: url, base_url, port and pid when it listens; its counters when it ends.",
    )
    parser.add_argument("--dialect", choices=sorted(DIALECTS), default="openai")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0, the default, lets the system choose")
    parser.add_argument("--dim", type=int, default=1536, help="dimension of the vectors (%(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--api-key", metavar="KEY", help="reject all other keys")
    parser.add_argument("--model", action="append", metavar="NAME", help="reject all other models; may be repeated")
    process = parser.add_argument_group("process")
    process.add_argument("--cpu", type=int, metavar="N", help="run on this core only, where the system allows it")
    process.add_argument("--loop", choices=["auto", "asyncio", "uvloop"], default="auto", help="auto: uvloop if there")
    process.add_argument("--until-eof", action="store_true", help="end when standard input is closed")
    process.add_argument("--cache-bytes", type=int, default=2**29, help="cache for encoded vectors (%(default)s)")
    latency = parser.add_argument_group("latency, in seconds")
    latency.add_argument("--latency", type=float, default=0.0, help="latency of every answer; with --sigma the median")
    latency.add_argument("--sigma", type=float, default=0.0, help="sigma of a lognormal latency")
    latency.add_argument("--per-text", type=float, default=0.0, help="added for each text")
    latency.add_argument("--per-token", type=float, default=0.0, help="added for each token")
    latency.add_argument("--workers", type=int, metavar="K", help="work on K requests at once; others wait")
    latency.add_argument(
        "--max-waiting", type=int, default=512, help="reject requests beyond this number (%(default)s)"
    )
    quota = parser.add_argument_group("quota, per minute")
    quota.add_argument("--rpm", type=float, help="requests per minute")
    quota.add_argument("--tpm", type=float, help="tokens per minute")
    quota.add_argument("--ipm", type=float, help="inputs per minute")
    quota.add_argument("--algorithm", choices=["bucket", "sliding", "fixed"], default="bucket")
    quota.add_argument("--span", type=float, default=60.0, help="seconds of quota in a bucket, or of a window")
    quota.add_argument("--count-rejected", action="store_true", help="rejected requests count against the quota")
    quota.add_argument("--retry-after", choices=["seconds", "milliseconds", "date", "none"], default="seconds")
    quota.add_argument("--hidden", action="store_true", help="no quota headers and no Retry-After")
    quirks = parser.add_argument_group("quirks")
    for quirk in fields(Quirks):
        quirks.add_argument(f"--{quirk.name.replace('_', '-')}", action="store_true")
    faults = parser.add_argument_group("faults")
    faults.add_argument("--fault-rate", type=float, default=0.0, metavar="P", help="of answers that go wrong, 0 to 1")
    return parser


def server(options: argparse.Namespace) -> LoopbackServer:
    hints = Hints(retry_after=None if options.retry_after == "none" else options.retry_after)
    return LoopbackServer(
        options.dialect,
        dim=options.dim,
        api_key=options.api_key,
        models=options.model,
        latency=Latency(
            median=options.latency, sigma=options.sigma, per_text=options.per_text, per_token=options.per_token
        ),
        capacity=None
        if options.workers is None
        else Capacity(workers=options.workers, max_waiting=options.max_waiting),
        quota=Quota.per_minute(
            requests=options.rpm,
            tokens=options.tpm,
            inputs=options.ipm,
            algorithm=options.algorithm,
            span=options.span,
            count_rejected=options.count_rejected,
        ),
        hints=Hints.hidden() if options.hidden else hints,
        quirks=Quirks(**{quirk.name: getattr(options, quirk.name) for quirk in fields(Quirks)}),
        faults=at_random(options.fault_rate, options.seed),
        seed=options.seed,
        host=options.host,
        port=options.port,
        max_log=0,
        cache_bytes=options.cache_bytes,
    )


async def serve(options: argparse.Namespace) -> None:
    """Serve until a signal ends it."""
    loop, end = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        with suppress(NotImplementedError):  # on Windows Ctrl-C ends the loop by itself
            loop.add_signal_handler(number, end.set)
    async with server(options) as running:
        _print({"url": running.url, "base_url": running.base_url, "port": running.port, "pid": os.getpid()})
        if options.until_eof:
            loop.add_reader(sys.stdin.fileno(), _end_at_eof, loop, end)
        await end.wait()
        if options.until_eof:
            loop.remove_reader(sys.stdin.fileno())
    counters = running.counters
    _print({name: getattr(counters, name) for name in counters.__slots__ if name != "requests_per_connection"})


def _end_at_eof(loop: asyncio.AbstractEventLoop, end: asyncio.Event) -> None:
    if not os.read(sys.stdin.fileno(), 4096):
        loop.remove_reader(sys.stdin.fileno())
        end.set()


def _print(line: object) -> None:
    with suppress(BrokenPipeError):
        sys.stdout.write(msgspec.json.encode(line).decode() + "\n")
        sys.stdout.flush()


def _loop_factory(choice: str) -> Callable[[], asyncio.AbstractEventLoop] | None:
    if choice == "asyncio":
        return None
    try:
        import uvloop
    except ImportError:
        if choice == "uvloop":
            raise SystemExit("uvloop is not installed; pip install uvloop, or --loop asyncio") from None
        return None
    return uvloop.new_event_loop


def main(arguments: Sequence[str] | None = None) -> None:
    options = parser().parse_args(arguments)
    if options.cpu is not None and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {options.cpu})
    with asyncio.Runner(loop_factory=_loop_factory(options.loop)) as runner:
        runner.run(serve(options))


if __name__ == "__main__":
    main()
