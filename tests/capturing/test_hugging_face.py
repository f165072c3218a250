"""Randomly initialised models of Hugging Face are captured from waves; nothing is downloaded."""

import numpy as np
import pytest

import actjax

torch = pytest.importorskip("torch", reason="the extra `torch` is not installed")
transformers = pytest.importorskip("transformers", reason="transformers is not installed")

pytestmark = [
    pytest.mark.long,
    # What transformers itself warns of is none of ours.
    pytest.mark.filterwarnings("ignore"),
]
SMALL = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
CONVOLUTIONS = {
    "conv_dim": (16, 16, 16),
    "conv_stride": (5, 4, 4),
    "conv_kernel": (10, 8, 4),
    "num_feat_extract_layers": 3,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 4,
}


def captured(model, seconds, layers, rate=16_000):
    """Layer -> (first, hop, field) in samples, and the activations."""
    torch.manual_seed(0)
    waves = np.random.default_rng(0).normal(0, 0.1, (2, int(seconds * rate))).astype(np.float32)
    result = actjax.capture(model, waves, sample_rate_hz=rate, layers=layers)
    assert all(np.isfinite(values).all() for values in result.values())
    return {
        layer.name: (layer.time.first, layer.time.step, layer.time.field) for layer in result.layers
    }, result


def test_wav2vec2_lies_where_its_convolutions_put_it():
    config = transformers.Wav2Vec2Config(
        **SMALL, **CONVOLUTIONS, feat_extract_norm="layer", do_stable_layer_norm=True
    )
    conv = r"feature_extractor\.conv_layers\.\d"
    places, result = captured(transformers.Wav2Vec2Model(config), 1.0, rf"{conv}|encoder\.layers\.1|output")
    names = [f"feature_extractor.conv_layers.{i}" for i in range(3)]
    assert [places[name] for name in names] == [(4.5, 5, 10), (22, 20, 45), (52, 80, 105)]
    # The positional convolution of an even kernel moves what is heard by half a frame.
    first, hop, _ = places["encoder.layers.1"]
    assert abs(first - 12) < 8 and abs(hop - 80) < 0.1 and result["output"].shape == (2, 1, 199, 32)


def test_hubert_hears_its_normalisation_and_is_placed_all_the_same():
    config = transformers.HubertConfig(**SMALL, **CONVOLUTIONS)
    places, _ = captured(transformers.HubertModel(config), 1.0, r"feature_extractor\.conv_layers\.\d")
    for name, (first, hop) in zip(places, ((4.5, 5), (22, 20), (52, 80)), strict=True):
        assert places[name][1] == hop and abs(places[name][0] - first) < 2 * hop, name


def test_the_patches_of_a_spectrogram_become_bands_and_frames():
    config = transformers.ASTConfig(**SMALL, max_length=200, num_mel_bins=48)
    places, result = captured(transformers.ASTModel(config), 2.0, r"embeddings|layers\.\d|output")
    assert places["embeddings"] == (1399.5, 1600, 2800)  # 16 frames of 160 in windows of 400
    assert places["output"][:2] == (1399.5, 1600) and result["output"].shape == (2, 4, 19, 32)


def test_frames_that_whisper_pads_are_cut_off():
    config = transformers.WhisperConfig(
        d_model=32, encoder_layers=2, decoder_layers=1, encoder_attention_heads=4, decoder_attention_heads=4,
        encoder_ffn_dim=64, decoder_ffn_dim=64, max_source_positions=150, vocab_size=100, pad_token_id=0,
        bos_token_id=1, eos_token_id=2, decoder_start_token_id=1,
    )  # fmt: skip
    model = transformers.WhisperModel(config)
    places, result = captured(model.get_encoder(), 2.0, r"conv\d|layers\.\d")
    # The ends of a Hann window are next to nothing: a place is known to a sample or so.
    for name, hop in (("conv1", 160), ("conv2", 320), ("layers.1", 320)):
        assert abs(places[name][0]) <= 2 and places[name][1] == hop, name
    assert result["conv1"].shape == (2, 1, 200, 32) and result["layers.1"].shape == (2, 1, 100, 32)
    with pytest.raises(ValueError, match="capture its encoder, model.get_encoder"):
        captured(model, 2.0, ".*")
    with pytest.raises(ValueError, match="hears 3 s, got clips of 4 s"):
        captured(model.get_encoder(), 4.0, ".*")


def test_a_folded_spectrogram_is_unfolded():
    config = transformers.ClapAudioConfig(
        spec_size=256, num_mel_bins=64, patch_embeds_hidden_size=16, hidden_size=128, depths=[1, 1, 1, 1],
        num_attention_heads=[2, 2, 2, 2], window_size=8,
    )  # fmt: skip
    places, result = captured(transformers.ClapAudioModel(config), 10.0, r".*patch_embed", rate=48_000)
    [(first, hop, _)] = places.values()
    assert abs(hop - 480 * 1001 / 1024 * 4) < 2 and abs(first) < hop
    assert result["audio_encoder.patch_embed"].shape == (2, 16, 256, 16)
