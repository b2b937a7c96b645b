"""A picture of any size -> the network's square, the same way in training and prediction."""

import numpy as np
from PIL import Image

RULES = {
    "crop": "the largest centred square, then resized: shapes stay true, the ends of the long side are lost",
    "squash": "resized to a square: everything stays visible, shapes are stretched",
    "pad": "resized to fit and the rest filled by repeating the border pixels: shapes true, everything visible",
}


def fit(pixels, size, channels, rule):
    """uint8 (height, width, 1 or 3) of any size -> uint8 (size, size, channels): `resize`, then `to_channels`."""
    return to_channels(resize(pixels, size, rule), channels)


def resize(pixels, size, rule):
    """uint8 (height, width, 1 or 3) -> uint8 (size, size, same channels), by a row of RULES.

    Bilinear with the filter widened by the reduction (Pillow), so that small things are averaged, never skipped.
    """
    height, width = pixels.shape[:2]
    if rule == "crop":
        side = min(height, width)
        top, left = (height - side) // 2, (width - side) // 2
        return _scaled(pixels[top:top + side, left:left + side], size, size)
    if rule == "squash":
        return _scaled(pixels, size, size)
    if rule == "pad":
        longest = max(height, width)
        rows, columns = (max(1, round(side * size / longest)) for side in (height, width))
        top, left = (size - rows) // 2, (size - columns) // 2
        return np.pad(_scaled(pixels, rows, columns),
                      ((top, size - rows - top), (left, size - columns - left), (0, 0)), mode="edge")
    raise ValueError(f"resize rule {rule!r}; allowed: {', '.join(RULES)}")


def place(width, height, size, rule):
    """(left, top, right, bottom) of the square that `fit` makes on a picture of width x height, in shares of its sides.

    What reaches beyond 0..1 was filled; what of the picture lies outside was lost.
    """
    if rule == "crop":
        side = min(height, width)
        left, top = (width - side) // 2, (height - side) // 2
        return left / width, top / height, (left + side) / width, (top + side) / height
    if rule == "squash":
        return 0.0, 0.0, 1.0, 1.0
    longest = max(height, width)
    rows, columns = (max(1, round(side * size / longest)) for side in (height, width))
    left, top = (size - columns) // 2, (size - rows) // 2
    return -left / columns, -top / rows, (size - left) / columns, (size - top) / rows


def to_channels(pixels, channels):
    """uint8 (height, width, 1 or 3) -> (height, width, channels): grey repeated, colour by ITU-R 601 luma."""
    if channels not in (1, 3):
        raise ValueError(f"{channels} channels; a picture can be given as 1 or 3")
    if pixels.shape[2] == channels:
        return pixels
    if channels == 3:
        return np.repeat(pixels, 3, axis=2)
    return np.asarray(Image.fromarray(np.ascontiguousarray(pixels)).convert("L"))[..., None]


def _scaled(pixels, rows, columns):
    if pixels.shape[:2] == (rows, columns):
        return np.ascontiguousarray(pixels)
    grey = pixels.shape[2] == 1
    image = Image.fromarray(np.ascontiguousarray(pixels[..., 0] if grey else pixels))
    scaled = np.asarray(image.resize((columns, rows), Image.Resampling.BILINEAR))
    return scaled[..., None] if grey else np.array(scaled)
