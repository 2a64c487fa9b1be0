"""Vectors in a file, for the next run and for other processes."""

from __future__ import annotations

import asyncio
import os
from _thread import start_new_thread
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import main_thread
from types import TracebackType
from typing import TypeVar
from weakref import finalize

import numpy as np
from numpy.typing import NDArray

from aembed._errors import ClosedError, ConfigError, EventLoopError
from aembed._types import Vectors
from aembed.stores._cache_file import CacheFile

T = TypeVar("T")

MIN_BYTES = 2**20
"""The same as in memory: less is a mistake, most likely megabytes given as bytes."""


class SQLiteStore:
    """Keeps vectors in an SQLite file, which any number of processes on this machine may share.

    ``max_bytes`` bounds the file, which is unlimited without it. A full file takes one of sixteen new vectors, in the
    place of those not used for longest: so it keeps most of its use when more texts than it holds come in turn. (The
    log next to it, ``-wal``, holds the latest writes until they are in the file.) All work is done in one
    thread, whole or not at all, also after a cancellation or a kill; any number of loops and threads may use it, and a
    forked child opens the file for itself. A lookup takes no longer than ten seconds, with any file. The file
    has no text: keys are digests. It is readable for its owner alone, and must not lie on a network file system, as the
    memory that its users share does not reach across machines.

    The file is opened by :meth:`open`, or else when it is first used. A damaged file is moved aside, to
    ``<path>.damaged``, and begun anew; one of an older aembed is emptied. Nothing else is ever overwritten.

    Raises:
        ConfigError: ``max_bytes`` is less than a mebibyte.
    """

    def __init__(self, path: str | os.PathLike[str], *, max_bytes: int | None = None) -> None:
        if max_bytes is not None and max_bytes < MIN_BYTES:
            raise ConfigError(f"max_bytes={max_bytes}: give an SQLiteStore at least {MIN_BYTES}")
        self.path = Path(path).expanduser().absolute()
        self.max_bytes = max_bytes
        self._worker = self._new_worker()
        self._closed = False

    def __repr__(self) -> str:
        return f"<SQLiteStore {str(self.path)!r} max_bytes={self.max_bytes}{' closed' if self._closed else ''}>"

    @property
    def dropped(self) -> int:
        """Rows that the full file has not taken, or deleted for others, since this store was made."""
        return self._worker.file.dropped

    async def __aenter__(self) -> SQLiteStore:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def open(self) -> None:
        """Open the file now, and make it if it is not there. Opening twice is fine.

        Raises:
            ConfigError: there is no such directory, the file may not be written, or it is not a cache of aembed's, or
                one of a later aembed.
        """
        await self._run(CacheFile.open)

    async def get_many(self, keys: Sequence[bytes], dim: int | None) -> tuple[NDArray[np.intp], Vectors]:
        """Positions of known ``keys``, ascending, and their rows: float32, shape ``(k, dim)``.

        A row whose checksum is wrong is not known, and is deleted with the next put.

        Raises:
            ConfigError: as :meth:`open`.
            sqlite3.Error, OSError: the file cannot be read.
            ClosedError: after :meth:`aclose`.
        """
        return await self._run(lambda file: file.get(keys, dim))

    async def put_many(self, keys: Sequence[bytes], vectors: Vectors) -> None:
        """Write ``vectors``, shape ``(len(keys), dim)``: all of them, or none.

        Raises:
            ConfigError: as :meth:`open`.
            sqlite3.Error, OSError: nothing was written; the disk is full, or another process held the lock for long.
            ClosedError: after :meth:`aclose`.
        """
        mine = np.array(vectors, "<f4", order="C")  # a caller who is cancelled may change his while they are written
        await self._run(lambda file: file.put(keys, mine))

    async def aclose(self) -> None:
        """Close the file, after calls in flight. Closing twice is fine."""
        EventLoopError.unless_running("an SQLiteStore")
        if not self._closed:
            worker = self._own_worker()
            self._closed = True
            worker.detach()
            closing = worker.thread.submit(worker.file.close)
            worker.thread.shutdown(wait=False)
            await asyncio.shield(asyncio.wrap_future(closing))

    async def _run(self, step: Callable[[CacheFile], T]) -> T:
        """In the store's thread. A caller who is cancelled leaves it to end by itself."""
        loop = EventLoopError.unless_running("an SQLiteStore")
        if self._closed:
            raise ClosedError(f"the cache {str(self.path)!r} is closed; make a new SQLiteStore")
        worker = self._own_worker()
        return await loop.run_in_executor(worker.thread, step, worker.file)

    def _own_worker(self) -> _Worker:
        """This process's: the child of a fork has no thread, and opens the file itself.

        The parent's stays in the finalizer of this store: SQLite asks that a copy is neither used nor closed.
        """
        if self._worker.process != os.getpid():
            self._worker = self._new_worker()
        return self._worker

    def _new_worker(self) -> _Worker:
        worker = _Worker(self.path, self.max_bytes)
        worker.detach = finalize(self, worker.leave).detach
        return worker


class _Worker:
    """The file and its thread, of one process."""

    def __init__(self, path: Path, max_bytes: int | None) -> None:
        self.process = os.getpid()
        self.file = CacheFile(path, max_bytes)
        self.thread = ThreadPoolExecutor(1, thread_name_prefix="aembed-cache")
        self.detach: Callable[[], object] = lambda: None
        """Forget the store: its file was closed."""

    def leave(self) -> None:
        """Close the file of a store that was left open, without waiting.

        The collector calls this in the middle of anything, also where a lock is held that a thread pool needs.
        """
        if self.process != os.getpid():
            return
        if main_thread().is_alive():
            start_new_thread(self._close, ())
        else:  # the program ends
            self._close()

    def _close(self) -> None:
        try:
            self.thread.submit(self.file.close)
        except RuntimeError:  # the program ends, and the thread has ended before
            self.file.close()
        self.thread.shutdown(wait=False)
