"""The claims of the four findings, one file a kind of comparison.

| finding | claim | compared | score |
|---|---|---|---|
| 1 | harmonic_or_percussive | shallow maps with H and P in dB, cell by cell, within clips | |r_H| - |r_P| |
| 1 | mask_given_energy | the same with the mask h / (h + p), the local energy (log mel) held fixed | r |
| 2 | chroma_geometry | deep maps with the chromagram, by the geometry of their frames | cka |
| 2 | chroma_rows_permuted | the same | cka - cka with each frame's rows in another order |
| 2 | chroma_folded | deep maps folded into pitch classes, cell by cell; bands within a semitone | r |
| 3 | loudness | embedding with loudness over clips, within classes | r |
| 3 | onset_rate_given_loudness | the same with onset rate, loudness held fixed | r |
| 4 | one_unit_of_all | embedding with each well-known feature | |r| of a unit / r of ridge on all units |
"""

from actjax.findings.claims import cells, embedding, folded, frames

CLAIMS = (*cells.CLAIMS, *frames.CLAIMS, *folded.CLAIMS, *embedding.CLAIMS)
# finding -> (what it says, the same in few words)
TITLES = {
    1: ("Shallow maps resemble the harmonic or the percussive part", "harmonic or percussive part"),
    2: ("Deep maps resemble chromagrams", "deep maps and chromagrams"),
    3: ("The embedding follows loudness and onset rate", "loudness and onset rate"),
    4: ("Single units stand for one feature", "single units for one feature"),
}
