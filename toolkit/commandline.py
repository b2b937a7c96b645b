"""The command line and options file of a command, made from the fields of its options.

`parse` refuses a wrong name, type or value by name, with what is allowed and what may have been meant.
"""

import dataclasses
import difflib
import re
from pathlib import Path

from toolkit.errors import OptionError, plain


def option(default, help, unit="", low=None, high=None, choices=None, short_of=None, joined=False):
    """A field with its meaning, unit and allowed range.

    `short_of` allows everything below, not at, that value; `joined`: given several times, its values stand with commas
    between them.
    """
    return dataclasses.field(default=default, metadata=dict(help=help, unit=unit, low=low, high=high, choices=choices,
                                                short_of=short_of, joined=joined))


def positional(help, default=dataclasses.MISSING, many=False):
    """A field given by its place, not by its name."""
    return dataclasses.field(default=default, metadata=dict(help=help, positional=True, many=many))


def parse(kind, command, arguments):
    """The options `kind` from a preset, `--config FILE` and the command line, which wins over both.

    kind.PRESETS: {name: {option: value}}, chosen by the option `preset`. Exits 0 after --help or --version.
    """
    fields = {f.name: f for f in dataclasses.fields(kind)}
    parser = parser_of(fields, kind.__doc__, command)
    known = {name for action in parser._actions for name in action.option_strings}
    for argument in arguments:
        name = argument.split("=")[0]
        if name.startswith("--") and name not in known:
            raise OptionError(f"{plain(name)} is no option of {command}{near(name, known)}; --help lists them.")
    given = read(parser.parse_args, joined(arguments, fields), fields)
    file = given.pop("config", None)
    chosen = (read_file(file, parser, fields) if file else {}) | given
    preset = getattr(kind, "PRESETS", {}).get(chosen.get("preset"), {})
    preset = {name: value for name, value in preset.items() if name not in chosen}
    chosen = {name: tuple(value) if isinstance(value, list) else value for name, value in (preset | chosen).items()}
    options = kind(**chosen)
    try:
        options.check()
    except OptionError as error:
        if not preset:
            raise
        meant = " ".join(f"{flag(name)} {value}" for name, value in preset.items())
        raise OptionError(f"{error} (--preset {chosen['preset']} stands for {meant}.)") from None
    return options


def arguments(kind, values):
    """What a person would type for `values`, {name: value}, of the options `kind`: `parse` gives them back.

    None and False are left out: they are what stands where nothing is said.
    """
    typed, named = [], []
    for f in dataclasses.fields(kind):
        value = values.get(f.name)
        if value is None or value is False or value == "":
            continue
        if f.metadata.get("positional"):
            many = value if f.metadata["many"] else [value]
            typed += [f"./{one}" if str(one).startswith("-") else str(one) for one in many]
        elif value is True:
            named.append(flag(f.name))
        else:
            text = f"{value:g}" if isinstance(value, float) and float(f"{value:g}") == value else str(value)
            named += [f"{flag(f.name)}={text}"] if text.startswith("-") else [flag(f.name), text]
    return typed + named


def joined(arguments, fields):
    """The arguments, with the values of an option that may be given several times in one, commas between them."""
    names = {flag(name) for name, f in fields.items() if f.metadata.get("joined")}
    rest, values, waiting = [], {}, [str(argument) for argument in arguments]
    while waiting:
        name, equals, value = waiting.pop(0).partition("=")
        if name not in names or not (equals or waiting):
            rest.append(name + equals + value)
        else:
            values.setdefault(name, []).append(value if equals else waiting.pop(0))
    return rest + [f"{name}={','.join(given)}" for name, given in values.items()]


def parser_of(fields, about, command):
    """jsonargparse's parser of a command's fields."""
    import jsonargparse

    from toolkit import __version__

    parser = jsonargparse.ArgumentParser(prog=f"python -m toolkit.{command}", description=about, exit_on_error=False,
                                         version=__version__)
    parser.add_argument("--config", type=str, metavar="FILE", help="options file (YAML, JSON or TOML)")
    for name, f in fields.items():
        about, unit = f.metadata["help"], f.metadata.get("unit")
        if f.metadata.get("positional"):
            number = {"nargs": "*", "default": []} if f.metadata["many"] else {"nargs": "?"}
            parser.add_argument(name, metavar=name.upper(), type=str, help=about, **number)
        elif f.type is bool:
            parser.add_argument(flag(name), action="store_true", help=about)
        else:
            bounds = allowed(f)
            parser.add_argument(flag(name), type=f.type, default=f.default, metavar=(unit or kind_of(f)).upper(),
                                help=about + (f" [{bounds}]" if bounds else ""))
    return parser


def read(parse, source, fields):
    """{name: value} of what `source` names, types and ranges checked."""
    import argparse

    try:
        given = vars(parse(source, defaults=False))
    except argparse.ArgumentError as error:
        raise OptionError(worded(str(error), source, fields)) from None
    given = {name: value for name, value in given.items() if name in fields or name == "config"}
    for name, value in given.items():
        if name in fields and not fits(fields[name], value):
            raise OptionError(f"{flag(name)} {value!r}: allowed is {allowed(fields[name])}"
                              f"{near(str(value), fields[name].metadata.get('choices') or ())}.")
    return {name: value for name, value in given.items() if value is not None and value != []}


