"""Sound as a modality of natlib."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor

from natlib.component import Condition
from natlib.data import (
    Batch,
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
from natlib.data.table_format import TableFormat
from natlib.encoders import EncoderRecipe
from natlib.errors import ConfigError
from natlib_audio import waves
from natlib_audio.augmentation import Augmentation, masked_spectra, masked_waves, one_wave
from natlib_audio.collating import at_rate, collate
from natlib_audio.decoder import ClipDecoder, ClipSamples
from natlib_audio.decoding import EXTENSIONS
from natlib_audio.encoders.convnet import AudioConvNet
from natlib_audio.encoders.resnet import AudioResNet
from natlib_audio.encoders.wav2vec import Wav2Vec
from natlib_audio.log_mel import Mel, frames, log_mel, valid_frames
from natlib_audio.measuring import input_statistics, natural_form
from natlib_audio.picture import draw, spectrogram
from natlib_audio.sources import NAMES, find_source
from natlib_audio.statistics import spectral_statistics

__all__ = ["Audio"]


class Audio(Modality):
    """Sound: a folder of wav, flac, ogg, mp3 or aiff files, or synthesised notes."""

    kind: Literal["audio"] = "audio"
    presets: ClassVar[Path | None] = Path(__file__).parent / "presets"
    file_extensions: ClassVar[frozenset[str]] = frozenset(EXTENSIONS)
    conditions: ClassVar[tuple[Condition, ...]] = (
        Condition(
            ("labels",),
            on=("source",),
            holds=lambda source: source not in (None, *NAMES),
            remedy="set {source} to a folder of sounds",
        ),
        Condition(
            ("table",),
            on=("labels",),
            holds=lambda labels: labels is not None,
            remedy="set {labels} to a table",
        ),
        Condition(
            ("augment.warp",),
            on=("representation",),
            holds=lambda representation: representation == "log_mel",
            remedy="set {representation} to log_mel",
        ),
        Condition(
            ("augment.gain",),
            on=("equal_level",),
            holds=lambda equal_level: not equal_level,
            remedy="set {equal_level} to false",
        ),
    )

    source: str | None = None
    """A folder of wav, flac, ogg, mp3 or aiff files (recursive; sub-folders ``train``, ``val``,
    ``test`` and the like are splits, folders under these are classes), or ``notes``, the default:
    synthesised notes of eight timbres, made from a seed."""
    labels: str | None = None
    """A table (CSV, TSV, JSON lines or parquet) with the columns ``file``, relative to the source,
    ``label``, for evaluation only, and optionally ``split`` with train, val or test."""
    table: TableFormat = TableFormat()
    """How that table is written. What is not set is found from the file."""
    representation: Literal["log_mel", "waveform"] = "log_mel"
    """What an encoder reads: a log-mel spectrogram [1, bands, frames], or the wave [values]."""
    rate: int | None = Field(default=None, ge=1_000, le=192_000)
    """Sampling rate of inputs in hertz; other clips are resampled. By default the median rate of
    the first clips, at most 16,000."""
    seconds: float | None = Field(default=None, gt=0, le=86_400)
    """Length of an input. Shorter clips are padded with zeros, which encoders leave out of their
    means; of longer clips, views show a random part and evaluation uses the middle. By default the
    length that nine of ten of the first clips do not exceed, at most 4 seconds."""
    longest: float = Field(default=10.0, gt=0, le=86_400)
    """Seconds of a clip that are read; both ends of a longer one are cut off. At least
    ``seconds``."""
    equal_level: bool = True
    """Scale every input to the same level."""
    mel: Mel = Mel()
    """How spectrograms are computed."""
    mean: float | None = None
    """Mean that is subtracted from inputs; by default that of training clips."""
    std: float | None = Field(default=None, gt=0)
    """Standard deviation that inputs are divided by; by default that of training clips."""
    cache_gib: float = Field(default=2.0, ge=0)
    """Keep all decoded clips in memory if they need at most this many GiB."""
    augment: Augmentation = Augmentation()
    """How views differ from each other."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.seconds is not None and self.seconds > self.longest:
            raise ValueError(
                f"seconds {self.seconds:g} is more than longest {self.longest:g}; raise longest"
            )
        top = self.mel.high if self.rate is None else self.mel.top(self.rate)
        if self.representation == "log_mel" and top is not None and self.mel.low >= top:
            raise ValueError(
                f"mel.low is {self.mel.low:g} Hz, but the highest frequency is {top:g} Hz; lower "
                "it, or raise rate or mel.high"
            )
        return self

    def resolved(self) -> Self:
        path = "notes"
        if self.source is not None:
            path = stable_source("audio", self.source, NAMES)
        source = find_source(path, self.labels, self.table)
        update: dict[str, Any] = {"source": path}
        if self.labels is not None:
            update["labels"] = str(Path(self.labels).expanduser().absolute())
        if self.rate is None or self.seconds is None:
            rate, seconds = natural_form(source, path, self.longest)
            update["rate"] = self.rate or rate
            update["seconds"] = self.seconds or seconds
        found = self.model_copy(update=update)
        found._check_form()
        if found.mean is None or found.std is None:
            unscaled = found.model_copy(update={"mean": 0.0, "std": 1.0})
            clips = found.dataset("train")
            assert clips is not None  # every source has training clips
            mean, std = input_statistics(
                clips, lambda clip: unscaled.plain(unscaled.collate([clip])), path
            )
            update["mean"] = mean if self.mean is None else self.mean
            update["std"] = std if self.std is None else self.std
        return self.changed(**update)

    def encoder_in(self, folder: Path) -> EncoderRecipe:
        """See :meth:`Modality.encoder_in`: wav2vec 2.0 and the like."""
        return Wav2Vec(checkpoint=str(folder.expanduser().absolute()))

    def check_encoder(self, recipe: EncoderRecipe) -> None:
        """See :meth:`Modality.check_encoder`: one that reads this representation."""
        if recipe.pretrained is not None and "representation" not in self.model_fields_set:
            return  # the checkpoint says it, see for_encoder
        wanted = {"audio_convnet": "log_mel", "audio_resnet": "log_mel", "wav2vec": "waveform"}
        needed = wanted.get(recipe.kind, self.representation)
        if needed != self.representation:
            fitting = [kind for kind, form in wanted.items() if form == self.representation]
            raise ConfigError(
                f"the encoder '{recipe.kind}' does not read data.representation "
                f"'{self.representation}'; set data.representation={needed}, or encoder.kind to "
                f"{' or '.join(fitting)}"
            )
        super().check_encoder(recipe)

    def complete(self, recipe: EncoderRecipe) -> EncoderRecipe:
        """See :meth:`Modality.complete`: fills in the length that a checkpoint reads."""
        self.check_encoder(recipe)
        if isinstance(recipe, Wav2Vec):
            return recipe.completed(self._values())
        return recipe

    def with_source(self, source: str) -> Self:
        # A table of labels belongs to the folder that it was made for.
        return (
            super().with_source(source).model_copy(update={"labels": None, "table": TableFormat()})
        )

    def dataset(self, split: Split, cache: Path | None = None) -> ClipSamples | None:
        decoder = self._decoder()
        clips = self._source().split(split, cache)
        if clips is None:
            return None
        rows = self.subset(split, len(clips))
        return DecodedSamples(clips, decoder, self.cache_gib, rows)

    def collate(self, samples: list[Any]) -> Batch:
        return collate(samples, self._rate())

    @torch.no_grad()
    def views(self, batch: Batch, count: int) -> list[Tensor]:
        wave, length = at_rate(batch, self._rate())
        with torch.autocast(wave.device.type, enabled=False):
            return [self._view(wave, length) for _ in range(count)]

    @torch.no_grad()
    def plain(self, batch: Batch) -> Tensor:
        wave, valid = self._middle(batch)
        with torch.autocast(wave.device.type, enabled=False):
            if self.representation == "waveform":
                return self._normalise(wave) * valid
            spectra, shown = self._spectra(wave, valid)
            return (spectra * shown[:, None, :])[:, None]

    @torch.no_grad()
    def raw(self, batch: Batch) -> Tensor:
        """Statistics of log-mel spectra over time: float[b, 3 * bands].

        See ``spectral_statistics`` in natlib_audio/statistics.py.
        """
        wave, valid = self._middle(batch)
        rate = self._rate()
        with torch.autocast(wave.device.type, enabled=False):
            shown = valid_frames(self.mel, valid, rate)
            return spectral_statistics(log_mel(self.mel, wave, rate), shown)

    @property
    def input_axes(self) -> int | None:
        return 1 if self.representation == "waveform" else 3

    @property
    def input_shape(self) -> tuple[int, ...]:
        if self.representation == "waveform":
            return (self._values(),)
        return (1, self.mel.bands, frames(self.mel, self._values(), self._rate()))

    def default_encoder(self, accelerator: bool) -> EncoderRecipe:
        if self.representation == "waveform":
            return Wav2Vec()
        return AudioResNet() if accelerator else AudioConvNet()

    def default_preset(self) -> str:
        embedded = self.source is None or stable_source("audio", self.source) in NAMES
        return "notes" if embedded else "nat"

    def samples(self, items: Sequence[Any]) -> list[Any]:
        """Read paths, arrays at the rate of the model, or pairs (array, rate)."""
        return decode_items(self._decoder(), map(as_path, items), "sound")

    def thumbnail(self, sample: Any) -> Thumbnail | None:
        if isinstance(sample, Unreadable):
            return None
        wave, _ = at_rate(self.collate([sample]), self._rate())
        spectrum = log_mel(self.mel, wave, self._rate())
        return Thumbnail.from_pixels(draw(wave[0].numpy(), spectrum[0].numpy()))

    def preview(self, inputs: Tensor) -> Thumbnail | None:
        """See :meth:`Modality.preview`: low bands are drawn below."""
        if self.representation == "waveform":
            return super().preview(inputs)
        spectrum = inputs[0].float().cpu() * (self.std or 1.0)
        return Thumbnail.from_pixels(spectrogram(spectrum.numpy()))

    def _source(self) -> Source:
        return find_source(self.source, self.labels, self.table)

    def _decoder(self) -> ClipDecoder:
        if self.seconds is None:
            raise ConfigError("the length of inputs is not known yet; call resolved() first")
        return ClipDecoder(self._rate(), self.longest, self.seconds)

    def _rate(self) -> int:
        if self.rate is None:
            raise ConfigError("the rate of inputs is not known yet; call resolved() first")
        return self.rate

    def _values(self) -> int:
        if self.seconds is None:
            raise ConfigError("the length of inputs is not known yet; call resolved() first")
        return max(1, round(self.seconds * self._rate()))

    def _check_form(self) -> None:
        """Refuse settings of spectra that do not fit, before anything is decoded."""
        log_mel(self.mel, torch.zeros(1, self._values()), self._rate())

    def _view(self, wave: Tensor, length: Tensor) -> Tensor:
        view, valid = one_wave(self.augment, wave, length, self._values())
        if self.equal_level:
            view = waves.equal_level(view, valid)
        if self.representation == "waveform":
            return masked_waves(self.augment, self._normalise(view), valid)
        spectra, shown = self._spectra(view, valid)
        return masked_spectra(self.augment, self.mel, self._rate(), spectra, shown)[:, None]

    def _middle(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """The middle of each clip float32[b, n], and its valid part, bool[b, n]."""
        wave, length = at_rate(batch, self._rate())
        n = self._values()
        view, valid = waves.cut_out(wave, length, waves.centre_cut(length, n), n, False)
        return (waves.equal_level(view, valid) if self.equal_level else view), valid

    def _spectra(self, wave: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
        """Normalised log-mel spectra float32[b, bands, frames], and which frames are valid."""
        rate = self._rate()
        spectra = self._normalise(log_mel(self.mel, wave, rate))
        return spectra, valid_frames(self.mel, valid, rate)

    def _normalise(self, values: Tensor) -> Tensor:
        if self.mean is None or self.std is None:
            raise ConfigError("the mean of inputs is not known yet; call resolved() first")
        return (values - self.mean) / self.std
