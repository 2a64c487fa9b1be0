"""Reports as a user sees them: on a terminal, and as a page whose tags are read."""

from __future__ import annotations

from html.parser import HTMLParser
from io import StringIO

from rich.console import Console

from aembed.bench.compare.changes import Change, Comparison
from aembed.bench.model.estimates import Estimate
from aembed.bench.model.result import Report
from aembed.bench.report import (
    show,
)
from tests.bench.samples import HOSTILE

VOID = {"meta", "path", "use", "rect", "br"}


def shown(*reports: Report, comparison: Comparison | None = None, width: int = 200) -> str:
    file = StringIO()
    show(Console(file=file, width=width), reports, comparison)
    return file.getvalue()


def compared() -> Comparison:
    slower = Change(
        name=HOSTILE,
        parameters={"n": 1},
        metric="time",
        unit="s",
        before=1e-3,
        after=1.2e-3,
        change=Estimate(value=0.2, low=0.18, high=0.22),
        finding="regressed",
        pairs=6,
        detectable=0.03,
    )
    open_one = Change(
        name="unclear",
        parameters={},
        metric="response p99",
        unit="s",
        before=None,
        after=2.0,
        change=None,
        finding="inconclusive",
        note="requests failed",
    )
    return Comparison(before="main", after="mine", changes=(slower, open_one), unjudged=(f"{HOSTILE}: too few",))


class Page(HTMLParser):
    """Checks that elements nest, and collects what a reader and a browser see."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.links: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in {"src", "href", "xlink:href", "srcset"}]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data
