"""The script of the page of reports, in a real Chromium: it reads, zooms, hides and lays a second report on top."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("matplotlib", reason="needs the extra bench-report")
pytest.importorskip("jinja2", reason="needs the extra bench-report")

from aembed.bench import reports_to_json
from aembed.bench.report import html
from tests.bench.samples import sample

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--virtual-time-budget=60000", "--dump-dom"),
)
DRIVER = """
const seen = {problems: []};
window.addEventListener("error", (event) => seen.problems.push(event.message));
Element.prototype.setPointerCapture = () => {};  // which wants a pointer that a hand moves
window.addEventListener("load", async () => {
  const SECOND = SECOND_REPORT;
  const figures = [...document.querySelectorAll("figure[data-plot]")];
  const named = (name) => figures.find((figure) => figure.querySelector("figcaption").textContent === name);
  const point = (figure, type, share) => {
    const svg = figure.querySelector(".plot > svg"), box = svg.getBoundingClientRect();
    const place = {clientX: box.left + share * box.width, clientY: box.top + 60};
    svg.dispatchEvent(new PointerEvent(type, {...place, button: 0, pointerId: 1, bubbles: true}));
  };
  const press = (figure, key) => figure.querySelector(".plot > svg").dispatchEvent(new KeyboardEvent("keydown", {key}));
  const read = (figure) => figure.querySelector(".readout").textContent;
  const zoom = () => {
    const bar = document.querySelector(".zoom");
    return bar.hidden ? "" : bar.querySelector("span").textContent;
  };
  const lines = (figure) => figure.querySelectorAll(".plot > svg g[clip-path] path").length;
  const over = named("Percentiles over time"), rates = named("Rates"), spread = named("Percentiles");
  try {
    seen.stills = [...document.querySelectorAll("figure[data-plot] > [role=img]")].every((still) => still.hidden);
    point(over, "pointermove", 0.5);
    seen.hover = [read(over), read(rates), read(spread)];
    point(over, "pointerleave", 0.5);
    seen.left = read(over);
    press(over, "ArrowRight");
    seen.key = read(over);
    point(over, "pointerdown", 0.4); point(over, "pointermove", 0.6); point(over, "pointerup", 0.6);
    seen.zoomed = zoom();
    point(rates, "pointermove", 0.2);
    seen.within = read(rates);
    press(over, "Escape");
    seen.whole = zoom();
    const button = [...over.querySelectorAll(".legend button")].find((each) => each.dataset.name === "p99");
    const before = lines(over);
    button.click();
    seen.hidden = [before - lines(over), button.getAttribute("aria-pressed")];
    button.click();
    seen.back = lines(over) - before;
    const pick = async (name, text) => {
      const files = new DataTransfer(), input = document.getElementById("second");
      files.items.add(new File([text], name));
      input.files = files.files;
      input.dispatchEvent(new Event("change"));
      const said = document.querySelector(".compare output");
      for (let i = 0; i < 1000 && !said.textContent.startsWith(name); i += 1) {
        await new Promise((done) => setTimeout(done, 10));
      }
      return said.textContent;
    };
    seen.second = await pick("second.json", JSON.stringify(SECOND));
    seen.overlaid = lines(over) - before;
    seen.legend = [...over.querySelectorAll(".legend button")].map((each) => each.dataset.name);
    document.querySelector(".compare button").click();
    seen.removed = lines(over) - before;
    seen.page = await pick("same.html", document.documentElement.outerHTML);
    seen.wrong = await pick("notes.json", "{}");
    seen.hostile = await pick("<img src=x onerror=boom()>.json", JSON.stringify(SECOND));
    seen.images = document.querySelectorAll("img").length;
  } catch (problem) {
    seen.problems.push(String(problem));
  }
  const result = document.createElement("pre");
  result.id = "seen";
  result.textContent = JSON.stringify(seen);
  document.body.append(result);
});
"""


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Behaviour of the page in use; one start of the browser for all tests."""
    if CHROMIUM is None:
        pytest.skip("needs Chromium")
    report, other = (replace(each, name="get_user") for each in (sample("open"), sample("closed")))
    second = json.loads(reports_to_json([other, report]))
    driver = DRIVER.replace("SECOND_REPORT", json.dumps(second).replace("<", "\\u003c"))
    page = re.sub(r"script-src '[^']*'", "script-src 'unsafe-inline'", html([report, other]))
    path: Path = tmp_path_factory.mktemp("page")
    (path / "page.html").write_text(page.replace("</head>", f"<script>{driver}</script></head>"), encoding="utf-8")
    command = [CHROMIUM, *FLAGS, f"--user-data-dir={path / 'profile'}", (path / "page.html").as_uri()]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=True, timeout=120)
    found = re.search(r'<pre id="seen">(.*?)</pre>', done.stdout, re.DOTALL)
    assert found is not None, done.stderr[-2000:]
    told: dict[str, Any] = json.loads(unescape(found[1]))
    assert told["problems"] == []
    return told


def test_charts_replace_the_images(seen: dict[str, Any]) -> None:
    assert seen["stills"] is True


def test_values_under_the_pointer_are_read_in_all_time_charts(seen: dict[str, Any]) -> None:
    over, rates, spread = seen["hover"]
    assert re.fullmatch(r"at [\d.]+ s: p50 [\d.]+ ms, p95 [\d.]+ ms, p99 [\d.]+ ms", over)
    assert rates.startswith("at ")
    assert "offered" in rates
    assert "good" in rates
    assert spread == "", "its x axis is no time"
    assert seen["left"] == ""


def test_arrow_keys_read_values(seen: dict[str, Any]) -> None:
    assert seen["key"].startswith("at 0.500 s: p50 ")


def test_a_stretch_that_is_drawn_is_zoomed_in_all_time_charts(seen: dict[str, Any]) -> None:
    found = re.fullmatch(r"Time charts from ([\d.]+) to ([\d.]+) s ", seen["zoomed"])
    assert found is not None
    low, high = map(float, found.groups())
    assert low < high
    at = re.match(r"at ([\d.]+) s", seen["within"])
    assert at is not None
    assert low <= float(at[1]) <= high
    assert seen["whole"] == ""


def test_a_series_is_hidden_and_shown_again(seen: dict[str, Any]) -> None:
    assert (seen["hidden"], seen["back"]) == ([1, "false"], 0)


def test_a_second_report_lies_on_the_charts_of_the_same_benchmark(seen: dict[str, Any]) -> None:
    assert re.fullmatch(r"second.json lies on \d+ charts. ", seen["second"])
    assert seen["overlaid"] == 3
    assert {"p50", "p95", "p99", "p50 (second.json)"} <= set(seen["legend"])
    assert seen["removed"] == 0
    assert re.fullmatch(r"same.html lies on \d+ charts. ", seen["page"])


def test_what_is_no_report_is_said_and_no_name_becomes_markup(seen: dict[str, Any]) -> None:
    assert seen["wrong"] == "notes.json: it is no report of aembed bench."
    assert seen["hostile"].startswith("<img src=x onerror=boom()>.json lies on ")
    assert seen["images"] == 0
