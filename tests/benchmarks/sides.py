"""The two sides of a race on the same pictures and the same split: our command, and the peers' scripts."""

import json
import shutil
import sys
import tempfile
from pathlib import Path

from harness import child, command, last_json
from tables import first, rows_of, write

SETS = {  # name: (folder of pictures, table, its label column)
    "busi": ("busi/images", "busi/near_duplicates.csv", "label"),
    "breastmnist": ("busi/images", "busi/breastmnist_split_map.csv", "breastmnist_label"),
    "magnetic_tile": ("magnetic_tile/images", "magnetic_tile/near_duplicates.csv", "label"),
}

MARKS = {"began_tuning_cpu": "Tuning ", "scored_cpu": "test pictures, used once"}  # what our command says then


def finetune(options):
    """The beginning of our command line."""
    return [sys.executable, "-m", "toolkit.finetune", "--backbone", options.backbone, "--weights", options.weights,
            "--offline", "--device", "cpu"]


class Sides:
    """Runs either side; folders of runs and caches lie in a temporary folder, split files beside the figures."""

    def __init__(self, options):
        self.options, self.shared = options, Path(options.shared)
        if not (self.shared / "data").is_dir():
            sys.exit(f"no {self.shared / 'data'}: --shared or TOOLKIT_SHARED names the folder with data/ and peers/")
        if not options.weights:
            sys.exit("--weights FILE is needed: both sides begin from the same numbers")
        self.splits = Path(f"{options.out}.splits")
        self.kept = tempfile.TemporaryDirectory(prefix="benchmark-")
        self.folder = Path(self.kept.name)

    def root(self, name):
        """Folder that the paths of a set start from."""
        return self.shared / "data" / SETS[name][0]

    def table(self, name, seed=0):
        """CSV (path, file, label, split) that both sides read.

        The official split where there is one, else the one that our command makes with `seed`, near copies of a picture
        kept on one side. --limit leaves the first pictures of each class and part.
        """
        limit = getattr(self.options, "limit", 0)
        path = self.splits / f"{name}-{seed}{f'-{limit}' if limit else ''}.csv"
        if not path.exists():
            rows = rows_of(self.shared / "data" / SETS[name][1])
            label = SETS[name][2]
            found = [(row["file"], row[label], row["split"]) for row in rows] if "split" in rows[0] \
                else self.split(name, rows, seed)
            write(path, ("path", "file", "label", "split"), first(found, limit))
        return path

    def split(self, name, rows, seed):
        """(file, label, part) as our command splits the set."""
        whole, run = self.folder / f"{name}-{seed}.csv", self.folder / f"split-{name}-{seed}"
        write(whole, ("path", "label", "group"), [(row["file"], row["label"], row["group"]) for row in rows])
        child(Path(__file__).with_name("inside.py"), table=str(whole), root=str(self.root(name)), run=str(run),
              seed=seed)
        return [(row["path"], row["label"], row["split"]) for row in rows_of(run / "manifest.csv")]

    def ours(self, name, seed, cache, *more):
        """Our command on a set; `cache` names a cache folder, empty at its first use, or is None for a fresh one."""
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        store = self.folder / f"cache-{cache}" if cache else folder / "cache"
        _, cost = command([*finetune(self.options), self.table(name, seed), "--root", self.root(name), "--seed", seed,
                           "--cache-dir", store, "--run-dir", folder / "run", *more], MARKS)
        told = json.loads((folder / "run" / "metrics.json").read_text())
        events = [json.loads(line) for line in (folder / "run" / "events.jsonl").read_text().splitlines()]
        shutil.rmtree(folder)
        row = cost | {"auc": auc(told), "probe_auc": auc(told["probe"]), "chosen": told["chosen"]}
        if "--probe-only" not in more:  # where no epoch lowered the validation loss, tuning ends where it began
            row |= {"tuned_auc": auc(told.get("tuned") or told["probe"]), "tune": told["seconds"]["tune"]}
            if row.get("scored_cpu") and row.get("began_tuning_cpu"):
                row["tune_cpu"] = row["scored_cpu"] - row["began_tuning_cpu"]  # measuring the tuned network included
            row["tuned_loss"] = min((event["value"] for event in events if event.get("name") == "validation_loss"),
                                    default=None)
        return row | {"accuracy": told["test"]["accuracy"]["value"]}

    def warm(self, name, seed, cache, *more):
        """Our command once more on a cache that holds all it needs, which goes afterwards."""
        if not (self.folder / f"cache-{cache}").exists():
            self.ours(name, seed, cache, *more)
        row = self.ours(name, seed, cache, *more)
        shutil.rmtree(self.folder / f"cache-{cache}")
        return row

    def peer(self, script, name, seed, *more):
        """A peer's script on the same set; "inner_cpu" is the figure that it prints, without its imports."""
        if not self.options.peers_env:
            sys.exit("--peers-env DIR is needed: peers/make_env.sh makes it")
        side = "keras" if script == "keras_guide" else "torch"
        text, cost = command([Path(self.options.peers_env) / side / "bin" / "python",
                              self.shared / "peers" / f"{script}.py", "--images", self.root(name), "--split",
                              self.table(name, seed), "--arch", self.options.backbone, "--weights",
                              self.options.weights, "--fit", self.options.fit, "--seed", seed, *more])
        told = last_json(text)
        return cost | {"inner_cpu": told["cpu_seconds"], "auc": told["auc"], "accuracy": told["accuracy"]}


def auc(block):
    """Test AUC of a block of metrics.json."""
    return block["test"]["roc_auc"]["value"]
