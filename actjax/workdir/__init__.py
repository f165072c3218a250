"""A run's folder, the workdir: one file for each artefact in it, which writes the artefact and reads it.

| module | artefact | writer | readers |
|---|---|---|---|
| `recorded_config` | config.json: the options that each stage ran with | every stage | every stage, report |
| `manifest` | manifest.json: devices, versions, hashes of content | every stage | score |
| `data_summary` | data.json: clips of each split, names of the classes | data | |
| `skipped` | skipped.json: recordings left out of the data set, and why | data | report |
| `curve` | metrics.jsonl: losses and accuracies by training step | train | train, report |
| `checkpoint_files` | checkpoints/: names of its folders, sha256.json of each | train | train, score |
| `train_record` | train.json: steps, time, hash of the weights | train, import | every later stage |
| `evaluation_record` | evaluation.json: accuracy, confusion, F1 on the test clips | train | report |
| `predictions` | predictions_<split>.csv: what an imported network calls every recording | import | |
| `left_out` | scores/<score set>.left_out.json: comparisons not made, and why | score | report |
| `examples` | scores/<score set>.examples.npz: maps beside features | score | report |
| `score_nulls` | scores/<score set>.nulls.npz: largest statistics of replicates | score | sweep |
| `pieces`, `sections` | .pieces/<stage>-<key>/: what an unfinished stage has done so far | long stages | |
| `findings_table` | findings.json: scores, intervals, p-values, answers | findings | findings, report |
| `findings_arrays` | findings/arrays.npz: what a table over seeds is made from | findings | findings |
| `findings_units` | findings/units.parquet: scores of all units | findings | |
| `clip_activations` | clip_activations.npz: mean activations by clip | atlas | atlas, ablate, report |
| `ablation` | ablation.parquet: what changes without each neuron | ablate | atlas |
| `sweep_table` | sweep.parquet, sweep.tsv: one row a trial | sweep | |
| `sweep_scores` | sweep_scores.parquet: tests with p-values over all networks | sweep | sweep |
| `sweep_state` | sweep.json: trials that were stopped or failed, values at rungs | sweep | sweep |
| `benchmark_table` | benchmark/<kind>.csv, .md | benchmark | report |

Scores themselves, scores/<score set>.parquet, have a room of their own, `actjax.scores`; no program reads the
report's page and pictures. `writer.one_writer` keeps a second run out of the folder by a `lock`.
"""
