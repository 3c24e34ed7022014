"""Independent networks that score images: the package's, and runs of one's own."""

import numpy as np
import pytest

from fer_jax.core.errors import UsageError
from fer_jax.evaluation import evaluators, face_evaluator
from fer_jax.evaluation.evaluators import ImageEvaluator
from fer_jax.inference.recogniser import Recogniser


def test_the_package_has_one_for_rendered_faces_and_one_for_photographs():
    rendered = evaluators.load(None, "--evaluator", "rendered_faces")
    assert isinstance(rendered, ImageEvaluator) and rendered is face_evaluator.load()
    assert rendered.name == "face_evaluator"
    photographs = evaluators.load(None, "--evaluator", "fer2013")
    assert isinstance(photographs, ImageEvaluator) and isinstance(photographs, Recogniser)
    assert photographs.name == "classifier_fer2013" and photographs.has_features
    assert evaluators.load(None, "--evaluator", "fer2013") is photographs  # opened once


def test_a_run_of_ones_own(tiny_emotion, tiny_generator, tmp_path):
    own = evaluators.load(str(tiny_emotion.folder), "--evaluator", "rendered_faces")
    assert isinstance(own, ImageEvaluator) and own.name == f"emotion_gcn_{tiny_emotion.folder.name}"
    assert own.evaluate(np.zeros((2, 20, 20, 1), np.float32)).probabilities.shape == (2, len(own.classes))
    for folder, says in (
        (tmp_path / "none", "config.measures.evaluator: .*none: no config.json there, so no run"),
        (tiny_generator.folder, "config.measures.evaluator: .*which recognises no expressions"),
    ):
        with pytest.raises(UsageError, match=says):
            evaluators.load(str(folder), "config.measures.evaluator", "rendered_faces")
