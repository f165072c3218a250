"""Flax networks, one file each: `model(num_classes, **options)` returns a linen module.

`module.apply(variables, mel_bft, train=...) -> (logits, layers)`, with `layers` an ordered dict name ->
[b, f, t, c] or [b, c], and `module.layers(input_shape_ft)` says where the cells of each lie.
"""
