"""An object that is left without being closed warns at the line of the program that made it."""

from __future__ import annotations

import gc
import os
import sys
import tracemalloc
import warnings

import pytest

import aembed
from aembed import Config, EmbedderFactory, SyncEmbedder
from tests.scripted import TEXTS

HERE = os.path.normcase(__file__)


def line() -> int:
    """Line of the caller."""
    return sys._getframe(1).f_lineno


def dropped(*things: list[object]) -> warnings.WarningMessage:
    """The one warning when these are collected."""
    gc.collect()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for thing in things:
            thing.clear()
        gc.collect()
    (warning,) = [each for each in caught if "never closed" in str(each.message)]
    assert warning.category is ResourceWarning
    return warning


def place(warning: warnings.WarningMessage) -> tuple[str, int]:
    return os.path.normcase(warning.filename), warning.lineno


@pytest.mark.virtual_time
async def test_a_dropped_factory() -> None:
    at = line() + 1
    factory = EmbedderFactory(Config())
    kept: list[object] = [await factory.new_embedder("mock"), await factory.new_embedder("mock"), factory]
    del factory
    warning = dropped(kept)
    assert str(warning.message).startswith("never closed: the embedder of mock:mock. Use 'async with' with")
    assert place(warning) == (HERE, at)


@pytest.mark.virtual_time
async def test_an_embedder_with_a_factory_of_its_own() -> None:
    at = line() + 1
    assert place(dropped([await aembed.new_embedder("mock", config=Config())])) == (HERE, at)


def test_a_dropped_sync_embedder() -> None:
    at = line() + 1
    embedder = SyncEmbedder("mock", config=Config())
    embedder.embed_query("text")
    kept: list[object] = [embedder]
    del embedder
    warning = dropped(kept)
    assert str(warning.message) == "never closed: the SyncEmbedder of mock:mock. Use 'with', or close()"
    assert place(warning) == (HERE, at)


@pytest.mark.virtual_time
async def test_a_stream_left_early() -> None:
    async with aembed.new_embedder("mock", config=Config()) as embedder:
        at = line() + 1
        stream = embedder.stream_documents(TEXTS, chunk_size=1)
        await anext(stream)
        kept: list[object] = [stream]
        del stream
        assert place(dropped(kept)) == (HERE, at)


def test_a_sync_stream_left_early() -> None:
    with SyncEmbedder("mock", config=Config()) as embedder:
        at = line() + 1
        stream = embedder.stream_documents(TEXTS, chunk_size=1)
        next(stream)
        kept: list[object] = [stream]
        del stream
        warning = dropped(kept)
    assert str(warning.message) == "never closed: a stream of documents, left before its end. Use 'with', or close()"
    assert place(warning) == (HERE, at)


@pytest.mark.filterwarnings("error")
def test_streams_that_were_read_to_their_end_and_unused_objects_are_not_warned_about() -> None:
    with SyncEmbedder("mock", config=Config()) as embedder:
        for _ in embedder.stream_documents(TEXTS, chunk_size=1):
            pass
        embedder.stream_documents(TEXTS)
    EmbedderFactory(Config())
    gc.collect()


@pytest.mark.virtual_time
async def test_tracemalloc_has_the_whole_stack_of_the_making() -> None:
    was_tracing = tracemalloc.is_tracing()
    tracemalloc.start(20)
    try:
        warning = dropped([await aembed.new_embedder("mock", config=Config())])
        stack = tracemalloc.get_object_traceback(warning.source)
    finally:
        if not was_tracing:
            tracemalloc.stop()
    assert stack is not None
    assert HERE in {os.path.normcase(frame.filename) for frame in stack}
