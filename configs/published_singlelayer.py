"""A published network, not trained here: the single-layer CNN of Pons et al. (EUSIPCO 2017), 448 neurons.

    python launch.py --config=configs/published_singlelayer.py:folder=keras_singlelayer

The folder holds its authors' weights.h5 (Keras 1, Theano) and input_mean.npy (96 x 128, taken off every
image). Imports them, scores the network, its untrained twin and the input on gm_instruments, reports.
Front end of the publication: 12 kHz, 512 / 256, 96 mel bands, the power squared once more, 128 frames.
Other clips: --config.data.name="audio_folder(path='my_sounds')"; --stage=import says what it calls them.
"""

from actjax.defaults import default_config


def get_config(arguments: str = "folder=keras_singlelayer"):
    """The published front end, and a first look's features."""
    key, _, folder = arguments.partition("=")
    if key != "folder" or not folder:
        raise ValueError(f"expected folder=FOLDER, that of weights.h5 and input_mean.npy, got {arguments!r}")
    config = default_config()
    config.weights = f"{folder}/weights.h5"
    config.classes = "cel,pia,vio,cla,org,gac,tru,flu,sax,gel,voi"
    config.model.name = "singlelayer"
    config.data.clip_seconds = 2.73  # 128 frames
    config.frontend.squared = True
    config.frontend.offset = 0.0
    config.frontend.scale = 1.0
    config.frontend.subtract = f"{folder}/input_mean.npy"
    config.score.features = (
        "log_mel,harmonic(scale='db'),percussive(scale='db'),chroma_stft(n_fft=2048),mfcc,rms,"
        "loudness_a_weighted,spectral_centroid,spectral_flatness,harmonic_ratio,onset_strength,onset_rate"
    )
    config.score.metrics = "pearson,cka"
    config.score.batch_size = 16  # full-size maps of 448 neurons
    return config
