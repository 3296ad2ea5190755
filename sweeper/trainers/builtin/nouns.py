"""What a score of the pointer selector is called, and its parts: a number of shots each."""

from dataclasses import replace

from sweeper.nouns import Nouns

SHOTS = Nouns(
    score="accuracy",
    prefix="shot_",
    counts=True,
    sentences={
        "en": {
            "part": "{part} shots",
            "part_1": "1 shot",
            "parts": "number of shots",
            "list": "shots",
            "choices": "shots",
            "mildness": ": fewest epochs, fewest tensors trained, smaller lr, larger kl_beta",
        },
        "zh": {
            "part": "Shot {part}",
            "part_1": "Shot 1",
            "parts": " shot 数",
            "list": "Shot 数",
            "choices": "示例",
            "mildness": "：epoch 最少、训练的张量最少、lr 较小、kl_beta 较大",
        },
    },
)
LOSS = replace(SHOTS, score="validation loss")
