"""Synchronous use: an embedder whose calls run on one event loop thread for all of a process.

thread       the event loop thread, and a call on it for which another thread waits
waker        wakes the loop that another thread runs
process      the one thread of a process: started, ended before a fork and at exit
embedder     the synchronous embedder
stream       chunks of documents, read lazily
"""

from aembed._sync.embedder import SyncEmbedder
from aembed._sync.stream import SyncDocumentStream

__all__ = ["SyncDocumentStream", "SyncEmbedder"]
