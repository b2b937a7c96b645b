"""PyTorch's side of `step`, and the pictures in memory that it shares with the bare one."""

BATCH, SIZE, CLASSES = 16, 224, 2


def pixels(count):
    """uint8 (count, 224, 224, 3) and class numbers."""
    import numpy as np

    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (count, SIZE, SIZE, 3), np.uint8), rng.integers(0, CLASSES, count)


def torch(backbone, norms):
    """PyTorch's step in eager mode."""
    import torch
    from torch.nn import functional

    for name, signature in (("nms", "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"),
                            ("qnms", "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")):
        if not hasattr(torch.ops.torchvision, name):
            torch.library.define(f"torchvision::{name}", signature)  # a CPU torch beside PyPI's torchvision lacks them
    import torchvision

    model = getattr(torchvision.models, backbone)(weights=None, num_classes=CLASSES)
    model = model.to(memory_format=torch.channels_last).train()
    for layer in model.modules() if norms == "still" else ():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.eval()
    optimizer = torch.optim.AdamW(model.parameters(), 1e-4, weight_decay=0.01)
    x, y = pixels(BATCH)
    x = torch.from_numpy(x).permute(0, 3, 1, 2).float().div(255).contiguous(memory_format=torch.channels_last)
    y = torch.from_numpy(y)

    def step():
        optimizer.zero_grad()
        functional.cross_entropy(model(x), y).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()

    return step
