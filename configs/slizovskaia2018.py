"""The paper's experiment at full size: Xception on 29.12 s clips of FCVID's musical performances.

    python launch.py --config=configs/slizovskaia2018.py \\
        --config.data.name="fcvid_instruments(path='fcvid')"
    python launch.py --config=configs/slizovskaia2018.py:data=gm_instruments      # on rendered recordings

The argument after the colon is data=fcvid_instruments (its makers give the data set on request) or
data=gm_instruments (renders 2,400 recordings of 29.12 s: 0.3 CPU seconds each). Front end and
training follow the authors' ICMR 2017 system: 12 kHz, 512 / 256, 96 mel bands x 1366 frames, Adam 1e-3
halved every 10 epochs, batches of 16, at most 200 epochs, early stopping with patience 10. Training wants
an accelerator. The paper's findings are put to the test with controls; no number here claims to match it.
"""

from actjax.defaults import default_config

EPOCHS = 200
# clips in the training split: 70 % of 5,147 videos, and of 2,400 rendered recordings 15 of every 20
TRAIN_CLIPS = {"fcvid_instruments": 3603, "gm_instruments": 1800}


def get_config(arguments: str = "data=fcvid_instruments"):
    """The paper's set-up on the named data set."""
    key, _, data = arguments.partition("=")
    if key != "data" or data not in TRAIN_CLIPS:
        raise ValueError(f"expected data=fcvid_instruments or data=gm_instruments, got {arguments!r}")
    config = default_config()
    config.data.name = data
    config.data.clip_seconds = 29.12
    config.frontend.n_mels = 96
    config.model.name = "xception_audio"
    steps_per_epoch = -(-TRAIN_CLIPS[data] // 16)
    config.train.batch_size = 16
    config.train.steps = EPOCHS * steps_per_epoch
    config.train.optimizer = "adam"
    config.train.learning_rate = 1e-3
    config.train.schedule = "halving"
    config.train.halve_epochs = 10
    config.train.warmup_steps = 0
    config.train.weight_decay = 0.0
    config.train.label_smoothing = 0.0
    config.train.eval_every = steps_per_epoch
    config.train.patience = 10
    config.findings.always = True
    config.score.batch_size = 4
    config.score.features = (
        "log_mel,harmonic(scale='db'),percussive(scale='db'),chroma_stft(n_fft=2048),chroma_cqt,mfcc,rms,"
        "loudness_a_weighted,spectral_centroid,onset_strength,onset_rate,tempogram"
    )
    config.score.metrics = "pearson,spearman,cka,ssim"
    return config
