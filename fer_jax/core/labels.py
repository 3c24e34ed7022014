"""The vocabulary of labels: expressions and their synonyms, action units, valence and arousal. Imports nothing."""

EXPRESSIONS = ("neutral", "happiness", "sadness", "surprise", "fear", "disgust", "anger", "contempt")
_SYNONYMS = {
    "neutral": ("neutrality", "ne"),
    "happiness": ("happy", "joy", "ha"),
    "sadness": ("sad", "sa"),
    "surprise": ("surprised", "suprise", "su"),  # the misspelling is that of folders in use
    "fear": ("fearful", "afraid", "scared", "fe"),
    "disgust": ("disgusted", "di"),
    "anger": ("angry", "an"),
    "contempt": ("contemptuous", "co"),
}
_STANDARD = {word: name for name, words in _SYNONYMS.items() for word in (name, *words)}

# Facial action units (Ekman and Friesen's FACS) that OpenFace 2 measures, in its order: number -> what moves.
ACTION_UNITS = {
    1: "inner brow raiser",
    2: "outer brow raiser",
    4: "brow lowerer",
    5: "upper lid raiser",
    6: "cheek raiser",
    7: "lid tightener",
    9: "nose wrinkler",
    10: "upper lip raiser",
    12: "lip corner puller",
    14: "dimpler",
    15: "lip corner depressor",
    17: "chin raiser",
    20: "lip stretcher",
    23: "lip tightener",
    25: "lips part",
    26: "jaw drop",
    45: "blink",
}
AU_NUMBERS = tuple(ACTION_UNITS)
AU_NAMES = tuple(f"AU{number:02d}" for number in AU_NUMBERS)  # as OpenFace writes them

# Expression -> the action units that make it, as the face editor's reference has them (config of e9).
EXPRESSION_AUS = {
    "happiness": (6, 12),
    "sadness": (1, 4, 15),
    "surprise": (1, 2, 5, 26),
    "contempt": (12, 14),
    "fear": (1, 2, 4, 5, 7, 20, 26),
    "anger": (4, 5, 7, 23),
}

VALENCE_AROUSAL = ("valence", "arousal")
VALENCE_AROUSAL_RANGE = (-1.0, 1.0)  # of both


def expression_name(name: str) -> str:
    """The name that this library has for an expression; a name that it does not know stays, without spaces around it.

    >>> expression_name("Happy"), expression_name("joy"), expression_name("Fear"), expression_name("bored")
    ('happiness', 'happiness', 'fear', 'bored')
    """
    name = name.strip()
    return _STANDARD.get(name.lower(), name)
