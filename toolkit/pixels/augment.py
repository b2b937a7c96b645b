"""Named augmentation policies, each drawn from (seed, view, index) alone.

| policy | what varies |
| --- | --- |
| none | nothing |
| light | mirrored left-right; turned +-10 degrees, scaled 0.9..1.1, moved 5 %; brightness and contrast +-10 % |
| medium | mirrored left-right; turned +-20 degrees, scaled 0.8..1.2, moved 8 %, sheared 5 degrees; brightness and \
contrast +-20 %, gamma 0.8..1.25; colour pictures: hue +-8, saturation +-20; one in five blurred or noisy |
| strong | mirrored both ways; turned +-45 degrees, scaled 0.7..1.3, moved 10 %, sheared 10 degrees; brightness and \
contrast +-30 %, gamma 0.7..1.4; colour pictures: hue +-15, saturation +-30; one in three blurred, one in three noisy; \
half with one to three patches of 10..20 % of a side erased |

Light and medium never turn a picture upside down: radiographs and ultrasound have an up. Strong does, for pictures
that have none (cells, surfaces, castings seen from above). Brightness moves little, because density is a finding.
Borders are mirrored in, so that no black corner tells that a picture was turned. Grey pictures, with one channel or
three equal ones, are changed as grey: no colour appears in them.
"""

import hashlib
import os
import threading

import numpy as np

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # it would ask the network for newer versions at import

import albumentations as A  # noqa: E402
import cv2  # noqa: E402

cv2.setNumThreads(0)  # the workers are the threads; OpenCV's own would only compete with them

_of_thread = threading.local()  # a Compose holds its random state: one for each thread


def augment(policy, pixels, seed, view, index):
    """uint8 (height, width, 1 or 3) -> the same shape, a function of its arguments only.

    `view`: which variant of the picture, such as the epoch; `index`: the picture. Raises ValueError for an unknown
    policy.
    """
    if policy == "none":
        return pixels.copy()
    if policy not in POLICIES:
        raise ValueError(f"augmentation {policy!r}; allowed: {', '.join(POLICIES)}")
    grey = pixels.shape[2] == 1 or bool((pixels == pixels[..., :1]).all())
    compose = _composed(policy, grey)
    digest = hashlib.blake2b(f"{seed}/{view}/{index}".encode(), digest_size=4).digest()
    compose.set_random_seed(int.from_bytes(digest, "big"))
    source = np.ascontiguousarray(pixels[..., :1] if grey else pixels)
    changed = compose(image=source)["image"].reshape(source.shape)
    if grey and pixels.shape[2] > 1:
        return np.repeat(changed, pixels.shape[2], axis=2)
    return changed.copy() if np.may_share_memory(changed, pixels) else changed  # no transform may have been drawn


def _composed(policy, grey):
    built = _of_thread.__dict__.setdefault("built", {})
    if (policy, grey) not in built:
        built[policy, grey] = A.Compose(POLICIES[policy](grey), seed=0)
    return built[policy, grey]


def _none(grey):
    return []


def _light(grey):
    return [A.HorizontalFlip(p=0.5), _moved(turn=10, scale=(0.9, 1.1), shift=0.05, shear=0),
            A.RandomBrightnessContrast(brightness_limit=0.1, contrast_limit=0.1, p=0.5)]


def _medium(grey):
    return [A.HorizontalFlip(p=0.5), _moved(turn=20, scale=(0.8, 1.2), shift=0.08, shear=5),
            A.RandomBrightnessContrast(brightness_limit=0.2, contrast_limit=0.2, p=0.6),
            A.RandomGamma(gamma_limit=(80, 125), p=0.3), *_stained(grey, hue=8, saturation=20),
            A.OneOf([A.GaussianBlur(blur_limit=0, sigma_limit=(0.4, 1.2)),
                     A.GaussNoise(std_range=(0.01, 0.04))], p=0.2)]


def _strong(grey):
    return [A.HorizontalFlip(p=0.5), A.VerticalFlip(p=0.5), _moved(turn=45, scale=(0.7, 1.3), shift=0.1, shear=10),
            A.RandomBrightnessContrast(brightness_limit=0.3, contrast_limit=0.3, p=0.7),
            A.RandomGamma(gamma_limit=(70, 140), p=0.3), *_stained(grey, hue=15, saturation=30),
            A.OneOf([A.GaussianBlur(blur_limit=0, sigma_limit=(0.5, 2.0)), A.MotionBlur(blur_limit=(3, 5))], p=0.33),
            A.GaussNoise(std_range=(0.01, 0.06), p=0.33),
            A.CoarseDropout(num_holes_range=(1, 3), hole_height_range=(0.1, 0.2), hole_width_range=(0.1, 0.2),
                            fill="random_uniform", p=0.5)]


def _moved(turn, scale, shift, shear):
    return A.Affine(rotate=(-turn, turn), scale=scale, translate_percent=(-shift, shift), shear=(-shear, shear),
                    keep_ratio=True, border_mode=cv2.BORDER_REFLECT_101, p=0.8)


def _stained(grey, hue, saturation):
    return [] if grey else [A.HueSaturationValue(hue_shift_limit=hue, sat_shift_limit=saturation, val_shift_limit=0,
                                                 p=0.5)]


POLICIES = {"none": _none, "light": _light, "medium": _medium, "strong": _strong}
