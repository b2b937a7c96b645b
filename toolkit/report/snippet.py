"""A few lines of Python that use a model where this package is not installed, made for its own input."""

import re

OPENED = ("import keras, numpy as np", "from PIL import Image, ImageOps", "",
          "model = keras.saving.load_model(MODEL, compile=False)",
          "picture = ImageOps.exif_transpose(Image.open(PICTURE)).convert('RGB')")
FITS = {
    "squash": ("picture = picture.resize((SIZE, SIZE), Image.Resampling.BILINEAR)",),
    "crop": ("side = min(picture.size)",
             "left, top = (picture.width - side) // 2, (picture.height - side) // 2",
             "picture = picture.crop((left, top, left + side, top + side))",
             "picture = picture.resize((SIZE, SIZE), Image.Resampling.BILINEAR)"),
    "pad": ("longest = max(picture.size)",
            "wide, high = (max(1, round(side * SIZE / longest)) for side in picture.size)",
            "picture = picture.resize((wide, high), Image.Resampling.BILINEAR)"),
}
EDGES = ("left, top = (SIZE - wide) // 2, (SIZE - high) // 2",
         "pixels = np.pad(pixels, ((top, SIZE - high - top), (left, SIZE - wide - left), (0, 0)), 'edge')")
ASKED = ("probabilities = model.predict(pixels[None])[0]",
         "print(dict(zip(CLASSES, probabilities.tolist())))")


def python(facts, path, picture="new.png", names=None):
    """Lines that give the probabilities of a picture by the .keras file `path`; facts: those of model.json.

    names: an expression for the classes, where they are not to stand in the lines. The lines are right for pictures of
    8 bits a channel without transparency or colour profile. Raises ValueError where the input is none that pictures are
    made for.
    """
    wanted = facts["input"]
    size, channels, rule = wanted["height"], wanted["channels"], wanted["resize"]
    if wanted["width"] != size or channels not in (1, 3) or rule not in FITS:
        raise ValueError(f"an input of {size} x {wanted['width']} x {channels} by {rule}")
    array = "picture" if channels == 3 else "picture.convert('L')"
    lines = (*OPENED, *FITS[rule], f"pixels = np.asarray({array}){'' if channels == 3 else '[..., None]'}",
             *(EDGES if rule == "pad" else ()), *ASKED)
    given = {"SIZE": size, "MODEL": repr(str(path)), "PICTURE": repr(picture),
             "CLASSES": names or list(facts["classes"])}
    return "\n".join(re.sub("|".join(given), lambda found: str(given[found[0]]), line) for line in lines)
