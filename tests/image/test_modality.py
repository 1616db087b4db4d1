"""The modality as natlib meets it: resolving, defaults, embedding, a step of training."""

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as PILImage
from pydantic import ValidationError

from natlib.data import Modality, Unreadable
from natlib.errors import ConfigError, DataError
from natlib.objectives import NAT
from natlib_image import Image
from natlib_image.encoders.convnet import ConvNet
from natlib_image.encoders.resnet import ResNet

from .pictures import noise, tree, write


class TestResolving:
    def test_digits_are_the_default(self) -> None:
        resolved = Image().resolved()
        assert resolved.source == "digits"
        assert (resolved.size, resolved.resize, resolved.input_shape) == (8, 8, (3, 8, 8))
        assert resolved.augment.blur == 0.0

    @pytest.mark.parametrize(
        ("height", "width", "size", "resize"),
        [
            (32, 40, 32, 32),
            (64, 64, 64, 64),
            (65, 70, 224, 256),
            (300, 200, 224, 256),
            (2, 9, 4, 4),
        ],
    )
    def test_size_follows_the_images(
        self, tmp_path: Path, height: int, width: int, size: int, resize: int
    ) -> None:
        write(tmp_path / "a.png", noise(height, width))
        resolved = Image(source=str(tmp_path)).resolved()
        assert (resolved.size, resolved.resize) == (size, resize)
        assert resolved.input_shape == (3, size, size)

    def test_the_median_counts_and_damage_does_not(self, tmp_path: Path) -> None:
        for row, side in enumerate([20, 20, 20, 500, 500]):
            write(tmp_path / f"{row}.png", noise(side, side + row))
        for row in range(4):
            (tmp_path / f"bad{row}.png").write_text("no image")
        assert Image(source=str(tmp_path)).resolved().size == 20

    def test_nothing_readable(self, tmp_path: Path) -> None:
        (tmp_path / "a.jpg").write_text("no image")
        with pytest.raises(DataError, match=r"none of the first images in .* can be read"):
            Image(source=str(tmp_path)).resolved()

    @pytest.mark.parametrize(
        ("given", "size", "resize"),
        [
            ({"size": 48}, 48, 48),
            ({"size": 96}, 96, 110),
            ({"size": 32, "resize": 40}, 32, 40),
            ({"resize": 12}, 8, 12),
            ({"resize": 6}, 6, 6),
        ],
    )
    def test_what_is_given_stays(self, given: dict[str, int], size: int, resize: int) -> None:
        resolved = Image.model_validate(given).resolved()
        assert (resolved.size, resolved.resize) == (size, resize)

    def test_is_a_fixed_point_and_survives_a_file(self, tmp_path: Path) -> None:
        resolved = Image(source=str(tree(tmp_path, "a.png"))).resolved()
        assert resolved.resolved() == resolved
        assert Modality.resolve(resolved.model_dump(mode="json")) == resolved

    def test_paths_become_absolute(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        tree(tmp_path, "photos/a.png")
        monkeypatch.chdir(tmp_path)
        assert Image(source="photos").resolved().source == str(tmp_path / "photos")
        given = {"source": "cifar10", "root": "sets", "size": 32, "range": (0, 255)}
        resolved = Image.model_validate(given).resolved()
        assert (resolved.source, resolved.root) == ("cifar10", str(tmp_path / "sets"))

    @pytest.mark.parametrize("source", ["cifer10", "no/such/folder"])
    def test_no_such_source(self, source: str) -> None:
        with pytest.raises(DataError, match="neither an existing path nor a known set"):
            Image(source=source).resolved()

    def test_an_empty_folder(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match="no images in"):
            Image(source=str(tmp_path)).resolved()

    @pytest.mark.parametrize("what", ["views", "plain", "samples", "input_shape", "dataset"])
    def test_too_early(self, what: str) -> None:
        from .pictures import batch_of

        modality, batch = Image(), batch_of(noise(8, 8))
        calls = {
            "views": lambda: modality.views(batch, 1),
            "plain": lambda: modality.plain(batch),
            "samples": lambda: modality.samples([noise(8, 8)]),
            "input_shape": lambda: modality.input_shape,
            "dataset": lambda: modality.dataset("train"),
        }
        with pytest.raises(ConfigError, match=r"call resolved\(\) first"):
            calls[what]()

    @pytest.mark.parametrize(
        ("values", "message"),
        [
            ({"size": 64, "resize": 32}, "resize 32 is smaller than size 64"),
            ({"std": (0.2, 0.0, 0.2)}, "must be positive"),
            ({"size": 2}, "size"),
            ({"sise": 32}, "unknown key 'sise'; did you mean 'size'"),
            ({"augment": {"flipp": 1}}, "unknown key 'flipp'; did you mean 'flip'"),
        ],
    )
    def test_settings_that_make_no_sense(self, values: dict[str, object], message: str) -> None:
        with pytest.raises(ValidationError, match=message):
            Image.model_validate(values)


class TestDefaults:
    @pytest.mark.parametrize("accelerator", [False, True])
    @pytest.mark.parametrize("size", [32, 64, 224])
    def test_encoder(self, size: int, accelerator: bool) -> None:
        recipe = Image(size=size).resolved().default_encoder(accelerator)
        if size <= 64 and not accelerator:
            assert recipe == ConvNet()
        else:
            assert recipe == ResNet(depth=18, small_stem=size <= 64)

    @pytest.mark.parametrize(
        ("source", "preset"), [(None, "digits"), ("digits", "digits"), ("cifar10", "nat")]
    )
    def test_preset(self, source: str | None, preset: str) -> None:
        assert Image(source=source).default_preset() == preset

    def test_found_by_its_name(self) -> None:
        assert isinstance(Modality.resolve("image"), Image)


class TestEmbedding:
    modality = Image(size=8, resize=8)

    def test_paths_pictures_and_arrays_are_the_same(self, tmp_path: Path) -> None:
        pixels = noise(8, 8)
        path = write(tmp_path / "a.png", pixels)
        samples = self.modality.samples([path, str(path), PILImage.fromarray(pixels), pixels])
        assert [sample.index for sample in samples] == [0, 1, 2, 3]
        plain = self.modality.plain(self.modality.collate(samples))
        assert plain.shape == (4, 3, 8, 8)
        assert torch.equal(plain, plain[:1].expand_as(plain))

    def test_a_bad_item_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "bad.jpg").write_text("hello")
        good = noise(8, 8)
        with pytest.raises(DataError, match=r"cannot read .*bad\.jpg as an image"):
            self.modality.samples([good, tmp_path / "bad.jpg"])
        with pytest.raises(DataError, match=r"cannot read .*gone\.png as an image"):
            self.modality.samples([str(tmp_path / "gone.png")])
        with pytest.raises(DataError, match=r"cannot read item 1 as an image: got .* float64"):
            self.modality.samples([good, np.full((8, 8), 2.0)])


