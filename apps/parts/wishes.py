"""What is wished for a run, as a form holds it, and what is typed for it. No widget is here.

A wish is a dict {name of an option: value}. `made` tells what the command line says of it; what does not differ from
the preset is not said.
"""

import dataclasses
import inspect
import math
import re
from pathlib import Path

from toolkit import options, queue
from toolkit.commandline import allowed, arguments, fits, flag, kind_of, parse, typed
from toolkit.errors import OptionError, ToolkitError
from toolkit.runs import folders, launch

SITTING = ("data", "run_dir", "resume", "accept_changed_data", "debug")  # what a start itself decides
ASKED = ("preset", "backbone", "device")                                 # what every form asks by name
FIELDS = {f.name: f for f in dataclasses.fields(options.Finetune)}
GROUPING = ("group_column", "group_pattern")
PRESETS = {"fast": "Fast", "balanced": "Balanced", "best": "Best"}


def base(name, preset="balanced"):
    """What stands for an option where nothing is said."""
    return options.PRESETS.get(preset, {}).get(name, FIELDS[name].default)


def changed(wish):
    """The part of a wish that differs from what its preset says by itself; only what the command line can say."""
    preset = wish.get("preset") or "balanced"
    kept = {name: value for name, value in wish.items()
            if name in FIELDS and value not in (None, "") and value != base(name, preset)}
    return {name: value for name, value in kept.items() if FIELDS[name].type is not bool or value}


def typing(wish, folder):
    """The arguments of `python -m toolkit.finetune` for a wish, as short as they can be."""
    return arguments(options.Finetune, changed(wish)) + arguments(options.Finetune, {"run_dir": str(folder)})


def fault(wish):
    """What the command would refuse in a wish, in its own words; "" where it would begin."""
    try:
        parse(options.Finetune, "finetune", arguments(options.Finetune, changed(wish)))
    except ToolkitError as error:
        return str(error)
    return ""


def fault_of_name(root, name):
    """Why a new run cannot be called `name`; "" where it can."""
    if not folders.proper(name):
        return "A name is one word or several, without / and \\, and does not begin with a dot."
    if Path(root, name).exists() or launch.record(root, "runs", name) is not None:
        return f"There is a run {name} already; choose another name."
    return ""


def of_run(facts):
    """The wish that a run was begun with, of the options in its run.json; what is no option any more is left out."""
    return {name: value for name, value in (facts if isinstance(facts, dict) else {}).items()
            if name in FIELDS and name not in ("run_dir", "resume", "accept_changed_data", "debug")
            and not isinstance(value, (list, dict)) and typed(FIELDS[name], value) and fits(FIELDS[name], value)}


def sections(without=()):
    """[(heading, fields)] of all options but `without`, as their source groups them."""
    found = []
    for kind in options.Finetune.__mro__[:-1]:
        found += grouped(kind, (*SITTING, *without))
    return found


def grouped(kind, without):
    """[(heading, fields)] of a class's own options: under the comments between them, before these its docstring."""
    own, heading, found = vars(kind).get("__annotations__", {}), kind.__doc__.splitlines()[0], {}
    for line in inspect.getsource(kind).splitlines():
        if comment := re.fullmatch(r" {4}# (.+)", line):
            heading = comment[1]
        elif (name := re.match(r" {4}(\w+):", line)) and name[1] in own and name[1] not in without:
            found.setdefault(heading, []).append(FIELDS[name[1]])
    return [(heading[0].upper() + heading[1:].rstrip("."), fields) for heading, fields in found.items()]


def words(f):
    """The name of an option for people, with its unit."""
    unit = f.metadata.get("unit")
    return f.name.replace("_", " ").capitalize() + (f" ({unit})" if unit else "")


def about(f):
    """What an option is for, what it may be, and how the command line calls it."""
    bounds = allowed(f) if f.type is not bool and not f.metadata.get("choices") else ""
    text = f.metadata["help"]
    return f"{text[0].upper()}{text[1:]}{f' [{bounds}]' if bounds else ''}. {flag(f.name)}"


def shape(f):
    """What a form asks an option with: choice, switch, whole, number or text."""
    if f.metadata.get("choices"):
        return "choice"
    return {"bool": "switch", "int": "whole", "float": "number"}.get(kind_of(f), "text")


def waiting(device, count=1):
    """How many runs are before a new one on a device."""
    try:
        found = {}
        for name in queue.devices(device, count):
            owners = map(queue.owner_of, queue.tickets(queue.usual_folder() / name))
            found.update(owner for owner in owners if owner)
        return len(found)
    except (OSError, ValueError, OptionError):
        return 0


def groupings(wish, pictures, groups, columns, offer):
    """[(words, {option: value})] of the ways to say what belongs together; the first is how a look took it.

    pictures, groups: how many the look saw; columns: {further column: number of its values}; offer: (pattern, number of
    groups) that names suggest, or None.
    """
    chosen = {name: wish[name] for name in GROUPING if wish.get(name)}
    plain = {name: FIELDS[name].default for name in GROUPING}
    found = [(f"{groups:,} groups, as in the data" if groups else "Each picture stands for itself", plain | chosen)]
    for name, number in columns.items():
        if 1 < number < pictures and not groups:
            found.append((f"By the column {name}: {number:,} groups", plain | {"group_column": name}))
    if offer and not groups:
        found.append((f"By the numbers in their names: {offer[1]:,} groups", plain | {"group_pattern": offer[0]}))
    return found


def networks():
    """{network: what is known of it} of those with published weights, the default first; nothing here imports Keras."""
    from toolkit.backbones import RESNETS, cache, weights

    default, folder = FIELDS["backbone"].default, cache.folder()
    names = sorted((name for name in RESNETS if weights.for_network(name)), key=lambda name: name != default)
    words = {}
    for name in names:
        row = weights.for_network(name)[0]
        here = any((folder / source.file).is_file() for source in row.sources)
        words[name] = (f"{name}, {RESNETS[name].parameters / 1e6:.0f} million parameters, "
                       + ("weights are here" if here else "weights to be fetched once"))
    return words


def steps(f):
    """The step by which a number goes up and down: one, or the power of ten of what stands."""
    if kind_of(f) == "int":
        return 1
    usual = abs(f.default or 0.01)
    return 10.0 ** math.floor(math.log10(usual)) / (1 if usual < 0.1 else 10)
