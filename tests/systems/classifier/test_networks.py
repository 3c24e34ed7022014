import jax
import jax.numpy as jnp
import pytest

from fer_jax.systems.classifier.networks import EmotionNet


def shapes(classes=7, size=64, channels=3, **fields):
    net = EmotionNet(classes, **fields)
    picture = jnp.zeros((2, size, size, channels))
    return jax.eval_shape(lambda: net.init_with_output(jax.random.key(0), picture, train=False))


@pytest.mark.parametrize(
    ("backbone", "features", "parameters"),
    [("resnet18", 512, 11_180_103), ("resnet34", 512, 21_288_263), ("densenet201", 1920, 18_106_375)],
)
def test_published_sizes(backbone, features, parameters):
    said, variables = shapes(backbone=backbone)
    assert said.features.shape == (2, features) and said.logits.shape == (2, 7) and said.votes is None
    assert sum(leaf.size for leaf in jax.tree.leaves(variables["params"])) == parameters


def test_the_network_that_ships_is_small():
    """At most three million parameters, as the headline says."""
    said, variables = shapes(backbone="compact", size=48, channels=1, votes=10)
    assert said.features.shape == (2, 160) and said.votes.shape == (2, 10)
    assert sum(leaf.size for leaf in jax.tree.leaves(variables["params"])) < 3_000_000


def test_the_head_of_two_layers():
    _, variables = shapes(backbone="resnet18", head="mlp")
    assert variables["params"]["hidden"]["linear"]["kernel"].shape == (512, 128)
    assert variables["params"]["head"]["linear"]["kernel"].shape == (128, 7)
