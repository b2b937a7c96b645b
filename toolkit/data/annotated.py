"""What the readers of boxes and masks share: the pictures below a folder, found by name, and their parts."""

from pathlib import Path, PurePosixPath

from toolkit.data.folders import walked
from toolkit.data.reading import PARTS, count, is_picture, listed

PICTURES = ("images", "image", "imgs", "img", "pictures", "jpegimages")  # folders of pictures, in any case
SPLITS = ("split.csv", "splits.csv", "index.csv")


class Files:
    """The files below `root` by their paths, "a/b.png": `pictures`, and `left_out` (path, reason)."""

    def __init__(self, root, follow_links=False):
        self.root, self.left_out = Path(root), []
        self.all = walked(self.root, self.left_out, follow_links)
        self.pictures = [path for path in self.all if is_picture(path)]
        self.known, self.names = set(self.pictures), {}
        for path in self.pictures:
            self.names.setdefault(PurePosixPath(path).name, []).append(path)

    def find(self, name, beside=""):
        """The picture that an annotation in the folder `beside` means by `name`; None where none or several may be."""
        name = PurePosixPath(name.replace("\\", "/"))
        if name.is_absolute() or ".." in name.parts:
            name = PurePosixPath(name.name)
        for folder in (beside, str(PurePosixPath(beside).parent), "", *PICTURES):
            if str(PurePosixPath(folder) / name) in self.known:
                return str(PurePosixPath(folder) / name)
        found = self.names.get(name.name, [])
        return found[0] if len(found) == 1 else None

    def suffixed(self, *suffixes):
        """Files of these suffixes."""
        return [path for path in self.all if PurePosixPath(path).suffix.lower() in suffixes]

    def by_stem(self):
        """{stem: pictures}."""
        found = {}
        for path in self.pictures:
            found.setdefault(PurePosixPath(path).stem, []).append(path)
        return found


def part_of(path):
    """The part that a file's name or one of its folders tells: "train2017", "val", "instances_test"; "" for none."""
    for word in (PurePosixPath(path).stem, *(part for part in reversed(PurePosixPath(path).parts[:-1]))):
        for piece in word.casefold().replace("-", "_").split("_"):
            if piece.rstrip("0123456789") in PARTS:
                return PARTS[piece.rstrip("0123456789")]
    return ""


def split_table(files):
    """{picture: part} of a split.csv or index.csv in the root, with columns of files and splits; {} without."""
    from toolkit.data import table

    for name in SPLITS:
        if (files.root / name).is_file():
            found = table.splits_of(files.root / name)
            return {picture: part for file, part in found.items() if (picture := files.find(file))}
    return {}


def rows_of(paths, parts):
    """The rows of pictures without classes of their own; `parts`: {picture: part}."""
    import pandas

    rows = [(path, "", parts.get(path) or "", "") for path in paths]
    if any(part for _, _, part, _ in rows) and not all(part for _, _, part, _ in rows):
        rows = [(path, label, part or "train", group) for path, label, part, group in rows]
    return pandas.DataFrame(rows, columns=["path", "label", "split", "group"], dtype=object)


def missing(names, what):
    """A fault for pictures that are annotated and not there; none where there is none."""
    return [f"{count(len(names), 'picture')} in {what} not found:{listed(sorted(names))}"] if names else []
