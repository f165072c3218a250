"""Hands many mutated files to the readers, and starts the process that does so again where one ends it.

python tests/fuzz/campaign.py 3000          # a summary by kind, then every fault and how to see it again
python tests/fuzz/campaign.py 3000 3000     # the next 3,000
"""

import collections
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

CHILD = Path(__file__).with_name("child.py")


def run(inputs: int, folder: Path, *options: str, first: int = 0) -> list[dict[str, Any]]:
    """How each input from `first` on ended, as `child.judge` has it; see there."""
    found: list[dict[str, Any]] = []
    while len(found) < inputs:
        command = [sys.executable, str(CHILD), f"--folder={folder / str(len(found))}"]
        command += [f"--first={first + len(found)}", f"--inputs={first + inputs}", *options]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace")
        lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        judged = [line for line in lines if "end" in line]
        found += judged
        if len(found) < inputs:
            # The process ended over an input: it hung, ran out of memory, or a library crashed.
            if not lines or "end" in lines[-1]:
                raise RuntimeError(f"the readers fail before any input is changed: {done.stderr[-3000:]}")
            how = "hung" if "Timeout (" in done.stderr else f"ended the process (status {done.returncode})"
            where = [line.strip() for line in done.stderr.splitlines() if line.strip().startswith("File ")][
                :4
            ]
            one = {"kind": lines[-1]["kind"], "seed": lines[-1]["seed"], "end": how, "seconds": 0.0}
            found.append(one | {"faults": [how], "message": "; ".join(where)})
    return found


def faults(found: list[dict[str, Any]]) -> str:
    """Every fault, and the command that shows it again."""
    lines = []
    for one in found:
        if one["faults"]:
            lines.append(f'python tests/fuzz/child.py "{one["kind"]}" {one["seed"]}')
            lines.append(f"  {one['end']}: {one['message'][:200]!r}")
            lines += [f"  fault: {fault[:300]}" for fault in one["faults"]]
    return "\n".join(lines)


def summary(found: list[dict[str, Any]]) -> str:
    """A line for each kind: inputs, results, refusals, faults, the longest."""
    lines, kinds = [], collections.defaultdict(list)
    for one in found:
        kinds[one["kind"]].append(one)
    for kind, own in kinds.items():
        read, faulty = sum(o["end"] == "result" for o in own), sum(bool(o["faults"]) for o in own)
        counts = f"{len(own):5} inputs {read:5} read {len(own) - read:5} refused {faulty:5} with faults"
        lines.append(f"{kind:24} {counts}, {max(o['seconds'] for o in own):5.2f} s at most")
    return "\n".join(lines)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="fuzz-") as scratch:
        inputs, first = int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0
        ended = run(inputs, Path(scratch), first=first)
    print(summary(ended))
    print(faults(ended))
    sys.exit(any(one["faults"] for one in ended))
