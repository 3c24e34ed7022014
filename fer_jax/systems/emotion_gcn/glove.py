"""Word vectors: from text files in GloVe's format, and a seeded stand-in where there is no such file."""

import os
import zlib
from collections.abc import Sequence

import numpy as np

from fer_jax.core.errors import UsageError
from fer_jax.interop.safe_pickle.interpreter import shown

_STAND_IN_DEVIATION = 0.4  # about that of the 300 numbers of GloVe's own vectors


def read_vectors(path: str | os.PathLike, words: Sequence[str]) -> np.ndarray:
    """The vectors of some words, e.g. from glove.6B.300d.txt: one word a line, then its numbers, all spaced.

    The file is read line by line, up to where the last word was found; nothing else of it is kept.

    Returns:
      (len(words), W) float32, in the order of `words`.

    Raises:
      UsageError: the file cannot be read, lacks a word (all that are missing are named), or has a line for a word
        that is not made of finite numbers, as many as the others'.
    """
    wanted = {word.encode(): word for word in words}
    found: dict[str, np.ndarray] = {}
    try:
        with open(path, "rb") as lines:
            for number, line in enumerate(lines, start=1):
                token, _, rest = line.partition(b" ")
                if token in wanted and wanted[token] not in found:
                    found[wanted[token]] = _numbers(rest, f"{path}: line {number}, {wanted[token]!r}")
                    if len(found) == len(wanted):
                        break
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror or error}") from None
    if missing := [word for word in wanted.values() if word not in found]:
        raise UsageError(
            f"{path}: has no vector for {', '.join(map(repr, missing))}; needed is a text file in GloVe's format with "
            "lower-case words, such as glove.6B.300d.txt from https://nlp.stanford.edu/projects/glove/"
        )
    if len(widths := {len(vector) for vector in found.values()}) > 1:
        raise UsageError(f"{path}: the vectors have different lengths: {', '.join(map(str, sorted(widths)))}")
    return np.stack([found[word] for word in words])


def _numbers(text: bytes, where: str) -> np.ndarray:
    try:
        vector = np.array(text.split(), np.float32)
    except ValueError as error:
        raise UsageError(f"{where}: not a row of numbers: {shown(str(error))}") from None
    if not vector.size or not np.isfinite(vector).all():
        raise UsageError(f"{where}: {'no numbers follow' if not vector.size else 'a number that is not finite'}")
    return vector


def stand_in(words: Sequence[str], width: int, seed: int) -> np.ndarray:
    """Random vectors in place of GloVe's. -> (len(words), width) float32; a word's depends on it and the seed alone."""
    rows = [np.random.default_rng([seed, zlib.crc32(word.encode())]).normal(size=width) for word in words]
    return (_STAND_IN_DEVIATION * np.stack(rows)).astype(np.float32)