def worded(error, source, fields):
    """The library's message in terms of the command line."""
    key = re.search(r'key "(\w+)"|argument --([\w-]+)', error)
    name = (key[1] or key[2]).replace("-", "_") if key else None
    if name not in fields:
        return f"{plain(error.splitlines()[0])}; --help lists what is allowed."
    if fields[name].type is bool:
        return f"{flag(name)} is given alone, without a value."
    value = re.search(r"(?:Given|Got) value: (.*)", error)
    bounds = allowed(fields[name])
    text = "text, in quotes" if value else "a value"
    wanted = {"int": "a whole number", "float": "a number"}.get(kind_of(fields[name]), text)
    came = f"got {plain(value[1].strip())!r}" if value else "got none"
    return f"{flag(name)} wants {wanted}{f', {bounds}' if bounds else ''}; {came}."


def typed(f, value):
    """Whether a value that JSON held is of its field's type; numbers without a fraction do for float."""
    if value is None or f.metadata.get("many"):
        return value is not None or f.default is None
    kinds = {"int": int, "float": (int, float), "bool": bool}
    return isinstance(value, kinds.get(kind_of(f), str)) and isinstance(value, bool) == (f.type is bool)


def fits(f, value):
    """Whether a value lies in its field's range."""
    m = f.metadata
    if value is None or m.get("positional"):
        return True
    if m.get("choices"):
        return value in m["choices"]
    return ((m.get("low") is None or value >= m["low"]) and (m.get("high") is None or value <= m["high"])
            and (m.get("short_of") is None or value < m["short_of"]) and value == value)


def allowed(f):
    """The range of a field in words, or nothing."""
    m = f.metadata
    low, high, short_of = (str(n) if isinstance(n, int) else f"{n or 0:g}"
                           for n in (m.get("low"), m.get("high"), m.get("short_of")))
    if m.get("choices"):
        return ", ".join(map(str, m["choices"]))
    if m.get("short_of") is not None:
        return f"{low} to below {short_of}"
    if m.get("low") is not None:
        return f"{low} to {high}" + (f" {m['unit']}" if m["unit"] else "")
    return "true or false" if f.type is bool else ""


def kind_of(f):
    """int of `int | None`."""
    return next(t for t in getattr(f.type, "__args__", (f.type,)) if t is not type(None)).__name__


def flag(name):
    """The option of a field."""
    return "--" + name.replace("_", "-")


def near(name, known):
    """", did you mean X?" where X is close, else nothing."""
    close = difflib.get_close_matches(name, [str(k) for k in known], 1, 0.6)
    return f", did you mean {close[0]}?" if close else ""


def read_file(path, parser, fields):
    """The options in a YAML, JSON or TOML file; a key or value that is wrong is refused with its line."""
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise OptionError(f"--config {plain(path)}: {getattr(error, 'strerror', None) or error}.") from None
    try:
        content = loaded(text, Path(path).suffix.lower())
    except Exception as error:  # each format has its own error class; all carry the line in their text
        raise OptionError(f"--config {plain(path)} cannot be read: {plain(' '.join(str(error).split()))}") from None
    if not isinstance(content, dict):
        raise OptionError(f"--config {plain(path)}: wanted lines such as size: 224, got a {type(content).__name__}.")
    written = {str(key).replace("-", "_"): str(key) for key in content}
    content = {str(key).replace("-", "_"): value for key, value in content.items()}
    for key, value in content.items():
        place = f"--config {plain(path)}, line {line_of(written[key], text)}, {plain(written[key])}"
        if key not in fields:
            raise OptionError(f"{place}: no such option{near(key, fields)}.")
        if fields[key].metadata.get("joined") and isinstance(value, list):
            content[key] = value = ",".join(map(str, value))
        if fields[key].metadata.get("many") and isinstance(value, str):
            content[key] = value = [value]
        if fields[key].type is bool and not isinstance(value, bool):
            raise OptionError(f"{place}: wanted true or false, got {value!r}.")
        try:
            read(lambda one, defaults: parser.parse_object(one, defaults=defaults), {key: value}, fields)
        except OptionError as error:
            raise OptionError(f"{place}: {error}") from None
    return read(lambda all, defaults: parser.parse_object(all, defaults=defaults), content, fields)


def line_of(key, text):
    """Number of the line that gives `key`, in any of the formats."""
    stands = re.compile(rf"""(^|[\s{{,]|["']){re.escape(key)}["']?\s*[:=]""")
    return next((n for n, line in enumerate(text.splitlines(), 1)
                 if not line.lstrip().startswith("#") and stands.search(line)), 1)


def loaded(text, suffix):
    """The content of an options file by its suffix; YAML reads JSON too."""
    if suffix == ".toml":
        import tomllib

        return tomllib.loads(text)
    if suffix == ".json":
        import json

        return json.loads(text)
    import yaml

    return yaml.safe_load(text) or {}


def from_dict(kind, values):
    """Options as `dataclasses.asdict` gave them; a field that is unknown now is refused."""
    fields = {f.name: f for f in dataclasses.fields(kind)}
    unknown = sorted(set(values) - set(fields))
    if unknown:
        raise OptionError(f"The run was begun by another version: it has the option {unknown[0]}; start a new run.")
    options = kind(**values)
    for name, value in values.items():
        if not typed(fields[name], value) or not fits(fields[name], value):
            raise OptionError(f"The run's option {name} is {value!r}; allowed is {allowed(fields[name])}.")
    options.check()
    return options
