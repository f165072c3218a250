"""How many training steps one call of the devices takes."""

import math
from typing import NamedTuple

from actjax import parallel
from actjax.train.log import every

# More steps in one call gain nothing, and a request to stop waits for the end of the call.
MOST_STEPS = 32
# A common divisor below it is not worth taking: most steps would then be dispatched nearly one by one.
LEAST_STEPS = 4


class Pace(NamedTuple):
    """When a training run writes lines and evaluates, and how it gets from one such step to the next.

    Attributes:
      log_every, eval_every: steps between log lines and between evaluations.
      num_steps: the last step.
      call_steps: steps of one call, wherever as many are left before the next line or evaluation.
    """

    log_every: int
    eval_every: int
    num_steps: int
    call_steps: int = 1

    def logs(self, step: int) -> bool:
        """True where a line is written after `step`."""
        return every(step, self.log_every, self.num_steps)

    def evaluates(self, step: int) -> bool:
        """True where the network is evaluated after `step`."""
        return every(step, self.eval_every, self.num_steps)

    def steps_from(self, step: int) -> int:
        """Steps of the call that begins after `step`, a function of the step alone: 1 or `call_steps`.

        A run that goes on from a checkpoint so makes the same calls as one that was never stopped.
        """
        intervals = (self.log_every, self.eval_every)
        last = max((step // interval * interval for interval in intervals if interval), default=0)
        following = [(step // interval + 1) * interval for interval in intervals if interval]
        left = min(*following, self.num_steps) - step
        aligned = (step - last) % self.call_steps == 0
        return self.call_steps if aligned and left >= self.call_steps else 1


def pace(log_every: int, eval_every: int, num_steps: int, clips_on_device: bool) -> Pace:
    """One step at a time where batches come from the host and on CPUs, else as many as fit.

    On a CPU a step takes far longer than its dispatch, and a program of several steps compiles longer.
    """
    once = Pace(log_every, eval_every, num_steps)
    if parallel.on_cpu() or not clips_on_device:
        return once
    common = math.gcd(log_every, eval_every, num_steps)
    fitting = max(size for size in range(1, MOST_STEPS + 1) if common % size == 0)
    if fitting < LEAST_STEPS:
        fitting = max(1, min(log_every, MOST_STEPS // 2))
    return once._replace(call_steps=fitting)
