"""A tagger that others trained: musicnn, 1,003 neurons, on sounds that it has never heard.

    pip download --no-deps musicnn==0.1.0
    python launch.py --config=configs/musicnn.py:weights=musicnn-0.1.0-py3-none-any.whl

Reads the weights out of the wheel, which is neither installed nor unpacked; scores the network, its untrained
twin and the input on gm_instruments in one pass, and reports. Its last layer are fifty tags. The other three
networks: --config.model.name="musicnn_vgg(trained_on='MSD')" and so on. Clips of your own, of 3 s and 16 kHz:
--config.data.name="audio_folder(path='my_sounds')"; --stage=import says what it calls them.
"""

from actjax.defaults import default_config


def get_config(arguments: str = "weights=musicnn-0.1.0-py3-none-any.whl"):
    """The published front end, patches of 187 frames, and a first look's features."""
    key, _, file = arguments.partition("=")
    if key != "weights" or not file:
        raise ValueError(f"expected weights=FILE, the wheel of musicnn 0.1.0, got {arguments!r}")
    config = default_config()
    config.weights = file
    config.model.name = "musicnn(trained_on='MTT')"
    config.data.sample_rate_hz = 16_000
    config.data.clip_seconds = 2.976  # 187 frames
    config.frontend.compression = "log10(1 + 10000 x)"
    config.frontend.offset = 0.0
    config.frontend.scale = 1.0
    config.score.features = (
        "log_mel,harmonic(scale='db'),percussive(scale='db'),chroma_stft(n_fft=2048),mfcc,rms,"
        "loudness_a_weighted,spectral_centroid,spectral_flatness,harmonic_ratio,onset_strength,onset_rate"
    )
    config.score.metrics = "pearson,cka"
    config.score.batch_size = 16
    config.findings.untrained = 1  # each initialisation passes over the training clips
    return config
