"""Goes over a run's layers: what each neuron changes, trained and untrained, and what it responds to."""

from pathlib import Path

from tqdm import tqdm

from actjax import files, runs
from actjax.ablation import effects, responses
from actjax.atlas_site.build import check, mean_activations, of_network, open_network
from actjax.workdir import ablation
from actjax.workdir.ablation import AblatedLayer, Ablation


def compute(run: runs.Run) -> list[Path]:
    """Cuts every layer of the run's networks on the clips that are scored.

    Raises:
      StageLeftOut: the run has no network of its own.
      ValueError: no layer lies on the way to the outputs.
    """
    check(run)
    if not run.setup.scored.run_networks:
        raise runs.StageLeftOut("activations of score.activations have no network that could be cut")
    source = run.open_source(run.setup.scored.split)
    opened = open_network(run, source)
    activations = mean_activations(run, of_network(run, opened, next(iter(opened.weights))), source)
    made_from = files.digest(["ablation", activations.made_from, responses.can_render(run)])
    before = ablation.read(run.workdir)
    path = ablation.path_of(run.workdir)
    if before is not None and before.made_from == made_from:
        print(f"ablate: done before, {path}")
        return [path]
    networks: dict[str, dict[str, AblatedLayer]] = {name: {} for name in opened.weights}
    for layer in tqdm(opened.layers, desc="ablate", unit="layer", disable=None):
        means = {name: activations.means[name][layer.name].mean(axis=0) for name in opened.weights}
        try:
            changes = effects.without_each(opened.network, layer, opened.weights, source, means)
        except ValueError as error:
            print(f"ablate: left out, {error}")
            continue
        for name, of_layer in changes.items():
            networks[name][layer.name] = of_layer
    slopes = responses.slopes(run, opened, activations) if responses.can_render(run) else {}
    if not any(networks.values()):
        raise ValueError("ablate: no layer lies on the way to the network's outputs")
    ablation.write(run.workdir, Ablation(made_from, tuple(source.class_names), networks, slopes))
    print(_said(networks))
    return [path]


def _said(networks: dict[str, dict[str, AblatedLayer]]) -> str:
    """The neuron whose loss changes most, of each layer of the first network."""
    name = next(iter(networks))
    lines = []
    for layer, of_layer in networks[name].items():
        n = int(of_layer.loss.argmax())
        ends = f"{of_layer.low[n]:+.4f} to {of_layer.high[n]:+.4f}"
        lines.append(f"  {layer} / {n}: loss {of_layer.loss[n]:+.4f} nats ({ends})")
    return "\n".join(["ablate: the neurons that the network misses most", *lines])
