"""Which names mean the hub, and the list of models known to work."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from aembed import ConfigError, ConnectError, Source
from aembed.providers import _hub, hub, local
from aembed.providers._device import check_device, execution_providers
from aembed.providers._hub_models import encoder_wanted
from aembed.providers._hub_name import HubName, hub_name
from aembed.providers._onnx import plan_runs
from aembed.providers._pool import POOLINGS
from aembed.providers.known_models import KNOWN_MODELS, known_model
from tests.hub.server import Hub
from tests.toy_encoder import write_model


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("BAAI/bge-small-en-v1.5", HubName("BAAI/bge-small-en-v1.5")),
        ("a/b@v1.0", HubName("a/b", "v1.0")),
        ("a/b@refs/pr/3", HubName("a/b", "refs/pr/3")),
        ("./a/b", None),
        ("/a/b", None),
        ("~/b", None),
        ("a/b/c", None),
        ("a/../b", None),
        ("a/b@../c", None),
        ("a/b@x/../c", None),
        ("model", None),
        ("C:\\models\\bge", None),
        (None, None),
    ],
)
def test_a_name_of_the_hub_differs_from_a_path(model: str | None, expected: HubName | None) -> None:
    assert hub_name(model) == expected


def test_a_directory_that_exists_is_a_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "models/bge").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert hub_name("models/bge") is None
    assert hub_name("models/other") == HubName("models/other")


def test_known_models_are_named_as_they_are_opened() -> None:
    names = [each.model for each in KNOWN_MODELS]
    assert len(set(names)) == len(names)
    for each in KNOWN_MODELS:
        provider, _, repo = each.model.partition(":")
        assert provider in {"local", "static"}
        assert each.pooling.partition(",")[0] in POOLINGS
        assert "/" not in repo or hub_name(repo) == HubName(repo)
        assert known_model(each.repo.upper()) is each
    assert any(each.languages != "English" for each in KNOWN_MODELS)


@pytest.mark.parametrize("model", ["openai:a/b", "local:model", "local:/tmp", "bge"])
async def test_only_models_of_the_hub_are_downloaded(model: str) -> None:
    with pytest.raises(ConfigError, match="is not a model of the hub: give local:organisation/model"):
        await hub.download_model(model)


def test_a_cancelled_download_ends_at_its_next_piece(hub: Hub, cache: Path, tmp_path: Path) -> None:
    hub.repository("a/b").push(write_model(tmp_path))
    stop = threading.Event()
    stop.set()
    with pytest.raises(ConnectError, match="cancelled"):
        _hub._fetch(HubName("a/b"), encoder_wanted(None), stop, refresh=False, download=True)
    assert not list(cache.rglob("*.onnx"))


async def test_a_device_that_is_not_installed_is_named_with_its_package(tmp_path: Path) -> None:
    source = Source(provider="local", model=str(write_model(tmp_path)), options={"device": "cuda"})
    with pytest.raises(ConfigError, match=r"device='cuda'.*has .*CPUExecutionProvider.*onnxruntime-gpu\[cuda,cudnn\]"):
        await local.open_provider(source)


@pytest.mark.parametrize("device", ["gpu", "cuda:first", ""])
def test_an_unknown_device_lists_the_known(device: str) -> None:
    with pytest.raises(ConfigError, match="choose cpu, coreml, cuda"):
        execution_providers(device)


def test_providers_of_onnxruntime_are_passed_through(monkeypatch: pytest.MonkeyPatch) -> None:
    installed = ["CUDAExecutionProvider", "XnnpackExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr("onnxruntime.get_available_providers", lambda: installed)
    assert execution_providers("cpu") == ["CPUExecutionProvider"]
    assert execution_providers("cuda") == ["CUDAExecutionProvider", "CPUExecutionProvider"]
    assert execution_providers("cuda:1")[0] == ("CUDAExecutionProvider", {"device_id": "1"})
    assert execution_providers("XnnpackExecutionProvider")[0] == "XnnpackExecutionProvider"


def test_a_fall_back_to_the_cpu_is_an_error() -> None:
    class Session:
        def get_providers(self) -> list[str]:
            return ["CPUExecutionProvider"]

    with pytest.raises(ConfigError, match=r"cannot use CUDAExecutionProvider.*fell back.*onnxruntime-gpu"):
        check_device(Session(), ["CUDAExecutionProvider", "CPUExecutionProvider"])


def test_a_device_gets_whole_batches() -> None:
    assert len(plan_runs([100] * 50)) > 1
    assert plan_runs([100] * 50, 16_384) == [list(range(50))]
