"""Pictures that are named on a command line, by themselves, by their folder or by a zip; what a model takes of them."""

import difflib
import os
from pathlib import Path
from typing import NamedTuple

from toolkit.data.reading import count, is_picture
from toolkit.errors import DataError, OptionError, plain
from toolkit.progress import News, tell


class Found(NamedTuple):
    """A picture: its `name` as the table shows it, and where it lies."""

    name: str
    path: Path


def listed(names, cache=None, frames="auto"):
    """The Found that `names` (pictures, folders, zips) stand for; DataError where one is not there or none is.

    A picture may be named with its frame, as scan.nii.gz#12; frames: "all" makes each frame a Found. cache: the store,
    in which a zip is unpacked (default: the usual one). UntrustedError where a zip is hostile.
    """
    from toolkit.pixels import sources

    found, passed = [], 0
    for name in map(Path, names):
        if not Path(sources.named(name)[0]).exists():
            raise DataError(f"{name} does not exist{near(name)}; name pictures, folders of pictures or zips of them.")
        if name.is_dir():
            inside, others = walked(name)
            found += [Found(shown(path), path) for path in inside]
        elif name.suffix.lower() == ".zip" and name.is_file():
            place = unzipped(name, cache)
            inside, others = walked(place)
            found += [Found(f"{shown(name)}/{path.relative_to(place).as_posix()}", path) for path in inside]
        else:
            found, others = [*found, Found(shown(name), name)], 0
        passed += others
    if not found:
        raise DataError(f"no picture in {', '.join(map(str, names))}"
                        + (f" ({count(passed, 'file')} of other kinds passed over)." if passed else "."))
    if passed:
        tell(f"{count(passed, 'file')} passed over: hidden, links, or of other kinds")
    return framed(found) if frames == "all" else found


def framed(found):
    """A Found for each frame of each file; a file that cannot be read stays as it is, and is said to be later."""
    from toolkit.pixels import decode, sources

    every = []
    for one in found:
        try:
            ends = sources.every("", sources.read(one.path))
        except decode.Unreadable:
            ends = [""]
        every += [Found(one.name + end, Path(f"{one.path}{end}")) for end in ends]
    return every


def shown(path):
    """A path as text, whatever bytes it has."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def walked(place):
    """(paths of the pictures below a folder, by name; how many other files there are)."""
    from toolkit.data.folders import LITTER

    found, passed = [], 0
    for folder, below, files in os.walk(place):
        below[:] = sorted(one for one in below if not one.startswith(".") and one.casefold() not in LITTER)
        for file in sorted(files):
            path = Path(folder, file)
            fits = is_picture(file) and not file.startswith(".")
            if fits and not path.is_symlink():
                found.append(path)
            else:
                passed += 1
    return found, passed


def unzipped(path, cache):
    """The folder in the store with what a zip holds; the same bytes are unpacked once."""
    from toolkit.data import archive
    from toolkit.features import store

    return archive.unpacked(path, Path(cache or store.usual_folder()) / "unpacked", News("files of the zip"))


def near(path):
    """", did you mean NAME" for a path that is not there, where its folder holds a like name."""
    try:
        like = difflib.get_close_matches(path.name, os.listdir(path.parent), n=1)
    except OSError:
        like = []
    return f", did you mean {path.with_name(like[0])}" if like else ""


def check_input(wanted):
    """OptionError where pictures cannot become what the model takes; a word where they are read in another way now."""
    from toolkit.pixels import decode, resize

    height, width, channels, rule = (wanted[key] for key in ("height", "width", "channels", "resize"))
    if height != width or channels not in (1, 3) or rule not in resize.RULES:
        raise OptionError(f"the model takes {height} x {width} pixels of {channels} channels, by {plain(rule)}; "
                          f"pictures become squares of 1 or 3 channels, by {', '.join(resize.RULES)}.")
    if wanted.get("decoder") not in (None, decode.DECODER):
        tell("the model was trained with another version of the decoder; pictures of unusual kinds may look different.")
