"""A Pillow image of any kind of colour -> grey or RGB, upright and without transparency."""

import io

import numpy as np
from PIL import Image, ImageCms, ImageOps

from toolkit.pixels import depth as depths
from toolkit.pixels.values import Refused


def upright(image, notes):
    """Apply EXIF orientation; TIFF has had it applied by Pillow in load()."""
    try:
        orientation = image.getexif().get(0x0112, 1)
        if orientation in range(2, 9):
            image = ImageOps.exif_transpose(image)
            notes.append(f"turned upright (EXIF orientation {orientation})")
    except Exception:  # hostile EXIF: the pixels are whole, only their turn is unknown
        notes.append("EXIF data damaged, orientation not applied")
    return image


def pixels(image, notes):
    """uint8 (height, width, 1 or 3) of an image of 8 bits a value. Raises Refused."""
    mode = image.mode
    if mode == "1":
        notes.append("1-bit: 0 and 255")
        image = image.convert("L")
    elif mode in ("P", "PA"):
        notes.append("palette applied")
        image = image.convert("RGBA" if mode == "PA" or "transparency" in image.info else "RGB")
    elif mode in ("L", "RGB") and "transparency" in image.info:
        image = image.convert(mode + "A")
    elif mode in ("La", "RGBa"):
        image = image.convert(mode.upper())
    image = _colours(image, notes)
    if image.mode in ("LA", "RGBA"):
        image = over_white(image, notes)
    if image.mode not in ("L", "RGB"):
        raise Refused(f"pixel mode {image.mode} is not known")
    return array(image)


def _colours(image, notes):
    """Anything coloured to RGB (alpha kept), through the embedded profile where it has one that is not sRGB."""
    profile = image.info.get("icc_profile")
    if image.mode in ("RGB", "RGBA", "CMYK") and profile and b"sRGB" not in profile[:4096] \
            and b"s\0R\0G\0B" not in profile[:4096]:
        try:
            changed = ImageCms.profileToProfile(image, ImageCms.ImageCmsProfile(io.BytesIO(profile)), _srgb(),
                                                outputMode="RGB" if image.mode == "CMYK" else image.mode)
            notes.append(f"{image.mode[:4]} converted to sRGB by its colour profile")
            return changed
        except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
            notes.append("colour profile not usable, ignored")
    if image.mode == "LAB":
        notes.append("Lab converted to RGB")
        return ImageCms.profileToProfile(image, ImageCms.createProfile("LAB"), _srgb(), outputMode="RGB")
    if image.mode in ("CMYK", "YCbCr", "HSV", "RGBX"):
        notes.append(f"{image.mode} converted to RGB")
        return image.convert("RGB")
    return image


def _srgb():
    return ImageCms.createProfile("sRGB")


def over_white(image, notes):
    """An image without its transparency."""
    alpha = image.getchannel("A")
    low, high = alpha.getextrema()
    solid = "L" if image.mode == "LA" else "RGB"
    if high == 0:
        notes.append("alpha is 0 everywhere, ignored")
    elif low < 255:
        notes.append("transparency laid over white")
        white = Image.new(solid, image.size, "white")
        white.paste(image.convert(solid), mask=alpha)
        return white
    if "transparency" in image.info:
        image.info.pop("transparency")
    return image.convert(solid)


def band(image, top, bottom):
    """Rows `top` to `bottom` of an image as an array."""
    return np.asarray(image.crop((0, top, image.width, bottom)))


def array(image):
    """uint8 (height, width, 1 or 3), copied in bands: a whole copy of 100 megapixels would double the memory."""
    found = np.empty((image.height, image.width, len(image.mode)), np.uint8)
    for top, bottom in depths.bands(image.height, image.width):
        found[top:bottom] = band(image, top, bottom).reshape(bottom - top, image.width, -1)
    return found
