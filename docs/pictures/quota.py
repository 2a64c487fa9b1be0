"""Share of a quota that aembed and two rivals use, and the 429s this costs: on virtual time, equal on every machine.

``python docs/pictures/quota.py`` writes ``docs/_static/quota.svg`` and prints the figures. The rivals know the server's
limits, hidden ones too. Needs aiolimiter, and takes a minute.
"""

from __future__ import annotations

from plot import Panel, dot, text, write

from perf.quota.run import Outcome, run
from perf.quota.scenarios import TUNED

SCENARIOS = {
    "bucket, headers": "bucket, limits in headers",
    "bucket, stated": "bucket, limits stated",
    "sliding, headers": "sliding window, headers",
    "fixed, headers": "fixed window, headers",
    "bucket, hidden": "bucket, nothing reported",
    "sliding, hidden": "sliding window, nothing reported",
    "others use 30 %": "other programs use 30 %",
    "many queries": "many queries besides",
}
CLIENTS = {"aembed": "full", "aiolimiter": "hollow", "semaphore": "cross"}
SEED = 1
WIDTH, LEFT, TOP, ROW, RIGHT, COLUMN = 440, 14, 66, 46, 130, 36


def outcomes() -> dict[str, dict[str, Outcome]]:
    """Scenario -> client -> outcome."""
    scenarios = {each.name: each for each in TUNED}
    return {name: {client: run(scenarios[name], client, SEED) for client in CLIENTS} for name in SCENARIOS}


def drawn(found: dict[str, dict[str, Outcome]]) -> list[str]:
    """A row for each scenario: efficiencies as marks, 429s of each client as numbers."""
    height = ROW * len(found)
    least = min(each.efficiency for clients in found.values() for each in clients.values())
    low = min(0.8, int(least * 20) / 20)
    panel = Panel((low, 1.0), (len(found), 0), LEFT, TOP, WIDTH - LEFT - RIGHT, height)
    ticks = [low, (low + 1) / 2, 1.0]
    parts = [panel.columns(ticks, [f"{100 * tick:.0f} %" for tick in ticks], ruled=True)]
    for place, (client, kind) in enumerate(CLIENTS.items()):
        parts += [dot(LEFT + 100 * place, 14, kind), text(LEFT + 10 + 100 * place, 18, client)]
    parts.append(text(LEFT, TOP - 12, "part of the quota used", "small"))
    parts.append(text(WIDTH - 4, TOP - 30, "429s per 100 replies", "small", "end"))
    for place, kind in enumerate(CLIENTS.values()):
        parts.append(dot(WIDTH - RIGHT + 44 + COLUMN * place, TOP - 14, kind))
    for row, (name, clients) in enumerate(found.items()):
        y = panel.at(1, row + 0.65)[1]
        parts.append(text(LEFT, y - 12, SCENARIOS[name], "small"))
        parts += [dot(panel.at(clients[client].efficiency, 0)[0], y, kind) for client, kind in CLIENTS.items()]
        for place, each in enumerate(clients.values()):
            share = f"{100 * each.rejected / each.answered:.0f}"
            parts.append(text(WIDTH - RIGHT + 44 + COLUMN * place, y + 4, share, "small", "middle"))
    return parts


def main() -> None:
    """Run, draw, and print."""
    found = outcomes()
    for name, clients in found.items():
        cells = [f"{each.efficiency:.3f}, {each.rejected / each.answered:.3f} 429s" for each in clients.values()]
        print(f"| {SCENARIOS[name]} | {' | '.join(cells)} |")
    title = "Part of the quota that aembed, aiolimiter and a semaphore use"
    write("quota.svg", title, drawn(found), width=WIDTH, height=TOP + ROW * len(found) + 26)


if __name__ == "__main__":
    main()
