"""A heat map as a picture to lay over another: colour and cover say how much a place speaks for a class."""

import io

import numpy as np

from toolkit.explain import stored

HEAT = np.array([[84, 16, 110], [180, 44, 92], [236, 98, 46], [252, 172, 40], [252, 242, 150]])  # weak to strong
COVER = 0.85     # of the strongest places
FAINT = 0.06     # share of the largest value below which nothing is laid over
LONGEST = 448    # pixels of the longer side of a whole picture's overlay


def overlay(maps, class_index):
    """RGBA uint8 (rows, columns, 4): what speaks for a class, from `maps` (classes, rows, columns).

    Colours rise in lightness, so that any eyes can tell them apart. What speaks against the class is clear. Strength
    is relative to the largest value of all classes of this picture: maps of two classes compare, those of two pictures
    do not.
    """
    maps = np.asarray(maps, np.float32)
    largest = maps.max()
    strength = np.clip(maps[class_index] / largest, 0, 1) if largest > 0 else np.zeros(maps.shape[1:], np.float32)
    return painted(strength)


def painted(strength):
    """RGBA uint8 (rows, columns, 4) of strengths 0..1."""
    steps = np.linspace(0, 1, len(HEAT))
    colours = [np.interp(strength, steps, HEAT[:, channel]) for channel in range(3)]
    cover = 255 * COVER * np.clip((strength - FAINT) / (1 - FAINT), 0, 1) ** 0.7
    return np.rint(np.stack([*colours, cover], -1)).astype(np.uint8)


def png(maps, class_index):
    """PNG of `overlay`, over the square that the model saw."""
    from PIL import Image

    return packed(Image.fromarray(overlay(maps, class_index)))


def laid(run_folder, key, class_index):
    """PNG to stretch over a whole picture of a run: clear where the model did not see it.

    None where the picture has no heat maps, or they no such class. Raises UntrustedError where they are damaged.
    """
    from toolkit.run import paths

    found = stored.read(paths(run_folder).heatmaps, key)
    if found is None or not 0 <= class_index < len(found.maps):
        return None
    return packed(on_whole(overlay(found.maps, class_index), found.place))


def on_whole(colours, place):
    """A PIL image of the proportions of a whole picture, on which the square `colours` lies at `place`.

    place: left, top, right and bottom, as shares of the picture's sides.
    """
    from PIL import Image

    image, (left, top, right, bottom) = Image.fromarray(colours), place
    wide, high = 1 / (right - left), 1 / (bottom - top)     # of the picture, in sides of the square
    unit = LONGEST / max(wide, high, 1)
    size = max(1, round(wide * unit)), max(1, round(high * unit))
    box = (-left * image.width * wide, -top * image.height * high)
    across, down = image.width * wide / size[0], image.height * high / size[1]
    return image.transform(size, Image.Transform.AFFINE, (across, 0, box[0], 0, down, box[1]),
                           Image.Resampling.BILINEAR)


def packed(image):
    """PNG of a PIL image."""
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()
