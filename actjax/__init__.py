"""actjax: which hand-crafted audio feature does each neuron listen to?"""

import importlib
from typing import TYPE_CHECKING, Any

from actjax import lookup

if TYPE_CHECKING:
    from actjax.capturing.api import capture
    from actjax.extraction.compute import feature
    from actjax.results.atlas_of_arrays import atlas
    from actjax.results.running import load_run, run
    from actjax.scores.files import load_scores
    from actjax.similarity.api import score, score_maps
    from actjax.statistics.map_significance import significance_maps
    from actjax.statistics.significance import significance

# Public name -> the module it lives in. Loaded on first use, so that `import actjax` costs nothing and
# scoring works where pyarrow and librosa are not installed.
_PUBLIC = {
    "atlas": "actjax.results.atlas_of_arrays",
    "capture": "actjax.capturing.api",
    "score": "actjax.similarity.api",
    "score_maps": "actjax.similarity.api",
    "feature": "actjax.extraction.compute",
    "load_run": "actjax.results.running",
    "load_scores": "actjax.scores.files",
    "run": "actjax.results.running",
    "significance": "actjax.statistics.significance",
    "significance_maps": "actjax.statistics.map_significance",
}

__all__ = [
    "atlas",
    "capture",
    "feature",
    "list_datasets",
    "list_features",
    "list_metrics",
    "list_models",
    "load_run",
    "load_scores",
    "run",
    "score",
    "score_maps",
    "significance",
    "significance_maps",
]


def list_metrics() -> tuple[str, ...]:
    """The names of all similarity metrics, sorted.

    >>> list_metrics()[:3]
    ('accuracy', 'auc', 'auprc')
    """
    return lookup.names("metric")


def list_features() -> tuple[str, ...]:
    """The names of all audio features, sorted.

    >>> "chroma_stft" in list_features()
    True
    """
    return lookup.names("feature")


def list_models() -> tuple[str, ...]:
    """The names of all networks, sorted.

    >>> "vgg" in list_models()
    True
    """
    return lookup.names("model")


def list_datasets() -> tuple[str, ...]:
    """The names of all data sets, sorted.

    >>> "audio_folder" in list_datasets()
    True
    """
    return lookup.names("dataset")


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        # From here on it is an attribute like others, found without this function.
        return globals().setdefault(name, getattr(importlib.import_module(_PUBLIC[name]), name))
    raise AttributeError(f"module 'actjax' has no attribute {name!r}; it has {', '.join(__all__)}")


def __dir__() -> list[str]:
    return __all__
