"""Flax networks that return their logits and the outputs of their layers.

A network is a linen module: `module.apply(variables, mel_bft, train=...) -> (logits, layers)`, with
`layers` an ordered dict name -> [b, f, t, c] or [b, c], and `module.layers(input_shape_ft)` says
where the cells of each lie. `images` makes its input from waves; `import_keras` reads weights from
elsewhere.
"""

from actjax.models._frontend import images
from actjax.models._keras import Imported, import_keras

__all__ = ["Imported", "images", "import_keras"]
