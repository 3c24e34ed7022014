"""Package metadata. Floors are the oldest versions tried; requirements.lock has the tested set."""

from setuptools import find_packages, setup

CORE = [
    "jax>=0.10",
    "flax>=0.12",
    "optax>=0.2.8",
    "orbax-checkpoint>=0.12",
    "tensorflow-cpu>=2.21; platform_system != 'Darwin'",
    "tensorflow>=2.21; platform_system == 'Darwin'",
    "tensorflow-datasets>=4.9.10",
    "importlib_resources",  # tensorflow-datasets imports it without declaring it
    "array_record>=0.8",
    "ml_collections>=1.1",
    "absl-py",
    "numpy>=2",
    "scipy>=1.17",
    "pillow>=12",
    "matplotlib>=3.10",
    "scikit-learn>=1.8",
    "tqdm",
    "jaxtyping>=0.3.11",
]

setup(
    name="fer_jax",
    version="0.1.0",
    description="Facial-expression recognition, editing and generation in JAX: five published systems, one code base",
    python_requires=">=3.11",
    packages=find_packages(include=["fer_jax", "fer_jax.*", "configs"]),
    package_data={
        "fer_jax.rendered": ["face_model.npz", "LICENSE.CC0.txt"],
        "fer_jax.evaluation": ["face_evaluator.npz"],
        "fer_jax": ["pretrained/fer2013.npz", "pretrained/fer2013.md"],
    },
    install_requires=CORE,
    extras_require={
        "cuda": ["jax[cuda13]"],
        "tpu": ["jax[tpu]"],
        "tune": ["optuna>=4"],
        "test": ["pytest>=8", "pytest-xdist>=3.8", "beartype>=0.23", "ruff>=0.13", "mypy>=1.18"],
    },
)
