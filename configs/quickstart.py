"""The quickstart: a small CNN on real sampled instruments, every neuron against ten audio features.

    python launch.py

Renders 2,400 clips of twelve instrument classes, trains a four-layer VGG, scores its 264 neurons, their
untrained twins and the input spectrogram, and writes runs/quickstart/report/index.html. On two CPU cores
beside other jobs it took 6 minutes and 3.5 GB, test accuracy 0.908.
A second run finds everything done.
"""

from actjax.defaults import default_config


def get_config():
    """The defaults, with the features and metrics of a first look."""
    config = default_config()
    config.score.features = (
        "log_mel,harmonic(scale='db'),percussive(scale='db'),chroma_stft(n_fft=2048),mfcc,rms,"
        "loudness_a_weighted,spectral_centroid,onset_strength,onset_rate"
    )
    config.score.metrics = "pearson,cosine,spearman,cka,ssim"
    return config


def get_sweep():
    """Variants for --stage=sweep: a name, and the options that differ."""
    return {f"seed{seed}": {"seed": seed} for seed in range(3)}
