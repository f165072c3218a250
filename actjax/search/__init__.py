"""Search spaces of sweeps: what a config's `get_sweep` may return beside variants by name.

from actjax.search import Asha, Search, choice, grid, log_uniform, uniform

def get_sweep():
    space = {"seed": grid(0, 1), "train.learning_rate": log_uniform(1e-4, 1e-2)}
    return Search(space, num_samples=8, metric="test_accuracy", asha=Asha(least_steps=100))
"""

from actjax.search.asha import Asha
from actjax.search.space import Search, choice, grid, log_uniform, uniform

__all__ = ["Asha", "Search", "choice", "grid", "log_uniform", "uniform"]
