"""What a benchmark ran on: processor, memory, system and versions, without importing any of what is measured."""

import json
import os
import platform
import re
import subprocess
import sys
from pathlib import Path

OURS = ("tensorflow", "keras", "openvino", "numpy", "scipy", "scikit-learn", "albumentations")
PEERS = {"torch": ("torch", "torchvision", "fastai", "scikit-learn"), "keras": ("keras", "tensorflow-cpu")}
FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8")


def machine(repository, peers_env=None):
    """Processor, memory, system, commit and versions on both sides."""
    text = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    model, flags = (re.search(rf"^{key}\s*: (.*)$", text, re.M) for key in ("model name", "flags"))
    known = flags[1].split() if flags else ()
    versions = {"toolkit": asked(["git", "-C", repository, "describe", "--always", "--dirty"]).strip(),
                **versions_of(sys.executable, OURS)}
    for side, names in (PEERS.items() if peers_env else ()):
        versions[f"peers' {side}"] = versions_of(Path(peers_env) / side / "bin" / "python", names)
    return {"processor": model[1] if model else platform.processor(), "cores": os.cpu_count(),
            "flags": [flag for flag in FLAGS if flag in known], "system": platform.platform(terse=True),
            "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
            "python": platform.python_version(), "versions": versions}


def versions_of(python, names):
    """{package: version} of what is installed beside an interpreter."""
    code = ("import json, sys\nfrom importlib.metadata import distributions\n"
            "print(json.dumps({d.name: d.version for d in distributions() if d.name in sys.argv[1:]}))")
    return json.loads(asked([python, "-c", code, *names]) or "{}")


def asked(arguments):
    """Standard output of a small question to the system; "" where it has no answer."""
    try:
        return subprocess.run([str(a) for a in arguments], capture_output=True, text=True).stdout
    except OSError:
        return ""
