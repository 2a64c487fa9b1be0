"""Entry point of the ``aembed`` command. It imports nothing that takes time before a signal can be answered."""

from __future__ import annotations

import os
import signal
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:  # importing typing alone takes longer than Python takes to start
    from types import FrameType
    from typing import NoReturn


def main() -> None:
    """Run the command. Until its signal handlers are installed, a signal ends it with one sentence."""
    open_standard_streams()
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) not in {signal.SIG_IGN, None}:
            signal.signal(number, leave)
    from aembed.cli import main as command

    command()


def open_standard_streams() -> None:
    """Give the descriptors 0 to 2 to the null device where they are closed, or the next file to be opened gets them."""
    for descriptor, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest free number
            if descriptor:  # standard input is missed only if it is to be read
                setattr(sys, name, open(descriptor, "w", encoding="utf-8", closefd=False))  # noqa: SIM115


def leave(number: int, frame: FrameType | None) -> NoReturn:
    """End at once: nothing has been started."""
    os.write(2, b"aembed: interrupted; nothing was written\n")
    os._exit(128 + number)
