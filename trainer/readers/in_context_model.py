"""The network of the in-context reader: 146,205 parameters for 26 words and 13 answers.

An *item* is image and question in one vector. A shot is its item, its answer and its distance from
the query (the last shot stands next to the query: distance 1). The query's token comes last and is
read out. Layers come in two halves: what a token is by itself has to be computed only once.

Shapes: N rows, M images, V words, A answers, B prompts, S shots, T = S + 1 tokens, W width.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

MAX_SHOTS = 4
WIDTH, HEADS = 64, 4


class TransformerLayer(nn.Module):
    """Attention and MLP, each after its norm; `project` concerns single tokens, `forward` mixes."""

    def __init__(self) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(WIDTH)
        self.query = nn.Linear(WIDTH, WIDTH)
        self.key_value = nn.Linear(WIDTH, 2 * WIDTH)
        self.merge = nn.Linear(WIDTH, WIDTH)
        self.mlp_norm = nn.LayerNorm(WIDTH)
        self.expand = nn.Linear(WIDTH, 2 * WIDTH)
        self.contract = nn.Linear(2 * WIDTH, WIDTH)

    def project(self, tokens: Tensor, *, read: slice = slice(None)) -> tuple[Tensor, Tensor]:
        """Queries of the tokens in ``read``, keys with values of all: each token for itself."""
        normed = self.attention_norm(tokens)
        return self.query(normed[..., read, :]), self.key_value(normed)

    def forward(self, tokens: Tensor, queries: Tensor, key_values: Tensor) -> Tensor:
        """Let ``tokens`` look at all keys. Shapes: ``(B, T', W)``, same, ``(B, T, 2 W)``."""
        tokens = tokens + self.merge(attend(queries, key_values))
        mixed: Tensor = tokens + self.contract(F.gelu(self.expand(self.mlp_norm(tokens))))
        return mixed


class InContextModel(nn.Module):
    """Image encoder, bag of words, and a transformer over at most four shots and the query."""

    def __init__(self, *, words: int, answers: int) -> None:
        super().__init__()
        self.image_encoder = nn.Sequential(
            nn.Conv2d(3, 16, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(16, 32, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(32, 48, 3, padding=1),
            nn.ReLU(),
        )
        self.image_projection = nn.Linear(2 * 48, WIDTH)
        self.word_projection = nn.Linear(words, WIDTH)
        self.fusion = nn.Sequential(
            nn.LayerNorm(WIDTH), nn.Linear(WIDTH, 2 * WIDTH), nn.GELU(), nn.Linear(2 * WIDTH, WIDTH)
        )
        self.answer = nn.Embedding(answers, WIDTH)
        self.distance = nn.Embedding(MAX_SHOTS + 1, WIDTH)
        self.query_mark = nn.Parameter(0.02 * torch.randn(WIDTH))
        self.first, self.middle, self.last = (TransformerLayer() for _ in range(3))
        self.norm = nn.LayerNorm(WIDTH)
        self.head = nn.Linear(WIDTH, answers)

    def see(self, images: Tensor) -> Tensor:
        """Encode uint8 images. Shape: ``(M, 3, 32, 32)`` to ``(M, W)``."""
        features = self.image_encoder(images.float() / 255 - 0.5)
        pooled = torch.cat([features.amax((2, 3)), features.mean((2, 3))], dim=1)
        seen: Tensor = self.image_projection(pooled)
        return seen

    def items(self, seen: Tensor, words: Tensor) -> Tensor:
        """Fuse encoded images with questions. Shapes: ``(N, W)``, ``(N, V)`` to ``(N, W)``."""
        summed = seen + self.word_projection(words)
        items: Tensor = summed + self.fusion(summed)
        return items

    def query_tokens(self, items: Tensor) -> Tensor:
        """Tokens of items whose answer is asked for. Shape: ``(..., W)`` to the same."""
        return items + self.query_mark + self.distance.weight[0]

    def shot_tokens(self, items: Tensor, answers: Tensor, distances: Tensor) -> Tensor:
        """Tokens of answered items. Shapes: ``(..., W)``, ``(...)``, ``(...)`` to ``(..., W)``."""
        tokens: Tensor = items + self.answer(answers) + self.distance(distances)
        return tokens

    def read(self, tokens: Tensor, queries: Tensor, key_values: Tensor) -> Tensor:
        """Logits of the last token, from tokens that the first layer has projected already.

        Shapes: ``(B, T, W)``, ``(B, T, W)``, ``(B, T, 2 W)`` to ``(B, A)``.
        """
        tokens = self.first(tokens, queries, key_values)
        tokens = self.middle(tokens, *self.middle.project(tokens))
        # only the query's token is read from the last layer
        projected = self.last.project(tokens, read=slice(-1, None))
        logits: Tensor = self.head(self.norm(self.last(tokens[:, -1:], *projected)[:, 0]))
        return logits

    def forward(self, items: Tensor, answers: Tensor) -> Tensor:
        """Logits for the last item, given the answers of those before it.

        Shapes: ``(B, S + 1, W)``, ``(B, S)`` to ``(B, A)``.
        """
        shots = answers.shape[1]
        distances = torch.arange(shots, 0, -1, device=items.device).expand_as(answers)
        tokens = torch.cat(
            [
                self.shot_tokens(items[:, :-1], answers, distances),
                self.query_tokens(items[:, -1:]),
            ],
            dim=1,
        )
        return self.read(tokens, *self.first.project(tokens))


def attend(queries: Tensor, key_values: Tensor) -> Tensor:
    """Multi-head attention by products and sums: half the time of SDPA for as few as five tokens.

    Shapes: ``(B, T', W)``, ``(B, T, 2 W)`` to ``(B, T', W)``.
    """
    size, length, _ = key_values.shape
    queries = queries.reshape(size, -1, 1, HEADS, WIDTH // HEADS)
    keys, values = key_values.view(size, 1, length, 2, HEADS, WIDTH // HEADS).unbind(3)
    weights = ((queries * keys).sum(-1) / (WIDTH // HEADS) ** 0.5).softmax(2)
    attended: Tensor = (weights.unsqueeze(-1) * values).sum(2)
    return attended.view(size, -1, WIDTH)
