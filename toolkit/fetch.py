"""python -m toolkit.fetch NAME: a public data set, from its publisher or a mirror, verified and unpacked.

Licence, citation, size and what is known to be wrong with the set are shown before anything is downloaded. Without a
name all sets are listed. The cards are datasets/NAME/card.toml; `data.cards` says what stands in one.
"""

import os
import shlex
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path

from toolkit import errors
from toolkit.commandline import parse
from toolkit.data import cards
from toolkit.errors import OptionError, plain
from toolkit.options import option, positional
from toolkit.quantities import size_in_words

COLUMNS = ("name", "field", "pictures", "classes", "task", "download", "licence")
NUMBERS = (2, 3)
TRAINED = ("classification", "ordinal")  # tasks that finetune learns, grades as classes
WIDTH = 110
ASKED = 4.0      # seconds to learn a size that nobody published


@dataclass(frozen=True)
class Fetch:
    """Fetch a public data set by its name, verified and unpacked; without a name, list them."""

    name: str = positional("name of a set, or the path of a card of your own (default: list all)", default="")
    out: str | None = option(None, "folder to make (default: data/NAME, or data/NAME-SIZE)")
    size: int | None = option(None, "version of a set that comes in several sizes (default: the smallest)", "pixels",
                              low=1, high=65_535)
    yes: bool = option(False, "accept the licence without being asked")
    mirror: str | None = option(None, "URL or folder that holds NAME/FILE for each file of a set, tried first "
                                "(default: TOOLKIT_MIRROR)")
    offline: bool = option(False, "never use the network: only a mirror that is a folder is looked at")
    debug: bool = option(False, "show the traceback of an error")

    def check(self):
        """Refuse options of a download where nothing is named."""
        if not self.name and (self.out or self.size or self.yes):
            raise OptionError("NAME is missing: --out, --size and --yes are for one set; python -m toolkit.fetch lists "
                              "all.")


def fetch(chosen):
    """Fetch as `chosen`, a Fetch with a name, says."""
    card, size = cards.find(chosen.name)
    files = card.version(chosen.size or size)
    out = Path(chosen.out or place(card, files))
    mirror = chosen.mirror or os.environ.get("TOOLKIT_MIRROR", "")
    from toolkit.data import fetching
    from toolkit.downloads.transfer import asked_offline
    from toolkit.progress import News

    offline = chosen.offline or asked_offline()
    if not fetching.held(card, files, out):
        for line in shown(card, files, out, mirror, offline):
            say(line)
        accepted(card, chosen.yes)
    fresh = fetching.fetch(card, files, out, mirror=mirror, offline=offline, say=say, step=News("files unpacked"))
    say(f"{card.title} is in {out}" + ("." if fresh else " already."))
    for line in following(card, fetching.data_of(card, files, out)):
        say(line)


def place(card, files):
    """The folder where nothing is said: data/NAME, or data/NAME-SIZE for all versions but the usual one."""
    size = next((file.size for file in files if file.size), 0)
    return Path("data") / (card.name if size == (card.sizes or (0,))[0] else f"{card.name}-{size}")


def shown(card, files, out, mirror, offline):
    """Lines: what a person should know before the download."""
    facts = [("", card.about), ("task", f"{card.task}, {card.pictures:,} pictures, {card.classes} classes"),
             ("split", card.reading.split + (f"; groups are {card.reading.group}" if card.reading.group else "")),
             ("licence", f"{card.licence}  {card.licence_url}".strip()), ("cite", card.citation),
             ("from", f"{card.homepage}" + (f", through {mirror}" if mirror else "")),
             ("size", volume(files, offline) + f", into {out}"), ("checksum", checksums(files))]
    facts += [("known" if not number else "", f"- {trap}") for number, trap in enumerate(card.traps)]
    for number, one in enumerate(card.results):
        quoted = ", quoted at second hand" if one.second_hand else ""
        facts.append(("published" if not number else "", f"- {one.model}: {one.score} ({one.on}; {one.paper}{quoted})"))
    yield f"{card.title} ({card.name})"
    for key, text in facts:
        yield textwrap.fill(text, WIDTH, initial_indent=f"  {key:10}", subsequent_indent=" " * 12,
                            break_on_hyphens=False, break_long_words=False)


