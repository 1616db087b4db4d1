"""Checkpoint folders that somebody else made: numbers and sizes are read, no code is reached."""

import ast
import json
import pickle
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from transformers import CONFIG_MAPPING

from natlib.encoders.pretrained import (
    fresh_model,
    load_pretrained,
    quiet_transformers,
    read_architecture,
    read_weights,
    whole_number,
)
from natlib.encoders.pretrained import models as pretrained_models
from natlib.encoders.pretrained.settings import known_settings
from natlib.errors import ConfigError, NatlibError

EVIL = "evil/repository"


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT in one file, and the same in several files beside."""
    config = transformers.BertConfig(
        vocab_size=20,
        hidden_size=8,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=12,
    )
    folder = tmp_path_factory.mktemp("saved")
    with quiet_transformers():
        model = transformers.BertModel(config)
        model.save_pretrained(folder / "whole")
        model.save_pretrained(folder / "parts", max_shard_size="2KB")
    return folder


@pytest.fixture
def folder(saved: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(saved / "whole", tmp_path / "bert"))


@pytest.fixture
def parts(saved: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(saved / "parts", tmp_path / "parts"))


@pytest.fixture(autouse=True)
def _nothing_is_loaded(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fail where code, a pickle or the network is asked for."""
    from transformers import dynamic_module_utils
    from transformers.integrations import hub_kernels

    asked: list[str] = []

    def refusing(name: str) -> Any:
        def refuse(*_: Any, **__: Any) -> Any:
            asked.append(name)
            raise RuntimeError(f"{name} was called")

        return refuse

    for place, names in {
        dynamic_module_utils: ("get_class_from_dynamic_module", "get_cached_module_file"),
        hub_kernels: ("get_kernel", "load_and_register_attn_kernel", "lazy_load_kernel"),
        transformers.utils.hub: ("cached_file", "cached_files"),
        torch: ("load",),
        pickle: ("load", "loads", "Unpickler"),
        socket.socket: ("connect",),
    }.items():
        for name in names:
            monkeypatch.setattr(place, name, refusing(name))
    yield
    assert asked == []


def change(folder: Path, **values: Any) -> dict[str, Any]:
    config: dict[str, Any] = json.loads((folder / "config.json").read_text()) | values
    (folder / "config.json").write_text(json.dumps(config))
    return config


CODE: dict[str, Any] = {
    "_attn_implementation": EVIL,
    "_attn_implementation_internal": f"{EVIL}@main:attention",
    "attn_implementation": f"paged|{EVIL}",
    "_experts_implementation": EVIL,
    "experts_implementation": EVIL,
    "auto_map": {"AutoConfig": f"{EVIL}--c.C", "AutoModel": f"{EVIL}--m.M"},
    "quantization_config": {"quant_method": "bitsandbytes", "load_in_8bit": True},
    "transformers_weights": "../evil.bin",
    "trust_remote_code": True,
    "use_kernels": True,
    "allow_all_kernels": True,
    "kernel_config": {"kernel_mapping": {"RMSNorm": f"{EVIL}:N"}},
    "fusion_config": {"patch_embeddings": True},
    "custom_pipelines": {"evil": {"impl": "pipeline.Evil", "pt": ["AutoModel"]}},
    "custom_generate": EVIL,
    "base_model_tp_plan": {"layers.*": "colwise"},
    "extra_files": ["evil.bin"],
    "_name_or_path": EVIL,
    "_commit_hash": "evil",
    "code_revision": "evil",
    "adapter_name": "evil",
    "pretrained_model_name_or_path": EVIL,
    "backbone": EVIL,
    "use_pretrained_backbone": True,
    "use_timm_backbone": True,
    "library": "evil",
    "a_future_implementation": "evil",
    "a_future_setting": EVIL,
    "a_future_group": {"_attn_implementation": EVIL},
    "a_future_list": [{"_attn_implementation": EVIL}],
    "per_layer_config": {"0": {"_attn_implementation": EVIL, "intermediate_size": 16}},
}


@pytest.mark.parametrize(("key", "value"), CODE.items(), ids=CODE)
def test_no_setting_reaches_code(folder: Path, key: str, value: Any) -> None:
    weights = load_file(folder / "model.safetensors")
    architecture = change(folder, **{key: value})
    for model in (load_pretrained(folder), fresh_model(architecture, settings={})):
        config: Any = model.config
        assert config._attn_implementation in ("eager", "sdpa")
        assert getattr(config, "_experts_implementation", None) in (None, "eager", "grouped_mm")
        assert "evil" not in str(vars(config)) + str(config.to_dict())
    for name, tensor in load_pretrained(folder).state_dict().items():
        assert torch.equal(tensor, weights[name])


