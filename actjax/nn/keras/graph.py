"""The network that a Keras config describes: which layer takes the output of which."""

from collections.abc import Mapping
from typing import Any

# name -> (config, names of the layers it takes)
Graph = dict[str, tuple[dict[str, Any], list[str]]]


def entries(config: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """The layers of a model config, in its order."""
    if config is None:
        return []
    inner = config["config"]
    return inner if isinstance(inner, list) else inner["layers"]


def graph(config: Mapping[str, Any] | None) -> Graph:
    """name -> (config, names of the layers it takes), every layer after those it takes.

    Raises:
      ValueError: a layer takes its own output; like KeyError and TypeError, it is no config of Keras.
    """
    waiting: Graph = {}
    previous: list[str] = []
    for entry in entries(config):
        name = entry.get("name") or entry["config"]["name"]
        sources = _inbound(entry["inbound_nodes"]) if "inbound_nodes" in entry else previous
        waiting[name] = ({"class_name": entry["class_name"], **entry["config"]}, sources)
        previous = [name]
    done: Graph = {}
    begun: set[str] = set()

    def place(name: str) -> None:
        if name in waiting and name not in done:
            if name in begun:
                raise ValueError(f"the layer {name!r} takes its own output")
            begun.add(name)
            for source in waiting[name][1]:
                place(source)
            done[name] = waiting[name]

    for name in waiting:
        place(name)
    return done


def source(name: str, graph: Graph, arrays: Mapping[str, Any]) -> str | None:
    """The nearest layer with weights before `name`, None if that is the input or there are several."""
    while name in graph and len(graph[name][1]) == 1:
        (name,) = graph[name][1]
        if arrays.get(name):
            return name
    return None


def channels_first(graph: Graph) -> bool | None:
    """Whether maps are (channels, freq, time); None where no layer says."""
    for config, _ in graph.values():
        order = config.get("dim_ordering", config.get("data_format"))
        if order in ("th", "channels_first", "tf", "channels_last"):
            return order in ("th", "channels_first")
    return None


def _inbound(nodes: Any) -> list[str]:
    """The layer names in the inbound nodes of any Keras version."""
    if isinstance(nodes, dict):
        if "keras_history" in nodes.get("config", {}):
            return [nodes["config"]["keras_history"][0]]
        return [name for value in nodes.values() for name in _inbound(value)]
    if isinstance(nodes, list):
        if len(nodes) >= 3 and isinstance(nodes[0], str) and isinstance(nodes[1], int):
            return [nodes[0]]
        return [name for value in nodes for name in _inbound(value)]
    return []
