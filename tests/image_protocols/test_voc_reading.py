"""Sets in the format of Pascal VOC: what is read, and what is refused in one line."""

import os
import shutil
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PILImage

from natlib.errors import DataError
from natlib_image import Image
from natlib_image_protocols.voc.annotation import read_annotation
from natlib_image_protocols.voc.folder import VocFolder
from natlib_image_protocols.voc.labelled import find_voc_splits, image_labels

from .drawn_voc import annotation_xml, object_xml, write_voc

# What an annotation of VOC 2007 looks like: flags, parts with boxes of their own, another order.
REAL = """<annotation>
  <folder>VOC2007</folder><filename>000001.jpg</filename>
  <source><database>The VOC2007 Database</database></source>
  <owner><flickrid>Fried Camels</flickrid><name>Jinky the Fruit Bat</name></owner>
  <size><width>353</width><height>500</height><depth>3</depth></size>
  <segmented>0</segmented>
  <object>
    <name>dog</name><pose>Left</pose><truncated>1</truncated><difficult>0</difficult>
    <bndbox><xmin>48</xmin><ymin>240</ymin><xmax>195</xmax><ymax>371</ymax></bndbox>
  </object>
  <object>
    <name>person</name><pose>Left</pose><difficult>1</difficult>
    <bndbox><xmax>352</xmax><xmin>8.5</xmin><ymax>498</ymax><ymin>12</ymin></bndbox>
    <part><name>head</name>
      <bndbox><xmin>1</xmin><ymin>2</ymin><xmax>3</xmax><ymax>4</ymax></bndbox></part>
  </object>
</annotation>
"""


@pytest.fixture
def voc(tmp_path: Path) -> Path:
    return write_voc(tmp_path / "VOCdevkit" / "VOC2007", {"train": 6, "val": 3, "test": 4})


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def first_annotation(voc: Path) -> Path:
    return voc / "Annotations" / "000000.xml"


def test_a_real_annotation(tmp_path: Path) -> None:
    found = read_annotation(write(tmp_path / "1.xml", REAL))
    assert (found.width, found.height) == (353, 500)
    dog, person = found.objects
    # Pixels 48 to 195 are 148 pixels, of which the first is the one between 47 and 48.
    assert (dog.name, dog.box, dog.difficult, dog.truncated) == (
        "dog", (47, 239, 195, 371), False, True
    )  # fmt: skip
    assert (person.name, person.box) == ("person", (7.5, 11, 352, 498))
    assert (person.difficult, person.truncated) == (True, False)


def test_a_box_is_where_the_shape_was_drawn(voc: Path) -> None:
    splits = find_voc_splits(VocFolder(voc))
    count = 0
    for image in splits.train:
        pixels = np.asarray(PILImage.open(image.path).convert("RGB")).astype(int)
        for item in image.annotation.objects:
            left, top, right, bottom = map(int, item.box)
            own = 0 if item.name == "square" else 2
            coloured = pixels[..., own] - pixels[..., 2 - own] > 60
            middle = ((top + bottom) // 2, (left + right) // 2)
            across, down = coloured[middle[0], :], coloured[:, middle[1]]
            # The shape fills the box to its sides, and nothing beyond; JPEG blurs a pixel.
            assert across[left + 1 : right - 1].all()
            assert not across[max(0, left - 2) : max(0, left - 1)].any()
            assert down[top + 1 : bottom - 1].all()
            assert right - left == bottom - top
            count += 1
    assert count > 6


@pytest.mark.parametrize("box", [(1, 1, 64, 48), (0, 0, 64, 48), (7, 9, 7, 9), (0, 0, 0, 0)])
def test_boxes_at_the_edges_are_inside(box: tuple[int, ...], tmp_path: Path) -> None:
    text = annotation_xml(64, 48, [object_xml("disc", box)])
    left, top, right, bottom = read_annotation(write(tmp_path / "1.xml", text)).objects[0].box
    assert 0 <= left < right <= 64
    assert 0 <= top < bottom <= 48


@pytest.mark.parametrize(
    "box",
    [(-1, 1, 9, 9), (1, -0.5, 9, 9), (1, 1, 65, 9), (1, 1, 9, 49), (9, 1, 8, 9), (1, 9, 9, 8)],
)
def test_boxes_outside_the_image_are_refused(box: tuple[float, ...], voc: Path) -> None:
    write(first_annotation(voc), annotation_xml(64, 48, [object_xml("disc", box)]))
    with pytest.raises(DataError, match=r"000000\.xml: the box of 'disc'.*64 x 48 pixels"):
        find_voc_splits(VocFolder(voc))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is not the XML"),
        ("<annotation><size>", "is not the XML"),
        ('<?xml version="1.0" encoding="klingon"?><annotation/>', "is not the XML"),
        ('<?xml version="1.0" encoding="utf-7"?><annotation/>', "is not the XML"),
        ("<html></html>", "begins with <html>; expected <annotation>"),
        ("<annotation></annotation>", "<size><width> is None; expected a number"),
        (annotation_xml(0, 48, []), "width is 0; expected pixels"),
        (annotation_xml(64, 48, [object_xml(" ", (1, 1, 2, 2))]), "without a <name>"),
        (annotation_xml(64, 48, ["<object><name>a</name></object>"]), "<xmin> is None"),
        (annotation_xml(64, 48, [object_xml("a", ("x", 1, 2, 2))]), "<xmin> is 'x'"),
        (annotation_xml(64, 48, [object_xml("a", ("nan", 1, 2, 2))]), "<xmin> is 'nan'"),
        (annotation_xml(64, 48, [object_xml("a", (1, 1, 2, 2), difficult=2)]), "<difficult> is"),
    ],
)
def test_damaged_annotations(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message) as caught:
        read_annotation(write(tmp_path / "1.xml", text))
    assert "1.xml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_entities_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "secret", "what nobody should read")
    text = f'<!DOCTYPE a [<!ENTITY e SYSTEM "{tmp_path}/secret">]>' + annotation_xml(
        64, 48, [object_xml("NAME", (1, 1, 2, 2)).replace("NAME", "&e;")]
    )
    with pytest.raises(DataError, match="is not the XML"):
        read_annotation(write(tmp_path / "1.xml", text))


