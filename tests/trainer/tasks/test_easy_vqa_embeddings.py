import torch
from torch import Tensor

from trainer.tasks.easy_vqa.embeddings import GRID, embed_rows, image_features, whiten

FIT = 100


def random_images(count: int) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (count, 3, 32, 32), generator=generator, dtype=torch.uint8)


def random_words(count: int) -> Tensor:
    return torch.randint(0, 2, (count, 26), generator=torch.Generator().manual_seed(1)).float()


def test_whitened_features_have_unit_variance_and_no_correlation_over_the_fitted_rows() -> None:
    features = torch.randn(FIT + 50, 8, generator=torch.Generator().manual_seed(0)) @ torch.diag(
        torch.arange(1.0, 9.0)
    )
    whitened = whiten(features, width=3, fit_rows=FIT)
    torch.testing.assert_close(
        whitened[:FIT].T.cov(), torch.eye(3, dtype=torch.float64), rtol=0.0, atol=1e-9
    )
    torch.testing.assert_close(whitened[:FIT].mean(0), torch.zeros(3).double(), rtol=0.0, atol=1e-9)


def test_the_first_component_of_a_line_is_the_place_on_it() -> None:
    # places -1, 0, 1 have the unbiased variance 1; the largest weight (the second) is positive
    features = torch.tensor([[3.0, -4.0], [0.0, 0.0], [-3.0, 4.0]])
    torch.testing.assert_close(
        whiten(features, width=1, fit_rows=3), torch.tensor([[-1.0], [0.0], [1.0]]).double()
    )


def test_the_largest_weight_of_every_component_is_positive() -> None:
    features = torch.randn(FIT, 8, generator=torch.Generator().manual_seed(0))
    probes = torch.cat([torch.zeros(1, 8), torch.eye(8)])  # rows beyond the fitted ones
    whitened = whiten(torch.cat([features, probes]), width=8, fit_rows=FIT)[FIT:]
    weights = (whitened[1:] - whitened[0]).T  # one row a component
    assert (weights.gather(1, weights.abs().argmax(dim=1, keepdim=True)) > 0).all()


def test_embeddings_have_unit_length_half_from_the_image() -> None:
    embeddings = embed_rows(random_images(120), torch.arange(120), random_words(120), fit_rows=FIT)
    assert embeddings.shape == (120, 48)
    assert embeddings.dtype == torch.float32
    torch.testing.assert_close(embeddings.norm(dim=1), torch.ones(120), rtol=0.0, atol=1e-4)
    torch.testing.assert_close(
        embeddings[:, :32].square().sum(1), torch.full((120,), 0.5), rtol=0.0, atol=1e-4
    )


def test_embeddings_lie_on_the_grid() -> None:
    embeddings = embed_rows(random_images(120), torch.arange(120), random_words(120), fit_rows=FIT)
    assert torch.equal(embeddings, (embeddings / GRID).round() * GRID)


def test_nothing_is_learnt_from_rows_beyond_the_fitted_ones() -> None:
    images, words, rows = random_images(120), random_words(120), torch.arange(120)
    embeddings = embed_rows(images, rows, words, fit_rows=FIT)
    images[FIT:] = 255 - images[FIT:]
    words[FIT:] = 1 - words[FIT:]
    changed = embed_rows(images, rows, words, fit_rows=FIT)
    assert torch.equal(changed[:FIT], embeddings[:FIT])
    assert not torch.equal(changed[FIT:], embeddings[FIT:])


def test_image_features_are_exact() -> None:
    # whole numbers below 2**24, or their means over 196 and 36 places
    images = random_images(3)
    images[0, :, ::2] = 0  # the hardest contrast
    images[0, :, 1::2] = 255
    features = image_features(images)
    low, high = features[:, :96] * 75**0.5, features[:, 96:] * (75 * 432) ** 0.5
    for maxima in (low[:, :48], low[:, 48:] * 14**2, high[:, :64], high[:, 64:] * 6**2):
        torch.testing.assert_close(maxima, maxima.round(), rtol=0.0, atol=1e-6)
    assert high[:, :64].max() > 2**14  # and not only because all are small


def test_the_number_of_threads_changes_no_bit() -> None:
    before = torch.get_num_threads()
    arguments = random_images(80), torch.arange(80), random_words(80)
    embeddings = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        embeddings.append(embed_rows(*arguments, fit_rows=60))
    torch.set_num_threads(before)
    assert torch.equal(*embeddings)


def test_the_background_does_not_matter() -> None:
    image = torch.full((1, 3, 32, 32), 100, dtype=torch.uint8)
    image[:, :, 8:20, 8:20] = 150
    assert torch.equal(image_features(image), image_features(image + 50))
