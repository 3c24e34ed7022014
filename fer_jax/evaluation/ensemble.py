"""One answer from several classifiers' logits."""

import numpy as np

RULES = ("max_logit", "mean_probability", "majority")


def combine(logits: np.ndarray, rule: str) -> np.ndarray:
    """Logits (M, N, K) of M models for N pictures -> scores (N, K), whose largest is the answer.

    * "max_logit": the answer of the model with the largest logit of all, the first of equals. The reference of the
      FER2013 classifiers does this and calls it a vote; it is none, and models of larger logits outvote the others.
    * "mean_probability": the mean of the softmax.
    * "majority": the class that most models name; of equally many the one of the larger mean probability.

    Raises:
      ValueError: an unknown rule.
    """
    from scipy.special import softmax

    logits = logits.astype(np.float64)
    probability = softmax(logits, axis=-1).mean(0)
    if rule == "max_logit":
        chosen = logits.max(-1).argmax(0)
        return logits[chosen, np.arange(logits.shape[1])]
    if rule == "mean_probability":
        return np.log(probability)
    if rule != "majority":
        raise ValueError(f"combine: {rule!r} is not one of {', '.join(RULES)}")
    votes = np.eye(logits.shape[-1])[logits.argmax(-1)].sum(0)
    return votes + probability / 2  # at most a half: it decides between equals alone