def test_all_of_them_together_are_said_in_one_line(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    change(folder, **CODE, numbers=[1, 2], word="layer")
    config: Any = load_pretrained(folder).config
    assert "evil" not in str(vars(config))
    assert (config.numbers, config.word) == ([1, 2], "layer")
    (message,) = caplog.messages
    assert "left out _attn_implementation" in message.replace("_attn_implementation_internal, ", "")
    assert "auto_map" in message
    assert "quantization_config" in message


def test_other_files_of_the_folder_are_not_looked_at(folder: Path) -> None:
    before = load_pretrained(folder).state_dict()
    for name, content in {
        "adapter_config.json": json.dumps({"base_model_name_or_path": EVIL}),
        "generation_config.json": json.dumps({"custom_generate": EVIL}),
        "modeling_evil.py": "raise SystemExit",
        "__init__.py": "raise SystemExit",
        "custom_generate/generate.py": "raise SystemExit",
        "pytorch_model.bin": "evil",
        "model.safetensors.index.json": json.dumps({"weight_map": {"a": "../evil.bin"}}),
    }.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(content)
    after = load_pretrained(folder).state_dict()
    assert all(torch.equal(after[name], before[name]) for name in before)


@pytest.mark.parametrize(
    "kind",
    ["albert", "bert", "data2vec-audio", "deberta-v2", "distilbert", "electra", "eurobert", "gpt2",
     "hubert", "modernbert", "mpnet", "qwen3", "roberta", "wav2vec2", "wavlm", "xlm-roberta"],
)  # fmt: skip
def test_what_save_pretrained_writes_is_kept(kind: str) -> None:
    written = CONFIG_MAPPING[kind]().to_dict() | {"dtype": "float32"}
    kept, left_out = known_settings(written, CONFIG_MAPPING[kind])
    again = CONFIG_MAPPING[kind](**kept).to_dict() | {"dtype": "float32"}
    assert again == written
    assert left_out == []


def test_kinds_that_fetch_kernels_by_themselves_are_refused(folder: Path) -> None:
    """Read from the source of the version that is installed."""
    found = set()
    for file in (Path(transformers.__file__).parent / "models").glob("*/modeling_*.py"):
        text = file.read_text(encoding="utf-8")
        if "get_kernel" not in text and "cpp_extension" not in text:
            continue
        called = {n.func.id for n in ast.walk(ast.parse(text))
                  if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)}  # fmt: skip
        if called & {"get_kernel", "load"} and not _is_composite(file.parent.name):
            found.add(file.parent.name)
    assert found == set(pretrained_models._FETCHING)
    for kind in found:
        change(folder, model_type=kind)
        with pytest.raises(ConfigError, match="fetches code to run"):
            load_pretrained(folder)


def _is_composite(kind: str) -> bool:
    return kind in CONFIG_MAPPING and bool(CONFIG_MAPPING[kind].sub_configs_defaults)


@pytest.mark.parametrize(
    "kind", ["clip", "vision-encoder-decoder", "rag", "timm_backbone", "evil/x", ""]
)
def test_what_is_no_single_encoder_is_refused(folder: Path, kind: str) -> None:
    architecture = change(folder, model_type=kind)
    with pytest.raises(ConfigError):
        load_pretrained(folder)
    if kind != "timm_backbone":  # which then lacks its weights
        with pytest.raises(ConfigError):
            fresh_model(architecture, settings={})


