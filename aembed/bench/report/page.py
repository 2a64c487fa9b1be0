"""One HTML file with everything in it: no script, no font, no image from elsewhere.

Charts are images; a small script of the file replaces them by charts that can be read, zoomed and compared. The content
security policy allows this script, by its hash, and nothing else.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from aembed.bench.compare.changes import Comparison
from aembed.bench.compare.history import Trend
from aembed.bench.model.result import Report
from aembed.bench.needs import need
from aembed.bench.report import charts, compared, headlines, sections
from aembed.bench.report.plot import Plot, embedded
from aembed.bench.report.svg import Chart
from aembed.bench.report.tables import printable

if TYPE_CHECKING:
    from markupsafe import Markup

HERE = Path(__file__).parent
INTERVAL = re.compile(r"(\([^()]{1,40} to [^()]{1,40}\)|\((?:too few|no interval)\))")


def html(reports: Sequence[Report] = (), *, comparison: Comparison | None = None, trends: Sequence[Trend] = ()) -> str:
    """The page. Names and messages are text in it, never markup."""
    need("jinja2", "bench-report", "an HTML report")
    import jinja2

    environment = jinja2.Environment(
        autoescape=True, loader=jinja2.FileSystemLoader(HERE), trim_blocks=True, undefined=jinja2.StrictUndefined
    )
    environment.filters["unparted"] = _unparted
    script = (HERE / "page.js").read_text(encoding="utf-8")
    plots = _Plots()
    return environment.get_template("page.html.jinja").render(
        style=(HERE / "page.css").read_text(encoding="utf-8"),
        script=script,
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        plots=plots,
        reports=reports,
        overview=headlines.overview(reports) if len(reports) > 1 else None,
        comparison=comparison,
        comparison_tables=compared.comparison(comparison) if comparison else (),
        comparison_charts=charts.comparison(comparison) if comparison else (),
        trend_charts=[charts.trend(trend) for trend in trends],
        headlines=headlines,
        printable=printable,
        tables=sections.tables,
        charts=charts.charts,
    )


class _Plots:
    """The data of every chart, in the order of the page."""

    def __init__(self) -> None:
        self._found: list[Plot] = []

    def number(self, chart: Chart, article: str) -> int | None:
        """Keep the data of ``chart``; gives its place."""
        if chart.plot is None:
            return None
        self._found.append({**chart.plot, "article": article, "chart": chart.title})
        return len(self._found) - 1

    def embedded(self) -> str:
        """All of it as JSON, once every chart is kept."""
        return embedded(self._found)


def _unparted(cell: str) -> Markup:
    """With intervals that are not broken into lines: their units would be alone."""
    from markupsafe import Markup

    span = Markup('<span class="interval">{}</span>')
    return Markup("").join(span.format(part) if i % 2 else part for i, part in enumerate(INTERVAL.split(cell)))
