"""Transfer learning on small sets of domain pictures, with numbers that stand before a reviewer.

The face other projects use; each name is imported when it is first asked for.
"""

import importlib

__version__ = "0.1.0"
_FACE = {
    "backbones": ("toolkit.backbones", None),      # backbones.build("resnet50", weights="imagenet")
    "finetune": ("toolkit.finetune", None),        # finetune.finetune(Finetune(...)) -> run folder
    "load": ("toolkit.artifact", "load"),          # load(run) -> (keras model, facts)
    "Finetune": ("toolkit.options", "Finetune"),
}
__all__ = sorted(_FACE)


def __getattr__(name):
    if name not in _FACE:
        raise AttributeError(f"module 'toolkit' has no attribute {name!r}; it has {', '.join(__all__)}")
    module, attribute = _FACE[name]
    found = importlib.import_module(module)
    return getattr(found, attribute) if attribute else found
