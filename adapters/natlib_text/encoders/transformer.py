"""Transformers over tokens, with Hugging Face's ``transformers``."""

from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from natlib.component import Condition
from natlib.encoders import Encoder, EncoderRecipe
from natlib.encoders.one_or_more import OneOrMore
from natlib.encoders.pretrained import are_weights_replaced, whole_number
from natlib.errors import ConfigError, one_line
from natlib_text import tokenizer
from natlib_text.encoders.checkpoint import load_checkpoint, most_tokens, read_architecture
from natlib_text.encoders.pooling import Pooling, pooled
from natlib_text.encoders.sentence_folder import (
    TopLayer,
    read_sentence_folder,
    top_weights,
    transformer_folder,
)
from natlib_text.encoders.tokens import require_vocabulary, trimmed, vectors_of_stages
from natlib_text.encoders.top_layers import top_modules
from natlib_text.length import LengthRule

__all__ = ["TextTransformer"]


class TextTransformer(EncoderRecipe):
    """A transformer encoder and the mean of its outputs over the tokens of a text.

    By default a small BERT (Devlin et al., NAACL 2019, arXiv 1810.04805) with fresh weights;
    with ``checkpoint``, the model in that folder, with the pooling and the layers after it that
    ``sentence-transformers`` has put there.
    """

    conditions: ClassVar[tuple[Condition, ...]] = (
        Condition(
            ("layers", "width", "heads", "dropout"),
            on=("checkpoint",),
            holds=lambda checkpoint: checkpoint is None,
            remedy="set {checkpoint} to null for fresh weights",
        ),
        Condition(
            ("architecture", "top"),
            on=("checkpoint",),
            holds=lambda checkpoint: checkpoint is not None,
            remedy="set {checkpoint} to the folder of the model",
        ),
    )

    input_axes: ClassVar[int | None] = 1

    kind: Literal["text_transformer"] = "text_transformer"
    layers: int = Field(default=4, ge=1)
    """Number of layers."""
    width: int = Field(default=256, ge=1)
    """Width of each layer, and the number of features."""
    heads: int = Field(default=4, ge=1)
    """Attention heads in each layer."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """Dropout probability of outputs and attention in training."""
    checkpoint: str | None = None
    """A folder with ``config.json`` and ``model.safetensors``, as ``save_pretrained`` or
    ``sentence-transformers`` writes it. If its tokenizer is elsewhere, set ``data.tokenizer`` to
    that folder. The checkpoint determines ``layers``, ``width``, ``heads`` and ``dropout``."""
    pooling: OneOrMore[Pooling] | None = None
    """How the outputs for all tokens become one vector; several are put side by side. By default
    as the checkpoint says, or else their mean."""
    top: tuple[TopLayer, ...] | None = None
    """Layers after the pooling; the modality fills in those of a checkpoint, ``[]`` for none."""
    vocabulary: int | None = Field(default=None, ge=1)
    """Number of tokens; the modality fills it in."""
    before: tuple[int, ...] = ()
    """Special tokens before each text; the modality fills them in."""
    after: tuple[int, ...] = ()
    """Special tokens after each text; the modality fills them in."""
    architecture: dict[str, Any] | None = None
    """The checkpoint's ``config.json``; the modality fills it in, so that a trained model can be
    loaded without the checkpoint that it started from."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.width % self.heads:
            raise ValueError(f"width {self.width} is not a multiple of heads {self.heads}")
        return self

    def completed(
        self, special_tokens: tuple[tuple[int, ...], tuple[int, ...]], length: int, trained: bool
    ) -> Self:
        """The recipe with everything that its checkpoint determines filled in.

        Args:
            special_tokens: the tokens that the tokenizer puts before and after a text.
            length: tokens of a text.
            trained: whether the tokenizer was trained on the texts, so that it fits no checkpoint.

        Raises:
            ConfigError: the checkpoint cannot be read, or does not fit the tokenizer or ``length``.
        """
        if self.checkpoint is None:
            return self
        folder = Path(self.checkpoint).expanduser().absolute()
        architecture = read_architecture(transformer_folder(folder))
        if trained:
            raise ConfigError(
                f"the checkpoint {folder} needs the tokenizer that it was trained with; "
                "set data.tokenizer to the folder that holds its tokenizer.json"
            )
        known = whole_number(architecture, "vocab_size", folder) or 0
        if self.vocabulary is not None and self.vocabulary > known:
            raise ConfigError(
                f"the tokenizer has {self.vocabulary:,} tokens, the checkpoint {folder} knows "
                f"{known:,}; set data.tokenizer to the folder of its own tokenizer"
            )
        before, after = special_tokens
        room = most_tokens(architecture, folder)
        if room is not None and length + len(before) + len(after) > room:
            raise ConfigError(
                f"the checkpoint {folder} reads at most {room - len(before) - len(after)} tokens "
                f"of a text; lower data.length ({length})"
            )
        found = read_sentence_folder(folder)
        update = {
            "checkpoint": str(folder),
            "before": before,
            "after": after,
            "architecture": architecture,
            "pooling": self.pooling or (("mean",) if found is None else found.pooling),
            "top": self.top if self.top is not None else () if found is None else found.top,
        }
        return self.model_copy(update=update)

    def inputs(self) -> dict[str, Any]:
        """See :meth:`EncoderRecipe.inputs`: the checkpoint's own tokenizer, prompt and length."""
        if self.checkpoint is None or self.architecture is not None:
            return {}  # or filled in before
        folder = Path(self.checkpoint).expanduser().absolute()
        inside = transformer_folder(folder)
        if not (inside / tokenizer.FILE).exists():
            return {}
        inputs: dict[str, Any] = {"tokenizer": str(inside)}
        found = read_sentence_folder(folder)
        if found is not None and found.prompt:
            inputs["prompt"] = found.prompt
        if found is not None and found.length is not None:
            special = tokenizer.TextTokenizer(tokenizer.read_tokenizer(inside)).special_tokens()
            inputs["length"] = max(1, found.length - sum(map(len, special)))
        return inputs

    def length_rule(self) -> LengthRule:
        """As many tokens as the checkpoint reads, or 512: attention to a token costs all others."""
        if self.checkpoint is None:
            return LengthRule()
        folder = transformer_folder(Path(self.checkpoint).expanduser().absolute())
        room = most_tokens(self.architecture or read_architecture(folder), folder)
        return LengthRule(most=room or LengthRule().most)

    @property
    def pretrained(self) -> str | None:
        """The name of the checkpoint's folder."""
        return None if self.checkpoint is None else Path(self.checkpoint).name

    def build(self, input_shape: tuple[int, ...]) -> Encoder:
        """See :meth:`EncoderRecipe.build`; inputs are [tokens].

        With a checkpoint, the encoder has the weights of the checkpoint. If its folder is gone,
        they are fresh, and those of a trained model are loaded afterwards.

        Raises:
            ConfigError: the checkpoint cannot be read.
        """
        vocabulary = require_vocabulary(self.vocabulary, self.kind, input_shape)
        if self.checkpoint is not None:
            return self._from_checkpoint(Path(self.checkpoint).expanduser())
        from transformers import BertConfig, BertModel

        config = BertConfig(
            vocab_size=vocabulary + 1,
            hidden_size=self.width,
            num_hidden_layers=self.layers,
            num_attention_heads=self.heads,
            intermediate_size=4 * self.width,
            hidden_dropout_prob=self.dropout,
            attention_probs_dropout_prob=self.dropout,
            max_position_embeddings=input_shape[0],
            type_vocab_size=1,
            pad_token_id=0,
        )
        return _Transformer(BertModel(config, add_pooling_layer=False), self, 0)

    def _from_checkpoint(self, folder: Path) -> Encoder:
        fresh = self.architecture is not None and (are_weights_replaced() or not folder.is_dir())
        inside = folder if fresh else transformer_folder(folder)
        encoder = _Transformer(load_checkpoint(inside, self.architecture), self, 1)
        found = None if fresh else read_sentence_folder(folder)
        if found is not None and found.top == self.top:
            try:
                encoder.top.load_state_dict(top_weights(found))
            except RuntimeError as error:
                raise ConfigError(
                    f"the layers after the pooling of {folder} do not fit: {one_line(error)}; save "
                    "the model again with sentence-transformers"
                ) from error
        return encoder


