"""Prints, for each room, how many of the sampled changes its tests notice, and those that they do not."""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import tomllib
from pathlib import Path

from tests.mutation.mutants import Mutant, mutants
from tests.mutation.trial import Workplace

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
ROOMS: dict[str, dict[str, list[str]]] = tomllib.loads((HERE / "rooms.toml").read_text(encoding="utf-8"))
BAR = 90.0
SAMPLE = 40


def equivalents() -> set[tuple[str, str, int, str]]:
    listed = tomllib.loads((HERE / "equivalents.toml").read_text(encoding="utf-8")).get("equivalent", [])
    assert all(entry["why"] for entry in listed)
    return {(entry["file"], entry["line"], entry["column"], entry["after"]) for entry in listed}


def files(room: str) -> list[Path]:
    """Files of the room alone: one that a later room names belongs to that room."""
    found = [
        path for source in ROOMS[room]["sources"] for path in sorted((ROOT / source).rglob("*.py")) or [ROOT / source]
    ]
    later = list(ROOMS)[list(ROOMS).index(room) + 1 :]
    others = {ROOT / source for name in later for source in ROOMS[name]["sources"]}
    others |= {ROOT / source for source in ROOMS[room].get("left_out", ())}
    return [path for path in found if others.isdisjoint({path, *path.parents})]


def candidates(room: str) -> list[Mutant]:
    """All changes of a room but those listed as equivalent."""
    found = [mutant for path in files(room) for mutant in mutants(path, ROOT)]
    listed, names = equivalents(), {mutant.path for mutant in found}
    for entry in sorted(listed - {mutant.key for mutant in found}):
        if entry[0] in names:
            print(f"{room}: listed as equivalent, but there is no such change: {entry}")
    return [mutant for mutant in found if mutant.key not in listed]


def try_room(room: str, chosen: list[Mutant]) -> float:
    """The share in percent of the changes that are noticed."""
    survivors = []
    with tempfile.TemporaryDirectory(prefix="aembed-mutation-") as directory:
        tests, programs = given.tests or ROOMS[room]["tests"], ROOMS[room].get("programs", ())
        workplace = Workplace(ROOT, Path(directory), tests, given.seconds, programs)
        workplace.measure([path.relative_to(ROOT).as_posix() for path in files(room)])
        with workplace.servers():
            for number, mutant in enumerate(chosen, 1):
                noticed = workplace.is_noticed(mutant)
                mark = "noticed " if noticed else "SURVIVES"
                print(f"{number}/{len(chosen)} {mark} {mutant.kind}: {mutant}", flush=True)
                if not noticed:
                    survivors.append((mutant, len(workplace.reaching(mutant))))
            workplace.check()
    rate = 100 * (1 - len(survivors) / len(chosen))
    for mutant, reached in survivors:
        print(f"  {mutant}\n      {mutant.text}\n      reached by {reached} tests")
    print(f"{room}: {rate:.1f} % of {len(chosen)} changes noticed\n", flush=True)
    return rate


parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
parser.add_argument("rooms", nargs="*", metavar="ROOM", help=f"of {', '.join(ROOMS)} [default: all]")
parser.add_argument("--sample", type=int, help="changes drawn for each room [default: 40, with --at all]")
parser.add_argument("--seed", type=int, default=1)
parser.add_argument("--at", action="append", default=[], metavar="FILE[:LINE[:COLUMN]]", help="only changes there")
parser.add_argument("--tests", nargs="+", metavar="PATH", help="these, not the tests of the room")
parser.add_argument("--seconds", type=float, default=30.0, help="of processor time of tests for one change")
parser.add_argument("--bar", type=float, default=BAR, help=f"percent below which it fails [default: {BAR:g}]")
given = parser.parse_args()
if unknown := [room for room in given.rooms if room not in ROOMS]:
    parser.error(f"no such room: {', '.join(unknown)}")
rates = {}
for room in given.rooms or ROOMS:
    drawn = candidates(room)
    if given.at:
        drawn = [mutant for mutant in drawn if f"{mutant.place}:".startswith(tuple(f"{at}:" for at in given.at))]
    sample = given.sample or (len(drawn) if given.at else SAMPLE)
    if len(drawn) > sample:
        drawn = random.Random(f"{given.seed} {room}").sample(drawn, sample)
    if drawn:
        rates[room] = try_room(room, drawn)
for room, rate in rates.items():
    print(f"{room:10} {rate:5.1f} %{'' if rate >= given.bar else f'  below {given.bar:g} %'}")
sys.exit(any(rate < given.bar for rate in rates.values()))