class TestIndex:
    def test_several_files_are_read_as_one(self, parts: Path, saved: Path) -> None:
        assert len(list(parts.glob("*.safetensors"))) > 1
        whole = read_weights(saved / "whole")
        found = read_weights(parts)
        assert found.keys() == whole.keys()
        assert all(torch.equal(found[name], whole[name]) for name in whole)
        model = load_pretrained(parts).state_dict()
        assert all(torch.equal(model[name], whole[name]) for name in whole)

    @pytest.mark.parametrize(
        "name",
        ["pytorch_model.bin", "../outside.safetensors", "/outside.safetensors", "x/y.safetensors",
         "..\\outside.safetensors", "C:outside.safetensors", "x.safetensors\0.bin",
         "a.safetensors/", ".safetensors.py", "", ".", "..", "file:///x.safetensors",
         "evil/x", 1, None, ["a"], {}],
    )  # fmt: skip
    def test_only_plain_names_are_followed(self, parts: Path, name: Any) -> None:
        save_file({"evil": torch.ones(1)}, parts.parent / "outside.safetensors")
        (parts / "pytorch_model.bin").write_bytes(b"evil")
        index = parts / "model.safetensors.index.json"
        content = json.loads(index.read_text())
        first = next(iter(content["weight_map"]))
        content["weight_map"][first] = name
        index.write_text(json.dumps(content))
        for read in (read_weights, load_pretrained):
            with pytest.raises(
                ConfigError, match=r"index\.json of the checkpoint .* (names|cannot)"
            ):
                read(parts)

    @pytest.mark.parametrize(
        "text",
        ["{}", "[]", "3", '{"weight_map": []}', '{"weight_map": "x.safetensors"}', "{", "[" * 10**5,
         '{"weight_map": {"a": "missing.safetensors"}}'],
    )  # fmt: skip
    def test_an_index_of_something_else_is_refused(self, parts: Path, text: str) -> None:
        (parts / "model.safetensors.index.json").write_text(text)
        with pytest.raises(ConfigError):
            read_weights(parts)

    def test_a_weight_in_two_files_is_refused(self, parts: Path) -> None:
        first, second, *_ = sorted(parts.glob("*.safetensors"))
        save_file(load_file(first) | load_file(second), second)
        with pytest.raises(ConfigError, match="in more than one file"):
            read_weights(parts)


@pytest.mark.parametrize(
    "values",
    [
        {"num_hidden_layers": 10**7},
        {"num_hidden_layers": 9_999},
        {"hidden_size": 10**5, "num_attention_heads": 1, "intermediate_size": 10**5},
        {"intermediate_size": 10**9},
        {"intermediate_size": 10**40},
        {"vocab_size": 10**12},
        {"max_position_embeddings": 10**10},
        {"type_vocab_size": 10**10},
        {"hidden_size": "8"},
        {"hidden_size": None},
        {"hidden_size": [8]},
        {"hidden_size": -8},
        {"hidden_size": 0},
        {"hidden_size": 1e300},
        {"num_attention_heads": 0},
        {"hidden_act": "evil"},
        {"hidden_act": {"a": 1}},
        {"dtype": "load"},
        {"torch_dtype": "int8", "dtype": None},
        {"dtype": ["float32"]},
        {"pad_token_id": 10**9},
        {"model_type": "qwen3", "num_hidden_layers": 10**9},
        {"model_type": "qwen3", "head_dim": 10**6},
        {"model_type": "gpt2", "n_layer": 10**9},
        {"model_type": "gpt2", "n_positions": 10**7},
        {"model_type": "deberta-v2", "max_relative_positions": 10**12, "relative_attention": True},
    ],
    ids=str,
)
def test_a_description_that_does_not_fit_its_weights_is_refused(
    folder: Path, values: dict[str, Any]
) -> None:
    resource = pytest.importorskip("resource")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    change(folder, **values)
    with pytest.raises(NatlibError) as caught:
        load_pretrained(folder)
    assert "\n" not in str(caught.value)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 700 << 10


def test_a_table_of_a_billion_labels_is_not_made(folder: Path) -> None:
    change(folder, num_labels=10**9, id2label={"0": "a"}, label2id={"a": 0})
    config: Any = load_pretrained(folder).config
    assert len(config.id2label) == 2


@pytest.mark.parametrize("value", ["12", 1.5, True, [1], {}])
def test_sizes_that_are_no_whole_numbers_are_named(folder: Path, value: Any) -> None:
    change(folder, vocab_size=value)
    with pytest.raises(ConfigError, match=r"'vocab_size' is .*, expected a whole number"):
        whole_number(read_architecture(folder), "vocab_size", folder)
    assert whole_number({"a": 3, "b": None}, "a", folder) == 3
    assert whole_number({"a": 3, "b": None}, "b", folder) is None


def test_weights_do_not_change_with_their_file(folder: Path) -> None:
    model = load_pretrained(folder)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    (folder / "model.safetensors").write_bytes(b"\0" * 10)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_fresh_weights_have_the_type_of_the_checkpoint(folder: Path, dtype: str) -> None:
    architecture = change(folder, dtype=dtype)
    save_file(
        {
            n: t.to(getattr(torch, dtype))
            for n, t in load_file(folder / "model.safetensors").items()
        },
        folder / "model.safetensors",
    )
    for model in (load_pretrained(folder), fresh_model(architecture, settings={})):
        assert {p.dtype for p in model.parameters()} == {getattr(torch, dtype)}
