"""The small parts that models in this process are made of: rejected settings, planning of runs, bytes of a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from aembed import ConfigError, Kind, ModelSpec, Source
from aembed.providers._device import CPU
from aembed.providers._encoder_files import LocalOptions
from aembed.providers._external_data import check_external_data
from aembed.providers._in_process import check_no_server, chosen_dimension, usable_cores
from aembed.providers._onnx import RUN_OVERHEAD_TOKENS, RUN_TOKENS, Encoder, plan_runs
from aembed.providers._packaged.protobuf import encode, fields
from aembed.providers.google import TASKS, task_of
from aembed.providers.local import open_provider as open_local
from aembed.providers.static import open_provider as open_static
from tests.toy_encoder import write_model


async def test_facts_of_the_packaged_models() -> None:
    local = await open_local(Source(provider="local", options={"threads": 3, "query_threads": 1}))
    cores = usable_cores()
    assert local.spec == ModelSpec(
        name="all-MiniLM-L6-v2",
        provider="local",
        dim=384,
        max_batch_texts=256,
        max_batch_tokens=16_384,
        max_text_tokens=256,
        max_concurrency=3,
        timeout=None,
        language="English",
        pads=True,
    )
    static = await open_static(Source(provider="static"))
    assert static.spec == ModelSpec(
        name="wordllama-l2-supercat-256",
        provider="static",
        dim=256,
        max_batch_texts=1024,
        max_batch_tokens=65_536,
        max_concurrency=cores,
        timeout=None,
        language="English",
    )


@pytest.mark.parametrize(
    ("lengths", "runs"),
    [
        ([], []),
        ([5], [[0]]),
        ([3, 5, 4], [[1, 2, 0]]),
        ([384], [[0]]),
        ([200, 184], [[0], [1]]),
        ([192, 192], [[0, 1]]),
        ([193, 193], [[0], [1]]),
        ([500, 500], [[0], [1]]),
        ([100, 76], [[0, 1]]),  # 24 of padding, as much as a run costs
        ([100, 75], [[0], [1]]),
        ([100, 88, 88], [[0, 1, 2]]),
        ([100, 88, 87], [[0, 1], [2]]),
        ([100, 87, 88, 10], [[0, 2], [1], [3]]),
    ],
)
def test_runs_have_little_padding_and_fit_the_cache(lengths: list[int], runs: list[list[int]]) -> None:
    assert (RUN_TOKENS, RUN_OVERHEAD_TOKENS) == (384, 24)
    assert plan_runs(lengths) == runs


@pytest.mark.parametrize(
    ("wanted", "offers", "dim"),
    [(None, (), 8), (8, (), 8), (4, (2, 4), 4), (2, range(2, 9), 2)],
)
def test_a_dimension_that_can_be_had(wanted: int | None, offers: Any, dim: int) -> None:
    assert chosen_dimension(Source(provider="p", dimensions=wanted), 8, offers) == dim


@pytest.mark.parametrize(
    ("wanted", "offers", "says"),
    [
        (3, (2, 4), "dimensions=3, but the model has 2 or 4: ask for one of those"),
        (9, (2, 9), "dimensions=9, but the model has 2 or 9: ask for one of those"),
        (
            4,
            (),
            "dimensions=4, but the model answers 8 and cannot be shortened: leave dimensions out, or set it to 8",
        ),
        (
            16,
            (8, 16),
            "dimensions=16, but the model answers 8 and cannot be shortened: leave dimensions out, or set it to 8",
        ),
    ],
)
def test_a_dimension_that_cannot(wanted: int, offers: Any, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        chosen_dimension(Source(provider="p", dimensions=wanted), 8, offers)
    assert str(caught.value) == says


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"base_url": "http://h"}, "the p provider takes no base_url: it runs in this process and sends nothing"),
        ({"headers": {"a": "b"}}, "the p provider takes no headers: it runs in this process and sends nothing"),
        ({"api_key": SecretStr("k")}, "the p provider takes no api_key: it runs in this process and sends nothing"),
    ],
)
def test_settings_without_a_meaning(settings: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check_no_server(Source(provider="p", **settings))
    assert str(caught.value).startswith(says)
    check_no_server(Source(provider="p"))


def test_options_as_a_file_or_a_variable_has_them() -> None:
    options = LocalOptions.from_table({"threads": "2", "normalize": "no", "query_prompt": "q: "})
    assert (options.threads, options.normalize, options.prompts) == (2, False, {"query": "q: "})


@pytest.mark.parametrize(
    ("number", "value", "raw"),
    [
        (1, 0, b"\x08\x00"),
        (1, 127, b"\x08\x7f"),
        (1, 128, b"\x08\x80\x01"),
        (1, 300, b"\x08\xac\x02"),
        (16, 1, b"\x80\x01\x01"),
        (1, -1, b"\x08" + b"\xff" * 9 + b"\x01"),
        (2, 1.5, b"\x15\x00\x00\xc0\x3f"),
        (2, "é", b"\x12\x02\xc3\xa9"),
        (2, b"", b"\x12\x00"),
    ],
)
def test_fields_of_a_message(number: int, value: Any, raw: bytes) -> None:
    """Examples of protobuf's specification."""
    assert encode(number, value) == raw


