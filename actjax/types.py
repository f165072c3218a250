"""The nouns of actjax: what a metric, a feature, a layer is, and how its axes are named.

Axis suffixes, used in array names and docstrings wherever the rank is not obvious:

    b clip      s sample      f frequency   t frame        c channel     n neuron
    k feature row             o observation r null replicate             d device
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from actjax.layer_axis import LayerAxis

VIEWS = ("clip", "frame", "map")
# Ways of computing the products behind scores; `actjax.precision` says what each is.
PRECISIONS = ("exact", "fast", "tf32")
# Of one call: twice a rank and every place must be an int32. A stream of batches has no such bound.
MOST_OBSERVATIONS = 2**30 - 1


class Context(NamedTuple):
    """What is neither side of a pair but some metrics need; every field may be absent.

    Attributes:
      clip_ids_o: [o] int32, the clip each observation comes from.
      folds_o: [o] int32, the cross-validation fold of each observation, taken modulo the number of folds.
      nuisance_oq: [o, q] float32, rows whose linear effect is to be removed.
      key: a PRNG key for metrics that sample.
    """

    clip_ids_o: Any = None
    folds_o: Any = None
    nuisance_oq: Any = None
    key: Any = None


NO_CONTEXT = Context()


class Batch(NamedTuple):
    """Clips as the loader gives them to every reader: training, scoring, examples, users.

    Attributes:
      audio: [b, s] float32 in -1 .. 1; inside a training step also its images, [b, f, t].
      mask: [b] bool, False for rows that fill up the last batch.
      length: [b] int32 samples of signal in each clip; the silence that follows is padding and no signal.
      label: [b] int32, or [b, classes] float32 (multi-hot).
      index: [b] int32 into the source; 0 where mask is False.
    """

    audio: Any
    mask: Any
    length: Any
    label: Any
    index: Any


class Accumulator(NamedTuple):
    """A metric computed from batches of observations: state in, state out.

    Metrics whose accumulators have the same `name` share one state and differ in `finalize` only.

    Attributes:
      name: identifies the state; equal names mean equal init, update and merge.
      init: (n, k) -> state, for n neurons and k feature rows.
      update: (state, x_on, y_ok, mask_o, context) -> state.
      merge: (state, state) -> state; associative and commutative up to rounding.
      finalize: state -> {"score": [n, k], ...}, NaN where undefined.
    """

    name: str
    init: Callable[..., Any]
    update: Callable[..., Any]
    merge: Callable[..., Any]
    finalize: Callable[..., Mapping[str, Any]]


class Together(NamedTuple):
    """How a metric scores all images of two sides at once, where a CPU compares what it prepared only once.

    Attributes:
      prepare: (images [i, f, t], mask [t]) -> pytree, all images of either side.
      compare: (px, py, mask) -> {"score": [n, k], ...}, equal to the metric's own up to rounding.
      numbers: (f, t), (rows, t), k -> the numbers that a neuron's image takes among k images.
    """

    prepare: Callable[..., Any]
    compare: Callable[..., Mapping[str, Any]]
    numbers: Callable[..., int]


@dataclasses.dataclass(frozen=True, eq=False)
class Metric:
    """One similarity metric, written for one pair; the kernel vmaps it over all pairs.

    Metrics are told apart by identity, so that one can be a static argument of `jax.jit`;
    `actjax.similarity.api.make_metric` returns the same object for the same options.

    Attributes:
      name: the registry name, equal to its file's.
      prepare_x: (values, mask, Context) -> pytree, once per neuron. `values` is [o] with mask [o]
        when `observes == "vector"`, and [f, t] with mask [t] when `observes == "image"`.
      prepare_y: the same for one feature row; for `level == "feature"` with `observes ==
        "vector"` values are [o, k], all rows of one feature.
      compare: (px, py) -> {"score": scalar, ...}; NaN where undefined, never 0.
      views: those of "clip", "frame", "map" that it accepts.
      range: (lowest, highest, value of no similarity).
      reference: the citation.
      observes: "vector" (a list of observations) or "image" (a frequency x time matrix).
      compares: for the map view, "cells" (both images have the same rows, compared cell by cell;
        every metric that observes vectors does so) or "frames" (the rows may differ: the geometry
        of the frames is compared).
      level: "row" (each feature row by itself) or "feature" (all rows together).
      within: how scores within clips are made: "pooled" (each clip's mean removed, then pooled) or
        "per_clip" (computed in each clip, averaged over valid clips).
      symmetric: score(x, y) == score(y, x).
      signed: the sign of the score means direction.
      invariant_to: what the score does not depend on, on either side: "scale" (every neuron and every
        row by a positive factor of its own), "shift" (a constant added to it), "order" (any increasing
        map of it, which is more than both). Values that are taken as they are (0 and 1 as a concept's
        absence and presence) stay as they are.
      dot: `compare` is one inner product of prepared vectors (or a loop over blocks of one), so
        that all pairs are one matrix product; a metric that is not is computed in tiles of pairs.
      at_once: o -> whether `compare`, as it is being traced, takes all pairs of sides of o observations at
        once and needs no tiles of pairs; None for never.
      pair_copies: arrays of a prepared item's size that `compare` makes for one pair; sets the tile
        of metrics that are no inner product.
      min_observations: fewer valid ones give NaN.
      max_observations: more in one call are refused before any work; a metric whose time grows with their
        square says what it can take.
      accumulator: how it streams, or None.
      outputs: the names `compare` returns.
      options: the hyperparameters it was made with.
      cost: what a pair takes: "product" (one inner product of sides that are prepared once), "steps" (many
        operations an observation) or "quadratic" (time grows with the square of the observations).
      null: how it is scored on rearranged clips: "centred" (it is the cosine of centred vectors, so that
        all rearrangements are products of moments), "raw" (the cosine of vectors as they are: the same
        where clips are not scored one by one) or "rescored" (every rearrangement is scored anew).
      needs: the fields of the Context without which it cannot be computed.
      order: its place among metrics in reports and pictures, the smallest first.
      of_table: its score of two sides of 0 and 1, from how many observations are 1 on both, on x, on y, and
        how many there are; for metrics whose time grows with the square of the observations, else None.
      of_ranks: of a metric that looks at ranks alone, the same of sides that hold `twice_ranks` instead of
        values; on a CPU the host ranks long sides between programs, and no program calls it. Else None.
      together: of a metric that observes images, a quicker way on a CPU, or None.
    """

    name: str
    prepare_x: Callable[..., Any]
    prepare_y: Callable[..., Any]
    compare: Callable[[Any, Any], Mapping[str, Any]]
    views: tuple[str, ...]
    range: tuple[float, float, float]
    reference: str
    observes: str = "vector"
    compares: str = "cells"
    level: str = "row"
    within: str = "per_clip"
    symmetric: bool = True
    signed: bool = True
    invariant_to: tuple[str, ...] = ("scale", "shift")
    dot: bool = True
    at_once: Callable[[int], bool] | None = None
    pair_copies: int = 4
    min_observations: int = 3
    max_observations: int = MOST_OBSERVATIONS
    accumulator: Accumulator | None = None
    outputs: tuple[str, ...] = ("score",)
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    cost: str = "product"
    null: str = "rescored"
    needs: tuple[str, ...] = ()
    order: int = 100
    of_table: Callable[..., np.ndarray] | None = None
    of_ranks: "Metric | None" = None
    together: Together | None = None


@dataclasses.dataclass(frozen=True)
class Feature:
    """One hand-crafted audio feature of one clip.

    Attributes:
      name: the registry name, equal to its file's.
      fn: wave [s] float32 -> (values [rows, frames] float32, valid [frames] bool). Undefined
        frames (unvoiced, silent) have valid False and a finite placeholder value. Of a `whole_clip`
        feature it takes `length` too, the samples of signal; what follows them does not count.
      rows, row_names: how many there are, and a name for each.
      axis: what the rows are: "frequency", "pitch_class", "coefficient" or "none".
      centres_hz: the rows' centre frequencies when axis is "frequency", else None.
      sample_rate_hz: of the wave it expects.
      hop_samples: between frames; None for a single value per clip (1 x 1).
      window_samples: the length of the signal that one frame looks at.
      first_frame_s: the time of the centre of frame 0.
      unit, reference: of the values, and the citation.
      always_valid: True if `valid` is never False.
      host: True if fn runs in NumPy in the loader's workers, not under jit.
      whole_clip: True if a value depends on more than its window (a clip's maximum, its tuning, a
        rate), so that fn must be told where the signal ends.
    """

    name: str
    fn: Callable[[Any], tuple[Any, Any]]
    rows: int
    row_names: tuple[str, ...]
    axis: str
    sample_rate_hz: int
    hop_samples: int | None
    window_samples: int
    unit: str
    reference: str
    centres_hz: tuple[float, ...] | None = None
    first_frame_s: float = 0.0
    always_valid: bool = True
    host: bool = False
    whole_clip: bool = False


@dataclasses.dataclass(frozen=True)
class Layer:
    """One layer whose neurons are scored.

    Attributes:
      name: as in the model's dict of layer outputs.
      neurons: number of channels or units.
      depth: 0 at the input, 1 at the output.
      frequency, time: where its cells lie; both None for an embedding.
    """

    name: str
    neurons: int
    depth: float
    frequency: LayerAxis | None = None
    time: LayerAxis | None = None

    @property
    def is_map(self) -> bool:
        """True for a convolution layer, False for an embedding."""
        return self.time is not None


class LeftOut(NamedTuple):
    """A comparison that cannot be made, and why.

    Attributes:
      layer, view, feature: of the comparison.
      reason: why it cannot be made; one line.
    """

    layer: str
    view: str
    feature: str
    reason: str


@dataclasses.dataclass(frozen=True)
class Frontend:
    """How a wave becomes the network's input image, mel bands x frames.

    Attributes:
      sample_rate_hz, n_fft, hop_samples, n_mels, fmin_hz, fmax_hz: as in librosa's melspectrogram
        (Slaney mel scale and area normalisation; fmax_hz None is half the sample rate).
      squared: squares the mel power spectrogram once more, as the authors' earlier systems did.
      compression: of the power x: "db", which is 10 log10 x, or "log10(1 + 10000 x)".
      floor, top_db: of "db", the smallest x and the range kept below each clip's maximum, or None.
      scale, offset, subtract: the image is (compressed + offset) / scale, less an image [mel, frame] or None.
      takes: "image", or "wave" for networks of the raw wave: an image of one band, a frame a sample.
    """

    sample_rate_hz: int = 12000
    n_fft: int = 512
    hop_samples: int = 256
    n_mels: int = 96
    fmin_hz: float = 0.0
    fmax_hz: float | None = None
    squared: bool = False
    compression: str = "db"
    floor: float = 1e-10
    top_db: float | None = 80.0
    scale: float = 1.0
    offset: float = 0.0
    subtract: tuple[tuple[float, ...], ...] | None = None
    takes: str = "image"
