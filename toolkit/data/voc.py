"""Pascal VOC: an XML file a picture, of the same name or naming it. For example

    Annotations/a.xml            <annotation><filename>a.jpg</filename><object><name>cell</name><difficult>0</difficult>
                                 <bndbox><xmin>5</xmin><ymin>6</ymin><xmax>24</xmax><ymax>15</ymax></bndbox></object>
                                 </annotation>
    Annotations/b.xml            <annotation><filename>b.jpg</filename></annotation>
    ImageSets/Main/train.txt     a
    ImageSets/Main/val.txt       b
    JPEGImages/a.jpg
    JPEGImages/b.jpg

Edges count from 1 and belong to the box, so a box of one pixel has xmin = xmax. Parts may also stand in a split.csv.
"""

import math
import xml.etree.ElementTree as ElementTree
from pathlib import PurePosixPath

from toolkit.data import annotated
from toolkit.data.reading import PARTS, Box, Reading, count, listed
from toolkit.pixels.decode import read_bytes

KIND = "Pascal VOC"
LARGEST = 8 * 2**20  # bytes of an XML file
EDGES = ("xmin", "ymin", "xmax", "ymax")


def is_one(files):
    """Whether the folder holds XML files that begin as VOC's do."""
    return any(b"<annotation" in (files.root / path).read_bytes()[:2048] for path in files.suffixed(".xml")[:5])


def read(files):
    """`files`: annotated.Files of the folder -> Reading."""
    boxes, absent, broken, stems = {}, set(), [], files.by_stem()
    for name in files.suffixed(".xml"):
        try:
            root = parsed(files.root / name)
            found = [box_of(row) for row in root.iter("object")]
        except (OSError, ValueError, ElementTree.ParseError) as error:
            broken.append(f"{name}: {str(error)[:100]}")
            continue
        beside, stem = str(PurePosixPath(name).parent), PurePosixPath(name).stem
        path = (files.find(root.findtext("filename", "").strip(), beside) if root.findtext("filename") else None) or (
            stems[stem][0] if len(stems.get(stem, ())) == 1 else None)
        if path is None:
            absent.add(root.findtext("filename") or name)
        else:
            boxes[path] = tuple(found)
    unboxed = [path for path in files.pictures if path not in boxes]
    faults = annotated.missing(absent, "the annotations")
    if broken:
        faults.append(f"{count(len(broken), 'XML file')} cannot be read:{listed(broken)}")
    return Reading(annotated.rows_of(sorted(boxes), parts_of(files, stems)), lambda path: read_bytes(files.root / path),
                   KIND, files.root, (*files.left_out, *((path, "without an XML file") for path in unboxed)),
                   tuple(faults), task="detection", boxes=boxes)


def parsed(path):
    """The root of an XML file that declares nothing of its own: entities can be made to fill the memory."""
    data = path.read_bytes() if path.stat().st_size <= LARGEST else None
    if data is None or b"<!DOCTYPE" in data or b"<!ENTITY" in data:
        raise ValueError("too long, or with declarations of its own, which are not read")
    root = ElementTree.fromstring(data)
    if root.tag != "annotation":
        raise ValueError(f"its root is {root.tag[:40]!r}, not 'annotation'")
    return root


def box_of(row):
    """Box of an `object`; ValueError where its edges are no numbers."""
    place = row.find("bndbox")
    if place is None or not row.findtext("name", "").strip():
        raise ValueError("an object without a name or a bndbox")
    left, top, right, bottom = edges = [float(place.findtext(edge, "nothing")) for edge in EDGES]
    if not all(map(math.isfinite, edges)):
        raise ValueError("an edge that is no number")
    return Box(row.findtext("name").strip(), left - 1, top - 1, right, bottom,
               kind="difficult" if row.findtext("difficult", "0").strip() == "1" else "")


def parts_of(files, stems):
    """{picture: part} of split.csv, else of ImageSets/Main/train.txt and its like, else of the folders' names."""
    parts = annotated.split_table(files)
    for name in () if parts else files.suffixed(".txt"):
        place = PurePosixPath(name)
        if "imagesets" in (part.casefold() for part in place.parts) and place.stem.casefold() in PARTS:
            for line in (files.root / name).read_text("utf-8", "replace").splitlines():
                stem = PurePosixPath(line.split()[0]).stem if line.split() else ""
                parts |= dict.fromkeys(stems.get(stem, ()), PARTS[place.stem.casefold()])
    return parts or {path: annotated.part_of(path) for path in files.pictures}
