"""Every option of every command: default, meaning, unit and range, once.

A field of a frozen dataclass is an option; `commandline.parse` makes the command line, the options file (YAML, JSON or
TOML) and the help from it. Rooms never see these classes: commands hand them plain values.
"""

import os
import re
from dataclasses import dataclass

from toolkit import quantities
from toolkit.commandline import from_dict as from_dict  # read here by those who know options
from toolkit.commandline import option, positional
from toolkit.errors import OptionError
from toolkit.quantities import STAGES, rates, seconds, size

PRESETS = {  # what the options file and the command line do not say otherwise
    "fast": {"train_from": "head"},                      # the probe alone: seconds for a few hundred pictures
    "balanced": {},
    "best": {"augment": "medium", "epochs": 16, "patience": 5, "cache_views": 8, "folds": 5},
}

MOST_THREADS = 8  # unasked: more would wait for the disk, and each holds a picture
NO_WAIT = "refuse to start, instead of waiting, while another run computes on the same device"
FRAMES = "which of a file's several frames, pages or slices is the picture"
DATA = "folder of class folders, folder with train/val/test, CSV/TSV/Parquet table, MedMNIST .npz, a zip of these"


@dataclass(frozen=True, kw_only=True)
class Data:
    """How labelled pictures come in."""

    root: str | None = option(None, "folder the table's paths start from (default: the table's own)")
    path_column: str = option("path", "column of a table that names the picture")
    label_column: str = option("label", "column of a table that names the class; where a picture may have several, "
                               "their columns of 0 and 1, with commas or given again", joined=True)
    label_delimiter: str | None = option(None, "what parts several labels in a table's column, such as ';'")
    task: str = option("auto", "what the labels are: one class, several, an amount, a grade (auto: by what they look "
                       "like, and said); check looks at all, training wants one class",
                       choices=("auto", "classification", "multi-label", "regression", "ordinal"))
    label_order: str | None = option(None, "grades, the lowest first, parted by commas (default: numbers by value)")
    split_column: str = option("split", "column of a table that says train, validation or test")
    group_column: str = option("group", "column of a table that names patient, plant or lot; groups are never parted")
    group_pattern: str | None = option(None, "regular expression whose brackets hold the group in a picture's path, "
                                       "such as 'patient(\\d+)'")
    ignore_empty: bool = option(False, "go on when a class folder holds no picture")
    merge_case: bool = option(False, "take Cat and cat, or two spellings of one accent, as one class")
    edits: str | None = option(None, "file of decisions about pictures: exclude, relabel, regroup (default: "
                               "label_edits.jsonl beside the data, if there is one; none: no decisions)")
    follow_links: bool = option(False, "follow links in a folder, but none that leads out of it or around in a circle")
    max_bad: float = option(0.1, "highest share of unreadable pictures to go on with", low=0.0, high=1.0)
    strict: bool = option(False, "refuse data in which a group or a picture leaks from training into a test, instead "
                          "of moving it")


    def check(self):
        """Refuse a pattern that is none."""
        if self.group_pattern is not None:
            from toolkit.data import names

            try:
                names.checked(self.group_pattern)
            except ValueError as error:
                raise OptionError(f"--group-pattern {self.group_pattern!r}: {error}.") from None
        super().check()


@dataclass(frozen=True, kw_only=True)
class Work:
    """Where and how a run works."""

    run_dir: str | None = option(None, "folder of the run, new or empty (default: a new one under runs/)")
    cache_dir: str | None = option(None, "folder of what all runs share: decoded pictures and frozen features "
                                   "(default: TOOLKIT_STORE, else ~/.cache/toolkit/store)")
    cache_limit: str = option("20GB", "largest size of that folder, unpacked archives among it, such as 500MB; what "
                              "was not used longest goes first, and nothing that a run works with")
    seed: int = option(0, "seed of split, order, augmentation and intervals", low=0, high=2**31 - 1)
    workers: int | None = option(None, "threads that read and augment pictures; results do not depend on it (default: "
                                 "one a core, at most 8)", low=1, high=64)
    device: str = option("auto", "auto, cpu, gpu or gpu:N, the Nth that is visible here, from gpu:0 on")
    resamples: int = option(1000, "bootstrap samples behind each interval", low=100, high=100_000)
    debug: bool = option(False, "show the traceback of an error")

    @property
    def threads(self):
        """How many threads read and augment pictures."""
        return self.workers or min(MOST_THREADS, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity")
                                   else os.cpu_count() or 1)

    def check(self):
        """Refuse a size or a device that is none."""
        if not re.fullmatch(r"auto|cpu|gpu(:\d+)?", self.device):
            raise OptionError(f"--device {self.device!r}: allowed are auto, cpu, gpu and gpu:N.")
        size(self.cache_limit)


