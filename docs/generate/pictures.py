"""Draws the features of one clip, and the pictures of the concepts from computed numbers."""

from pathlib import Path

import numpy as np

import actjax
from actjax import lookup
from actjax.pages import style
from generate import clip

HOP_S = 0.02


def feature(name: str, folder: Path) -> Path | None:
    """Draws a feature of the clip; None for one that has no default (it needs an option)."""
    described = lookup.load("feature", name, sample_rate_hz=clip.RATE)
    values = np.asarray(actjax.feature(name, clip.samples(), sample_rate_hz=clip.RATE))
    seconds = len(clip.samples()) / clip.RATE
    with style.look():
        fig = style.figure(7.2, 1.9 if values.shape[0] > 1 else 1.5)
        height = fig.get_figheight()
        axes = fig.add_axes((0.1, 0.5 / height, 0.8, 1 - 0.65 / height))
        if values.shape[0] > 1 and values.shape[1] > 1:
            mesh = axes.imshow(
                values,
                origin="lower",
                aspect="auto",
                extent=(0, seconds, -0.5, len(values) - 0.5),
                cmap="magma",
            )
            fig.colorbar(mesh, cax=fig.add_axes((0.92, 0.5 / height, 0.012, 1 - 0.65 / height)))
            axes.set_ylabel(described.axis or "row", fontsize=8)
            if described.axis == "pitch_class":
                axes.set_yticks((0, 2, 4, 5, 7, 9, 11), "CDEFGAB")
        elif values.shape[1] > 1:
            axes.plot(
                np.linspace(0, seconds, values.shape[1]), values[0], color=style.COLOURS["trained"], lw=1.3
            )
            axes.set_ylabel(described.unit, fontsize=8)
            axes.set_xlim(0, seconds)
        else:
            places = np.arange(len(values))
            axes.bar(places, values[:, 0], color=style.COLOURS["trained"], width=0.5)
            axes.set_xticks(places, [f"{v:.3g}" for v in values[:, 0]])
            axes.set_ylabel(described.unit, fontsize=8)
        if values.shape[1] > 1:
            axes.set_xlabel("seconds", fontsize=8, labelpad=1)
        return style.save(fig, folder / f"feature_{name}.png")


def waveform(folder: Path) -> Path:
    """Draws the clip itself."""
    wave_s = clip.samples()
    with style.look():
        fig = style.figure(7.2, 1.4)
        axes = fig.add_axes((0.1, 0.34, 0.8, 0.6))
        axes.plot(np.arange(len(wave_s)) / clip.RATE, wave_s, color=style.INK, lw=0.4)
        axes.set_xlim(0, len(wave_s) / clip.RATE)
        axes.set_xlabel("seconds", fontsize=8, labelpad=1)
        return style.save(fig, folder / "clip.png")


def concepts(folder: Path) -> dict[str, dict[str, str]]:
    """Draws the pictures of the concepts; returns the figures that the pages quote."""
    return {
        "views": _views(folder),
        "within": _within(folder),
        "null": _null(folder),
        "chosen": _chosen(folder),
    }


def _views(folder: Path) -> dict[str, str]:
    """A neuron made by hand, which answers where the sound grows, beside onset strength: three views."""
    options = {"sample_rate_hz": clip.RATE, "hop_samples": 256, "n_fft": 512}
    mel = actjax.feature("log_mel", clip.samples(), n_mels=48, **options)
    onset = actjax.feature("onset_strength", clip.samples(), **options)[0]
    growth_ft = np.maximum(np.diff(mel, axis=1, prepend=mel[:, :1]), 0)[:, : len(onset)]
    neuron_ft = np.roll(growth_ft, 1, axis=1)  # it answers a frame later, as onset strength does
    series = neuron_ft.mean(axis=0)
    score = float(actjax.score(series[:, None], onset[: len(series), None])[0, 0])
    with style.look():
        fig = style.figure(7.6, 4.6)
        times = np.arange(len(series)) * 256 / clip.RATE
        grid = [fig.add_axes((0.09, y, 0.66, h)) for y, h in ((0.6, 0.22), (0.35, 0.16), (0.1, 0.16))]
        grid[0].imshow(neuron_ft, origin="lower", aspect="auto", extent=(0, times[-1], 0, 48), cmap="magma")
        grid[0].set_ylabel("mel band")
        for axes, values, colour, label in (
            (grid[1], series, style.COLOURS["trained"], "neuron"),
            (grid[2], onset[: len(series)], style.COLOURS["untrained"], "onset\nstrength"),
        ):
            axes.plot(times, values, color=colour, lw=1.2)
            axes.set_xlim(0, times[-1])
            axes.set_ylabel(label)
        grid[2].set_xlabel("seconds")
        for y, text in (
            (0.71, "map view:\nthe image, cell\nby cell"),
            (0.42, f"frame view:\npooled over bands;\nr = {score:.2f} with"),
            (0.17, f"clip view: one mean\na clip, here {series.mean():.2f}"),
        ):
            fig.text(0.78, y, text, size=9, color=style.MUTED, va="center")
        style.heading(
            fig, "One neuron, three views", "a neuron made by hand: it answers where a band grows louder"
        )
        style.save(fig, folder / "views.png")
    return {"frame": f"{score:.2f}"}


