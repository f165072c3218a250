"""The atlas of a run: a static site that plays what drives each neuron and shows what it follows.

| module | what it does |
|---|---|
| `activity` | passes clips through the networks: each clip's mean activation, maps and curves of some clips |
| `chosen` | which clips are shown of each neuron; which neurons are alike; which class each prefers |
| `described` | what the scores say of every neuron, feature and class, as rows of the index |
| `media` | spectrograms and maps as PNG, sounds as Ogg Vorbis |
| `coded` | arrays as bytes in text, JSON in classic scripts |
| `shown` | what is seen and heard of clips: the files, and curves beside features |
| `site` | the page and its data |
| `build` | all this for a run, in order |
| `page/` | the page: HTML, style sheet and one module of JavaScript, written by hand |
"""
