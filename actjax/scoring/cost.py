"""What a run costs, from its plan and shapes alone: rows of scores, bytes of state, seconds."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from actjax.scoring.plan import Plan

# The quickstart's on two CPU cores; other metrics, networks and machines differ from it by factors.
COMPILE_S = 1.5  # for each program that scores
SCORES_A_SECOND = 20e6  # scores x clips
TRAIN_FLOPS = 30e9  # a second, of three forward passes, which forward and backward come to


def score_rows(made: Plan) -> int:
    """How many rows the score table will have."""
    return sum(len(family.networks) * c.pairs for family, comparisons in made.families for c in comparisons)


def neurons(made: Plan) -> dict[str, int]:
    """Layer -> neurons that are scored, cells in frequency as neurons of their own where they are."""
    found: dict[str, int] = {}
    for family, _ in made.families:
        for problem in family.problems:
            found[problem.layer.name] = max(found.get(problem.layer.name, 0), problem.neurons)
    return found


def state_mib(made: Plan) -> float:
    """What the streaming metrics accumulate in."""
    states = (
        (len(family.networks), jax.eval_shape(c.stream.init))
        for family, comparisons in made.families
        for c in comparisons
        if c.stream
    )
    sizes = (w * leaf.size * leaf.dtype.itemsize for w, state in states for leaf in jax.tree.leaves(state))
    return sum(sizes) / 2**20


def training_seconds(module: nn.Module, image_shape_ft: tuple[int, int], clips: int) -> float:
    """How long training on so many clips, each time counted, takes at the quickstart's rate."""
    return 3 * clips * _forward_flops(module, image_shape_ft) / TRAIN_FLOPS


def scoring_seconds(made: Plan, clips: int) -> float:
    """How long scoring that many clips takes at the quickstart's rates."""
    return COMPILE_S * _programs(made) + score_rows(made) * clips / SCORES_A_SECOND


def _programs(made: Plan) -> int:
    """How many programs scoring compiles: one for each stream and number of frames, one a family."""
    streams = {
        (c.stream, c.frames) for _, comparisons in made.families for c in comparisons if c.stream is not None
    }
    collected = sum(len(c.collected) for _, comparisons in made.families for c in comparisons)
    return len(streams) + collected + len(made.families)


def _forward_flops(module: nn.Module, shape_ft: tuple[int, int]) -> float:
    """Floating-point operations of the network on one clip, from its program before it is compiled."""
    image = jax.ShapeDtypeStruct((1, *shape_ft), jnp.float32)
    variables = jax.eval_shape(lambda x: module.init(jax.random.key(0), x, train=False), image)
    program = jax.jit(lambda v, x: module.apply(v, x, train=False)).lower(variables, image)
    return float((program.cost_analysis() or {}).get("flops", 0.0))
