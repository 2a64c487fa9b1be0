"""Interleaved rounds, each candidate in a fresh process. See ``README.md`` for what the numbers do not show."""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

from perf.local.candidates import CANDIDATES, ON_TORCH
from perf.local.model_files import assemble
from perf.local.report import OURS, agreement, ratios, table

RESULTS = Path("perf/results/local.json")


def main() -> None:
    options = arguments()
    interpreters = {name: options.torch_python if name in ON_TORCH else sys.executable for name in options.candidates}
    names = [name for name, interpreter in interpreters.items() if interpreter]
    figures: dict[str, dict[str, list[float]]] = {name: defaultdict(list) for name in names}
    samples: dict[str, list[list[float]]] = {}
    order = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as scratch:
        directory = assemble(Path(scratch))
        for number in range(options.rounds):
            for name in order.sample(names, len(names)):
                print(f"round {number + 1} of {options.rounds}: {name}", file=sys.stderr)
                outcome = in_fresh_process(interpreters[name], name, directory, options)
                samples[name] = outcome["samples"]
                for figure, value in outcome["figures"].items():
                    figures[name][figure].append(value)
    cosines = agreement(samples)
    facts = {"machine": platform.platform(), "cores": os.cpu_count(), "seed": options.seed, "scale": options.scale}
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(json.dumps({"facts": facts, "figures": figures, "cosine": cosines}, indent=1), encoding="utf-8")
    print(table(figures), ratios(figures, best=False), ratios(figures, best=True), sep="\n\n")
    print(f"\nlowest cosine with aembed: {cosines}")


def in_fresh_process(interpreter: str, name: str, directory: Path, options: argparse.Namespace) -> Any:
    command = [interpreter, "-m", "perf.local.child", name, str(directory), str(options.seed), str(options.scale)]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "true"}
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment)
    if done.returncode:
        raise SystemExit(f"{name} failed:\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m perf.local", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two rounds of a tenth of the texts")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--scale", type=float, default=0.5, help="how many texts; 1 is 2048 short, 128 long, 640 mixed")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--candidates", nargs="+", default=list(CANDIDATES), choices=list(CANDIDATES))
    parser.add_argument("--torch-python", help=f"interpreter that has {' and '.join(ON_TORCH)}")
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.scale = 2, 0.1
    options.candidates = list(dict.fromkeys([OURS, *options.candidates]))
    return options


if __name__ == "__main__":
    main()
