"""Every option of every command: default, meaning, unit and range, once.

A field of a frozen dataclass is an option; `parse` makes the command line, the options file (YAML, JSON or TOML) and
the help from it, and refuses a wrong value by name. Rooms never see these classes: commands hand them plain values.
"""

import dataclasses
import difflib
import re
from dataclasses import dataclass, field
from pathlib import Path

from toolkit.errors import OptionError, plain

STAGES = ("head", "layer4", "layer3", "layer2", "layer1", "stem")


def option(default, help, unit="", low=None, high=None, choices=None, short_of=None):
    """A field with its meaning, unit and allowed range; `short_of` allows everything below, not at, that value."""
    return field(default=default, metadata=dict(help=help, unit=unit, low=low, high=high, choices=choices,
                                                short_of=short_of))


def positional(help, default=dataclasses.MISSING, many=False):
    """A field given by its place, not by its name."""
    return field(default=default, metadata=dict(help=help, positional=True, many=many))


@dataclass(frozen=True)
class Finetune:
    """Fine-tune an ImageNet network on a folder or table of pictures, and measure it honestly."""

    data: str = positional("folder of class folders, folder with train/val/test, CSV/TSV/Parquet table, MedMNIST .npz, "
                           "or sample:cells", default="")

    # what comes in
    root: str | None = option(None, "folder the table's paths start from (default: the table's own)")
    path_column: str = option("path", "column of a table that names the picture")
    label_column: str = option("label", "column of a table that names the class")
    split_column: str = option("split", "column of a table that says train, validation or test")
    group_column: str = option("group", "column of a table that names patient, plant or lot; groups are never parted")
    ignore_empty: bool = option(False, "go on when a class folder holds no picture")
    merge_case: bool = option(False, "take Cat and cat, or two spellings of one accent, as one class")
    max_bad: float = option(0.1, "highest share of unreadable pictures to go on with", low=0.0, high=1.0)
    strict: bool = option(False, "refuse data whose given split leaks a group or a picture, instead of warning")
    validation: float = option(0.15, "share of the pictures kept for decisions", low=0.05, high=0.5)
    test: float = option(0.15, "share of the pictures kept for the final scores", low=0.05, high=0.5)

    # how a picture looks to the network
    size: int = option(224, "side of the input", "pixels", low=32, high=1024)
    channels: int = option(3, "channels of the input: 3 for colour, 1 for grey", choices=(1, 3))
    resize: str = option("squash", "how a picture becomes square: crop the middle, squash, or pad",
                         choices=("crop", "squash", "pad"))
    augment: str = option("light", "policy of random changes while training",
                          choices=("none", "light", "medium", "strong"))

    # the network
    backbone: str = option("resnet50", "network, as listed by python -m toolkit.backbones")
    weights: str = option("imagenet", "imagenet (the network's default), a tag, a weight file, or none for random")
    refetch: bool = option(False, "download the weights again even if they are here")
    offline: bool = option(False, "never use the network")

    # how it learns
    train_from: str = option("auto", "deepest stage that is trained: auto decides from the data, head trains none",
                             choices=("auto", *STAGES, "all"))
    epochs: int | None = option(None, "passes over the training pictures for each thawed stage (default: by the number "
                                "of pictures)", low=1, high=1000)
    learning_rate: float = option(1e-4, "rate of the head, the uppermost stage", low=1e-8, high=10.0)
    layer_decay: float = option(0.7, "rate of a stage over the rate of the stage above it", low=1e-3, high=1.0)
    rates: str | None = option(None, "rates one by one instead, such as head=1e-3,layer4=1e-4")
    optimizer: str = option("adamw", "rule of the steps; sgd has Nesterov momentum 0.9", choices=("adamw", "sgd"))
    weight_decay: float = option(0.01, "decoupled decay of kernels (never of biases and norms)", low=0.0, high=1.0)
    label_smoothing: float = option(0.0, "share of the target spread over all classes", low=0.0, short_of=1.0)
    clip_norm: float = option(1.0, "largest norm of one step's gradients, over all stages", low=1e-6, high=1e6)
    warmup: float = option(0.1, "share of the steps over which rates rise, before they fall as a cosine",
                           low=0.0, short_of=1.0)
    batch_size: int = option(16, "pictures a step", low=1, high=1024)
    patience: int = option(3, "epochs without a better validation loss before a stage ends", low=1, high=1000)
    batch_statistics: str = option("still", "batch statistics of the thawed stages: still keeps ImageNet's, moving "
                                   "adapts them", choices=("still", "moving"))
    class_weights: str = option("balanced", "balanced lets rare classes weigh more in training",
                                choices=("balanced", "none"))
    time_budget: str | None = option(None, "stop tuning after this long, such as 90s, 10m or 2h")
    views: int | None = option(None, "augmented views a picture, kept for the frozen part (default: by the number of "
                               "pictures)", low=1, high=64)

    # the run
    run_dir: str | None = option(None, "folder of the run, new or empty (default: a new one under runs/)")
    resume: bool = option(False, "go on with the stopped run in --run-dir")
    seed: int = option(0, "seed of split, order and augmentation", low=0, high=2**31 - 1)
    workers: int = option(2, "threads that read and augment pictures; results do not depend on it", low=1, high=64)
    device: str = option("auto", "auto, cpu, gpu or gpu:N")
    resamples: int = option(1000, "bootstrap samples behind each interval", low=100, high=100_000)
    debug: bool = option(False, "show the traceback of an error")

    def check(self):
        """Refuse what only two options together make wrong."""
        if not self.data and not self.resume:
            raise OptionError("DATA is missing: give a folder of class folders, a table, an .npz or sample:cells.")
        if self.resume and not self.run_dir:
            raise OptionError("--resume needs --run-dir, the folder of the run to go on with.")
        if self.rates and self.layer_decay != Finetune.layer_decay:
            raise OptionError("--rates and --layer-decay exclude each other: give the rates one by one, or a decay.")
        if self.validation + self.test > 0.8:
            raise OptionError(f"--validation {self.validation} and --test {self.test} leave less than a fifth of the "
                              "pictures to train on; lower one of them.")
        if self.weights == "none" and self.train_from == "head":
            raise OptionError("--train-from head with --weights none would leave random features; train all stages.")
        if not re.fullmatch(r"auto|cpu|gpu(:\d+)?", self.device):
            raise OptionError(f"--device {self.device!r}: allowed are auto, cpu, gpu and gpu:N.")
        rates(self.rates)
        seconds(self.time_budget)


