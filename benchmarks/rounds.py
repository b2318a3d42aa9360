"""Programs side by side: each contest runs its sides in turn, round after round, in another order each time; what counts is the median
over the rounds, and the median of the ratios within a round."""

import dataclasses
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable

ROOT = pathlib.Path(__file__).resolve().parents[1]
PEERS = ROOT / "benchmarks/peers"


@dataclasses.dataclass
class Contest:
    """Sides that do the same work, of which ratios are to the side `against`. Each returns its figures, whose units are in `figures`."""

    name: str
    figures: dict[str, str]
    sides: dict[str, Callable[[], dict[str, float]]]
    against: str

    def run(self, rounds):
        """Rows of the table, one for each figure: medians and ratios of each side."""
        found = {side: [] for side in self.sides}
        for number in range(rounds):
            order = list(self.sides) if number % 2 == 0 else list(reversed(self.sides))
            for side in order:
                found[side].append(self.sides[side]())
                shown = ", ".join(f"{found[side][-1][figure]:.4g} {unit}" for figure, unit in self.figures.items())
                print(f"{self.name}, round {number + 1}: {side} {shown}", file=sys.stderr)
        return [self.row(figure, unit, found) for figure, unit in self.figures.items()]

    def row(self, figure, unit, found):
        values = {side: [values[figure] for values in rounds] for side, rounds in found.items()}
        ratio = lambda own: statistics.median(a / b for a, b in zip(own, values[self.against], strict=True))
        sides = {side: {"median": statistics.median(own), "ratio": ratio(own), "rounds": own} for side, own in values.items()}
        return {"contest": self.name, "figure": figure, "unit": unit, "against": self.against, "sides": sides}


def run(command, threads, **variables):
    """Standard output of a command that may use so many threads."""
    return watch(command, threads, **variables)[0]


def watch(command, threads=1, **variables):
    """Runs a command; returns its output, and its time from start to end and peak memory in MB.

    The child's peak counts from the parent's size at the fork, so this process imports nothing large.
    """
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "ORT_DISABLE_TELEMETRY": "1", **variables}
    start = time.perf_counter()
    with tempfile.TemporaryFile("w+") as errors:
        words = [str(word) for word in command]
        process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=errors, text=True, env=environment)
        output = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            errors.seek(0)
            sys.exit(f"{' '.join(words)} failed with status {process.returncode}:\n{errors.read()}")
    return output, {"seconds": seconds, "peak_mb": usage.ru_maxrss / 1024}


def peer(script, *arguments, threads):
    """What a script of `peers/` prints as JSON."""
    return json.loads(run([sys.executable, PEERS / script, *arguments], threads))


def table(rows):
    """The rows as Markdown, a line for each side."""
    lines = ["| | side | median | relative to the peer |", "|---|---|---|---|"]
    for row in rows:
        for index, (side, found) in enumerate(row["sides"].items()):
            name = f"{row['contest']}: {row['figure'].replace('_', ' ')}, {row['unit']}" if index == 0 else ""
            ratio = "1" if side == row["against"] else f"{found['ratio']:.3g}"
            lines.append(f"| {name} | {side} | {found['median']:.4g} | {ratio} |")
    return "\n".join(lines)


def machine_name(cpu, processors):
    """A file name for this kind of machine."""
    return re.sub(r"[^a-z0-9]+", "-", f"{cpu} {processors}".lower()).strip("-")
