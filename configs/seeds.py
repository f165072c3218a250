"""Five training seeds, each paired with its own initialisation: the findings over seeds.

    python launch.py --config=configs/seeds.py --stage=sweep
    python launch.py --config=configs/seeds.py --stage=findings

The first command trains and scores five quickstarts, runs/seeds/seed0 to seed4; interrupted, it goes on.
Each then needs its own findings, --stage=findings --workdir=runs/seeds/seed0 --config.seed=0 and so on (about
140 CPU seconds each, from its parts), before the second command writes runs/seeds/findings.json and
runs/seeds/report/: intervals over recordings and seeds, seeds as dots, and the verdicts' "four of five
seeds". Recordings, halves and resamples are the same for all seeds, as they depend on data.seed alone.
"""

import runpy
from pathlib import Path


def get_config():
    """The quickstart with ten untrained initialisations and more replicates."""
    config = runpy.run_path(str(Path(__file__).with_name("quickstart.py")))["get_config"]()
    config.findings.untrained = 10
    config.findings.replicates = 1000
    config.findings.splits = 10
    return config


def get_sweep():
    """Five seeds of initialisation, shuffling and dropout; the data stay the same."""
    return {f"seed{seed}": {"seed": seed} for seed in range(5)}
