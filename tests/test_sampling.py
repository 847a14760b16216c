import pytest
import torch

from tests.small_prior import NETWORKS, every_network, small_prior, some_codes
from vqaudio.sampling import narrow, pick, sample


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def naive(prior, length, batch, prompt, seed):
    """A full pass for each code."""
    random, codes = generator(seed), prompt.expand(batch, -1)
    for _ in range(length):
        following = torch.cat([codes, codes.new_zeros(batch, 1)], dim=1)
        with torch.no_grad():
            probabilities = narrow(prior(following)[:, -1], 0.9, None, 0.95)
        uniform = torch.rand(batch, 1, dtype=torch.float64, generator=random)
        codes = torch.cat([codes, pick(probabilities, uniform)[:, None]], dim=1)
    return codes[:, prompt.shape[1] :]


@every_network
@pytest.mark.parametrize("prompt_length", [0, 5, 40])
def test_the_same_codes_as_without_a_cache(network, prompt_length):
    """40 is longer than the receptive field: what is older must not matter."""
    prior, prompt = small_prior(network), some_codes(1, prompt_length)
    given = prompt[0] if prompt_length else None
    ours = sample(prior, 30, 3, given, temperature=0.9, top_p=0.95, generator=generator(7))
    assert ours.dtype == torch.int64
    assert torch.equal(ours, naive(prior, 30, 3, prompt, 7))


@every_network
def test_of_a_long_prompt_all_that_can_matter_does(network):
    """Many prompts, so that some draw is near enough to an edge to tell."""
    prior, prompts = small_prior(network), some_codes(400, 40)
    ours = sample(prior, 1, 400, prompts, temperature=0.9, top_p=0.95, generator=generator())
    assert torch.equal(ours, naive(prior, 1, 400, prompts, 0))


@every_network
def test_seeds(network):
    prior = small_prior(network)
    first, again, other = (sample(prior, 40, 2, generator=generator(s)) for s in (3, 3, 4))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert not torch.equal(first[0], first[1])
    torch.manual_seed(3)
    assert torch.equal(sample(prior, 40, 2), first)  # torch's own generator


@every_network
def test_generators_of_their_own_make_rows_independent_of_the_batch(network):
    prior, prompts = small_prior(network), some_codes(3, 7)

    def drawn(*seeds):
        generators = [generator(s) for s in seeds]
        rows = prompts[list(seeds)]
        return sample(prior, 20, len(seeds), rows, top_p=0.9, generator=generators)

    together = drawn(2, 0, 1)
    assert torch.equal(together, torch.cat([drawn(2), drawn(0, 1)]))
    assert torch.equal(together, torch.cat([drawn(2, 0), drawn(1)]))


def test_progress_tells_of_each_code():
    prior, seen = small_prior(NETWORKS[0]), []
    sample(prior, 4, 2, progress=lambda *told: seen.append(told))
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_each_row_continues_its_own_prompt():
    prior = small_prior(NETWORKS[0])
    prompts = some_codes(3, 12)
    likeliest = {"top_k": 1}
    together = sample(prior, 10, 3, prompts, **likeliest)
    alone = [sample(prior, 10, 1, prompt, **likeliest) for prompt in prompts]
    assert torch.equal(together, torch.cat(alone))
    assert not torch.equal(together[0], together[1])


def test_draws_follow_the_probabilities():
    probabilities = torch.tensor([[0.0, 0.2, 0.5, 0.0, 0.3, 0.0]], dtype=torch.float64)
    uniform = torch.rand(20_000, 1, dtype=torch.float64, generator=generator())
    drawn = pick(probabilities.expand(20_000, -1), uniform)
    shares = torch.bincount(drawn, minlength=6) / 20_000
    torch.testing.assert_close(shares.double(), probabilities[0], rtol=0, atol=0.01)
    assert shares[0] == shares[3] == shares[5] == 0
    edges = torch.tensor([[0.0], [1 - 2**-53]], dtype=torch.float64)
    assert pick(probabilities.expand(2, -1), edges).tolist() == [1, 4]


def test_what_is_left_to_draw_from():
    logits = torch.tensor([[0.1, 0.5, 0.15, 0.25]]).log()
    near = {"rtol": 1e-5, "atol": 1e-6}

    def left(*arguments):
        return narrow(logits, *arguments)[0].float()

    torch.testing.assert_close(left(1.0), torch.tensor([0.1, 0.5, 0.15, 0.25]), **near)
    torch.testing.assert_close(left(1.0, 2), torch.tensor([0, 2 / 3, 0, 1 / 3]), **near)
    torch.testing.assert_close(left(1.0, 9), left(1.0), **near)
    torch.testing.assert_close(left(1.0, None, 0.7), torch.tensor([0, 2 / 3, 0, 1 / 3]), **near)
    torch.testing.assert_close(left(1.0, None, 1e-9), torch.tensor([0, 1.0, 0, 0]), **near)
    torch.testing.assert_close(left(1.0, None, 1.0), left(1.0), **near)
    torch.testing.assert_close(left(1.0, 2, 0.6), torch.tensor([0, 1.0, 0, 0]), **near)
    torch.testing.assert_close(left(0.5)[1] / left(0.5)[3], torch.tensor(4.0), **near)
    for nearly_zero in (1e-4, 1e-300, 5e-324):
        torch.testing.assert_close(left(nearly_zero), torch.tensor([0, 1.0, 0, 0]), **near)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"length": 0}, "length"),
        ({"batch": 0}, "batch"),
        ({"temperature": 0.0}, "temperature must be above 0, not 0.0"),
        ({"temperature": -1.0}, "temperature"),
        ({"temperature": float("nan")}, "temperature"),
        ({"temperature": float("inf")}, "temperature"),
        ({"generator": [generator()]}, "1 generators do not fit 2"),
        ({"top_k": 0}, "top_k"),
        ({"top_p": 0.0}, "top_p"),
        ({"top_p": 1.1}, "top_p"),
        ({"top_p": float("nan")}, "top_p"),
        ({"prompt": torch.zeros(0, dtype=torch.int64)}, "at least one code"),
        ({"prompt": torch.zeros(2, 0, dtype=torch.int64)}, "at least one code"),
        ({"prompt": torch.zeros(3, 5, dtype=torch.int64)}, "3 rows does not fit 2"),
        ({"prompt": torch.tensor([3, 11])}, r"0\.\.10"),
        ({"prompt": torch.tensor([-1])}, r"0\.\.10"),
    ],
)
def test_bad_arguments_are_one_line(arguments, message):
    with pytest.raises(ValueError, match=message) as caught:
        sample(small_prior(NETWORKS[0]), **{"length": 2, "batch": 2} | arguments)
    assert "\n" not in str(caught.value)