def volume(files, offline):
    """How much is downloaded, in words."""
    sizes = []
    for file in files:
        sizes.append(known(file, offline) if all(sizes) else 0)  # where one server is mute, no further one is awaited
    total = size_in_words(sum(sizes)) if all(sizes) else "unknown"
    others = "" if all(file.bytes for file in files) or not all(sizes) else "about "
    return f"{others}{total} in {', '.join(file.file for file in files)}"


def known(file, offline):
    """Bytes of a file, as published, roughly, or as its server says now; 0 where nobody says."""
    if file.bytes or file.roughly or offline:
        return file.bytes or file.roughly
    from toolkit.downloads.transfer import stated

    return stated(file.urls[0], ASKED)


def checksums(files):
    """Against what the download will be held, in words."""
    without = [file.file for file in files if not (file.md5 or file.sha256)]
    kinds = sorted({kind for file in files for kind in cards.DIGITS if getattr(file, kind)})
    if not kinds:
        return "none is published: what comes cannot be verified"
    return f"{' and '.join(kinds)}, as published" + (f"; none for {', '.join(without)}" if without else "")


def accepted(card, yes):
    """Go on only with a yes to the licence. Raises OptionError."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise OptionError(f"The licence of {card.name}, {card.licence}, must be accepted: pass --yes.")
    try:
        answer = input(f"Accept the licence, {plain(card.licence)}, and download? [yes/no] ")
    except EOFError:
        answer = ""
    if answer.strip().casefold() not in ("y", "yes"):
        raise OptionError("The licence was not accepted; nothing was fetched.")


def following(card, data):
    """Lines: what to type next."""
    given = [str(data)] + (["--group-pattern", card.reading.group_pattern] if card.reading.group_pattern else [])
    grades = ["--task", "ordinal"] if card.task == "ordinal" else []
    yield "Next:"
    yield typed("check", *given, *grades)
    if card.task in TRAINED:
        yield typed("finetune", *given)
    if card.task != "classification":
        yield "Training takes one class a picture" + (", so grades are learnt as classes." if grades else
                                                      f"; {card.task} is checked, not learnt.")
    if card.meanings:
        yield "Classes: " + "; ".join(f"{name} {meaning}" for name, meaning in card.meanings.items())


def typed(command, *arguments):
    """A line that a shell takes."""
    return "  " + shlex.join(["python", "-m", f"toolkit.{command}", *arguments])


def cells(card):
    """The columns of one set, as text."""
    downloads = []
    for size in card.sizes or (None,):
        files = card.version(size)
        total = sum(file.bytes or file.roughly for file in files)
        number = size_in_words(total) if all(file.bytes or file.roughly for file in files) else "–"
        downloads.append(number + (f" ({size})" if size else ""))
    return (card.name, card.subject, f"{card.pictures:,}", str(card.classes), card.task,
            ", ".join(downloads), card.licence)


def rows():
    """The table of all sets, its head first."""
    return [COLUMNS, *(cells(cards.find(name)[0]) for name in cards.names())]


def markdown():
    """The table as it stands in the README."""
    rule = ["---:" if column in NUMBERS else "---" for column in range(len(COLUMNS))]
    table = rows()
    return "\n".join("| " + " | ".join(row) + " |" for row in (table[0], rule, *table[1:]))


def text():
    """The table for a terminal."""
    table = rows()
    widths = [max(len(row[column]) for row in table) for column in range(len(COLUMNS))]
    return "\n".join("  ".join(cell.rjust(width) if column in NUMBERS else cell.ljust(width)
                               for column, (cell, width) in enumerate(zip(row, widths))).rstrip() for row in table)


def say(line):
    """A line on standard output, at once."""
    encoding = sys.stdout.encoding or "utf-8"
    line = "\n".join(plain(one) for one in str(line).splitlines())
    print(line.encode(encoding, "backslashreplace").decode(encoding), flush=True)


def main(arguments):
    """The command."""
    chosen = parse(Fetch, "fetch", arguments)
    if chosen.name:
        fetch(chosen)
    else:
        say(text())
        say("python -m toolkit.fetch NAME fetches one; sizes in brackets are pixels, chosen by --size.")


if __name__ == "__main__":
    errors.command(main)
