"""Samples with a stable index, and their exact partition over processes."""

from natlib.data.array_samples import ArraySample, ArraySamples, collate_arrays
from natlib.data.base import Batch, Modality, SampleSet, Unreadable
from natlib.data.candidate import Candidate
from natlib.data.concatenated import ConcatenatedSamples
from natlib.data.decoded_samples import DecodedSamples, Decoder, as_path, decode_items
from natlib.data.decoded_store import DecodedStore, PreloadPlan, SampleStore, decode_all
from natlib.data.label_sources import read_labels, training_samples
from natlib.data.labelling import (
    LabelsConfig,
    TrainingLabels,
    choose_labelled,
    training_labels,
)
from natlib.data.labels import encode_labels
from natlib.data.loading import load_batches
from natlib.data.notes import noted, notes_of, share
from natlib.data.oversampling import LabelledPartition
from natlib.data.partition import EpochBatches, EpochPartition
from natlib.data.preview import input_picture
from natlib.data.reading import (
    MOST_UNREADABLE,
    check_regular_file,
    check_unreadable,
    evenly_spaced,
    random_part,
    unknown_source,
)
from natlib.data.source_plugins import name_note, plugin_source, stable_source
from natlib.data.sources import Source, SourceSplit
from natlib.data.splits import Split
from natlib.data.thumbnail import Thumbnail, sparkline

__all__ = [
    "MOST_UNREADABLE",
    "ArraySample",
    "ArraySamples",
    "Batch",
    "Candidate",
    "ConcatenatedSamples",
    "DecodedSamples",
    "DecodedStore",
    "Decoder",
    "EpochBatches",
    "EpochPartition",
    "LabelledPartition",
    "LabelsConfig",
    "Modality",
    "PreloadPlan",
    "SampleSet",
    "SampleStore",
    "Source",
    "SourceSplit",
    "Split",
    "Thumbnail",
    "TrainingLabels",
    "Unreadable",
    "as_path",
    "check_regular_file",
    "check_unreadable",
    "choose_labelled",
    "collate_arrays",
    "decode_all",
    "decode_items",
    "encode_labels",
    "evenly_spaced",
    "input_picture",
    "load_batches",
    "name_note",
    "noted",
    "notes_of",
    "plugin_source",
    "random_part",
    "read_labels",
    "share",
    "sparkline",
    "stable_source",
    "training_labels",
    "training_samples",
    "unknown_source",
]
