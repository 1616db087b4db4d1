"""Images as a modality of natlib."""

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image as PILImage
from pydantic import Field, model_validator
from torch import Tensor

from natlib.component import Condition
from natlib.data import (
    Batch,
    Candidate,
    DecodedSamples,
    Modality,
    Source,
    Split,
    Thumbnail,
    Unreadable,
    as_path,
    decode_items,
    stable_source,
)
from natlib.encoders import EncoderRecipe
from natlib.errors import ConfigError
from natlib.runtime.log import logger
from natlib_image.augmentation import Augmentation, default_blur, one_view
from natlib_image.candidates import candidates
from natlib_image.collating import collate
from natlib_image.decoder import ImageDecoder, ImageSamples
from natlib_image.decoding import WHITE, Decoding
from natlib_image.encoders.checkpoint import recipe_in
from natlib_image.encoders.convnet import ConvNet
from natlib_image.encoders.image_transformer import ImageTransformer
from natlib_image.encoders.resnet import ResNet
from natlib_image.encoders.timm_network import Timm
from natlib_image.formats import EXTENSIONS
from natlib_image.geometry import centre_boxes, corner_boxes, crop
from natlib_image.measuring import looked_at
from natlib_image.pixel_limit import MAX_PIXELS
from natlib_image.sources import DOWNLOADABLE, NAMES, SETS, find_source

__all__ = ["Image"]

# Images up to this side are used at their own size; larger ones as for ImageNet.
_SMALL = 64
_LARGE = 224
_RAW_SIDE = 32
_THUMBNAIL = 96

Triple = tuple[float, float, float]
Byte = Annotated[int, Field(ge=0, le=255)]


