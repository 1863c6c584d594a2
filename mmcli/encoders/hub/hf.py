"""Any transformers model: hf:FOLDER, or hf:owner/name from the Hugging Face hub."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from torch import Tensor, nn

from mmcli.encoders.hub._hf_audio import AudioTower
from mmcli.encoders.hub._hf_image import ImageTower
from mmcli.encoders.hub._hf_text import TextTower
from mmcli.encoders.hub._hf_video import VideoTower
from mmcli.errors import MmcliError
from mmcli.store.columns import Array, Column, FieldSpec, ModalitySpec


class Hf(nn.Module):
    """A pretrained encoder of text, images, sound or video, depending on the modality's kind.

    Text: encoders such as BERT, sentence-transformers folders, the text tower of CLIP and SigLIP. Images: vision
    transformers and similar networks, the image tower of CLIP and SigLIP. Sound: Whisper's encoder, audio spectrogram
    transformers. Video: VideoMAE, ViViT, TimeSformer. Weights are read only from ``.safetensors``, and a model's own
    code is never run.

    Args:
        inputs: Text, images, waveforms or frames.
        argument: A folder, or a model's name on the hub, which is looked up in the hub's cache.
        pool: ``auto`` is the model's own pooling (as in a sentence-transformers folder, the shared space of CLIP and
            SigLIP, the class token for images, else the mean); ``cls``, ``mean`` or ``max`` over tokens, patches or
            frames gives (D,); ``none`` gives them all.
        normalize: Whether vectors are scaled to length 1; ``auto`` follows the sentence-transformers folder.
        max_length: Maximum number of tokens of a text; none is the model's own limit, at most 256.
        seed: Unused.

    Raises:
        MmcliError: The model cannot be found, or is not for this kind.

    Source: Wolf et al. 2020, Transformers: State-of-the-Art Natural Language Processing; for sentences Reimers and
    Gurevych 2019, Sentence-BERT, section 3.
    """

    kinds: ClassVar[tuple[str, ...]] = ("text", "image", "audio", "video")
    reads_text: ClassVar[bool] = True  # with its own tokenizer, not the stored tokens
    argument_is_place: ClassVar[bool] = True
    version: ClassVar[int] = 1
    origin: ClassVar[str] = "the model's page on the hub says what it was trained on"
    licence: ClassVar[str] = "the model's own, named on its page on the hub"

    def __init__(
        self,
        inputs: ModalitySpec,
        argument: str = "",
        *,
        pool: Literal["auto", "cls", "mean", "max", "none"] = "auto",
        normalize: Literal["auto", "true", "false"] = "auto",
        max_length: int | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.inputs = inputs
        self.argument = argument
        self.pool = pool
        self.normalize = normalize
        self.max_length = max_length
        self.seed = seed
        if max_length is not None and inputs.kind != "text":
            raise MmcliError(f"hf: max_length is only for text, but {inputs.source} is {inputs.kind}")
        self.tower: Any = self._make()

    def _make(self) -> nn.Module:
        kind = self.inputs.kind
        if kind == "text":
            return TextTower(self.argument, self.pool, self.normalize, self.max_length)
        if kind == "image":
            return ImageTower(self.argument, self.inputs, self.pool, self.normalize)
        if kind == "audio":
            return AudioTower(self.argument, self.inputs, self.pool, self.normalize)
        return VideoTower(self.argument, self.inputs, self.pool, self.normalize)

    def output(self) -> FieldSpec:
        """Return (D,), a map (D, H, W) or a sequence of (D,)."""
        form: FieldSpec = self.tower.output()
        return form

    def lengths(self, column: Column) -> Array | None:
        """Return the padded token count of each text; None for other kinds, whose rows have the same shape."""
        lengths: Array | None = self.tower.lengths(column)
        return lengths

    def collate(self, column: Column, length: int | None) -> tuple[Tensor, ...]:
        """Return tokens and their counts, stored pixels, clips, or spectrograms."""
        inputs: tuple[Tensor, ...] = self.tower.collate(column, length)
        return inputs

    def forward(self, *inputs: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """Return the features."""
        features: Tensor | tuple[Tensor, Tensor] = self.tower(*inputs)
        return features

    def assets(self) -> dict[str, str]:
        """Return the hashes of the weights and of the settings, the tokenizer's included."""
        return dict(self.tower.files)
