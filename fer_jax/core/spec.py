"""What a system knows of its data."""

from collections.abc import Mapping
from typing import Any, NamedTuple


class DataSpec(NamedTuple):
    """What a system must know of its data before it is built."""

    image_size: int
    channels: int
    steps_per_epoch: int
    classes: Mapping[str, tuple[str, ...]]  # label field -> names, e.g. {"expression": ("surprise", ...)}
    # Label field of several numbers -> the largest value of each in the training split, e.g. {"aus": (0.98, ...)}
    scales: Mapping[str, tuple[float, ...]] = {}
    absent: Mapping[str, tuple[str, ...]] = {}  # label field -> classes that no training picture shows

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> "DataSpec":
        """A spec from what JSON makes of one.

        Raises:
          TypeError, ValueError, AttributeError: `plain` is none.
        """
        spec = cls(**plain)
        classes = {field: tuple(map(str, names)) for field, names in spec.classes.items()}
        scales = {field: tuple(map(float, values)) for field, values in spec.scales.items()}
        absent = {field: tuple(map(str, names)) for field, names in spec.absent.items()}
        return spec._replace(classes=classes, scales=scales, absent=absent)
