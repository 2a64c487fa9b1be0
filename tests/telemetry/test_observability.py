"""The dashboard and the alert rules name metrics and labels that exist, and promtool accepts the rules."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from aembed.telemetry.collector import FactoryCollector

DOCS = Path(__file__).parents[2] / "docs" / "observability"
DASHBOARD = json.loads((DOCS / "grafana.json").read_text(encoding="utf-8"))
ALERTS = (DOCS / "alerts.yaml").read_text(encoding="utf-8")

SUFFIXES = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_count", "_sum")}


def exposed() -> dict[str, set[str]]:
    """Names of samples, and the labels that each has."""
    names: dict[str, set[str]] = {}
    for family in FactoryCollector().describe():
        labels = set(family._labelnames)  # type: ignore[attr-defined]
        for suffix in SUFFIXES[family.type]:
            names[family.name + suffix] = labels | ({"le"} if suffix == "_bucket" else set())
    return names


def expressions(panels: list[dict[str, Any]]) -> Iterator[str]:
    for panel in panels:
        yield from (target["expr"] for target in panel.get("targets", ()))


def rules() -> list[str]:
    found = re.findall(r"^ +expr: (?:\|\n((?: {10,}.*\n)+)|(.*)\n)", ALERTS, re.MULTILINE)
    return [many or one for many, one in found]


@pytest.mark.parametrize("expression", [*expressions(DASHBOARD["panels"]), *rules()])
def test_metrics_and_labels_exist(expression: str) -> None:
    names = exposed()
    used = re.findall(r"\b(aembed_\w+)(?:\{([^}]*)\})?", expression)
    assert used
    for name, selector in used:
        assert name in names
        labels = set(re.findall(r"(\w+)=", selector))
        assert labels <= names[name], name
    for grouped in re.findall(r"by \(([^)]*)\)", expression):
        assert set(re.split(r",\s*", grouped)) <= set().union(*(names[name] for name, _ in used))


def test_every_metric_is_on_the_dashboard() -> None:
    shown = " ".join(expressions(DASHBOARD["panels"]))
    assert [family.name for family in FactoryCollector().describe() if family.name not in shown] == []


def test_panels_have_names_and_no_two_are_in_one_place() -> None:
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    assert len({(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels}) == len(panels)
    assert all(panel["title"] for panel in panels)


def test_each_alert_has_an_explanation() -> None:
    alerts = ALERTS.count("- alert:")
    assert len(rules()) == alerts == 6
    assert ALERTS.count("description:") == ALERTS.count("summary:") == alerts


@pytest.mark.parametrize(
    "check", [["check", "rules", "alerts.yaml"], ["test", "rules", "alerts_test.yaml"]], ids=" ".join
)
def test_promtool_accepts_the_rules(check: list[str]) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("needs promtool, which comes with Prometheus")
    ran = subprocess.run([promtool, *check], cwd=DOCS, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
