"""A process that has imported modules, and forks: each fork runs a program as ``python -c`` does.

    python -c "$(cat fork_server.py)" SOCKET MODULE...

A request has the program, its arguments, directory and environment; with it come its standard streams and a pipe,
which gets the number of the process, and its exit code when it has ended.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import signal
import socket
import sys
import threading
from typing import Any

REQUEST_BYTES = 2**17


def serve(requests: socket.socket) -> Any:
    """Fork for each request, until nobody can send another. Returns in each fork, with its request."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # no fork is waited for here
    while True:
        message, descriptors, _, _ = socket.recv_fds(requests, REQUEST_BYTES, 4)
        if not message:
            sys.exit()
        *streams, answers = descriptors
        if not os.fork():
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            requests.close()
            program = os.fork()
            if not program:
                os.close(answers)
                take_streams(streams)
                return json.loads(message)
            for descriptor in streams:
                os.close(descriptor)
            os.write(answers, program.to_bytes(4))
            _, status = os.waitpid(program, 0)
            os.write(answers, os.waitstatus_to_exitcode(status).to_bytes(4, signed=True))
            os._exit(0)
        for descriptor in descriptors:
            os.close(descriptor)


def take_streams(descriptors: list[int]) -> None:
    for standard, descriptor in enumerate(descriptors):
        os.dup2(descriptor, standard)
        os.close(descriptor)


def settle(request: Any) -> None:
    """Be in the place and the environment of the request."""
    os.chdir(request["directory"])
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.argv[1:] = request["arguments"]
    encoding, by_line = os.environ.get("PYTHONIOENCODING", "utf-8"), 1
    sys.stdin = open(0, encoding=encoding, closefd=False)  # noqa: SIM115
    sys.stdout = open(1, "w", by_line if os.isatty(1) else -1, encoding=encoding, closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", by_line, encoding=encoding, errors="backslashreplace", closefd=False)  # noqa: SIM115


if os.fork():
    os._exit(0)  # nobody's child: tests count those of their own process
for module in sys.argv[2:]:
    with contextlib.suppress(ModuleNotFoundError):  # of an extra: the program will miss it, too
        importlib.import_module(module)
assert threading.active_count() == 1, "a fork has no other thread"
gc.collect()
gc.freeze()  # a fork that collects garbage copies no pages
request = serve(socket.socket(fileno=int(sys.argv[1])))
settle(request)
exec(request["program"], {"__name__": "__main__"})  # noqa: S102
