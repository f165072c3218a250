"""A network trained on shuffled labels, as one more control of the findings.

    python launch.py --config=configs/shuffled_labels.py --stage=sweep

Trains two quickstarts: runs/shuffled_labels/labels, whose training clips carry each other's labels, so that
nothing but the clips themselves can be learned, and runs/shuffled_labels/network, the usual one, whose
findings take the first as a control beside the others.
"""

import runpy
from pathlib import Path


def get_config():
    """The quickstart."""
    return runpy.run_path(str(Path(__file__).with_name("quickstart.py")))["get_config"]()


def get_sweep():
    """The control, then the network that it is compared with."""
    return {
        "labels": {"train.shuffled_labels": True, "findings.untrained": 0},
        "network": {"findings.label_control": "labels"},
    }
