"""Runs a PyTorch module and hears what its submodules give."""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import torch

from actjax import failures

# What the whole module gives is a layer of this name.
OUTPUT = "output"


class Hooked:
    """A module in evaluation mode, on waves.

    Attributes:
      module: the user's; its mode of training is given back after every run.
      prepare: what turns waves [b, samples] into its input.
    """

    def __init__(self, module: torch.nn.Module, prepare: Callable[[np.ndarray], Any]):
        self.module, self.prepare = module, prepare
        parameter = next(module.parameters(), None)
        self._device = parameter.device if parameter is not None else torch.device("cpu")

    def run(self, waves: np.ndarray, names: tuple[str, ...] | None = None) -> dict[str, np.ndarray]:
        """Computes the outputs of submodules, in order of computation; all of them where `names` is None.

        Raises:
          ValueError: the module does not take such waves; one line.
        """
        outputs: dict[str, np.ndarray] = {}
        wanted = None if names is None else set(names)
        with _evaluating(self.module), _hearing(self.module, outputs, wanted), torch.inference_mode():
            entry = self._input(waves)
            try:
                self.module(**entry) if isinstance(entry, Mapping) else self.module(entry)
            except (RuntimeError, ValueError, TypeError, IndexError, AttributeError) as error:
                raise ValueError(
                    f"{type(self.module).__name__} does not take waves {list(waves.shape)} as they come "
                    f"({failures.said(error)[:200]}): say prepare=, what makes its input of waves"
                ) from error
        return outputs

    def _input(self, waves: np.ndarray) -> Any:
        """The module's input, on its device."""
        entry = self.prepare(waves)
        if isinstance(entry, Mapping):
            return {str(key): self._placed(value) for key, value in entry.items()}
        return self._placed(entry)

    def _placed(self, value: Any) -> Any:
        tensor = torch.from_numpy(value) if isinstance(value, np.ndarray) else value
        return tensor.to(self._device) if isinstance(tensor, torch.Tensor) else tensor


@contextlib.contextmanager
def _evaluating(module: torch.nn.Module) -> Iterator[None]:
    """Puts a module into evaluation mode, and every submodule back into the mode that it had."""
    modes = {one: one.training for one in module.modules()}
    try:
        module.eval()
        yield
    finally:
        for one, training in modes.items():
            one.training = training


@contextlib.contextmanager
def _hearing(
    module: torch.nn.Module, outputs: dict[str, np.ndarray], wanted: set[str] | None
) -> Iterator[None]:
    """Fills `outputs` as submodules are called; one called again is "name:1"."""
    calls: dict[str, int] = {}

    def hear(name: str) -> Callable[..., None]:
        def hook(_: torch.nn.Module, __: Any, output: Any) -> None:
            call = calls[name] = calls.get(name, -1) + 1
            full = f"{name}:{call}" if call else name
            tensor = _tensor(output)
            if tensor is not None and (wanted is None or full in wanted):
                outputs[full] = tensor.detach().float().cpu().numpy()

        return hook

    named = dict(module.named_modules())
    named = {name or OUTPUT: one for name, one in named.items() if name or OUTPUT not in named}
    handles = [one.register_forward_hook(hear(name)) for name, one in named.items()]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _tensor(output: Any) -> torch.Tensor | None:
    """The output, or the first tensor of a tuple or of a named output; None if it holds no floats."""
    if isinstance(output, Mapping):
        return _tensor(next(iter(output.values()), None))
    if isinstance(output, (tuple, list)):
        return _tensor(output[0]) if output else None
    return output if isinstance(output, torch.Tensor) and output.is_floating_point() else None
