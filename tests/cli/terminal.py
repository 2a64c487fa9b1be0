"""The command on a terminal."""

from __future__ import annotations

import codecs
import os
import select

from tests import forked
from tests.cli.command import COMMAND

HEEDED = (
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    "signal.signal(signal.SIGHUP, signal.SIG_DFL)"
)


class Terminal:
    """The command on a separate terminal, whose output is read as it comes.

    It runs the statement ``first`` before anything else. It heeds Ctrl-C and SIGHUP even if the parent of the tests
    ignores them, as nohup does.

    Keys such as Ctrl-C need a terminal in ``control``. When its process ends, unread output is lost.
    """

    def __init__(self, *arguments: str, control: bool = True, first: str = "", columns: int = 120) -> None:
        self.screen = ""
        self._decoder = codecs.getincrementaldecoder("utf-8")()  # a read may end within a character
        self._master, slave = os.openpty()
        program = f"{HEEDED}\n{first}\nimport os; {'os.login_tty(0); ' * control}{COMMAND[-1]}"
        environment = {**os.environ, "TERM": "xterm", "COLUMNS": str(columns)}
        self.process = forked.start(program, *arguments, stdin=slave, stdout=slave, stderr=slave, env=environment)
        os.close(slave)

    def show(self, text: str = "\0") -> None:
        """Read until ``text`` is there, or else to the end."""
        while text not in self.screen:
            assert select.select([self._master], [], [], 60.0)[0], self.screen
            try:
                block = os.read(self._master, 65536)
            except OSError:  # Linux says so when the other end is closed
                break
            if not block:
                break
            self.screen += self._decoder.decode(block)

    def type(self, keys: bytes) -> None:
        os.write(self._master, keys)

    def leave(self) -> int:
        self.show()
        os.close(self._master)
        return self.process.wait(60)
