"""Published mean changes of the two label checks, to hold ours against.

From the public notebook of T. Oikarinen, G. Yan and T.-W. Weng, "Evaluating Neuron Explanations: A Unified
Framework with Sanity Checks" (2025): means over 1,000 seeds of 500,000 inputs, at the activation
frequencies 0.499, 0.1, 0.01, 0.001, 0.0001, divided by the metric's range (not where it has none).
"""

# What separates a figure of ours from theirs where it does, and why.
DIFFERENT = {
    "auc": "theirs parts ties by float32 noise that leaves two values at 1, and the rest by place",
    "inverse_auprc": "ours is the exact average precision",
    "spearman(ties='random')": "theirs parts ties by float32 noise that leaves two values at 1",
    "pearson_top_and_random": "their numbers of top and random inputs are others",
    "spearman_top_and_random": "their numbers of top and random inputs are others",
}

PUBLISHED: dict[str, dict[str, tuple[float, ...]]] = {
    "recall": {"missing": (-0.5000, -0.5000, -0.5000, -0.4992, -0.5024), "extra": (0.0,) * 5},
    "precision": {"missing": (0.0,) * 5, "extra": (-0.5000, -0.5000, -0.4999, -0.5001, -0.4974)},
    "f1": {
        "missing": (-0.3333, -0.3333, -0.3332, -0.3337, -0.3373),
        "extra": (-0.3333, -0.3333, -0.3334, -0.3331, -0.3295),
    },
    "iou": {
        "missing": (-0.5000, -0.5001, -0.5000, -0.4999, -0.5012),
        "extra": (-0.5000, -0.5000, -0.4999, -0.4994, -0.4963),
    },
    "accuracy": {
        "missing": (-0.2495, -0.0500, -0.0050, -0.0005, -0.0000),
        "extra": (-0.4990, -0.1000, -0.0100, -0.0010, -0.0001),
    },
    "balanced_accuracy": {
        "missing": (-0.2500, -0.2500, -0.2501, -0.2500, -0.2499),
        "extra": (-0.4980, -0.0556, -0.0050, -0.0005, -0.0000),
    },
    "inverse_balanced_accuracy": {
        "missing": (-0.1662, -0.0263, -0.0025, -0.0002, -0.0000),
        "extra": (-0.2500, -0.2500, -0.2500, -0.2497, -0.2488),
    },
    "auc": {
        "missing": (-0.2500, -0.2500, -0.2501, -0.2498, -0.2503),
        "extra": (-0.7562, -0.0844, -0.0077, -0.0008, -0.0001),
    },
    "inverse_auc": {
        "missing": (-0.1662, -0.0263, -0.0025, -0.0002, -0.0000),
        "extra": (-0.2498, -0.2500, -0.2500, -0.2497, -0.2491),
    },
    "auprc": {
        "missing": (-0.2505, -0.4500, -0.4953, -0.4999, -0.5004),
        "extra": (-0.5000, -0.5000, -0.5000, -0.5002, -0.4981),
    },
    "inverse_auprc": {
        "missing": (-0.5000, -0.5001, -0.4996, -0.4997, -0.5015),
        "extra": (-0.0010, -0.4000, -0.4898, -0.4985, -0.4971),
    },
    "pearson": {
        "missing": (-0.2111, -0.1559, -0.1474, -0.1470, -0.1487),
        "extra": (-0.4776, -0.1667, -0.1482, -0.1466, -0.1460),
    },
    "spearman(ties='random')": {
        "missing": (-0.2000, -0.0676, -0.0079, -0.0011, -0.0004),
        "extra": (-0.5671, -0.0228, -0.0007, -0.0004, -0.0003),
    },
    "pearson_top_and_random": {
        "missing": (-0.4965, -0.4894, -0.4649, -0.3927, -0.2459),
        "extra": (-0.4926, -0.0289, -0.0024, -0.0003, -0.0000),
    },
    "spearman_top_and_random": {
        "missing": (-0.1020, -0.0996, -0.1099, -0.1464, -0.1431),
        "extra": (-0.0012, 0.0013, -0.0067, -0.0265, 0.0535),
    },
    "cosine": {
        "missing": (-0.1465, -0.1464, -0.1464, -0.1466, -0.1490),
        "extra": (-0.1464, -0.1464, -0.1465, -0.1465, -0.1464),
    },
    "mean_activation_difference": {
        "missing": (-0.3325, -0.0526, -0.0050, -0.0005, -0.0000),
        "extra": (-0.5000, -0.5000, -0.5002, -0.4999, -0.4984),
    },
}
