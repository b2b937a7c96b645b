"""Small sets that lie as the cards say: archives and arrays for a local server, and a card that points at them."""

import hashlib
import io
import json
import re
import shlex
import tarfile
import tomllib
import zipfile

import numpy as np
from PIL import Image

CLASS_FOLDERS = {  # name of a card -> path of a picture of class {c} (of the part {p}), number {n} in {group}
    "colorectal-textures": "Kather_texture_2016_image_tiles_5000/0{c}_TUMOR/1A{n}_CRC-Prim-HE-0{g}_022.tif",
    "malaria-cells": "cell_images/Kind{c}/C{g}P1thinF_IMG_20150619_114756a_cell_{n}.png",
    "busi": "Dataset_BUSI_with_GT/{busi}/{busi} ({n}).png",
    "beans": "{p}/kind{c}/{p}.{n}.jpg",
    "cassava": "cassavaleafdata/{p}/kind{c}/{p}-{n}.jpg",
    "plantvillage": "Plant_leave_diseases_dataset_without_augmentation/Leaf___{c}/image ({n}).JPG",
    "eurosat": "2750/Kind{c}/Kind{c}_{n}.jpg",
    "uc-merced": "UCMerced_LandUse/Images/kind{c}/kind{c}{n}.tif",
    "dtd": "dtd/images/kind{c}/kind{c}_{n}.jpg",
    "kth-tips": "KTH_TIPS/kind{c}/{c}-scale_{g}_im_{n}_col.png",
    "magnetic-tiles": "Magnetic-tile-defect-datasets.-master/MT_Kind{c}/Imgs/exp1_num_{n}.jpg",
    "elpv": "elpv_dataset/data/images/cell{c}{n}.png"}
BESIDE = {"busi": "Dataset_BUSI_with_GT/benign/benign (1)_mask.png", "malaria-cells": "cell_images/Kind1/Thumbs.db",
          "plantvillage": "Plant_leave_diseases_dataset_without_augmentation/Background_without_leaves/image (1).jpg",
          "magnetic-tiles": "Magnetic-tile-defect-datasets.-master/MT_Kind1/Imgs/exp1_num_1.png"}
PARTS = ("train", "validation", "test")
LISTS = {"eurosat": "eurosat-{0}.txt", "uc-merced": "uc_merced-{0}.txt", "dtd": "dtd/labels/{0}1.txt"}
SHORT = {"train": "train", "validation": "val", "test": "test"}
EACH = 6     # pictures of a class in a part
NOISE = 150  # pixels of a side: no archive is so small that a cut leaves nothing


def picture(number, suffix):
    """Bytes of a picture of noise."""
    pixels = np.random.default_rng(number).integers(0, 256, (NOISE, NOISE, 3), np.uint8)
    file = io.BytesIO()
    kinds = {"jpg": "JPEG", "tif": "TIFF", "png": "PNG"}
    Image.fromarray(pixels).save(file, kinds[suffix.lower()], **({"quality": 95} if suffix.lower() == "jpg" else {}))
    return file.getvalue()


def pictures(name):
    """{part: {path: bytes}} of two classes as card `name` has them."""
    found, number = {}, 0
    for part in PARTS:
        found[part] = {}
        for kind in (1, 2):
            for one in range(EACH):
                number += 1
                path = CLASS_FOLDERS[name].format(c=kind, p=part, n=number, g=1 + one % 4,
                                                  busi=("benign", "malignant")[kind - 1])
                found[part][path] = picture(number, path.rpartition(".")[2])
    return found


def arrays(card, file):
    """A MedMNIST file: two classes, or as many columns as a card of several labels has."""
    side = file.size or 224
    rng, made = np.random.default_rng(0), {}
    for part in ("train", "val", "test"):
        shape = (max(4, 300_000 // side**2), side, side, 3)
        made[f"{part}_images"] = rng.integers(0, 256, shape, np.uint8)
        columns = card.classes if card.task == "multi-label" else 1
        labels = np.tile([[0] * columns, [1] * columns], (shape[0] // 2 + 1, 1))
        made[f"{part}_labels"] = labels[:shape[0]].astype(np.uint8)
    body = io.BytesIO()
    np.savez(body, **made)
    return body.getvalue()


def packed(name, files):
    """An archive of {path: bytes} of the kind that `name` says; a .tar.gz may be a plain tar, as one publisher's is."""
    body = io.BytesIO()
    if ".tar" in name or name.endswith(".tgz"):
        with tarfile.open(fileobj=body, mode="w") as tar:
            for path, data in files.items():
                info = tarfile.TarInfo(path)
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
    else:
        with zipfile.ZipFile(body, "w") as archive:
            for path, data in files.items():
                archive.writestr(path, data)
    return body.getvalue()


def bodies(card, files):
    """{file name: bytes} of a stand-in for `files` of `card`."""
    if files[0].file.endswith(".npz"):
        return {file.file: arrays(card, file) for file in files}
    parts = pictures(card.name)
    everything = {path: data for part in PARTS for path, data in parts[part].items()}
    if card.name in BESIDE:
        everything[BESIDE[card.name]] = picture(0, "png")
    made = {}
    if card.name in LISTS:
        for part in PARTS:
            ends = [path.split("/", 2)[2] if card.name == "dtd" else path.rpartition("/")[2] for path in parts[part]]
            made[LISTS[card.name].format(SHORT[part])] = "\n".join(ends).encode()
    if card.table and card.table.list:
        grades = dict(zip(("1", "2"), card.table.names))
        ends = [path.removeprefix(f"{card.table.under}/") for path in everything]
        rows = [f"{end}  {grades[end[len('images/cell')]]}  mono" for end in ends]
        everything[card.table.list] = "\n".join(rows).encode()
    inside = {name: data for name, data in made.items() if "/" in name}
    made = {name: data for name, data in made.items() if "/" not in name}
    if len(files) == 3 and card.name == "beans":
        return {f"{part}.zip": packed("x.zip", parts[part]) for part in PARTS}
    return {files[0].file: packed(files[0].file, everything | inside)} | made


def toml(value):
    """A value as TOML."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {toml(one)}" for key, one in value.items()) + "}"
    return "[" + ", ".join(map(toml, value)) + "]" if isinstance(value, list) else json.dumps(value)


def rewritten(card, folder, made, url, harm=()):
    """Path of a copy of `card` whose files of `made` come from `url`, with their checksums; wrong ones for `harm`."""
    values = tomllib.loads(card.path.read_text("utf-8"))
    for file in values["files"]:
        if file["file"] in made:
            body = made[file["file"]]
            file |= {"urls": [f"{url}{file['file']}"], "bytes": len(body), "md5": hashlib.md5(body).hexdigest(),
                     "sha256": "0" * 64 if file["file"] in harm else hashlib.sha256(body).hexdigest()}
    path = folder / card.name / "card.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(f"{key} = {toml(value)}" for key, value in values.items()), encoding="utf-8")
    return path


def commands(text):
    """The arguments of each `python -m toolkit.X` line that was printed."""
    return {line.split("toolkit.")[1].split()[0]: shlex.split(line)[3:] for line in text.splitlines()
            if re.match(r"  python -m toolkit\.\w+ ", line)}