def _within(folder: Path) -> dict[str, str]:
    """Two sides that differ between clips together and within clips not at all."""
    rng = np.random.default_rng(0)
    level = np.repeat(np.array([0.0, 2.5, 5.0]), 150)
    x, y = (level + rng.normal(size=450) for _ in range(2))
    ids = np.repeat(np.arange(3), 150)
    total = float(actjax.score(x[:, None], y[:, None])[0, 0])
    within = float(actjax.score(x[:, None], y[:, None], clip_ids=ids)[0, 0])
    with style.look():
        fig = style.figure(7.6, 3.4)
        for place, (a, b), title in (
            (0.09, (x, y), f"total: r = {total:.2f}"),
            (
                0.57,
                [side - np.repeat([side[ids == i].mean() for i in range(3)], 150) for side in (x, y)],
                f"within: r = {within:.2f}",
            ),
        ):
            axes = fig.add_axes((place, 0.16, 0.38, 0.55))
            for i, colour in enumerate(("#0072B2", "#D55E00", "#009E73")):
                axes.scatter(a[ids == i], b[ids == i], s=6, color=colour, label=f"clip {i + 1}")
            axes.set_title(title)
            axes.set_xlabel("neuron")
            axes.set_ylabel("feature")
        axes.legend(fontsize=8, loc="upper left")
        style.heading(
            fig,
            "Three clips that differ in loudness",
            "together they seem related; inside each clip nothing is",
        )
        style.save(fig, folder / "within.png")
    return {"total": f"{total:.2f}", "within": f"{within:.2f}"}


def _null(folder: Path) -> dict[str, str]:
    """A neuron and a feature that share classes and nothing else, against both nulls."""
    rng = np.random.default_rng(1)
    classes = np.repeat(np.arange(4), 15)
    x, y = (classes + rng.normal(size=60) for _ in range(2))
    observed = np.corrcoef(x, y)[0, 1]
    orders = [rng.permutation(60) for _ in range(2000)]
    inside = []
    for _ in range(2000):
        order = np.arange(60)
        for c in range(4):
            order[classes == c] = rng.permutation(np.flatnonzero(classes == c))
        inside.append(order)
    nulls = [np.array([np.corrcoef(x, y[o])[0, 1] for o in one]) for one in (orders, inside)]
    p = [(1 + np.sum(np.abs(n - n.mean()) >= abs(observed - n.mean()))) / 2001 for n in nulls]
    with style.look():
        fig = style.figure(7.6, 3.1)
        axes = fig.add_axes((0.08, 0.17, 0.88, 0.55))
        for values, colour, label in zip(
            nulls, ("#6b7280", "#0072B2"), ("all clips permuted", "permuted within their class"), strict=True
        ):
            axes.hist(values, bins=50, color=colour, alpha=0.65, label=label)
        axes.axvline(observed, color=style.COLOURS["untrained"], lw=2, label=f"observed, r = {observed:.2f}")
        axes.set_xlabel("score of a replicate")
        axes.set_yticks([])
        axes.legend(fontsize=8)
        style.heading(
            fig, "What chance gives", "neuron and feature differ between the classes, and share nothing else"
        )
        style.save(fig, folder / "null.png")
    return {"observed": f"{observed:.2f}", "unrestricted": f"{p[0]:.4f}", "within": f"{p[1]:.2f}"}


def _chosen(folder: Path) -> dict[str, str]:
    """The best of many neurons of noise, where it was chosen and on the other half."""
    rng = np.random.default_rng(2)
    sizes, here, there = (1, 3, 10, 30, 100, 300, 1000), [], []
    for size in sizes:
        picks = []
        for _ in range(40):
            x, y = rng.normal(size=(60, size)), rng.normal(size=60)
            halves = [
                (x[half] - x[half].mean(0)).T
                @ (y[half] - y[half].mean())
                / (30 * x[half].std(0) * y[half].std())
                for half in (slice(30), slice(30, 60))
            ]
            best = int(np.argmax(halves[0]))
            picks.append((halves[0][best], halves[1][best]))
        first, second = np.mean(picks, axis=0)
        here.append(first)
        there.append(second)
    with style.look():
        fig = style.figure(7.6, 3.1)
        axes = fig.add_axes((0.1, 0.18, 0.86, 0.54))
        axes.semilogx(sizes, here, "o-", color=style.COLOURS["untrained"], label="on the half that chose it")
        axes.semilogx(sizes, there, "s-", color=style.COLOURS["trained"], label="on the other half")
        axes.set_xticks(sizes, [f"{size:,}" for size in sizes])
        axes.minorticks_off()
        axes.set_xlabel("neurons to choose from")
        axes.set_ylabel("score of the best")
        axes.legend(fontsize=8, loc="upper left")
        style.heading(
            fig,
            "The best of many is chosen for its luck",
            "neurons of pure noise, 30 clips in each half, 40 repeats",
        )
        style.save(fig, folder / "chosen.png")
    return {"here": f"{here[-1]:.2f}", "there": f"{there[-1]:.2f}"}
