"""Names the folder in which a pass over the clips keeps observations until all of them have been seen."""

from pathlib import Path

from actjax import files

PATTERN = "scores/.observations-*"


def path_of(workdir: Path, process_index: int) -> Path:
    """The folder of one process of this run; whoever writes there removes it at the end."""
    return workdir / PATTERN.replace("*", f"{files.RUN}-{process_index}")
