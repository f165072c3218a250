"""One process of the benchmark: measures rows that are not there yet and writes each as it comes.

python -m actjax.benchmark.accelerator.worker --out FOLDER --sections pearson,ranks --until 1790000000
"""

import argparse
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from actjax.benchmark.accelerator import (
    ceilings,
    features,
    machine,
    rows,
    scaling,
    similarity,
    sweep,
    training,
)
from actjax.benchmark.accelerator.sides import free

# In the order of the table.
SECTIONS: Mapping[str, rows.Section] = {
    section.name: section
    for section in (
        ceilings.SECTION,
        *similarity.SECTIONS,
        features.SECTION,
        training.SECTION,
        sweep.SECTION,
        scaling.SECTION,
    )
}

# Errors after which a process may not be able to use the device.
_OF_THE_DEVICE = (
    "JaxRuntimeError",
    "XlaRuntimeError",
    "RuntimeError",
    "OutOfMemoryError",
    "AcceleratorError",
)


def measure(folder: Path, names: Sequence[str], *, tiny: bool, until: float) -> None:
    """Measures the rows of the sections that the folder does not have, until that time (of time.time())."""
    rows.append(folder, {"machine": machine.describe()})
    done = rows.latest(rows.read(folder))
    for name in names:
        section = SECTIONS[name]
        for row, build in section.builds(tiny).items():
            if (name, row) in done:
                continue
            if time.time() > until:
                print("the time is spent", flush=True)
                return
            # A row that ends the process is not tried again: its line is there already.
            head = {"section": name, "row": row}
            rows.append(folder, head | {"failed": "the process ended"})
            started = time.perf_counter()
            line = head | rows.measure(build) | {"seconds": time.perf_counter() - started}
            rows.append(folder, line)
            print(rows.say(line), flush=True)
            if str(line.get("failed", "")).startswith(_OF_THE_DEVICE):
                # Its memory may be full, or every later call fail: the next process goes on.
                return
        free()


def main() -> None:
    """Runs the sections from the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--sections", required=True)
    parser.add_argument("--until", type=float, required=True)
    parser.add_argument("--tiny", action="store_true")
    arguments = parser.parse_args()
    measure(arguments.out, arguments.sections.split(","), tiny=arguments.tiny, until=arguments.until)


if __name__ == "__main__":
    main()
