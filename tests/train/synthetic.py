"""A task of a few seconds: which of three tones is in the noise. Batches as the loader gives them."""

import dataclasses
import itertools

import flax.linen as nn
import jax.numpy as jnp
import numpy as np

from actjax.defaults import default_config
from actjax.nn.blocks import BatchNorm
from actjax.train import options
from actjax.types import Batch, Frontend

FRONTEND = Frontend(n_fft=512, hop_samples=128, n_mels=52, scale=20.0, offset=40.0)
SAMPLES, CLASSES, BATCH = 4000, 3, 8


class Network(nn.Module):
    """What networks consist of, once each: four of each, as in vgg, compile three times as long.

    But for a maximum, whose gradient is NaN at the backend's level 0, which compiles twice as fast;
    test_precision trains networks with maxima at level 1.
    """

    axis_name: str | None
    dropout: float

    @nn.compact
    def __call__(self, mel_bft, *, train, mask_b=None):
        norm = BatchNorm(self.axis_name, affine=False, name="bn0")
        x = norm(mel_bft[..., None], train=train, mask_b=mask_b)
        x = nn.Conv(6, (5, 5), (2, 2), padding="VALID", use_bias=False, name="conv1")(x)
        x = nn.relu(BatchNorm(self.axis_name, name="bn1")(x, train=train, mask_b=mask_b))
        x = jnp.concatenate([x.mean(2), jnp.tanh(x).mean(2)], -1)
        x = nn.relu(nn.Dense(8, name="embedding")(x.reshape(len(x), -1)))
        x = nn.Dropout(self.dropout, deterministic=not train)(x)
        return nn.Dense(CLASSES, name="logits")(x), {}


def network(axis_name=None, dropout=0.0):
    return Network(axis_name, dropout)


def clips(count, seed):
    rng = np.random.default_rng(seed)
    label = rng.integers(0, CLASSES, count).astype(np.int32)
    tone = np.sin(2 * np.pi * (400 * 2.0 ** label[:, None]) * np.arange(SAMPLES) / 12000)
    return (0.1 * tone + 0.05 * rng.normal(size=tone.shape)).astype(np.float32), label


AUDIO, LABEL = clips(64, 0)


def batch(places):
    """The clips at `places`, those beyond the last one as padding."""
    places = np.asarray(places)
    mask = places < len(AUDIO)
    index = np.where(mask, places, 0).astype(np.int32)
    audio = np.where(mask[:, None], AUDIO[index], 0)
    length = np.where(mask, SAMPLES, 0).astype(np.int32)
    return Batch(audio, mask, length, np.where(mask, LABEL[index], 0).astype(np.int32), index)


def train_batches(start):
    for step in itertools.count(start):
        yield batch(np.random.default_rng([5, step]).permutation(len(AUDIO))[:BATCH])


def eval_batches(size=BATCH, count=64):
    for first in range(0, count, size):
        places = np.arange(first, first + size)
        yield batch(np.where(places < count, places, len(AUDIO)))


def train_options(**changes):
    """Adam without decay, warm-up or smoothing, but for `changes`."""
    config = default_config()
    config.train.update(optimizer="adam", learning_rate=1e-3, warmup_steps=0, weight_decay=0.0)
    config.train.update(label_smoothing=0.0, eval_every=0)
    return dataclasses.replace(options.of_config(config.train, 0, False), **changes)
