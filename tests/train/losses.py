"""Prints the losses of some steps as JSON; the number of devices is that of XLA_FLAGS."""

import functools
import json
import sys
from pathlib import Path

import jax

sys.path.insert(0, str(Path(__file__).parent))
import synthetic

from actjax import parallel
from actjax.train import options, state, step


def trained(steps, *, precision="float32", padded=0):
    """([steps] mean training loss of each step, the state after them), of the synthetic task on 8 clips.

    The last `padded` clips of each batch do not count.
    """
    model = synthetic.network(parallel.AXIS)
    chosen = synthetic.train_options(batch_size=8, learning_rate=3e-3, precision=precision)
    optimizer = options.make_optimizer(chosen, steps, steps)
    variables = state.init_variables(model, synthetic.FRONTEND, 0, synthetic.SAMPLES)
    replicated = parallel.replicate(state.create(variables, optimizer, 0))
    call = parallel.pmap(
        functools.partial(
            step.train_step,
            model=model,
            frontend=synthetic.FRONTEND,
            optimizer=optimizer,
            label_smoothing=0.0,
            multilabel=False,
            precision=chosen.precision,
        ),
        donate=(0,),
    )
    losses, batches = [], synthetic.train_batches(0)
    for _ in range(steps):
        batch = next(batches)
        batch.mask[len(batch.mask) - padded :] = False
        replicated, sums = call(replicated, parallel.shard(batch))
        sums = parallel.unreplicate(sums)
        losses.append(float(sums["loss"] / sums["count"]))
    return losses, replicated


if __name__ == "__main__":
    print(json.dumps([jax.local_device_count(), trained(int(sys.argv[1]), padded=2)[0]]))
