"""Cards of public data sets: where a set comes from, under which licence, what is asked, what is known to be wrong.

A card is `datasets/NAME/card.toml`; a person's own may lie anywhere. Every fact in it has a source, and what nobody
published is left out: no checksum here was computed from a file that its publisher does not vouch for. Keys, and what
each says (those in brackets may be left out); an unknown key or a value of another type is refused by name:

    title = "EuroSAT, RGB"              subject = "remote sensing"          about = "One or two sentences."
    task = "classification"             one of data.reading.TASKS
    pictures = 27000                    classes = 10
    licence = "MIT"                     [licence_url] its text              homepage = "https://..."
    citation = "Author, title, year."   sources = ["where each fact is from", ...]
    [traps = ["what is known to be wrong with the set, and what to do about it", ...]]

    [[files]]                           what is downloaded, in this order; archives are unpacked into one folder
    file = "EuroSAT.zip"                its name here and on a mirror; .zip, .whl, .tar, .tar.gz, .tgz are unpacked
    urls = ["https://...", ...]         tried in order
    [bytes = 94280567]                  exact, as published                 [roughly = 94000000] its order, only to show
    [md5 = "..."] [sha256 = "..."]      as published
    [size = 28]                         pixels: the file is one version of the set, chosen by --size

    [reading]
    [data = "2750"]                     what the toolkit is given, under the folder (default: the only file, or the
                                        table that [table] makes)
    split = "none"                      none, or what the split is: "train, validation, test as published by ..."
    [group_pattern = 'patient(\\d+)']    for --group-pattern
    [group = "..."]                     what the groups are: patients, slides

    [table]                             rules by which table.csv is written, where folders alone do not say enough
    row = '(?P<label>\\w+)/[^/]+\\.png'   a whole path under the folder, or a whole line of `list`; named groups: label,
                                        group, split, further columns, and path where `list` is given; others pass
    [list = "labels.csv"] [under = ""]  file whose lines are read, and the folder that its paths start from
    [splits = {train = ["train1.txt"], validation = [...], test = [...]}]  lists of pictures, a path's end a line
    [names = {"0.0" = "0"}]             labels as they stand -> as the table has them

    [meanings]                          [class as the toolkit sees it = what it means]
    [[results]]                         [published scores]
    model = "..."   score = "..."   on = "which pictures, which split"   paper = "..., Table 2"
    [second_hand = true]                the paper itself was not read for it
"""

import difflib
import re
import site
import sysconfig
import tomllib
import types
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path, PurePosixPath
from typing import get_args, get_origin

from toolkit.data import names as group_names
from toolkit.data.reading import TASKS
from toolkit.errors import DataError, OptionError

CARD = "card.toml"
SUBJECTS = ("medical", "plants", "materials", "remote sensing")
DIGITS = {"md5": 32, "sha256": 64}
LARGEST = 2**20  # bytes of a card
TAKEN = (CARD, "fetched.json", "table.csv", "lock", "whole")  # names that a fetched folder, or its making, has already


@dataclass(frozen=True)
class File:
    """One file that is downloaded."""

    file: str
    urls: tuple[str, ...]
    bytes: int = 0
    roughly: int = 0
    md5: str = ""
    sha256: str = ""
    size: int = 0


@dataclass(frozen=True)
class Reading:
    """How the toolkit reads what was fetched."""

    split: str
    data: str = ""
    group_pattern: str = ""
    group: str = ""


@dataclass(frozen=True)
class Table:
    """By which rules table.csv is made."""

    row: str
    list: str = ""
    under: str = ""
    splits: dict[str, tuple[str, ...]] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Result:
    """A published score."""

    model: str
    score: str
    on: str
    paper: str
    second_hand: bool = False


@dataclass(frozen=True)
class Card:
    """The head of this module says what each field is; `path` is where the card lies, `name` what the set is called."""

    name: str
    path: Path
    title: str
    subject: str
    about: str
    task: str
    pictures: int
    classes: int
    licence: str
    homepage: str
    citation: str
    sources: tuple[str, ...]
    files: tuple[File, ...]
    reading: Reading
    licence_url: str = ""
    traps: tuple[str, ...] = ()
    table: Table | None = None
    meanings: dict[str, str] = field(default_factory=dict)
    results: tuple[Result, ...] = ()

    @property
    def sizes(self):
        """Sides in pixels that the set comes in, its usual one first; () where there is one version."""
        return tuple(dict.fromkeys(file.size for file in self.files if file.size))

    def version(self, size=None):
        """The files of one version. Raises OptionError for a size that there is not."""
        if size is not None and size not in self.sizes:
            there = f"it comes in {', '.join(map(str, self.sizes))} pixels" if self.sizes else "it has one version"
            raise OptionError(f"--size {size}: {self.name} has no such version; {there}.")
        wanted = size or (self.sizes or (0,))[0]
        return tuple(file for file in self.files if file.size in (0, wanted))


def folder():
    """The folder of the cards: beside the package, else where an installation has put them."""
    above = Path(__file__).resolve().parents[2]
    bases = (above, sysconfig.get_path("data"), site.getuserbase())
    places = (above / "datasets", *(Path(base) / "share" / "toolkit" / "datasets" for base in bases))
    return next((place for place in places if any(place.glob(f"*/{CARD}"))), places[0])


def names():
    """The names of the cards, in order. Raises DataError where an installation has lost them."""
    found = sorted(path.parent.name for path in folder().glob(f"*/{CARD}"))
    if not found:
        raise DataError(f"The cards of the data sets are not in {folder()}; install the toolkit anew.")
    return found