def test_splits_are_those_of_the_challenge(voc: Path) -> None:
    for place in (voc, voc.parent):  # VOCdevkit/VOC2007 or VOCdevkit
        splits = find_voc_splits(VocFolder(place))
        assert splits.classes == ("disc", "square")
        assert [len(part) for part in (splits.train, splits.validation, splits.test)] == [6, 3, 4]
        assert splits.test_set == "test"
        assert splits.trainval == splits.train + splits.validation


def test_without_a_test_set_val_is_evaluated_on(voc: Path) -> None:
    (voc / "ImageSets" / "Main" / "test.txt").unlink()
    splits = find_voc_splits(VocFolder(voc))
    assert [len(part) for part in (splits.train, splits.validation, splits.test)] == [5, 1, 3]
    assert splits.test_set == "val"
    names = [{image.identifier for image in part} for part in (splits.trainval, splits.test)]
    assert not names[0] & names[1]
    assert splits == find_voc_splits(VocFolder(voc))


def test_without_val_a_fifth_is_set_aside(voc: Path) -> None:
    for name in ("train", "val"):
        (voc / "ImageSets" / "Main" / f"{name}.txt").unlink()
    splits = find_voc_splits(VocFolder(voc))
    assert [len(part) for part in (splits.train, splits.validation, splits.test)] == [7, 2, 4]


def test_labels_of_images(tmp_path: Path, voc: Path) -> None:
    def objects(*items: tuple[str, int]) -> str:
        return annotation_xml(
            64, 48, [object_xml(name, (1, 1, 2, 2), difficult=hard) for name, hard in items]
        )

    texts = [
        objects(("disc", 0)),
        objects(("disc", 1)),
        objects(("disc", 1), ("disc", 0), ("square", 1)),
        objects(("disc", 0), ("disc", 1), ("square", 0)),
        objects(),
    ]
    for number, text in enumerate(texts):
        write(voc / "Annotations" / f"{number:06d}.xml", text)
    splits = find_voc_splits(VocFolder(voc))
    assert image_labels(splits.train[:5], splits.classes).tolist() == [
        [1, 0],
        [-1, 0],
        [1, -1],
        [1, 1],
        [0, 0],
    ]


def without(voc: Path, *parts: str) -> None:
    path = voc.joinpath(*parts)
    shutil.rmtree(path) if path.is_dir() else os.remove(path)


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        (("JPEGImages", "000003.jpg"), r"there is no .*000003\.jpg, which ImageSets/Main names"),
        (("Annotations", "000003.xml"), r"there is no .*000003\.xml; every image"),
        (("Annotations",), r"there is no .*\.xml; every image"),
        (("JPEGImages",), "not in the layout of Pascal VOC"),
        (("ImageSets",), "not in the layout of Pascal VOC"),
    ],
)
def test_missing_files(missing: tuple[str, ...], message: str, voc: Path) -> None:
    without(voc, *missing)
    with pytest.raises(DataError, match=message):
        find_voc_splits(VocFolder(voc))


def test_places_that_are_no_set(voc: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"there is no folder .*gone"):
        VocFolder(tmp_path / "gone")
    with pytest.raises(DataError, match="there is no folder"):
        VocFolder(first_annotation(voc))
    write_voc(voc.parent / "VOC2012", {"train": 1})
    with pytest.raises(DataError, match=r"several sets: .*VOC2007, .*VOC2012; give one"):
        VocFolder(voc.parent)


