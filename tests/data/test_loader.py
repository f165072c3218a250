"""The loader: every clip once, the same batches whatever the processes, resumable, masked."""

import dataclasses

import numpy as np
import pytest

from actjax.data.loader import Source, batches, steps


class Reader:
    """Clip i holds the constant i; counts what is read."""

    def __init__(self, clips, samples=8, dtype=np.int16):
        self.audio = [np.full(samples, i, dtype) for i in range(clips)]
        self.read = []

    def __len__(self):
        return len(self.audio)

    def __getitem__(self, index):
        self.read.append(int(index))
        return {"audio": self.audio[index]}


def make_source(clips, samples=8, labels=None, **reader):
    names = [f"c{i}" for i in range(clips)]
    labels = np.arange(clips, dtype=np.int32) % 3 if labels is None else labels
    return Source(Reader(clips, samples, **reader), names, names, labels, ("a", "b", "c"), 12_000, 8, "0")


def test_evaluation_sees_every_clip_once_in_order():
    source = make_source(10)
    got = list(batches(source, batch_size=4))
    assert [b.mask.sum() for b in got] == [4, 4, 2]
    seen = np.concatenate([b.index[b.mask] for b in got])
    np.testing.assert_array_equal(seen, np.arange(10))
    for batch in got:
        expected = np.where(batch.mask, batch.index / 32768.0, 0.0)
        np.testing.assert_allclose(batch.audio, np.broadcast_to(expected[:, None], (4, 8)), rtol=1e-6)
        np.testing.assert_array_equal(batch.label, np.where(batch.mask, batch.index % 3, 0))
        assert batch.audio.dtype == np.float32 and batch.label.dtype == np.int32 and batch.mask.dtype == bool


@pytest.mark.parametrize("processes", [2, 4])
def test_processes_share_the_batches_of_one(processes):
    whole = list(batches(make_source(11), batch_size=8, seed=3, epochs=2))
    shares = [
        list(
            batches(make_source(11), batch_size=8, seed=3, epochs=2, process_index=p, process_count=processes)
        )
        for p in range(processes)
    ]
    assert {len(share) for share in shares} == {len(whole)} == {steps(11, 8, 2)}
    for step, batch in enumerate(whole):
        for name, value in batch._asdict().items():
            np.testing.assert_array_equal(
                np.concatenate([getattr(share[step], name) for share in shares]), value
            )


def test_training_drops_nothing_and_shuffles_each_epoch_anew():
    stream = batches(make_source(7), batch_size=4, seed=5, epochs=3)
    seen = np.concatenate([b.index[b.mask] for b in stream])
    epochs = seen.reshape(3, 7)
    assert all(sorted(epoch) == list(range(7)) for epoch in epochs.tolist())
    assert len({tuple(epoch) for epoch in epochs.tolist()}) == 3
    other = np.concatenate([b.index[b.mask] for b in batches(make_source(7), batch_size=4, seed=6, epochs=3)])
    assert (other != seen).any()


def test_an_endless_stream_goes_on():
    stream = batches(make_source(3), batch_size=2, seed=0, epochs=None)
    got = [next(stream) for _ in range(9)]
    assert all(b.mask.all() for b in got)
    assert np.bincount(np.concatenate([b.index for b in got])).tolist() == [6, 6, 6]


def test_resuming_gives_the_same_batches_and_reads_none_of_the_skipped():
    whole = list(batches(make_source(20), batch_size=4, seed=1, epochs=2))
    source = make_source(20)
    rest = list(batches(source, batch_size=4, seed=1, epochs=2, start_step=7))
    assert len(rest) == len(whole) - 7
    for batch, expected in zip(rest, whole[7:], strict=True):
        np.testing.assert_array_equal(batch.index, expected.index)
    assert len(source.reader.read) == 3 * 4


def test_little_is_read_ahead():
    source = make_source(1000)
    next(batches(source, batch_size=4, seed=1, epochs=None))
    assert len(source.reader.read) <= 4 * 8


@pytest.mark.parametrize("samples", [5, 11])
def test_clips_are_cut_or_padded_to_the_clip_length(samples):
    batch = next(batches(make_source(3, samples, dtype=np.float32), batch_size=3))
    expected = np.zeros((3, 8), np.float32)
    expected[:, : min(samples, 8)] = np.arange(3, dtype=np.float32)[:, None]
    np.testing.assert_array_equal(batch.audio, expected)
    assert batch.length.tolist() == [min(samples, 8)] * 3


def test_a_batch_says_how_long_the_signal_of_each_clip_is():
    source = dataclasses.replace(make_source(5), lengths=np.array([8, 3, 8, 5, 1], np.int32))
    got = list(batches(source.take([4, 1, 0]), batch_size=2))
    assert [b.length.tolist() for b in got] == [[1, 3], [8, 0]]
    assert [b.audio[0, 0] * 32768 for b in got] == [4, 0]


def test_multi_hot_labels_come_as_float_rows():
    labels = np.array([[1, 0, 1], [0, 1, 0]], np.uint8)
    batch = next(batches(make_source(2, labels=labels), batch_size=3))
    np.testing.assert_array_equal(batch.label, np.array([[1, 0, 1], [0, 1, 0], [0, 0, 0]], np.float32))


def test_bad_arguments_are_refused():
    with pytest.raises(ValueError, match="holds no clips"):
        batches(make_source(0), batch_size=4)
    with pytest.raises(ValueError, match="multiple of the 2 processes, got 3"):
        batches(make_source(4), batch_size=3, process_count=2)
