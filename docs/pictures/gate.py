"""States of the gate: ``python docs/pictures/gate.py`` writes ``docs/_static/gate.svg``."""

from __future__ import annotations

from pathlib import Path

from boxes import Arrow, Box, picture


def main() -> None:
    """Draw it."""
    parts: list[Box | Arrow] = [
        Box(250, 20, "open", "requests start at the quota's rate", width=220),
        Box(20, 140, "paused", "until Retry-After", width=180),
        Box(270, 140, "probing", "one request at a time", width=180),
        Box(520, 140, "circuit open", "one request at a time", width=180),
        Box(270, 260, "given up", "waiting calls fail", width=180),
        Arrow([(250, 50), (110, 50), (110, 140)], "429 with Retry-After", (118, 42), "start"),
        Arrow([(200, 163), (235, 163), (235, 90), (300, 90), (300, 66)], "time is over", (205, 180), "start"),
        Arrow([(360, 66), (360, 140)], "429 without Retry-After", (366, 110), "start"),
        Arrow([(330, 140), (330, 66)]),
        Arrow([(470, 50), (610, 50), (610, 140)], "10 failures in a row", (602, 42), "end"),
        Arrow([(650, 140), (650, 30), (470, 30)], "a success", (656, 90), "start"),
        Arrow([(360, 186), (360, 260)], "90 s without a success", (366, 228), "start"),
    ]
    svg = picture("States of the gate", parts, width=730, height=320)
    Path(__file__).parents[1].joinpath("_static", "gate.svg").write_text(svg, encoding="utf-8")


if __name__ == "__main__":
    main()
