"""The command: see `second_font.replicate`.

python -m actjax.replication --workdir=runs/quickstart --sound_font=FluidR3_GM.sf2
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from actjax import failures
from actjax.replication.second_font import replicate


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit status; a mistake is one line."""
    parser = argparse.ArgumentParser(prog="python -m actjax.replication", description=replicate.__doc__)
    parser.add_argument("--workdir", type=Path, required=True, help="a finished run on gm_instruments")
    parser.add_argument("--sound_font", type=Path, required=True, help="an SF2 file")
    parser.add_argument("--data_dir", default=None, help="where prepared data sets live")
    asked = parser.parse_args(arguments)
    try:
        written = replicate(asked.workdir, asked.sound_font, asked.data_dir)
    except (Exception, KeyboardInterrupt) as error:
        failure = failures.explain(error, asked.workdir)
        print(f"error: {failure.message}", file=sys.stderr)
        return failure.status
    print("files:\n" + "\n".join(f"  {path}" for path in written))
    return 0


if __name__ == "__main__":
    sys.exit(main())
