"""Makes a run short, for a look: fewer steps, features and replicates; answers what stands in its way."""

from collections.abc import Collection, Sequence

import ml_collections

from actjax import preflight, runs

OPTIONS = {
    "train.steps": 60,
    "train.warmup_steps": 10,
    "train.eval_every": 30,
    "score.features": "rms,spectral_centroid,onset_strength,chroma_stft(n_fft=2048)",
    "score.metrics": "pearson",
    "score.null_metrics": "pearson",
    "score.replicates": 100,
    "findings.untrained": 0,
    "report.examples": 2,
}


def quickened(run: runs.Run, stages: Sequence[str], set_by_user: Collection[str]) -> runs.Run:
    """The run with OPTIONS, and with the options that answer its obstacles; says which they are.

    Args:
      run: as it was asked for.
      stages: that will run.
      set_by_user: names of options that a person has set: they stay as they are.
    """
    config = ml_collections.ConfigDict(run.config.to_dict())

    def changed() -> runs.Run:
        return runs.open_run(config, run.workdir, config_path=run.config_path, data_dir=run.data_dir)

    config.update_from_flattened_dict({k: v for k, v in OPTIONS.items() if k not in set_by_user})
    print("quick: for a look, not for a result: " + preflight.flags(OPTIONS, set_by_user))
    survey = preflight.survey(changed(), stages)
    for one in survey.obstacles:
        if one.options:
            print(f"quick: {one.said}: {preflight.flags(one.options, set_by_user)}")
    config.update_from_flattened_dict({k: v for k, v in survey.options.items() if k not in set_by_user})
    return changed()
