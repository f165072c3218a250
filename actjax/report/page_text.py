"""The page's words and its style sheet."""

READ = """
A <em>unit</em> is a channel of a convolution layer or one unit of an embedding. A <em>score</em> is the
similarity of one unit to one row of a feature (or to the whole feature: row “all”), on {clips}.
<b>Clip view</b>: both averaged over a clip; what differs between clips.
<b>Frame view</b>: frame by frame inside the clips. <b>Map view</b>: both as images of frequency and
time. The sign of a correlation is direction only: units that fall while the feature rises count like
units that rise with it.
</p><p><b>What a score of 0.5 means.</b> A correlation of 0.5 says that a straight line through the feature
explains a quarter (0.5 squared) of the unit's variance: of a hundred frames in which the loudness, say, lies
above its median, the unit lies above its own in about 67, where 50 would be chance.
</p><p><b>When a gain is announced.</b> The best trained unit must exceed the best unit of every control
by more than q standard errors of the difference, and where the metric has a null, its max-T p
({rearranged}; in every replicate the largest score of the layer's units and rows) must be below 0.05. The
best are the largest of all m scores of a view and metric, so q holds for all of them together: the quantile
of Student's t at 1 &minus; 0.05 / (2 m), with recordings less one degrees of freedom (Bonferroni). A score
without a standard error announces nothing; a control that is not exceeded so is called “as close”. The 95
% intervals in the tables are those of the one unit, not corrected for its choice.
"""

# The clips that are scored: held out, or, where `score.split` is one of SEEN, not.
HELD_OUT, NOT_HELD_OUT = "clips that training never saw", "clips of which training saw some"
SEEN = ("all", "train")

# What the max-T p is against, by `score.null`.
REARRANGED = {
    "circular_shift": "clips rotated in time, which rejects too often where clips share an onset envelope",
}
PERMUTED = "recordings permuted"

CONTROLS = """
<li><b>trained</b>: the network after training.</li>
<li><b>untrained</b>: the same architecture and seed before training, its batch-norm statistics recomputed on
the training clips. A similarity that it shows too comes from the architecture, not from learning.</li>
<li><b>input</b>: the spectrogram that the network is given, without any network. A similarity that it shows
too was there before the first layer.</li>
"""

CAUTION = """
Every number named “best” is the largest of many (units × rows), so part of it is chance and
selection: read it beside the same number of the controls, which were selected in the same way. A gain is
announced only where it exceeds what chance and selection can do (the rule stands below, under “How to read”).
"""

FEWER = (
    " The input has only {few:,} units to choose the best from, against {many:,}, which favours the networks."
)

STYLE = """
:root { color-scheme: light dark; --ink: #1b2733; --muted: #55616c; --line: #dfe4e8; --page: #f6f7f9;
  --sheet: #fff; --link: #005a94; --yes: #dcecf6; --yes-ink: #00466e; --no: #fbe6da; --no-ink: #7c3600 }
@media (prefers-color-scheme: dark) { :root { --ink: #e7ecf0; --muted: #a9b4be; --line: #36424d;
  --page: #11181e; --sheet: #1a232b; --link: #7cc4f5; --yes: #10344b; --yes-ink: #b5ddf6; --no: #46240f;
  --no-ink: #f7cfb4 } img { background: #fff; border-radius: 8px } }
* { box-sizing: border-box }
body { margin: 0; background: var(--page); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif }
main { max-width: 1340px; margin: 0 auto; padding: 28px 24px 72px }
h1 { font-size: 30px; line-height: 1.2; margin: 0 0 6px }
h2 { font-size: 21px; margin: 0 0 8px }
h3 { font-size: 16px; margin: 22px 0 6px }
p { margin: 6px 0; max-width: 92ch }
a { color: var(--link) }
code { font-size: 14px; overflow-wrap: anywhere }
:focus-visible { outline: 3px solid var(--link); outline-offset: 2px }
.lead { color: var(--muted); margin-bottom: 16px }
.warning { background: var(--no); color: var(--no-ink); border-radius: 10px; padding: 12px 16px;
  margin: 14px 0; max-width: none }
.button { display: inline-block; background: var(--link); color: var(--sheet); border-radius: 8px;
  padding: 5px 14px; text-decoration: none; font-weight: 600; margin-right: 8px }
section, .card { background: var(--sheet); border: 1px solid var(--line); border-radius: 10px }
section { padding: 20px 24px; margin: 16px 0 }
.cards { display: flex; flex-wrap: wrap; gap: 12px }
.card { flex: 1 1 200px; padding: 10px 16px }
.card b { display: block; font-size: 25px; line-height: 1.25 }
.card span, .note { color: var(--muted); font-size: 14px }
img { max-width: 100%; height: auto; display: block; margin: 10px 0 18px }
.scroll { overflow: auto; margin: 8px 0 14px }
#neurons .scroll { max-height: 74vh }
#neurons th { white-space: normal; vertical-align: bottom }
table { border-collapse: collapse; font-size: 14px; font-variant-numeric: tabular-nums }
th, td { padding: 4px 14px 4px 0; border-bottom: 1px solid var(--line); white-space: nowrap }
th { color: var(--muted); font-weight: 600; position: sticky; top: 0; background: var(--sheet) }
.n { text-align: right }
.t { text-align: left }
.chips { display: flex; flex-wrap: wrap; gap: 6px; margin: 4px 0 14px; padding: 0; list-style: none }
.chips li { border-radius: 14px; padding: 2px 11px; font-size: 14px }
.chips.yes li { background: var(--yes); color: var(--yes-ink) }
.chips.no li { background: var(--no); color: var(--no-ink) }
details { margin: 10px 0 }
summary { cursor: pointer; font-weight: 600 }
pre { background: var(--page); border-radius: 8px; padding: 12px; overflow-x: auto; font-size: 13px }
ul { margin: 6px 0 12px; padding-left: 20px }
li { max-width: 92ch }
@media (max-width: 640px) { main { padding: 16px 10px 48px } section { padding: 14px 12px }
  h1 { font-size: 24px } }
@media print { body { background: #fff } .scroll, #neurons .scroll { max-height: none; overflow: visible }
  section { border: 0; padding: 8px 0 } th { position: static } tr, img { break-inside: avoid } }
"""