def test_thumbnails() -> None:
    modality = Image(size=200, resize=200)
    (sample,) = modality.samples([noise(200, 300)])
    shown = modality.thumbnail(sample)
    assert shown is not None
    picture = PILImage.open(io.BytesIO(shown.data))
    assert picture.mode == "RGB"
    assert max(picture.size) == 96
    small = Image(size=8, resize=8)
    pixels = noise(8, 8)
    shown = small.thumbnail(small.samples([pixels])[0])
    assert shown is not None
    assert np.array_equal(np.asarray(PILImage.open(io.BytesIO(shown.data))), pixels)
    assert small.thumbnail(Unreadable(0, "gone")) is None


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an accelerator")
def test_views_are_made_on_the_device_of_the_batch() -> None:
    modality = Image(size=8, resize=8)
    device = torch.device("cuda")
    batch = modality.collate(modality.samples([noise(8, 9), noise(12, 8, 1)])).to(device)
    for tensor in (*modality.views(batch, 2), modality.plain(batch), modality.raw(batch)):
        assert tensor.device.type == "cuda"
    torch.cuda.manual_seed(0)
    (first,) = modality.views(batch, 1)
    torch.cuda.manual_seed(0)
    assert torch.equal(modality.views(batch, 1)[0], first)


def test_a_step_of_training() -> None:
    """Everything between a source and a gradient fits together."""
    torch.manual_seed(0)
    modality = Image().resolved()
    samples = modality.dataset("train")
    assert samples is not None
    samples.preload(workers=0)
    batch = modality.collate([samples[row] for row in range(64)])
    encoder = modality.default_encoder(accelerator=False).build(modality.input_shape)
    objective = NAT().build(encoder.dim)
    optimizer = torch.optim.AdamW([*encoder.parameters(), *objective.parameters()], lr=2e-3)
    losses = []
    for _ in range(12):
        features = [encoder(view) for view in modality.views(batch, 2)]
        output = objective(features, batch.index)
        optimizer.zero_grad()
        output.loss.backward()
        optimizer.step()
        losses.append(output.loss.item())
    assert np.isfinite(losses).all()
    assert np.mean(losses[-3:]) < np.mean(losses[:3])