def plain(message: bytes) -> list[tuple[int, int | bytes]]:
    found = fields(memoryview(message))
    return [(number, bytes(value) if isinstance(value, memoryview) else value) for number, value in found]


@given(st.lists(st.tuples(st.integers(1, 2**20), st.integers(0, 2**64 - 1) | st.binary(max_size=300)), max_size=8))
def test_fields_come_back_as_they_were(parts: list[tuple[int, Any]]) -> None:
    assert plain(b"".join(encode(*part) for part in parts)) == parts


def test_fixed_sizes_are_skipped_and_groups_are_rejected() -> None:
    message = b"\x09" + b"8 bytes." + b"\x15" + b"four" + b"\x18\x07"
    assert plain(message) == [(1, b"8 bytes."), (2, b"four"), (3, 7)]
    with pytest.raises(ValueError, match="a group"):
        list(fields(memoryview(b"\x0b")))


@pytest.mark.parametrize(
    ("depth", "says"), [(1, "outside of its directory"), (21, "outside"), (22, "not an ONNX file")]
)
def test_graphs_within_graphs_are_looked_through_so_deep(depth: int, says: str, tmp_path: Path) -> None:
    """A tensor with its values in another file, in a graph of an attribute of a node of a graph ..."""
    graph = encode(5, encode(13, encode(1, "location") + encode(2, "../secret")))
    for _ in range(depth - 1):
        graph = encode(1, encode(5, encode(6, graph)))
    file = tmp_path / "model.onnx"
    file.write_bytes(encode(7, graph))
    with pytest.raises(ConfigError, match=says):
        check_external_data(file, tmp_path)


def test_weights_next_to_the_model_are_read(tmp_path: Path) -> None:
    for place, is_fine in (("weights.bin", True), ("a/../weights.bin", True), ("../weights.bin", False)):
        file = tmp_path / "model.onnx"
        file.write_bytes(encode(7, encode(5, encode(13, encode(1, "location") + encode(2, place)))))
        if is_fine:
            check_external_data(file, tmp_path)
        else:
            with pytest.raises(ConfigError, match="keeps weights in a file outside of its directory"):
                check_external_data(file, tmp_path)


@pytest.mark.parametrize("task", TASKS)
def test_the_request_to_google(task: str) -> None:
    symmetric = task in {"classification", "clustering", "semantic_similarity"}
    kinds: list[Kind] = ["query", "document"]
    query, document = ((task_of("gemini-embedding-001", task, kind), task_of("new", task, kind)) for kind in kinds)
    words = {
        "fact_verification": "fact checking",
        "retrieval": "search result",
        "semantic_similarity": "sentence similarity",
    }.get(task, task.replace("_", " "))
    field = {"retrieval": "RETRIEVAL_QUERY", "code_retrieval": "CODE_RETRIEVAL_QUERY"}.get(task, task.upper())
    assert query == (({"taskType": field}, ""), ({}, f"task: {words} | query: "))
    if symmetric:
        assert document == query
    else:
        assert document == (({"taskType": "RETRIEVAL_DOCUMENT"}, ""), ({}, "title: none | text: "))
    assert task_of("new", "none", "query") == ({}, "")


@pytest.mark.parametrize(
    ("options", "query_threads", "lanes"),
    [
        ({"threads": 7}, 4, (7, 1)),
        ({"threads": 2}, 2, (2, 1)),
        ({"threads": 1}, 1, (1, 1)),
        ({"threads": 3, "query_threads": 1}, 1, (3, 3)),
        ({"threads": 2, "query_threads": 3}, 3, (2, 1)),
    ],
)
async def test_documents_take_a_thread_each_and_a_query_takes_several(
    options: dict[str, int], query_threads: int, lanes: tuple[int, int], tmp_path: Path
) -> None:
    provider = await open_local(Source(provider="local", model=str(write_model(tmp_path)), options=options))
    threads = [
        provider._encoders[kind]._session.get_session_options().intra_op_num_threads for kind in ("document", "query")
    ]
    assert threads == [1, query_threads]
    assert (provider._encoders["document"] is provider._encoders["query"]) is (query_threads == 1)
    assert tuple(provider._lanes._lanes[kind]._width for kind in ("document", "query")) == lanes
    assert provider.spec.max_concurrency == options["threads"]
    await provider.aclose()


async def test_another_device_runs_one_batch_after_the_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def on_cpu(model: Any, files: Any, *, device: Any, **options: Any) -> Encoder:
        assert device == ["XExecutionProvider", "CPUExecutionProvider"]
        return Encoder(model, files, **options)

    monkeypatch.setattr("aembed.providers.local.execution_providers", lambda _: ["XExecutionProvider", CPU])
    monkeypatch.setattr("aembed.providers.local.Encoder", on_cpu)
    provider = await open_local(Source(provider="local", model=str(write_model(tmp_path))))
    assert (provider.spec.max_concurrency, provider._run_tokens) == (1, 16_384)
    assert provider._encoders["document"] is provider._encoders["query"]
    await provider.aclose()