def there(name):
    """Whether a card bears this name, as it is typed."""
    return re.fullmatch(r"[a-z0-9-]+", name) is not None and (folder() / name / CARD).is_file()


def find(name):
    """(Card, size or None) of a name such as breastmnist, breastmnist-224, or the path of a card.

    Raises OptionError, with the nearest name, where there is none; DataError for a card that is wrong.
    """
    if name.endswith(".toml") or "/" in name:
        return read(Path(name).expanduser()), None
    known = names()
    plain, _, size = name.casefold().replace("_", "-").rpartition("-")
    if name.casefold() in known:
        return read(folder() / name.casefold() / CARD), None
    if plain in known and size.isdecimal():
        return read(folder() / plain / CARD), int(size)
    close = difflib.get_close_matches(name.casefold(), known, 1, 0.5)
    raise OptionError(f"There is no data set {name!r}" + (f", did you mean {close[0]}?" if close else
                                                          "; python -m toolkit.fetch lists them."))


def read(path):
    """The card at `path`. Raises DataError that names the file and the key."""
    path = Path(path)
    try:
        if path.stat().st_size > LARGEST:
            raise DataError(f"{path} is longer than {LARGEST:,} bytes; wanted the card of a data set.")
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"The card {path} cannot be opened ({error.strerror}).") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DataError(f"The card {path} is no TOML: {error}.") from None
    name = path.parent.name if path.name == CARD else path.stem
    taken = sorted({"name", "path"} & set(values))
    if taken:
        raise DataError(f"{path}: {taken[0]} is no key of a card; its folder names it.")
    card = built(Card, {"name": name, "path": path} | values, str(path))
    fault = fault_of(card)
    if fault:
        raise DataError(f"{path}: {fault}.")
    return card


def built(kind, values, place):
    """`kind` from a TOML table; DataError that names place and key for what is unknown, missing or of another type."""
    known = {f.name: f for f in fields(kind)}
    for key in values:
        if key not in known:
            close = difflib.get_close_matches(key, known, 1)
            raise DataError(f"{place}: {key} is no key here" + (f", did you mean {close[0]}?" if close else
                                                               f"; known: {', '.join(known)}."))
    missing = [key for key, f in known.items()
               if key not in values and f.default is MISSING and f.default_factory is MISSING]
    if missing:
        raise DataError(f"{place}: {missing[0]} is missing.")
    return kind(**{key: value_of(known[key].type, value, f"{place}, {key}") for key, value in values.items()})


def value_of(kind, value, place):
    """`value` as the type `kind`: str, int, bool, Path, a dataclass, a tuple or a dict of these."""
    if isinstance(kind, types.UnionType):
        kind = get_args(kind)[0]
    if get_origin(kind) is tuple and isinstance(value, list):
        return tuple(value_of(get_args(kind)[0], one, f"{place} {number}") for number, one in enumerate(value, 1))
    if get_origin(kind) is dict and isinstance(value, dict):
        return {key: value_of(get_args(kind)[1], one, f"{place}.{key}") for key, one in value.items()}
    if hasattr(kind, "__dataclass_fields__") and isinstance(value, dict):
        return built(kind, value, place)
    if get_origin(kind) is None and isinstance(value, kind) and isinstance(value, bool) == (kind is bool):
        return value
    raise DataError(f"{place}: wanted {wording(kind)}, got {value!r}.")


def wording(kind):
    """A type in words."""
    if get_origin(kind) is tuple:
        return "a list"
    return {str: "text", int: "a whole number", bool: "true or false"}.get(kind, "a table")


def fault_of(card):
    """What is wrong with the values of a card, or None."""
    if card.task not in TASKS:
        return f"task is {card.task!r}; known: {', '.join(TASKS)}"
    if card.subject not in SUBJECTS:
        return f"subject is {card.subject!r}; known: {', '.join(SUBJECTS)}"
    if not card.files or len({file.file for file in card.files}) < len(card.files):
        return "files wants at least one file, each of another name"
    for file in card.files:
        if fault := fault_of_file(file):
            return f"files, {file.file!r}: {fault}"
    table = card.table
    inside = [card.reading.data, *((table.list, table.under, *sum(table.splits.values(), ())) if table else ())]
    outside = [name for name in inside if name and (PurePosixPath(name).is_absolute() or ".." in name.split("/"))]
    if outside:
        return f"{outside[0]!r} lies outside the fetched folder"
    try:
        if card.reading.group_pattern:
            group_names.checked(card.reading.group_pattern)
        groups = set(re.compile(table.row).groupindex) if table else {"label", "path"}
    except (re.error, ValueError) as error:
        return f"group_pattern or row is no regular expression that can be used ({error})"
    if "label" not in groups or table and table.list and "path" not in groups:
        return "row wants a named group label" + (", and path" if table.list else "")
    if table and set(table.splits) - {"train", "validation", "test"}:
        return "splits are train, validation and test"
    return None


def fault_of_file(file):
    """What is wrong with one file, or None."""
    if not re.fullmatch(r"[\w][\w.+-]*", file.file) or file.file in TAKEN:
        return f"file wants a plain name, and none of {', '.join(TAKEN)}"
    if not file.urls or not all(re.fullmatch(r"https?://\S+", url) for url in file.urls):
        return "urls wants addresses that begin with https:// or http://"
    for kind, length in DIGITS.items():
        if getattr(file, kind) and not re.fullmatch(rf"[0-9a-f]{{{length}}}", getattr(file, kind)):
            return f"{kind} wants {length} hexadecimal digits"
    return None