@dataclass(frozen=True)
class Predict:
    """Let a finished model look at new pictures; one row a picture."""

    model: str = positional("run folder, or its model.keras or model.json", default="")
    pictures: list[str] = positional("pictures, or folders of pictures", default=(), many=True)
    out: str | None = option(None, "CSV file to write; must not exist yet (default: print to the terminal)")
    batch_size: int = option(32, "pictures at a time", low=1, high=1024)
    debug: bool = option(False, "show the traceback of an error")

    def check(self):
        """Refuse a call without a model or without pictures."""
        if not self.model or not self.pictures:
            raise OptionError("MODEL and at least one picture or folder are wanted: "
                              "python -m toolkit.predict RUN PICTURES...")


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


def rates(text):
    """{"head": 1e-3, ...} from "head=1e-3,layer4=1e-4"; None stays None."""
    if text is None:
        return None
    found = {}
    for part in text.split(","):
        stage, _, value = part.partition("=")
        try:
            found[stage.strip()] = float(value)
        except ValueError:
            raise OptionError(f"--rates {text!r}: {part!r} is not STAGE=RATE, such as layer4=1e-4.") from None
        if stage.strip() not in STAGES or not 0 < found[stage.strip()] <= 10:
            raise OptionError(f"--rates {text!r}: allowed are rates from 0 to 10 for {', '.join(STAGES)}.")
    return found


def seconds(text):
    """Seconds of "90s", "10m" or "2h"; None stays None."""
    if text is None:
        return None
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smh]?)", text.strip())
    if not match or float(match[1]) <= 0:
        raise OptionError(f"--time-budget {text!r}: wanted a time such as 90s, 10m or 2h.")
    return float(match[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[match[2]]


def parse(kind, command, arguments):
    """The options `kind` from `--config FILE` and the command line, which wins; exits 0 after --help or --version."""
    fields = {f.name: f for f in dataclasses.fields(kind)}
    parser = parser_of(fields, kind.__doc__, command)
    known = {name for action in parser._actions for name in action.option_strings}
    for argument in arguments:
        name = argument.split("=")[0]
        if name.startswith("--") and name not in known:
            raise OptionError(f"{plain(name)} is no option of {command}{near(name, known)}; --help lists them.")
    given = read(parser.parse_args, list(arguments), fields)
    file = given.pop("config", None)
    chosen = (read_file(file, parser, fields) if file else {}) | given
    options = kind(**{name: tuple(value) if isinstance(value, list) else value for name, value in chosen.items()})
    options.check()
    return options


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
