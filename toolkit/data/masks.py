"""Pictures in images/ and a mask of the same name in masks/, or with a suffix _mask. For example

    images/a.png
    images/b.jpg
    masks/a.png
    masks/b_mask.png

A mask has the picture's size; 0 is background. Its numbers are 255 or 1 for the one thing looked for, a class each, or
one number a thing (an instance label image, 8 or 16 bits). Parts may stand in a split.csv or index.csv, or in folders.
"""

from pathlib import PurePosixPath

from toolkit.data import annotated
from toolkit.data.reading import Reading
from toolkit.pixels.decode import read_bytes

KIND = "masks"
MASKS = ("masks", "mask", "segmentations", "annotations", "labels", "gt", "ground_truth")
ENDINGS = ("", "_mask", "-mask", "_label", "_seg", "_gt")


def is_one(files):
    """Whether the folder holds a folder of pictures and one of masks."""
    return bool(pairs(files))


def pairs(files):
    """{picture: mask}."""
    above = {path: [part.casefold() for part in PurePosixPath(path).parts[:-1]] for path in files.pictures}
    masks = {path for path in files.pictures if any(part in MASKS for part in above[path])}
    pictures = [path for path in files.pictures if any(part in annotated.PICTURES for part in above[path])]
    by_stem = {}
    for path in masks:
        by_stem.setdefault(PurePosixPath(path).stem, []).append(path)
    found = {}
    for path in pictures:
        stem = PurePosixPath(path).stem
        likely = [mask for ending in ENDINGS for mask in by_stem.get(stem + ending, ())]
        near = [mask for mask in likely if rest(mask) == rest(path)]  # of several, the one in the same folders
        if near or len(likely) == 1:
            found[path] = (near or likely)[0]
    return found


def rest(path):
    """The folders of a path but for images and masks."""
    return [part for part in PurePosixPath(path).parts[:-1]
            if part.casefold() not in (*MASKS, *annotated.PICTURES)]


def read(files):
    """`files`: annotated.Files of the folder -> Reading; pictures without a mask are rows without one."""
    found, masks = pairs(files), set()
    masks.update(found.values())
    pictures = [path for path in files.pictures
                if path in found or path not in masks and any(part.casefold() in annotated.PICTURES
                                                              for part in PurePosixPath(path).parts[:-1])]
    kept = {*pictures, *masks}
    parts = annotated.split_table(files) or {path: annotated.part_of(path) for path in pictures}
    strange = ((path, "neither picture nor mask") for path in files.pictures if path not in kept)
    return Reading(annotated.rows_of(pictures, parts), lambda path: read_bytes(files.root / path), KIND, files.root,
                   (*files.left_out, *strange), task="segmentation",
                   masks={path: files.root / mask for path, mask in found.items()})