@dataclass(frozen=True, kw_only=True)
class Look:
    """Which pictures decide and test, and how a picture looks to the network."""

    test_data: str | None = option(None, "further pictures, given as DATA is, that are the whole test part")
    validation: float = option(0.15, "share of the pictures kept for decisions", low=0.05, high=0.5)
    test: float = option(0.15, "share of the pictures kept for the final scores", low=0.05, high=0.5)
    keep_split: bool = option(False, "take a split that comes with the data as it is, even where it leaks; otherwise "
                              "copies and groups on both sides of it go to the test, or else to validation")
    near_duplicates: str = option("together", "how to split pictures of one scene", choices=("together", "ignore"))
    size: int = option(224, "side of the input", "pixels", low=32, high=1024)
    channels: int = option(3, "channels of the input: 3 for colour, 1 for grey", choices=(1, 3))
    depth: str = option("auto", "what becomes black and white of pictures with more than 8 bits: auto, full, "
                        "percentiles, or two values LOW..HIGH")
    frames: str = option("auto", f"{FRAMES}: auto (the first; of a NIfTI volume the middle one), first, middle, a "
                         "number from 0 on, or all, each a picture of its own")
    resize: str = option("squash", "how a picture becomes square: crop the middle, squash, or pad",
                         choices=("crop", "squash", "pad"))

    def check(self):
        """Refuse shares that leave nothing to train on, what is no depth rule, and two wishes about leaks."""
        if self.keep_split and self.strict:
            raise OptionError("--keep-split and --strict exclude each other: keep a split that leaks, or refuse it.")
        if self.validation + self.test > 0.8:
            raise OptionError(f"--validation {self.validation} and --test {self.test} leave less than a fifth of the "
                              "pictures to train on; lower one of them.")
        quantities.depth(self.depth)
        quantities.frames(self.frames)
        super().check()


@dataclass(frozen=True, kw_only=True)
class Network:
    """Which frozen network looks at the pictures, and how."""

    backbone: str = option("resnet50", "network, as listed by python -m toolkit.backbones")
    weights: str = option("imagenet", "imagenet (the network's default), a tag, a weight file, or none for random")
    refetch: bool = option(False, "download the weights again even if they are here")
    offline: bool = option(False, "never use the network")
    cache_dtype: str = option("float16", "how features are kept", choices=("float16", "float32", "bfloat16"))
    executor: str = option("auto", "what computes frozen features: auto takes OpenVINO on a processor where it is "
                           "installed", choices=("auto", "keras", "openvino"))
    feature_precision: str = option("auto", "arithmetic of frozen features (auto: bfloat16 where OpenVINO runs on a "
                                    "processor that has it)", choices=("auto", "float32", "bfloat16"))


