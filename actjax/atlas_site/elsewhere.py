"""Activations made elsewhere, as what the atlas listens to: the file's values in place of a network's."""

import dataclasses
from collections.abc import Iterator, Sequence

import jax.numpy as jnp
import numpy as np

from actjax import runs
from actjax.activations import comparisons
from actjax.atlas_site import activity
from actjax.atlas_site.activity import Heard, Listened
from actjax.data import loader
from actjax.external.properties import rows_of
from actjax.scoring import from_elsewhere
from actjax.setup import EXTERNAL
from actjax.types import Feature


def listen(run: runs.Run, source: loader.Source) -> Listened:
    """The layers of the file of `score.activations`, whose cells are counted in samples.

    Raises:
      FileError, ValueError: the file is not as it should be, or lacks clips.
    """
    opened, rate = from_elsewhere.activations(run.setup.scored), source.sample_rate_hz
    assert opened is not None, "asked where there is a file"
    rows, front = rows_of(opened.path, opened.clip_ids, source.clip_ids), run.setup.analysis
    setting = comparisons.Setting(front, np.zeros(0), source.clip_samples, wants=frozenset())
    layers = tuple(one.layer(setting) for one in opened.layers)
    in_samples = dataclasses.replace(front, hop_samples=1)

    def clip_means(clips: loader.Source) -> dict[str, dict[str, np.ndarray]]:
        means = {layer.name: np.zeros((len(clips), layer.neurons), np.float32) for layer in layers}
        for batch in loader.batches(clips, batch_size=run.setup.scored.batch_size):
            index, length_s = batch.index[batch.mask], batch.length[batch.mask] / np.float32(rate)
            for one, layer in zip(opened.layers, layers, strict=True):
                values, centres = one.read(rows[index]), activity.times_s(layer, in_samples)
                cells = jnp.asarray(values, jnp.float32)
                means[layer.name][index] = activity.mean_of_cells(cells, centres, jnp.asarray(length_s))
        return {EXTERNAL: means}

    def hear(features: Sequence[Feature], clips: loader.Source, chosen: np.ndarray) -> Iterator[Heard]:
        batch_size = run.setup.scored.batch_size
        for one in activity.heard(lambda *_: {}, None, features, clips, chosen, front, batch_size):
            row = rows[[one.clip]]
            values = {layer.name: np.asarray(layer.read(row)[0], np.float32) for layer in opened.layers}
            yield one._replace(layers=values)

    made_from = from_elsewhere.fingerprint(run.setup.scored)
    seconds = source.clip_samples / rate
    return Listened(layers, in_samples, seconds, made_from, clip_means, hear)
