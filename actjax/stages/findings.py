"""Puts the four findings to the test: trained against untrained, shuffled, rotated and the input itself."""

from pathlib import Path

from actjax import files, parallel, report, runs
from actjax.findings import cross_fit, networks, observe, requirements, seeds, table
from actjax.report import findings as report_findings
from actjax.scoring import networks as scoring_networks
from actjax.stages import Stage
from actjax.workdir import findings_table, pieces, recorded_config, train_record
from actjax.workdir.piece_log import PieceLog


def put_to_the_test(run: runs.Run) -> list[Path]:
    """Tests the findings on the run's network, or over the training seeds that a sweep left here.

    A table made before with the same options is kept. `findings.untrained=0` leaves the stage out.
    """
    options, memory, why = run.setup.findings, run.setup.scored.memory_bytes, requirements.left_out(run.setup)
    if why:
        print(f"findings: left out, {why}")
        return []
    of_sweep = [] if train_record.path_of(run.workdir).exists() else findings_table.folders_below(run.workdir)
    if of_sweep:
        return [table.write(run, seeds.join(of_sweep)), *report.build_sweep(run.workdir)]
    recorded_config.write(run.workdir, "findings", run.config.to_dict())
    outputs = list(table.paths(run.workdir))
    setting, test = requirements.opened(run)
    made_from = table.made_from(run, test)
    if table.is_made(run.workdir, made_from):
        if parallel.process_index() == 0:
            table.record(run.workdir)
        pieces.clear(run.workdir, "findings")
        print(f"findings: done before, {outputs[0]}")
        return outputs
    count = 1 + 2 * options.untrained + bool(options.label_control)
    network = scoring_networks.open_network(run, len(test.class_names))
    planned = observe.plan(run.setup, network)
    observe.check_memory(planned, count, len(test), memory)
    weights = networks.variables(run, network, run.open_source("train"))
    key = files.digest([made_from, parallel.device_count(), parallel.process_count()])
    unfinished = pieces.Pieces(run.workdir, "findings", key, parallel.process_index())
    sides = observe.collect(run.setup, planned, network, test, weights)
    log = PieceLog(unfinished, "scores")
    try:
        results, not_made = cross_fit.score(
            sides, setting, options.rotations, cross_fit.Computed(log), memory
        )
    finally:
        # Also what was computed when a signal came is kept.
        log.flush()
    if not results:
        raise ValueError(
            "no finding can be tested: score.layers leaves no shallow, deep or embedding layer to compare"
        )
    if parallel.process_index() == 0:
        findings = table.of_network(
            run, setting, test, sides, results, not_made=not_made, made_from=made_from
        )
        table.write_beside(run.workdir, results)
        table.write(run, findings)
        print(report_findings.console(findings))
    unfinished.close()
    return outputs


def check(run: runs.Run) -> None:
    """Refuses what the data, the options or a missing control cannot support; see `requirements.opened`."""
    if requirements.left_out(run.setup) is None:
        requirements.opened(run)


def check_options(run: runs.Run) -> None:
    """Refuses counts that cannot be; see `requirements.check_options`."""
    requirements.check_options(run.setup)


def foresee(run: runs.Run) -> None:
    """Compiles the pass over the clips while the network is trained, unless there is a label control."""
    options, trained = run.setup.findings, train_record.read(run.workdir)
    if trained is not None or run.config.weights or options.label_control or requirements.left_out(run.setup):
        return
    _, test = requirements.opened(run)
    observe.foresee(run, test, networks.names(options.untrained))


stage = Stage("findings", check_options=check_options, check=check, run=put_to_the_test, foresee=foresee)
