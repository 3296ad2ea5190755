from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save
from torch import Tensor, nn

from trainer.errors import InputError
from trainer.readers.in_context import CARD, InContextReader, PretrainedModel, load_model
from trainer.readers.in_context_model import InContextModel, TransformerLayer, attend

ROWS, IMAGES, WORDS, LABELS = 60, 20, 5, 4
ANSWERS = torch.randint(LABELS, (ROWS,), generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def model() -> InContextModel:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = InContextModel(words=WORDS, answers=LABELS)
        for parameter in model.parameters():
            parameter.data.mul_(2.0)  # an untrained model hardly reacts to its shots
    return model


@pytest.fixture(scope="module")
def rows() -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(2)
    return {
        "images": torch.randint(
            0, 256, (IMAGES, 3, 32, 32), generator=generator, dtype=torch.uint8
        ),
        "image_of_row": torch.randint(IMAGES, (ROWS,), generator=generator),
        "words": torch.randint(0, 2, (ROWS, WORDS), generator=generator).float(),
    }


def build_reader(
    model: InContextModel, rows: dict[str, Tensor], answers: Tensor = ANSWERS
) -> InContextReader:
    return InContextReader(
        PretrainedModel(model, ("a",) * WORDS, ("b",) * LABELS, "digest"),
        images=rows["images"],
        image_of_row=rows["image_of_row"],
        words=rows["words"],
        answers=answers,
    )


@pytest.fixture
def reader(model: InContextModel, rows: dict[str, Tensor]) -> InContextReader:
    return build_reader(model, rows)


def prompts(count: int, shots: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(shots)
    return (
        torch.randint(ROWS, (count,), generator=generator),
        torch.randint(ROWS, (count, shots), generator=generator),
    )


def weights_file(
    model: InContextModel, card: str = '{"vocabulary": ["a", "b"], "answers": ["c"]}'
) -> bytes:
    return save(dict(model.state_dict()), metadata={CARD: card})


def test_the_model_for_26_words_and_13_answers_has_146205_parameters() -> None:
    model = InContextModel(words=26, answers=13)
    assert sum(parameter.numel() for parameter in model.parameters()) == 146_205


@pytest.mark.parametrize("looking", [1, 5])
def test_attention_equals_that_of_torch(looking: int) -> None:
    generator = torch.Generator().manual_seed(0)
    queries = torch.randn(7, looking, 64, generator=generator)
    key_values = torch.randn(7, 5, 128, generator=generator)

    def heads(tokens: Tensor) -> Tensor:
        return tokens.view(7, -1, 4, 16).transpose(1, 2)

    keys, values = key_values.chunk(2, dim=-1)
    expected = F.scaled_dot_product_attention(heads(queries), heads(keys), heads(values))
    torch.testing.assert_close(
        attend(queries, key_values), expected.transpose(1, 2).flatten(2), rtol=1e-5, atol=1e-6
    )


def test_the_layers_equal_a_transformer_encoder_of_torch(model: InContextModel) -> None:
    tokens = torch.randn(6, 5, 64, generator=torch.Generator().manual_seed(0))
    expected = tokens
    for layer in (model.first, model.middle, model.last):
        expected = torch_layer(layer)(expected)
    logits = model.read(tokens, *model.first.project(tokens))
    torch.testing.assert_close(
        logits, model.head(model.norm(expected[:, -1])), rtol=1e-4, atol=1e-4
    )


def torch_layer(layer: TransformerLayer) -> nn.TransformerEncoderLayer:
    """The same weights in torch's own layer."""
    theirs = nn.TransformerEncoderLayer(64, 4, 128, 0.0, "gelu", batch_first=True, norm_first=True)
    ours = layer.state_dict()
    pairs = {
        "self_attn.out_proj": "merge",
        "linear1": "expand",
        "linear2": "contract",
        "norm1": "attention_norm",
        "norm2": "mlp_norm",
    }
    state = {
        f"{their}.{kind}": ours[f"{our}.{kind}"]
        for their, our in pairs.items()
        for kind in ("weight", "bias")
    }
    for kind in ("weight", "bias"):
        both = torch.cat([ours[f"query.{kind}"], ours[f"key_value.{kind}"]])
        state[f"self_attn.in_proj_{kind}"] = both
    theirs.load_state_dict(state)
    return theirs


@pytest.mark.parametrize("shots", range(5))
def test_the_reader_says_what_the_model_says(
    model: InContextModel, rows: dict[str, Tensor], reader: InContextReader, shots: int
) -> None:
    queries, chosen = prompts(50, shots)
    ids = torch.cat([chosen, queries[:, None]], dim=1)
    seen = model.see(rows["images"])[rows["image_of_row"]]
    items = model.items(seen, rows["words"])
    probabilities = model(items[ids], ANSWERS[chosen]).softmax(1)

    answers = reader.answer(queries, chosen)

    expected = probabilities.gather(1, ANSWERS[queries, None])[:, 0]
    torch.testing.assert_close(answers.gt_prob, expected.detach(), rtol=1e-4, atol=1e-5)
    assert answers.score.tolist() == (probabilities.argmax(1) == ANSWERS[queries]).tolist()
    assert 0 < answers.score.sum() < 50


@pytest.mark.parametrize("shots", range(5))
@pytest.mark.parametrize("size", [1, 2, 7, 64, 255, 257])
def test_an_answer_does_not_depend_on_its_neighbours(
    reader: InContextReader, shots: int, size: int
) -> None:
    queries, chosen = prompts(600, shots)
    together = reader.answer(queries, chosen)
    some = slice(0, 2 * size)  # two parts are enough: more would only take time
    apart = [
        reader.answer(*part)
        for part in zip(
            torch.split(queries[some], size), torch.split(chosen[some], size), strict=True
        )
    ]
    assert torch.equal(torch.cat([part.gt_prob for part in apart]), together.gt_prob[some])
    assert torch.equal(torch.cat([part.score for part in apart]), together.score[some])


def test_an_answer_does_not_depend_on_its_place(reader: InContextReader) -> None:
    queries, chosen = prompts(600, 4)
    order = torch.randperm(600, generator=torch.Generator().manual_seed(0))
    shuffled = reader.answer(queries[order], chosen[order])
    assert torch.equal(shuffled.gt_prob, reader.answer(queries, chosen).gt_prob[order])


def test_the_reader_does_not_see_the_right_answer_of_the_query(
    model: InContextModel, rows: dict[str, Tensor]
) -> None:
    # the probabilities of all answers that might be the right one add up to 1
    query, shots = torch.tensor([0]), torch.tensor([[5, 9]])
    total = 0.0
    for answer in range(LABELS):
        answers = ANSWERS.clone()
        answers[0] = answer
        total += build_reader(model, rows, answers).answer(query, shots).gt_prob.item()
    assert total == pytest.approx(1.0, abs=1e-5)


def test_the_reader_sees_the_answers_and_the_order_of_the_shots(
    model: InContextModel, rows: dict[str, Tensor], reader: InContextReader
) -> None:
    queries, chosen = prompts(50, 2)
    gt_prob = reader.answer(queries, chosen).gt_prob
    assert not torch.allclose(reader.answer(queries, chosen.flip(1)).gt_prob, gt_prob, atol=1e-3)
    queries, chosen = torch.tensor([0]), torch.tensor([[5, 9]])
    others = ANSWERS.clone()
    others[9] = (others[9] + 1) % LABELS
    relabelled = build_reader(model, rows, others).answer(queries, chosen)
    assert abs(relabelled.gt_prob - reader.answer(queries, chosen).gt_prob) > 1e-3


def test_calls_count_pairs(reader: InContextReader) -> None:
    reader.answer(*prompts(3, 2))
    reader.answer(*prompts(300, 0))
    assert reader.calls.asked == 303


def test_no_queries_get_no_answers(reader: InContextReader) -> None:
    answers = reader.answer(*prompts(0, 3))
    assert answers.score.shape == answers.gt_prob.shape == (0,)


def test_losses_may_be_built_upon_answers(reader: InContextReader) -> None:
    weight = torch.ones((), requires_grad=True)
    answers = reader.answer(*prompts(10, 1))
    torch.autograd.backward((weight * answers.gt_prob).sum())
    assert weight.grad == answers.gt_prob.sum()


@pytest.mark.parametrize("shape", [(3, 5), (2, 1), (3,)])
def test_other_shapes_are_refused(reader: InContextReader, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"must be \(3, S\) with S in 0-4"):
        reader.answer(torch.zeros(3, dtype=torch.int64), torch.zeros(shape, dtype=torch.int64))


def test_a_weights_file_is_read_back(tmp_path: Path) -> None:
    model = InContextModel(words=2, answers=3)
    path = tmp_path / "weights"
    path.write_bytes(
        weights_file(model.half(), '{"vocabulary": ["is", "red"], "answers": ["a", "b", "c"]}')
    )
    pretrained = load_model(path)
    assert pretrained.vocabulary == ("is", "red")
    assert pretrained.answers == ("a", "b", "c")
    for name, tensor in pretrained.model.state_dict().items():
        assert torch.equal(tensor, model.state_dict()[name].float())


def test_the_digest_covers_every_weight(tmp_path: Path) -> None:
    model, path = InContextModel(words=1, answers=1), tmp_path / "weights"
    card = '{"vocabulary": ["is"], "answers": ["yes"]}'
    path.write_bytes(weights_file(model, card))
    before = load_model(path).digest
    assert load_model(path).digest == before
    model.head.bias.data.add_(1e-3)
    path.write_bytes(weights_file(model, card))
    assert load_model(path).digest != before


def test_missing_weights_are_an_error_with_the_path(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"weights: .* cannot be read .*; restore the file"):
        load_model(tmp_path / "weights")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not a weights file",
        weights_file(InContextModel(words=1, answers=1))[:-100],
        weights_file(InContextModel(words=1, answers=1)),  # a card of other sizes
        weights_file(InContextModel(words=1, answers=1), "[]"),
        save({"head.bias": torch.zeros(1)}, metadata={CARD: '{"vocabulary": "a", "answers": "b"}'}),
        save({"head.bias": torch.zeros(1)}),
    ],
    ids=["empty", "text", "truncated", "sizes", "list", "incomplete", "no card"],
)
def test_damaged_weights_are_an_error_with_the_path(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "weights").write_bytes(content)
    with pytest.raises(InputError, match="weights: the reader's weights are damaged"):
        load_model(tmp_path / "weights")
