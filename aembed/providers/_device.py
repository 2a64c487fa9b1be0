"""Devices of onnxruntime: short names for its execution providers, and packages that bring them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

from aembed._errors import ConfigError
from aembed.providers._extra import load_package

ExecutionProvider: TypeAlias = str | tuple[str, dict[str, str]]

CPU = "CPUExecutionProvider"
_NAMES = {
    "cpu": CPU,
    "coreml": "CoreMLExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "directml": "DmlExecutionProvider",
    "migraphx": "MIGraphXExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
}
_PACKAGES = {
    "CUDAExecutionProvider": "onnxruntime-gpu[cuda,cudnn]",
    "DmlExecutionProvider": "onnxruntime-directml",
    "OpenVINOExecutionProvider": "onnxruntime-openvino",
    "TensorrtExecutionProvider": "onnxruntime-gpu[cuda,cudnn]",
}
"""Builds of onnxruntime, one of which is installed at a time: https://onnxruntime.ai/docs/install/."""


def execution_providers(device: str) -> list[ExecutionProvider]:
    """Providers for an ``InferenceSession``: of ``"cuda"``, ``"cuda:1"`` or any name that onnxruntime has.

    Raises:
        ConfigError: there is no such device, or the installed onnxruntime was built without it.
    """
    short, _, number = device.partition(":")
    name = _NAMES.get(short.lower(), short)
    if not name.endswith("ExecutionProvider") or (number and not number.isdecimal()):
        raise ConfigError(f'device={device!r}: choose {", ".join(_NAMES)}, or "cuda:1" for the second GPU')
    installed = load_package("onnxruntime", extra="local").get_available_providers()
    if name not in installed:
        raise ConfigError(
            f"device={device!r}: the installed onnxruntime has {', '.join(installed)}, and no {name}. {_remedy(name)}"
        )
    if name == CPU:
        return [CPU]
    return [(name, {"device_id": number}) if number else name, CPU]


def check_device(session: Any, wanted: Sequence[ExecutionProvider]) -> None:
    """Raises :class:`ConfigError` if onnxruntime fell back to the CPU, which it does with no more than a log line."""
    first = wanted[0] if isinstance(wanted[0], str) else wanted[0][0]
    if first not in session.get_providers():
        raise ConfigError(
            f"onnxruntime cannot use {first}, as libraries or a driver are missing, and fell back to the CPU. "
            f'{_remedy(first)} Or leave device out, for device="cpu"'
        )


def _remedy(name: str) -> str:
    package = _PACKAGES.get(name)
    if package is None:
        return "Install a build of onnxruntime that has it: https://onnxruntime.ai/docs/install/."
    return f'Replace it: pip uninstall onnxruntime && pip install "{package}".'
