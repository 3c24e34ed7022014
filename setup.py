"""Package metadata. Floors are the oldest versions tried; requirements*.lock have the tested sets."""

import re
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent
VERSION = re.search(r'__version__ = "(.+)"', (HERE / "fer_jax" / "__init__.py").read_text())[1]

CORE = [  # to predict, edit and sample
    "jax>=0.10",
    "flax>=0.12",
    "optax>=0.2.8",
    "orbax-checkpoint>=0.12",
    "ml_collections>=1.1",
    "absl-py",
    "numpy>=2",
    "scipy>=1.17",
    "pillow>=12",
    "jaxtyping>=0.3.11",
    "tqdm",
]
TRAIN = [  # to train, and to evaluate on data sets
    "tensorflow-cpu>=2.21; platform_system != 'Darwin'",
    "tensorflow>=2.21; platform_system == 'Darwin'",
    "tensorflow-datasets>=4.9.10",
    "importlib_resources",  # tensorflow-datasets imports it without declaring it
    "array_record>=0.8",
    "matplotlib>=3.10",
    "scikit-learn>=1.8",
]

setup(
    name="fer_jax",
    version=VERSION,
    description="Facial-expression recognition, editing and generation in JAX: five published systems, one code base",
    long_description=(HERE / "README.md").read_text(),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    license_files=["LICENSE", "NOTICE", "fer_jax/rendered/LICENSE.CC0.txt"],
    python_requires=">=3.11,<3.14",
    packages=[*find_packages(include=["fer_jax", "fer_jax.*"]), "fer_jax.configs"],
    package_dir={"fer_jax.configs": "configs"},  # in the package they are files that --config finds by name
    package_data={
        "fer_jax": ["py.typed", "pretrained/fer2013.npz", "pretrained/fer2013.md"],
        "fer_jax.rendered": ["face_model.npz", "LICENSE.CC0.txt"],
        "fer_jax.evaluation": ["face_evaluator.npz"],
    },
    entry_points={"console_scripts": ["fer-jax = fer_jax.cli.app:main"]},
    install_requires=CORE,
    extras_require={
        "train": TRAIN,
        "cuda": ["jax[cuda13]"],
        "tpu": ["jax[tpu]"],
        "tune": ["optuna>=4"],
        "test": [
            *TRAIN,
            "pytest>=8",
            "pytest-xdist>=3.8",
            "beartype>=0.23",
            "ruff>=0.13",
            "mypy>=1.18",
            "import-linter>=2.7",
        ],
        "docs": [
            "mkdocs>=1.6.1,<2",
            "mkdocs-material>=9.6,<10",
            "mkdocstrings>=1.0,<2",
            "mkdocstrings-python>=2.0,<3",
            "nbclient>=0.10",
            "nbformat>=5.10",
            "ipykernel>=6",
        ],
    },
)
