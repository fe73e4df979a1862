"""How close an engine's answers are to the float32 ones of PyTorch, on the same sentences or pictures."""
import numpy as np


def directions(answers):
    return answers / np.linalg.norm(answers, axis=1, keepdims=True)


def compare(answers, reference, classes):
    """Of embeddings, or of logits, which are known but for a constant: there each loses its mean."""
    if classes:
        answers, reference = (each - each.mean(1, keepdims=True) for each in (answers, reference))
    cosines = (directions(answers) * directions(reference)).sum(1)
    result = {"inputs": len(cosines), "mean_cosine": float(cosines.mean()), "lowest_cosine": float(cosines.min())}
    if classes:
        result["same_class"] = float((answers.argmax(1) == reference.argmax(1)).mean())
    return result
