"""Small models in the form of transformers, made of random weights, one folder for each architecture."""

from __future__ import annotations

import pytest
import torch

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "red", "rose", "the", "sea", "sky", "and"]
SIDE = 32
SIZES = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}


def save_tokenizer(folder):
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    tokens = Tokenizer(models.WordLevel({word: number for number, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokens.pre_tokenizer = pre_tokenizers.Whitespace()
    tokens.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    PreTrainedTokenizerFast(
        tokenizer_object=tokens, unk_token="[UNK]", pad_token="[PAD]", cls_token="[CLS]", sep_token="[SEP]",
        mask_token="[MASK]", model_max_length=32,
    ).save_pretrained(folder)  # fmt: skip


def make_models(t):
    """Return for each architecture its network, its processor or None, and whether it has a tokenizer."""
    text = {"vocab_size": len(WORDS), "bos_token_id": 2, "eos_token_id": 3, "pad_token_id": 0, **SIZES}
    pixels = {"image_size": SIDE, "patch_size": 16, **SIZES}
    square = {"height": SIDE, "width": SIDE}
    cropped = {"size": {"shortest_edge": SIDE}, "crop_size": square}
    whisper = t.WhisperConfig(
        vocab_size=12, num_mel_bins=16, encoder_layers=2, decoder_layers=1, encoder_attention_heads=2, d_model=16,
        decoder_attention_heads=2, encoder_ffn_dim=32, decoder_ffn_dim=32, max_source_positions=100,
        max_target_positions=8, pad_token_id=0, bos_token_id=2, eos_token_id=3, decoder_start_token_id=2,
    )  # fmt: skip
    spectrogram = t.ASTConfig(num_mel_bins=16, max_length=64, patch_size=8, frequency_stride=8, time_stride=8, **SIZES)
    short = {**text, "max_position_embeddings": 16}
    return {
        "bert": (t.BertModel(t.BertConfig(max_position_embeddings=32, **text)), None, True),
        "clip": (
            t.CLIPModel(t.CLIPConfig(text_config=short, vision_config=pixels, projection_dim=8)),
            t.CLIPImageProcessor(**cropped), True,
        ),
        "siglip": (
            t.SiglipModel(t.SiglipConfig(text_config={**short, "projection_size": 12}, vision_config=pixels)),
            t.SiglipImageProcessor(size=square), True,
        ),
        "vit": (t.ViTModel(t.ViTConfig(**pixels)), t.ViTImageProcessor(size=square), False),
        "videomae": (
            t.VideoMAEModel(t.VideoMAEConfig(num_frames=4, tubelet_size=2, **pixels)),
            t.VideoMAEImageProcessor(**cropped), False,
        ),
        "whisper": (t.WhisperModel(whisper), t.WhisperFeatureExtractor(feature_size=16, chunk_length=2), False),
        "ast": (t.ASTModel(spectrogram), t.ASTFeatureExtractor(num_mel_bins=16, max_length=64), False),
    }  # fmt: skip


@pytest.fixture(scope="session")
def hf_folders(tmp_path_factory):
    """Folders by architecture: bert, clip, siglip, vit, videomae, whisper, ast."""
    import transformers

    root = tmp_path_factory.mktemp("hf")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        made = make_models(transformers)
    for name, (network, processor, has_tokens) in made.items():
        network.save_pretrained(root / name)
        if processor is not None:
            processor.save_pretrained(root / name)
        if has_tokens:
            save_tokenizer(root / name)
    return {name: root / name for name in made}
