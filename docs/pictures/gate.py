"""States of the gate: ``python docs/pictures/gate.py`` writes ``docs/_static/gate.svg``."""

from __future__ import annotations

from pathlib import Path

from boxes import Arrow, Box, picture


def main() -> None:
    """Draw it."""
    parts: list[Box | Arrow] = [
        Box(80, 14, "healthy", "requests start at the quota's rate", width=200),
        Box(10, 140, "paused", "no request", width=130),
        Box(190, 230, "probing", "one request at a time", width=160),
        Box(190, 340, "given up", "waiting calls fail", width=160),
        Arrow([(110, 60), (110, 140)], "429 with\nRetry-After", (116, 96), "start"),
        Arrow([(36, 140), (36, 37), (80, 37)], "time is over", (42, 124), "start"),
        Arrow([(75, 186), (75, 253), (190, 253)], "no known limit", (82, 246), "start"),
        Arrow([(206, 60), (206, 230)], "429 without a time,\n10 failures in a row", (212, 150), "start"),
        Arrow([(330, 230), (330, 46), (280, 46)], "a success", (324, 100), "end"),
        Arrow([(230, 276), (230, 340)], "90 s", (236, 312), "start"),
        Arrow([(350, 363), (370, 363), (370, 28), (280, 28)], "a success of\na new call", (364, 305), "end"),
    ]
    svg = picture("States of the gate", parts, width=380, height=396)
    Path(__file__).parents[1].joinpath("_static", "gate.svg").write_text(svg, encoding="utf-8")


if __name__ == "__main__":
    main()
