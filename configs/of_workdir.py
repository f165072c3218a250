"""The config that a workdir was made with: another stage there, or all that are not done yet.

    python launch.py --config=configs/of_workdir.py:runs/quickstart --workdir=runs/quickstart --stage=report

It is what `actjax report runs/quickstart` and `actjax run runs/quickstart` read.
"""

from pathlib import Path

from actjax.defaults import default_config
from actjax.workdir import recorded_config


def get_config(workdir=None):
    """The options of the last stage that ran in the workdir; others, and all without one, have defaults."""
    config = default_config()
    if workdir is not None:
        config.update_from_flattened_dict(recorded_config.latest(Path(workdir)))
    return config
