"""Tiny checkpoints of text encoders, with tokenizers, as other libraries write them."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

__all__ = ["WORDS", "write_checkpoint", "write_modules"]

WORDS = [
    "a",
    "storm",
    "at",
    "sea",
    "the",
    "ship",
    "sails",
    "home",
    "query",
    "rain",
    "falls",
    "on",
    "old",
    "hills",
    "and",
    "quiet",
    "towns",
]
WIDTH = 8


def write_checkpoint(folder: Path, *, tokenizer: bool = True, **config: Any) -> Path:
    """A BERT of 8 numbers and its tokenizer, as ``save_pretrained`` writes them."""
    import transformers

    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    letters = [f"##{letter}" for letter in "abcdefghijklmnopqrstuvwxyz"]
    vocabulary = [*special, *WORDS, *"abcdefghijklmnopqrstuvwxyz", *letters, ":"]
    numbers = {word: number for number, word in enumerate(dict.fromkeys(vocabulary))}
    values = {
        "vocab_size": len(numbers), "hidden_size": WIDTH, "num_hidden_layers": 2,
        "num_attention_heads": 2, "intermediate_size": 16, "max_position_embeddings": 32, **config,
    }  # fmt: skip
    torch.manual_seed(5)
    model = transformers.BertModel(transformers.BertConfig(**values), add_pooling_layer=False)
    model.save_pretrained(folder)
    if tokenizer:
        made = Tokenizer(models.WordPiece(numbers, unk_token="[UNK]"))
        made.normalizer = normalizers.BertNormalizer(lowercase=False)
        made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        made.post_processor = processors.TemplateProcessing(
            single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
        )
        fast = transformers.PreTrainedTokenizerFast(
            tokenizer_object=made, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]",
            sep_token="[SEP]",
        )  # fmt: skip
        fast.save_pretrained(folder)
    return folder


def write_modules(folder: Path, *modules: tuple[str, dict[str, Any]], **settings: Any) -> Path:
    """A folder of ``sentence-transformers`` by hand: a checkpoint, then modules by class.

    Args:
        folder: where.
        modules: name of a class, and its ``config.json``; dense layers get random weights.
        settings: of ``sentence_bert_config.json``.
    """
    write_checkpoint(folder)
    listed = [
        {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"}
    ]
    for number, (name, config) in enumerate(modules, start=1):
        path = folder / f"{number}_{name}"
        path.mkdir()
        (path / "config.json").write_text(json.dumps(config))
        if name == "Dense":
            torch.manual_seed(number)
            weights = {"linear.weight": torch.randn(config["out_features"], config["in_features"])}
            if config.get("bias", True):
                weights["linear.bias"] = torch.randn(config["out_features"])
            save_file(weights, path / "model.safetensors")
        kind = f"sentence_transformers.models.{name}"
        listed.append({"idx": number, "name": str(number), "path": path.name, "type": kind})
    (folder / "modules.json").write_text(json.dumps(listed))
    (folder / "sentence_bert_config.json").write_text(
        json.dumps({"max_seq_length": 12, "do_lower_case": False, **settings})
    )
    return folder