@dataclass(frozen=True)
class Finetune(Network, Look, Data, Work):
    """Fine-tune an ImageNet network on a folder or table of pictures, and measure it honestly."""

    PRESETS = PRESETS

    data: str = positional(f"{DATA}, or sample:cells", default="")

    preset: str = option("balanced", "options to start from, which those that are given replace: fast is the probe "
                         "alone, balanced the defaults, best learns longer from more views", choices=tuple(PRESETS))

    # how it learns
    augment: str = option("light", "policy of random changes while training",
                          choices=("none", "light", "medium", "strong"))
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
    training_precision: str = option("auto", "arithmetic of training; 16 bits are mixed with float32 weights (auto: "
                                     "16 bits on a GPU, and on a processor that multiplies bfloat16)",
                                     choices=("auto", "float32", "bfloat16", "float16"))

    # further evidence
    folds: int = option(0, "also score the probe over all pictures, each by a fit without its fold of so many (0: not)",
                        low=0, high=20)
    fold_repeats: int = option(1, "times the folds are drawn anew; a picture's probabilities are their mean", low=1,
                               high=20)

    # what is computed once
    probe_only: bool = option(False, "end with the probe, the linear read-out of the frozen network")
    cache_views: int | None = option(None, "augmented views of a picture that are kept for the frozen part; 0 augments "
                                     "afresh each epoch (default: by the number of pictures)", low=0, high=64)

    # the run
    resume: bool = option(False, "go on with the stopped run in --run-dir")
    accept_changed_data: bool = option(False, "with --resume: where the data have changed, begin a new run with the "
                                       "same options instead")
    devices: int = option(1, "GPUs of this machine that share the work", low=1, high=64)
    no_wait: bool = option(False, NO_WAIT)

    def check(self):
        """Refuse what only two options together make wrong."""
        super().check()
        if not self.data and not self.resume:
            raise OptionError("DATA is missing: give a folder of class folders, a table, an .npz or sample:cells.")
        if self.resume and not self.run_dir:
            raise OptionError("--resume needs --run-dir, the folder of the run to go on with.")
        if self.rates and self.layer_decay != Finetune.layer_decay:
            raise OptionError("--rates and --layer-decay exclude each other: give the rates one by one, or a decay.")
        if self.weights == "none" and self.train_from == "head":
            raise OptionError("--train-from head with --weights none would leave random features; train all stages.")
        if self.probe_only and self.train_from not in ("auto", "head"):
            raise OptionError(f"--probe-only trains no stage, and --train-from {self.train_from} wants one; leave one "
                              "of them out.")
        if self.weights == "none" and self.probe_only:
            raise OptionError("--probe-only with --weights none would leave random features; train all stages.")
        if self.folds == 1:
            raise OptionError("--folds 1: one fold leaves nothing to fit; give 2 to 20, or 0 for none.")
        if self.fold_repeats > 1 and not self.folds:
            raise OptionError(f"--fold-repeats {self.fold_repeats}: there are no folds to draw anew; give --folds 5.")
        rates(self.rates)
        seconds(self.time_budget)


@dataclass(frozen=True)
class Estimate(Finetune):
    """Tell what each preset of a fine-tuning would take on these pictures and this machine."""

    out: str | None = option(None, "JSON file to write; an earlier estimate is replaced")

    def check(self):
        """Refuse to go on with a run."""
        super().check()
        if self.resume:
            raise OptionError("--resume goes on with a run; what is left of it cannot be estimated.")


@dataclass(frozen=True)
class Predict:
    """Let a finished model look at new pictures; one row a picture."""

    model: str = positional("run folder, or its model.keras or model.json", default="")
    pictures: list[str] = positional("pictures, folders of pictures, or zips of them", default=(), many=True)
    out: str | None = option(None, "CSV file to write; must not exist yet (default: print to the terminal)")
    thumbnails: str | None = option(None, "zip of small copies of the pictures to write, with manifest.csv beside it, "
                                    "which says where each one lies")
    cache_dir: str | None = option(None, "folder in which a zip is unpacked (default: TOOLKIT_STORE, else "
                                   "~/.cache/toolkit/store)")
    batch_size: int = option(32, "pictures at a time", low=1, high=1024)
    frames: str | None = option(None, f"{FRAMES}, as for check (default: as the model learnt)")
    debug: bool = option(False, "show the traceback of an error")

    def check(self):
        """Refuse a call without a model or without pictures."""
        quantities.frames(self.frames)
        if not self.model or not self.pictures:
            raise OptionError("MODEL and at least one picture or folder are wanted: "
                              "python -m toolkit.predict RUN PICTURES...")


