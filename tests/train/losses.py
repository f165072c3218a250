"""Prints the losses of some steps as JSON; the number of devices is that of XLA_FLAGS."""

import functools
import json
import sys
from pathlib import Path

import jax

sys.path.insert(0, str(Path(__file__).parent))
import synthetic

from actjax import parallel
from actjax.train import loop, options, state, step


def losses(steps):
    """[steps] mean training loss of each step, over batches that end in two padded clips."""
    model = synthetic.network(parallel.AXIS)
    chosen = synthetic.train_options(batch_size=8, learning_rate=3e-3)
    optimizer = options.make_optimizer(chosen, steps, steps)
    variables = loop.init_variables(model, synthetic.FRONTEND, 0, synthetic.SAMPLES)
    held = parallel.replicate(state.create(variables, optimizer, 0))
    run = parallel.pmap(
        functools.partial(
            step.train_step,
            model=model,
            frontend=synthetic.FRONTEND,
            optimizer=optimizer,
            label_smoothing=0.0,
            multilabel=False,
        ),
        donate=(0,),
    )
    found, batches = [], synthetic.train_batches(0)
    for _ in range(steps):
        batch = next(batches)
        batch.mask[6:] = False
        sums = run(held, parallel.shard(batch))
        held, sums = sums[0], parallel.unreplicate(sums[1])
        found.append(float(sums["loss"] / sums["count"]))
    return found


if __name__ == "__main__":
    print(json.dumps([jax.local_device_count(), losses(int(sys.argv[1]))]))
