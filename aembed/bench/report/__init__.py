"""Reports for people and for machines: a terminal, one HTML file, and what CI systems read.

Modules:
    tables                        tables of text, which every format shows
    headlines sections compared   titles, verdicts and tables of reports and comparisons
    latency breakdown under_load shapes side_by_side single conditions    the sections
    console                       a terminal
    charts versus_charts over_time stacked page    one HTML file that needs nothing else
    ci                            JUnit, GitHub annotations and step summary
"""

from aembed.bench.report.ci import github_annotations, junit, step_summary
from aembed.bench.report.console import show
from aembed.bench.report.page import html

__all__ = ["github_annotations", "html", "junit", "show", "step_summary"]