class _Transformer(Encoder):
    """A model of ``transformers``, a pooling, and perhaps layers after it.

    Args:
        model: the model, which reads token numbers and an attention mask.
        recipe: gives the special tokens around a text.
        shift: subtracted from token numbers, in which 0 is padding.
    """

    def __init__(self, model: nn.Module, recipe: TextTransformer, shift: int) -> None:
        super().__init__()
        config: Any = model.config
        self.model = model
        self._pooling: tuple[Pooling, ...] = recipe.pooling or ("mean",)
        self.top, self.dim = top_modules(
            recipe.top or (), int(config.hidden_size) * len(self._pooling)
        )
        self._before = recipe.before
        self._after = recipe.after
        self._shift = shift
        self._padding = int(getattr(config, "pad_token_id", None) or 0)

    def forward(self, inputs: Tensor) -> Tensor:
        if not len(inputs):  # which the models of transformers refuse
            return torch.zeros(0, self.dim, device=inputs.device)
        tokens, mask = self._prepared(inputs)
        output = self.model(input_ids=tokens, attention_mask=mask)
        return self._features(output.last_hidden_state, mask)

    def stages(self, inputs: Tensor) -> dict[str, Tensor]:
        tokens, mask = self._prepared(inputs)
        output = self.model(input_ids=tokens, attention_mask=mask, output_hidden_states=True)
        first, *others = output.hidden_states
        outputs = {"embedding": first}
        outputs |= {f"layer{number}": layer for number, layer in enumerate(others, start=1)}
        outputs["features"] = self._features(output.last_hidden_state, mask)
        return outputs

    def stage_vectors(self, inputs: Tensor, width: int) -> dict[str, Tensor]:
        _, mask = self._prepared(inputs)
        return vectors_of_stages(self.stages(inputs), mask != 0, width)

    def _features(self, values: Tensor, mask: Tensor) -> Tensor:
        vectors = pooled(values, mask != 0, self._pooling)
        for layer in self.top:
            vectors = layer(vectors)
        return vectors

    def _prepared(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Token numbers of the model, and its attention mask int64[b, t]."""
        tokens = _surrounded(trimmed(inputs), self._before, self._after)
        mask = tokens != 0
        numbers = torch.where(mask, tokens - self._shift, self._padding)
        # A row of only padding would have nothing to attend to.
        mask[:, 0] = True
        return numbers, mask.long()


def _surrounded(tokens: Tensor, before: tuple[int, ...], after: tuple[int, ...]) -> Tensor:
    if not before and not after:
        return tokens
    count = (tokens != 0).sum(1)
    first = tokens.new_tensor(before).expand(len(tokens), -1)
    room = tokens.new_zeros(len(tokens), len(after))
    whole = torch.cat([first, tokens, room], 1)
    place = len(before) + count[:, None] + torch.arange(len(after), device=tokens.device)
    return whole.scatter(1, place, tokens.new_tensor(after).expand(len(tokens), -1))
