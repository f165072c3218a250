"""Five training seeds, each paired with its own initialisation: the findings over seeds.

    python launch.py --config=configs/seeds.py --stage=sweep

Trains, scores and tests five quickstarts, runs/seeds/seed0 to seed4, with ten initialisations and 1,000
replicates each, then writes runs/seeds/findings.json and runs/seeds/report/index.html: intervals over
recordings and seeds, seeds as dots, and the verdicts' "four of five seeds". Interrupted, it goes on.
Recordings, halves and resamples are the same for all seeds, as they depend on data.seed alone.
"""

import runpy
from pathlib import Path


def get_config():
    """The quickstart with ten untrained initialisations and more replicates."""
    config = runpy.run_path(str(Path(__file__).with_name("quickstart.py")))["get_config"]()
    config.findings.untrained = 10
    config.findings.replicates = 1000
    config.findings.splits = 10
    config.train.population = 5  # one program trains all five
    return config


def get_sweep():
    """Five seeds of initialisation, shuffling and dropout; the data stay the same."""
    return {f"seed{seed}": {"seed": seed} for seed in range(5)}
