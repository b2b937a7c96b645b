"""A folder of class folders. For example

    cat/a.png
    cat/more/b.jpg
    dog/c.png

Or train, val and test folders that hold class folders:

    train/cat/a.png
    train/dog/b.png
    val/cat/c.png
    val/dog/d.png
    test/cat/e.png
    test/dog/f.png

A class folder's own subfolders belong to it. Links are passed over; where the user wants them followed, those are that
stay inside the root and lead to no folder that was read already, such as one around them. A file is taken by its suffix
and read by its content; what is passed over is counted with its reason.
"""

import os
from pathlib import Path

from toolkit.data.reading import PARTS, Reading, count, is_picture, listed
from toolkit.errors import DataError
from toolkit.pixels import sources

LITTER = {"thumbs.db", "desktop.ini", "__macosx", "ehthumbs.db", "$recycle.bin", "icon\r"}


def read(root, follow_links=False):
    """`root`: Path of an existing folder -> Reading. Raises DataError for an empty folder or one without classes."""
    import pandas

    left_out, entered = [], set() if follow_links else None
    folders, files = _inside(root, root, left_out, entered)
    if not folders and not files and not left_out:
        raise DataError(f"The folder {root} is empty; it should hold one folder of pictures for each class.")
    split = _is_split([folder.name for folder in folders])
    rows, found = [], {}
    for folder in folders:
        part = PARTS.get(folder.name.casefold(), "") if split else ""
        if split and not part:
            left_out.append((folder.name, "folder beside train, val and test"))
            continue
        if split:
            classes, stray = _inside(folder, root, left_out, entered)
            left_out += [(_relative(file, root), "outside the class folders") for file in stray]
        else:
            classes = [folder]
        for class_folder in classes:
            pictures = _pictures(class_folder, root, left_out, entered)
            found[class_folder.name] = found.get(class_folder.name, 0) + len(pictures)
            rows += [(path, class_folder.name, part, "") for path in pictures]
    if not rows:
        raise DataError(_nothing(root, files, left_out))
    left_out += [(_relative(file, root), "outside the class folders") for file in files]
    table = pandas.DataFrame(rows, columns=["path", "label", "split", "group"], dtype=object)
    return Reading(table, lambda path: sources.read(root / path), "split folder" if split else "folder", root,
                   tuple(left_out), empty=tuple(sorted(name for name, n in found.items() if not n)))


def _is_split(names):
    parts = {PARTS[name.casefold()] for name in names if name.casefold() in PARTS}
    return "train" in parts and (len(parts) > 1 or len(names) == 1)


def _inside(folder, root, left_out, entered):
    """(folders, files) directly in `folder`, by name; litter, hidden entries and links go to `left_out`.

    entered: real paths of the folders that were opened, where links are followed; else None.
    """
    folders, files = [], []
    if entered is not None:
        entered.add(folder.resolve())
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        left_out.append((_relative(folder, root), f"folder cannot be opened ({error.strerror})"))
        return folders, files
    for entry in entries:
        path = Path(entry.path)
        try:
            entry.name.encode("utf-8")
        except UnicodeEncodeError:
            left_out.append((_relative(path, root), "name is not UTF-8"))
            continue
        if entry.is_symlink() and (reason := _astray(path, root, entered)):
            left_out.append((_relative(path, root), f"symbolic link, {reason}"))
        elif entry.name.casefold() in LITTER:
            left_out.append((_relative(path, root), "system file"))
        elif entry.name.startswith("."):
            left_out.append((_relative(path, root), "hidden"))
        elif entry.is_dir():
            folders.append(path)
        elif entry.is_file():
            files.append(path)
        else:
            left_out.append((_relative(path, root), "not a regular file"))
    return folders, files


def _astray(link, root, entered):
    """Why a link is not followed; "" for one that stays inside `root` and leads to no folder that was entered."""
    if entered is None:
        return "not followed"
    try:
        target = link.resolve(strict=True)
    except (OSError, RuntimeError):
        return "to nothing"
    if not target.is_relative_to(root.resolve()):
        return "out of the data"
    return "to a folder that was read already" if target in entered else ""


def walked(root, left_out, follow_links=False):
    """Paths relative to `root` of all regular files below it, by name; what is passed over goes to `left_out`."""
    found, waiting, entered = [], [root], set() if follow_links else None
    while waiting:
        folders, files = _inside(waiting.pop(), root, left_out, entered)
        found += [_relative(file, root) for file in files]
        waiting += reversed(folders)
    return found


def _pictures(folder, root, left_out, entered):
    """Paths relative to `root` of the pictures in `folder` and below, depth first."""
    folders, files = _inside(folder, root, left_out, entered)
    pictures = []
    for file in files:
        if is_picture(file):
            pictures.append(_relative(file, root))
        else:
            left_out.append((_relative(file, root), _other(file)))
    for below in folders:
        pictures += _pictures(below, root, left_out, entered)
    return pictures


def _other(file):
    return f"suffix {file.suffix.lower()} is no picture's" if file.suffix else "no suffix"


def _relative(path, root):
    """With forward slashes; bytes that are not UTF-8 are shown escaped."""
    return os.fsencode(path.relative_to(root).as_posix()).decode("utf-8", "backslashreplace")


def _nothing(root, files, left_out):
    """Why no picture was found in class folders."""
    direct = [file for file in files if is_picture(file)]
    tables = [file for file in files if file.suffix.lower() in (".csv", ".tsv", ".parquet")]
    if tables:
        return f"{root} has no class folders, but a table: pass {tables[0]} instead of the folder."
    if direct:
        return (f"{root} holds {count(len(direct), 'picture')} but no class folders; put them into one folder for each"
                " class, or give a table with the columns path and label.")
    reasons = {}
    for _, reason in left_out + [(file, _other(file)) for file in files]:
        reasons[reason] = reasons.get(reason, 0) + 1
    seen = listed(f"{reason}: {number}" for reason, number in reasons.items())
    return f"No picture was found in the class folders of {root}" + (f"; passed over:{seen}" if seen else ".")