@dataclass(frozen=True)
class Heatmaps:
    """Show what in pictures speaks for each class of a finished model; one file a picture."""

    model: str = positional("run folder, or its model.keras or model.json", default="")
    pictures: list[str] = positional("pictures, folders of pictures, or zips of them (default: of the run's own test "
                                     "its mistakes, the surest first, then the least sure right answers)", default=(),
                                     many=True)
    only: str | None = option(None, "the run's own validation or test pictures of these keys, parted by commas; a key "
                              "is the first 16 characters of a picture's sha256")
    limit: int = option(48, "most pictures where none is named", low=1, high=1_000_000)
    out: str | None = option(None, "folder to write to (default: heatmaps in the run folder)")
    frames: str | None = option(None, f"{FRAMES}, as for check (default: as the model learnt)")
    cache_dir: str | None = option(None, "folder in which a zip is unpacked (default: as for predict)")
    debug: bool = option(False, "show the traceback of an error")

    def check(self):
        """Refuse a call without a model, what is no key, and two ways to name pictures."""
        quantities.frames(self.frames)
        if not self.model:
            raise OptionError("MODEL is wanted: python -m toolkit.heatmaps RUN [PICTURES...]")
        if self.only is not None and not re.fullmatch(r"[0-9a-f]{16}(,[0-9a-f]{16})*", self.only):
            raise OptionError(f"--only {self.only[:80]!r}: wanted are keys of 16 hexadecimal characters.")
        if self.only and self.pictures:
            raise OptionError("PICTURES and --only exclude each other: --only names pictures of the run itself.")


@dataclass(frozen=True)
class Evaluate(Data, Work):
    """Measure a finished model on labelled pictures that it has not seen."""

    model: str = positional("run folder, or its model.keras or model.json", default="")
    data: str = positional(DATA, default="")
    frames: str | None = option(None, f"{FRAMES}, as for check (default: as the model learnt)")
    no_wait: bool = option(False, NO_WAIT)

    def check(self):
        """Refuse a call without a model or without data."""
        quantities.frames(self.frames)
        super().check()
        if not self.model or not self.data:
            raise OptionError("MODEL and DATA are wanted: python -m toolkit.evaluate RUN PICTURES")


@dataclass(frozen=True)
class Check(Network, Look, Data, Work):
    """Look at the data as a run would, and say what is wrong with them; nothing is trained."""

    data: str = positional(f"{DATA}, or sample:cells", default="")
    out: str | None = option(None, "another name of --run-dir")
    no_features: bool = option(False, "leave out what needs a network: label errors and outliers")

    def check(self):
        """Refuse a call without data, and two folders."""
        super().check()
        if not self.data:
            raise OptionError("DATA is missing: give a folder of class folders, a table, an .npz or sample:cells.")
        if self.out and self.run_dir:
            raise OptionError("--out and --run-dir name the same folder; leave one out.")
        if self.weights == "none" and not self.no_features:
            raise OptionError("--weights none would look at the pictures with random features; give weights, or "
                              "--no-features.")


@dataclass(frozen=True)
class Dashboard:
    """Bring pictures, start and watch runs, look at results and use models in a browser, on this computer."""

    runs: str | None = option(None, "folder of runs (default: TOOLKIT_RUNS, else runs)")
    host: str = option("127.0.0.1", "address to listen on; any other than this computer's own opens the dashboard to "
                       "its network")
    port: int | None = option(None, "port to listen on (default: the first that is free from 8501 on)", low=1,
                              high=65_535)
    no_browser: bool = option(False, "open no browser")
    login: bool = option(False, "people log in with an OpenID Connect provider, instead of the secret in the address")
    allow: str | None = option(None, "further names under which browsers reach this computer, parted by commas")
    upload_limit: str = option("20GB", "largest upload, such as 500MB")
    debug: bool = option(False, "show the traceback of an error")

    def check(self):
        """Refuse a limit that is no size."""
        size(self.upload_limit, "--upload-limit")
