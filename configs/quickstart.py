"""The quickstart: a small CNN on real sampled instruments, every neuron against every feature.

python launch.py
"""

from actjax.defaults import default_config


def get_config():
    """The quickstart's options."""
    config = default_config()
    config.score.features = (
        "log_mel,harmonic,percussive,chroma_stft(n_fft=2048),mfcc,rms,loudness_a_weighted,"
        "spectral_centroid,onset_strength,onset_rate"
    )
    config.score.metrics = "pearson,cosine,spearman,cka,ssim"
    return config


def get_sweep():
    """Variants for --stage=sweep: a name and the options that differ."""
    return {f"seed{seed}": {"seed": seed} for seed in range(3)}