class Image(Modality):
    """Images: a folder, arrays, a torchvision data set or the digits of scikit-learn."""

    kind: Literal["image"] = "image"
    presets: ClassVar[Path | None] = Path(__file__).parent / "presets"
    file_extensions: ClassVar[frozenset[str]] = frozenset(EXTENSIONS)
    conditions: ClassVar[tuple[Condition, ...]] = (
        Condition(
            ("root",),
            on=("source",),
            holds=lambda source: source in SETS,
            remedy="set {source} to the name of a torchvision data set, cifar10 for example",
        ),
        Condition(
            ("download",),
            on=("source",),
            holds=lambda source: source in DOWNLOADABLE,
            remedy="set {source} to a data set that torchvision downloads, cifar10 for example",
        ),
    )

    source: str | None = None
    """A folder of images (recursive; sub-folders ``train``, ``val``, ``test`` and the like are
    splits, folders under these are classes), an .npz file (``images``, ``labels``,
    ``test_images``, ...), the name of a torchvision data set such as ``cifar10`` (needs ``root``),
    or ``digits``, the default: small images that come with scikit-learn. Plug-ins add further
    sources, folders in the layout of Pascal VOC for example; ``natlib plugins`` lists them. For
    ImageNet, give the folder that holds its ``train``: natlib's own index of it is quicker and
    smaller than torchvision's."""
    root: str | None = None
    """Folder in which torchvision keeps its data sets."""
    download: bool = False
    """Whether torchvision may download the data set if it is missing."""
    size: int | None = Field(default=None, ge=4)
    """Side of a view in pixels. By default 224, or as large as the images where the median of
    their short sides is at most 64; never more than ``resize``."""
    resize: int | None = Field(default=None, ge=4)
    """Short side to which images are scaled when they are decoded. By default ``size`` if that is
    at most 64, else ``size`` * 256 / 224."""
    mean: Triple = (0.485, 0.456, 0.406)
    """Mean of each channel, subtracted (ImageNet's by default)."""
    std: Triple = (0.229, 0.224, 0.225)
    """Standard deviation of each channel, divided by."""
    range: tuple[float, float] | None = None
    """The values of 16-bit, 32-bit and float images that become black and white, for all of them
    alike. By default found from some images: as many bits as they use (0 to 4,095 for 12 bits),
    0 to 1 or -1 to 1, or else their smallest and their largest value."""
    background: tuple[Byte, Byte, Byte] = WHITE
    """RGB colour under transparent pixels, white by default."""
    max_pixels: int = Field(default=MAX_PIXELS, ge=1)
    """Width times height of the largest image that is decoded. Larger ones count as unreadable,
    since a small file can claim to be huge; raise it for scans that are."""
    cache_gib: float = Field(default=2.0, ge=0)
    """Keep all decoded images in memory if they need at most this many GiB."""
    augment: Augmentation = Augmentation()
    """How views differ from each other."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.size is not None and self.resize is not None and self.resize < self.size:
            raise ValueError(
                f"resize {self.resize} is smaller than size {self.size}; "
                "views are cut from the resized image"
            )
        if self.range is not None and not -math.inf < self.range[0] < self.range[1] < math.inf:
            raise ValueError(f"range {list(self.range)} must be two numbers, the smaller one first")
        if min(self.std) <= 0:
            raise ValueError(f"std {list(self.std)} must be positive")
        return self

    def resolved(self) -> Self:
        path = self._path()
        source = find_source(path, self.root, self.download, self.range)
        size, resize, levels = self.size, self.resize, self.range
        if size is None or levels is None:
            found = looked_at(source, path, levels, self.max_pixels)
            levels = found.range
            if size is None:
                size = _natural_size(found.side)
                size = size if resize is None else min(size, resize)
        if resize is None:
            resize = size if size <= _SMALL else round(size * 256 / 224)
        update: dict[str, Any] = {
            "source": path,
            "size": size,
            "resize": resize,
            "range": levels,
            "augment": self._augment_for(size),
        }
        if self.root is not None:
            update["root"] = str(Path(self.root).expanduser().absolute())
        return self.changed(**update)

    def dataset(self, split: Split, cache: Path | None = None) -> ImageSamples | None:
        decoder = self.decoder()
        images = self._source().split(split, cache)
        if images is None:
            return None
        rows = self.subset(split, len(images))
        samples = DecodedSamples(images, decoder, self.cache_gib, rows)
        samples.notes += decoder.how.notes()
        return samples

    def decoder(self) -> ImageDecoder:
        """What decodes the images."""
        how = Decoding(self.range, self.background, self.max_pixels)
        return ImageDecoder(self._resize(), how)

    def collate(self, samples: list[Any]) -> Batch:
        return collate(samples)

    @torch.no_grad()
    def views(self, batch: Batch, count: int) -> list[Tensor]:
        pixels, height, width = _unpack(batch)
        # Colours are computed with a matrix product, which autocast would round.
        with torch.autocast(pixels.device.type, enabled=False):
            size = self._size()
            return [
                self._normalise(one_view(self.augment, pixels, height, width, size))
                for _ in range(count)
            ]

    @torch.no_grad()
    def plain(self, batch: Batch) -> Tensor:
        return self._normalise(self._centre(batch))

    @torch.no_grad()
    def ten_crops(self, batch: Batch) -> Iterator[Tensor]:
        """Ten crops of each image: the four corners and the centre, each also mirrored.

        Each crop is a Tensor[b, 3, size, size], prepared as by ``plain``. Predictions for the ten
        are averaged (Krizhevsky et al., NIPS 2012).
        """
        pixels, height, width = _unpack(batch)
        for boxes in corner_boxes(height, width, self._size() / self._resize()):
            view = self._normalise(crop(pixels, height, width, boxes, self._size()))
            yield view
            yield view.flip(3)

    @torch.no_grad()
    def raw(self, batch: Batch) -> Tensor:
        side = min(_RAW_SIDE, self._size())
        return F.adaptive_avg_pool2d(self._centre(batch), side).flatten(1)

    def typical_side(self) -> int:
        """Median of the short sides of the first images of the source, in pixels of their files.

        Raises:
            DataError: none of them can be read.
        """
        return looked_at(self._source(), self.source or "digits", self.range, self.max_pixels).side

    @property
    def input_axes(self) -> int | None:
        return 3

    @property
    def input_shape(self) -> tuple[int, ...]:
        return (3, self._size(), self._size())

    def encoder_in(self, folder: Path) -> EncoderRecipe:
        """See :meth:`Modality.encoder_in`: of ``timm``, or of ``transformers``."""
        return recipe_in(folder)

    def fitting(self, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
        """See :meth:`Modality.fitting`: the share of an image that is cropped stays the same."""
        size, resize = inputs.get("size"), inputs.get("resize")
        if size is None or resize is None:
            return inputs
        if self.size is not None:
            return {**inputs, "resize": max(self.size, round(self.size * resize / size))}
        if self.resize is not None:
            return {**inputs, "size": min(self.resize, round(self.resize * size / resize))}
        return inputs

    def complete(self, recipe: EncoderRecipe) -> EncoderRecipe:
        """See :meth:`Modality.complete`: what a checkpoint says of its network."""
        self.check_encoder(recipe)
        return recipe.completed() if isinstance(recipe, Timm | ImageTransformer) else recipe

    def default_encoder(self, accelerator: bool) -> EncoderRecipe:
        small = self._size() <= _SMALL
        if accelerator or not small:
            return ResNet(depth=18, small_stem=small)
        return ConvNet()

    def default_preset(self) -> str:
        embedded = self.source is None or stable_source("image", self.source) == "digits"
        return "digits" if embedded else "nat"

    def candidates(self) -> Sequence[Candidate]:
        """Small views for a small convnet, and larger ones for deeper ones.

        None where images are small: these are used as they are.
        """
        path = self._path()
        source = find_source(path, self.root, self.download, self.range)
        side = looked_at(source, path, self.range, self.max_pixels).side
        return candidates(side, self.size) if side > _SMALL else ()

    def samples(self, items: Sequence[Any]) -> list[Any]:
        return decode_items(self.decoder(), map(as_path, items), "an image")

    def thumbnail(self, sample: Any) -> Thumbnail | None:
        if isinstance(sample, Unreadable):
            return None
        picture = PILImage.fromarray(sample.pixels.permute(1, 2, 0).contiguous().numpy())
        picture.thumbnail((_THUMBNAIL, _THUMBNAIL))
        return Thumbnail.from_pixels(np.asarray(picture))

    def preview(self, inputs: Tensor) -> Thumbnail | None:
        """See :meth:`Modality.preview`: the pixels before normalisation."""
        mean, std = torch.tensor(self.mean).view(3, 1, 1), torch.tensor(self.std).view(3, 1, 1)
        pixels = (inputs.float().cpu() * std + mean).clamp(0, 1).mul(255).round().byte()
        return Thumbnail.from_pixels(pixels.permute(1, 2, 0).contiguous().numpy())

    def _augment_for(self, size: int) -> Augmentation:
        if self.augment.blur is not None:
            return self.augment
        blur = default_blur(size)
        given = {name: getattr(self.augment, name) for name in self.augment.model_fields_set}
        if not blur and given.pop("blur_sigma", None) is not None:
            logger.warning(
                "data.augment.blur_sigma has no effect: views of %d pixels are not blurred unless "
                "data.augment.blur is set",
                size,
            )
        return Augmentation.model_validate(given | {"blur": blur})

    def _path(self) -> str:
        """The source: as a path that does not depend on where natlib is called, or a name."""
        return "digits" if self.source is None else stable_source("image", self.source, NAMES)

    def _source(self) -> Source:
        return find_source(self.source, self.root, self.download, self.range)

    def _size(self) -> int:
        if self.size is None:
            raise ConfigError("the size of a view is not known yet; call resolved() first")
        return self.size

    def _resize(self) -> int:
        if self.resize is None:
            raise ConfigError("the size of decoded images is not known yet; call resolved() first")
        return self.resize

    def _centre(self, batch: Batch) -> Tensor:
        pixels, height, width = _unpack(batch)
        boxes = centre_boxes(height, width, self._size() / self._resize())
        return crop(pixels, height, width, boxes, self._size())

    def _normalise(self, images: Tensor) -> Tensor:
        """Normalise in place, since ``crop`` has just made these images.

        Channels come last in memory, and networks keep this layout: convolutions are faster by a
        sixth on a CPU.
        """
        mean = torch.tensor(self.mean, device=images.device).view(3, 1, 1)
        std = torch.tensor(self.std, device=images.device).view(3, 1, 1)
        return images.sub_(mean).div_(std).contiguous(memory_format=torch.channels_last)


def _unpack(batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
    """Pixels as float[b, 3, H, W] in [0, 1], and the valid height and width of each image."""
    return batch.data["pixels"].float().div_(255), batch.data["height"], batch.data["width"]


def _natural_size(typical: int) -> int:
    """The side of a view for images of this typical side."""
    return max(4, typical) if typical <= _SMALL else _LARGE
