"""What a run costs, from its plan and shapes alone: rows of scores, bytes of state, seconds."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from actjax.activations.comparisons import Problem
from actjax.network import make_module
from actjax.scoring import nulls, tasks
from actjax.scoring.plan import Plan
from actjax.setup import Setup
from actjax.statistics import metric_nulls
from actjax.types import Metric

# The quickstart's on two CPU cores; other metrics, networks and machines differ from it by factors.
COMPILE_S = 1.5  # for each program that scores
SCORES_A_SECOND = 20e6  # scores x clips
TRAIN_FLOPS = 30e9  # a second, of three forward passes, which forward and backward come to
# Of nulls: products of moments a second, and for each cost of a metric pairs x observations a second (of
# "quadratic" metrics pairs x squared observations). docs/measurements/statistics.md has the rates of some.
MOMENTS_A_SECOND = 20e9
SCORED_A_SECOND = {"product": 1.3e9, "steps": 40e6, "quadratic": 8e9}


def score_rows(planned: Plan) -> int:
    """Counts the rows that the score table will have."""
    return sum(
        len(family.networks) * c.pairs for family, comparisons in planned.families for c in comparisons
    )


def neurons(planned: Plan) -> dict[str, int]:
    """Layer -> neurons that are scored, cells in frequency as neurons of their own where they are."""
    counts: dict[str, int] = {}
    for family, _ in planned.families:
        for problem in family.problems:
            counts[problem.layer.name] = max(counts.get(problem.layer.name, 0), problem.neurons)
    return counts


def state_mib(planned: Plan) -> float:
    """Adds up what the streaming metrics accumulate in."""
    states = (
        (len(family.networks), jax.eval_shape(c.stream.init))
        for family, comparisons in planned.families
        for c in comparisons
        if c.stream
    )
    sizes = (w * leaf.size * leaf.dtype.itemsize for w, state in states for leaf in jax.tree.leaves(state))
    return sum(sizes) / 2**20


def training_seconds(setup: Setup, clips: int) -> float:
    """Estimates how long training on so many clips takes at the quickstart's rate."""
    module = make_module(setup.model, num_classes=2)
    return 3 * clips * _forward_flops(module, setup.image_shape_ft) / TRAIN_FLOPS


def scoring_seconds(planned: Plan, clips: int) -> float:
    """Estimates how long scoring so many clips takes at the quickstart's rates."""
    return COMPILE_S * _programs(planned) + score_rows(planned) * clips / SCORES_A_SECOND


def stored_mib(planned: Plan, clips: int) -> float:
    """What is kept on disk meanwhile: observations for metrics that need all at once, and for nulls."""
    numbers = 0
    for family, comparisons in planned.families:
        for c in (c for c in comparisons if c.collected or c.tested):
            of_neuron, of_row = tasks.observations_of(c.problem)
            held = sum(f.rows for f in c.problem.nuisances)
            numbers += len(family.networks) * c.problem.neurons * of_neuron
            numbers += (len(c.problem.rows) + held) * of_row
    return 4 * numbers * clips / 2**20


def null_seconds(
    planned: Plan, rearrangements: nulls.Rearrangements, part: str, clips: int
) -> dict[str, float]:
    """Metric -> how long its nulls take at the quickstart's rates."""
    seconds: dict[str, float] = {}
    for family, comparisons in planned.families:
        for c in comparisons:
            for metric in c.tested:
                pairs = len(family.networks) * c.problem.neurons * len(tasks.columns(c.problem, metric))
                each = _null_seconds_of_pair(metric, c.problem, rearrangements, part, clips)
                seconds[metric.name] = seconds.get(metric.name, 0.0) + pairs * each
    return seconds


def _null_seconds_of_pair(
    metric: Metric, problem: Problem, rearrangements: nulls.Rearrangements, part: str, clips: int
) -> float:
    o, several = tasks.observations_of(problem)[0], problem.view != "clip"
    scored, shifts = rearrangements.replicates + 1, isinstance(rearrangements, nulls.AskedShifts)
    partners = scored
    if not isinstance(rearrangements, nulls.AskedShifts):
        partners = rearrangements.partner_bj.shape[1]
    way = metric_nulls.way_of(metric, part, several, shifts=shifts)
    if way == "moments":
        return clips * min(scored * o, partners * (o + scored)) / MOMENTS_A_SECOND
    at_once = o if metric_nulls.is_clip_by_clip(metric, part, several) else clips * o
    times = clips * partners if way == "pairs" else scored * clips * o / at_once
    if metric.compares == "frames":
        # Frames meet each other, however many bands they have.
        at_once = problem.common_time.size**2
    elif metric.cost == "quadratic":
        at_once = at_once**2
    return times * at_once / SCORED_A_SECOND[metric.cost]


def _programs(planned: Plan) -> int:
    """Counts the programs that scoring compiles: one for each stack and collecting metric, one a family."""
    collected = sum(len(c.collected) for _, comparisons in planned.families for c in comparisons)
    return len(planned.stacks) + collected + len(planned.families)


def _forward_flops(module: nn.Module, shape_ft: tuple[int, int]) -> float:
    """Floating-point operations of the network on one clip, from its program before it is compiled."""
    image = jax.ShapeDtypeStruct((1, *shape_ft), jnp.float32)
    variables = jax.eval_shape(lambda x: module.init(jax.random.key(0), x, train=False), image)
    program = jax.jit(lambda v, x: module.apply(v, x, train=False)).lower(variables, image)
    return float((program.cost_analysis() or {}).get("flops", 0.0))