@pytest.mark.parametrize("name", ["train", "val", "test"])
@pytest.mark.parametrize("content", ["", " \n\n"])
def test_empty_sets(name: str, content: str, voc: Path) -> None:
    write(voc / "ImageSets" / "Main" / f"{name}.txt", content)
    with pytest.raises(DataError, match=rf"{name}\.txt is empty"):
        find_voc_splits(VocFolder(voc))


def test_sets_that_are_missing_or_share_images(voc: Path) -> None:
    sets = voc / "ImageSets" / "Main"
    write(sets / "val.txt", "000006\n000000\n")
    with pytest.raises(DataError, match="'000000' is in train and in validation"):
        find_voc_splits(VocFolder(voc))
    write(sets / "val.txt", "000006\n000006\n")
    with pytest.raises(DataError, match="'000006' more than once"):
        find_voc_splits(VocFolder(voc))
    for name in ("val", "test"):
        (sets / f"{name}.txt").unlink()
    with pytest.raises(DataError, match=r"has neither test\.txt nor val\.txt"):
        find_voc_splits(VocFolder(voc))
    for name in ("train", "trainval"):
        (sets / f"{name}.txt").rename(sets / f"{'test' if name == 'train' else 'more'}.txt")
    with pytest.raises(DataError, match=r"has more, test; expected train\.txt, or trainval"):
        find_voc_splits(VocFolder(voc))


def test_unknown_classes(voc: Path) -> None:
    sets = voc / "ImageSets" / "Main"
    # 000009 is the first test image.
    bad = write(
        voc / "Annotations" / "000009.xml",
        annotation_xml(64, 48, [object_xml("discs", (1, 1, 2, 2))]),
    )
    message = r"000009\.xml names the unknown class 'discs', which is in no training image"
    with pytest.raises(DataError, match=message + "; did you mean 'disc'"):
        find_voc_splits(VocFolder(voc))
    # With the lists of the classes that a real set has, a slip in a training image shows too.
    for name in ("disc", "square"):
        write(sets / f"{name}_train.txt", "000000 1\n000001 -1\n")
    shutil.move(bad, voc / "Annotations" / "000000.xml")
    write(bad, annotation_xml(64, 48, []))
    with pytest.raises(DataError, match=r"000000\.xml names .*'discs', which has no list in"):
        find_voc_splits(VocFolder(voc))


def test_no_object_at_all(voc: Path) -> None:
    for file in (voc / "Annotations").iterdir():
        write(file, annotation_xml(64, 48, []))
    with pytest.raises(DataError, match="hold no object at all"):
        find_voc_splits(VocFolder(voc))


def test_image_sets_of_a_real_folder(voc: Path) -> None:
    sets = voc / "ImageSets" / "Main"
    write(sets / "dining_table_trainval.txt", "000000  1\n")
    folder = VocFolder(voc)
    assert folder.image_sets() == ["test", "train", "trainval", "val"]
    assert folder.class_files() == {"dining_table"}
    assert folder.identifiers("dining_table_trainval") == ["000000"]
    with pytest.raises(DataError, match=r"tests\.txt; image sets that are there: test, train,"):
        folder.identifiers("tests")
    shutil.move(voc / "JPEGImages" / "000000.jpg", voc / "JPEGImages" / "000000.JPEG")
    assert folder.image("000000").suffix == ".JPEG"


def test_bccd(tmp_path: Path) -> None:
    archive = Path(os.environ.get("NATLIB_SHARED_DATA", "nowhere")) / "bccd_voc.tar"
    if not archive.exists():
        pytest.skip("needs NATLIB_SHARED_DATA")
    with tarfile.open(archive) as tar:
        tar.extractall(tmp_path, filter="data")
    splits = find_voc_splits(VocFolder(tmp_path))
    assert [len(part) for part in (splits.train, splits.validation, splits.test)] == [205, 87, 72]
    assert splits.classes == ("Platelets", "RBC", "WBC")
    # As many objects as a search through the text finds.
    files = [(tmp_path / "BCCD" / "Annotations" / f"{i.identifier}.xml") for i in splits.test]
    written = sum(file.read_text().count("<object>") for file in files)
    assert sum(len(image.annotation.objects) for image in splits.test) == written > 72


def test_as_a_source_the_test_images_are_kept_from_training(voc: Path) -> None:
    modality = Image(source=str(voc)).resolved()
    assert modality.size == 48
    train, test = modality.dataset("train"), modality.dataset("test")
    assert train is not None
    assert test is not None
    assert modality.dataset("val") is None
    assert list(train.names) == [f"{number:06d}" for number in range(9)]
    assert list(test.names) == [f"{number:06d}" for number in range(9, 13)]
    assert train.labels is None
    assert train[8].pixels.shape == (3, 48, 64)
    assert train.fingerprint() != test.fingerprint()
    (voc / "ImageSets" / "Main" / "test.txt").unlink()
    splits = {split: modality.dataset(split) for split in ("train", "val", "test")}
    assert {name: samples and len(samples) for name, samples in splits.items()} == {
        "train": 6, "val": 3, "test": None
    }  # fmt: skip
