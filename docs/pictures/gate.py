"""States of the gate: ``python docs/pictures/gate.py`` writes ``docs/_static/gate.svg``."""

from __future__ import annotations

from pathlib import Path

from boxes import Arrow, Box, picture


def main() -> None:
    """Draw it."""
    parts: list[Box | Arrow] = [
        Box(250, 20, "healthy", "requests start at the quota's rate", width=220),
        Box(20, 150, "paused", "no request", width=180),
        Box(270, 150, "probing", "one request at a time", width=180),
        Box(520, 150, "given up", "waiting calls fail", width=180),
        Arrow([(250, 36), (90, 36), (90, 150)], "429 with Retry-After", (98, 28), "start"),
        Arrow([(130, 150), (130, 54), (250, 54)], "time is over", (138, 100), "start"),
        Arrow([(200, 173), (270, 173)], "no known limit", (235, 212)),
        Arrow([(330, 66), (330, 150)], "429 without a time,", (324, 100), "end"),
        Arrow([(330, 66), (330, 150)], "10 failures in a row", (324, 116), "end"),
        Arrow([(400, 150), (400, 66)], "a success", (406, 110), "start"),
        Arrow([(450, 173), (520, 173)], "90 s", (485, 192)),
        Arrow([(610, 150), (610, 43), (470, 43)], "a success of a new call", (600, 36), "end"),
    ]
    svg = picture("States of the gate", parts, width=720, height=222)
    Path(__file__).parents[1].joinpath("_static", "gate.svg").write_text(svg, encoding="utf-8")


if __name__ == "__main__":
    main()
