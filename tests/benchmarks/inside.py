"""The steps of a run one by one, as the command takes them, so that a part can be measured without the rest."""

import json
import os
import sys
from dataclasses import asdict
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from toolkit import commandline, options
from toolkit.training import device


class Inside:
    """A run in `folder` with the options of our command; each step is a call, in the order below."""

    def __init__(self, folder, *arguments):
        from toolkit.features.store import Store
        from toolkit.progress import Progress
        from toolkit.run import Run
        from toolkit.steps import learn, look, tuning
        from toolkit.tasks import classification

        given = [*arguments, "--offline", "--device", "cpu", "--run-dir", folder]
        self.chosen = commandline.parse(options.Finetune, "finetune", [str(argument) for argument in given])
        device.before_import("cpu")
        self.learn, self.look, self.tuning, self.task = learn, look, tuning, classification
        self.run = Run.create(Path(folder), "finetune", asdict(self.chosen))
        self.run.note(device="cpu")
        self.progress = Progress(self.run, {})
        self.store = Store(self.chosen.cache_dir, options.size(self.chosen.cache_limit), self.run.scratch, self.run.say)

    def network(self, classes):
        """The network with a head of `classes` zeros; needs no pictures."""
        from types import SimpleNamespace

        case = SimpleNamespace(classes=range(classes), samples=SimpleNamespace(kind="sample"))
        return self.learn.network(self.chosen, case, self.task, self.run)

    def pictures(self):
        """All pictures read, decoded, split and looked at."""
        samples = self.look.listed(self.chosen)
        return self.look.read(self.chosen, samples, self.task, self.store, self.run, self.progress)

    def decoded(self):
        """All pictures read and decoded, in the parts that their table names, and nothing else found out about them."""
        from toolkit.data import splits
        from toolkit.pixels.depth import Depth

        depth = Depth.of(self.chosen.depth)
        samples, pixels = self.look.pictures(self.chosen, self.look.listed(self.chosen), self.store,
                                             self.progress.start("read", ""), depth)
        labels, part = samples.rows["label"].to_numpy(), samples.rows["split"].to_numpy(object)
        samples.rows["bound"] = splits.bind(samples.rows["group"], samples.rows["sha256"])
        return self.look.Case(samples, pixels, samples.classes, self.task.encode(labels, samples.classes), part, [],
                              depth)

    def features(self, case, net):
        """The frozen network's features of all pictures."""
        return self.learn.features(self.chosen, case, net, self.store, self.run, self.progress)


def split(table, root, run, seed):
    """Let the run folder hold manifest.csv with the split that our command makes; small pixels do for that."""
    inside = Inside(run, table, "--root", root, "--seed", seed, "--size", 32, "--cache-limit", 0)
    inside.pictures()
    inside.store.close()
    return {"classes": len(inside.look.listed(inside.chosen).classes)}


if __name__ == "__main__":
    print(json.dumps(split(**json.loads(sys.argv[2]))))
