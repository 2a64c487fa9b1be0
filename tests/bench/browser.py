"""The page of reports in a real browser: ``nox -s report_browser``. Screenshots are left for people to look at."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from aembed.bench.report import html
from tests.bench.samples import invalid, samples
from tests.bench.shown import compared

SHOTS = Path(os.environ.get("AEMBED_SHOTS", "perf/results/browser"))
LEAST_CONTRAST = 4.5
"""Contrast of text and its background, by WCAG 2.2 level AA."""
CONTRASTS = """
() => {
  const parts = (c) => c.match(/[\\d.]+/g).map(Number);
  const light = (c) => {
    const [r, g, b] = parts(c).slice(0, 3).map((v) => v / 255)
      .map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (node) => {
    for (let at = node; at; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor;
      if (parts(colour)[3] !== 0) return colour;
    }
    return 'rgb(255, 255, 255)';
  };
  const bad = [];
  for (const node of document.querySelectorAll('h1, h2, h3, p, th, td, figcaption, svg text')) {
    if (!node.textContent.trim()) continue;
    const style = getComputedStyle(node);
    const ink = node instanceof SVGElement ? style.fill : style.color;
    const [a, b] = [light(ink), light(behind(node))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < LEAST) bad.push([node.textContent.slice(0, 30), ratio]);
  }
  return bad;
}
"""
EMPTY_CHARTS = """
() => [...document.querySelectorAll('figure')].filter((figure) => {
  const box = figure.querySelector('svg').getBoundingClientRect();
  const drawn = figure.querySelectorAll('svg g[id^="axes"] path').length;
  return box.width < 200 || box.height < 100 || drawn < 4;
}).map((figure) => figure.textContent.slice(0, 40))
"""


@pytest.fixture(scope="module")
def browser(file: Path) -> Iterator[Browser]:
    assert file.exists(), "made before: the samples need an event loop of their own"
    with sync_playwright() as playwright:
        path = os.environ.get("AEMBED_CHROMIUM") or None
        with playwright.chromium.launch(executable_path=path, args=["--no-sandbox"]) as browser:
            yield browser


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(html([invalid(), *samples().values()], comparison=compared()), encoding="utf-8")
    return path


@pytest.fixture(params=[(1280, "light"), (1280, "dark"), (390, "light"), (390, "dark")], ids=str)
def page(request: pytest.FixtureRequest, browser: Browser, file: Path) -> Iterator[Page]:
    width, scheme = request.param
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("request", lambda asked: said.append(asked.url))
    page.goto(file.as_uri())
    SHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SHOTS / f"{width}-{scheme}.png", full_page=True)
    yield page
    assert said == [file.as_uri()], "nothing else is fetched, and nothing complains"
    page.close()


def test_fits_its_width(page: Page) -> None:
    assert page.viewport_size is not None
    assert page.evaluate("document.documentElement.scrollWidth") == page.viewport_size["width"]


def test_every_chart_is_drawn(page: Page) -> None:
    assert page.locator("figure").count() > 20
    assert page.evaluate(EMPTY_CHARTS) == []


def test_no_interval_is_broken_into_lines(page: Page) -> None:
    intervals = page.locator(".interval")
    assert intervals.count() > 20
    assert intervals.evaluate_all("all => all.filter((one) => one.getClientRects().length > 1).length") == 0


def test_text_can_be_read(page: Page) -> None:
    assert page.evaluate(CONTRASTS.replace("LEAST", str(LEAST_CONTRAST))) == []


def test_verdicts_stand_under_their_titles(page: Page) -> None:
    invalid_one = page.locator("article", has_text="38,000/s").first
    title, verdict = (invalid_one.locator(part).first.bounding_box() for part in ("h2", ".verdict"))
    assert title is not None
    assert verdict is not None
    assert title["y"] < verdict["y"] < title["y"] + title["height"] + 60
    assert page.locator(".verdict").first.is_visible()


def test_tables_can_be_scrolled_by_keyboard(page: Page) -> None:
    regions = page.locator(".scroll")
    assert regions.count() > 20
    assert regions.evaluate_all("all => all.every(one => one.tabIndex === 0 && one.ariaLabel)")
