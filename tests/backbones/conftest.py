import pytest

from toolkit.backbones.translate import translate


@pytest.fixture
def fill():
    """fill(model, arrays): give a network the weights that another library holds under its own names."""
    def fill(model, arrays):
        given = translate(arrays).arrays
        wanted = {f"{layer.name}/{weight.name}": weight for layer in model.layers for weight in layer.weights}
        assert wanted.keys() == given.keys()
        for name, weight in wanted.items():
            weight.assign(given[name])

    return fill
