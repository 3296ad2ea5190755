"""What the policy sees of a question: a stand-in for CLIP, deliberately not the reader's own eyes.

Whitened PCA of frozen random-convolution features of the image, beside whitened PCA of the
question's words, fitted on pool rows only. Computed so that threads, machines and linear-algebra
libraries give the same bits, since these are part of every key: convolutions in whole numbers that
float32 holds exactly, the rest in float64, rounded to a grid at the end.

References:
    Saxe et al. 2011, On Random Weights and Unsupervised Feature Learning (ICML): random
    convolutions with pooling make fair image features. Achlioptas 2003, Database-friendly random
    projections (JCSS 66): weights of -1 and +1 do as well as Gaussian ones.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

IMAGE_WIDTH, WORD_WIDTH = 32, 16
SEED = 123  # of the random filters
GRID = 2.0**-16  # far above what libraries differ by (1e-13), far below what matters
_BLOCK = 256  # images a pass, to keep memory small


def embed_rows(images: Tensor, image_of_row: Tensor, words: Tensor, *, fit_rows: int) -> Tensor:
    """Embed every row to unit length, half of its square from the image, half from the words.

    Args:
        images: Distinct images. Shape: ``(M, 3, 32, 32)``, uint8.
        image_of_row: Shape: ``(N,)``, int64.
        words: 1.0 where the row's question contains the word. Shape: ``(N, V)``.
        fit_rows: The bases are fitted on this many first rows: nothing is learnt from evaluation.

    Returns:
        Shape: ``(N, 48)``, float32.
    """
    halves = (
        whiten(image_features(images)[image_of_row], width=IMAGE_WIDTH, fit_rows=fit_rows),
        whiten(words, width=WORD_WIDTH, fit_rows=fit_rows),
    )
    joined = torch.cat([F.normalize(half, dim=1) for half in halves], dim=1) / 2**0.5
    rounded: Tensor = torch.round(joined / GRID) * GRID
    return rounded.float()


def image_features(images: Tensor) -> Tensor:
    """Maxima and means of two layers of random filters. Shape: ``(M, 3, 32, 32)`` to ``(M, 224)``.

    Exact: filters of -1 and +1 on whole numbers stay below 2**24 (255 * 75 * 432 = 8.3 million).
    """
    generator = torch.Generator().manual_seed(SEED)
    first, second = (
        torch.randint(0, 2, shape, generator=generator).float() * 2 - 1
        for shape in ((48, 3, 5, 5), (64, 48, 3, 3))
    )
    features = []
    for part in torch.split(images, _BLOCK):
        background = part.flatten(2).median(dim=2).values[..., None, None]
        low = F.relu(F.conv2d(part.float() - background, first, stride=2))
        high = F.relu(F.conv2d(low, second, stride=2))
        pooled = [
            pool / scale
            for maps, scale in ((low.double(), 75**0.5), (high.double(), (75 * 432) ** 0.5))
            for pool in (maps.amax((2, 3)), maps.mean((2, 3)))
        ]
        features.append(torch.cat(pooled, dim=1))
    return torch.cat(features)


def whiten(features: Tensor, *, width: int, fit_rows: int) -> Tensor:
    """Project on the first principal components, each scaled to unit variance over the fitted rows.

    Args:
        features: Shape: ``(N, F)``.
        width: Number of components.
        fit_rows: The components are those of this many first rows.

    Returns:
        Shape: ``(N, width)``, float64. A component's largest weight is positive.
    """
    centred = features.double() - features[:fit_rows].double().mean(dim=0)
    _, scales, components = torch.linalg.svd(centred[:fit_rows], full_matrices=False)
    components = components[:width]
    largest = components.gather(1, components.abs().argmax(dim=1, keepdim=True))
    deviations = scales[:width] / (fit_rows - 1) ** 0.5
    projection: Tensor = components * largest.sign() / deviations[:, None]
    return centred @ projection.T
