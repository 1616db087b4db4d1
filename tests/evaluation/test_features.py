import pytest
import torch
from torch import nn

from natlib.encoders import MlpEncoder
from natlib.errors import DataError, NonFiniteError
from natlib.evaluation import encode, random_encoder
from natlib.evaluation.random_encoder import estimate_batch_norm
from natlib.objectives import NAT
from tests.evaluation.gaussian_blobs import FEATURES, BlobSamples, GaussianBlobs, blobs

CPU = torch.device("cpu")
RECIPE = MlpEncoder(widths=(16, 8))


@pytest.fixture
def modality():
    return GaussianBlobs()


@pytest.fixture
def encoder():
    torch.manual_seed(0)
    return RECIPE.build((FEATURES,))


@pytest.fixture
def objective():
    torch.manual_seed(1)
    return NAT().build(8)


def test_one_pass_gives_every_kind_of_features(modality, encoder, objective):
    samples = blobs(23)
    other = RECIPE.build((FEATURES,)).eval()
    encoded = encode(
        modality, samples, encoder,
        device=CPU, objective=objective, start=other, raw=True, batch_size=5,
    )  # fmt: skip
    assert samples.asked == list(range(23))
    assert list(encoded.features) == ["encoder", "head", "start", "raw"]
    encoder.eval()
    objective.eval()
    with torch.no_grad():
        features = encoder(samples.vectors)
        expected = {
            "encoder": features,
            "head": objective.embed(features),
            "start": other(samples.vectors),
            "raw": samples.vectors,
        }
    for name, rows in expected.items():
        assert torch.allclose(encoded.features[name], rows, atol=1e-6), name
        assert encoded.features[name].dtype == torch.float32
    assert torch.equal(encoded.labels, samples.labels)


def test_only_what_is_asked_for_is_computed(modality, encoder):
    encoded = encode(modality, blobs(6), encoder, device=CPU)
    assert list(encoded.features) == ["encoder"]


def test_rows_follow_the_index(modality, encoder):
    samples = blobs(20)
    whole = encode(modality, samples, encoder, device=CPU).features["encoder"]
    index = torch.tensor([17, 2, 9])
    part = encode(modality, samples, encoder, device=CPU, index=index, batch_size=2)
    assert part.index.tolist() == [17, 2, 9]
    assert part.labels.tolist() == [17 % 3, 2, 0]
    assert torch.allclose(part.features["encoder"], whole[index], atol=1e-6)


def test_unreadable_samples_are_left_out_and_reported(modality, encoder):
    broken = [0, 4, 5, 6, 7, 11]  # one batch of four has nothing else
    samples = blobs(14)
    samples.broken = set(broken)
    encoded = encode(modality, samples, encoder, device=CPU, raw=True, batch_size=4)
    readable = [i for i in range(14) if i not in broken]
    assert encoded.index.tolist() == readable
    assert torch.equal(encoded.features["raw"], samples.vectors[readable])
    assert encoded.labels.tolist() == [i % 3 for i in readable]
    assert [sample.index for sample in encoded.unreadable] == broken


def test_samples_that_are_not_usable_are_not_touched(modality, encoder):
    samples = blobs(10)
    samples.usable = torch.tensor([1, 3, 8])
    assert encode(modality, samples, encoder, device=CPU).index.tolist() == [1, 3, 8]
    assert samples.asked == [1, 3, 8]


def test_nothing_readable_is_an_error_that_gives_a_reason(modality, encoder):
    samples = blobs(3)
    samples.broken = {0, 1, 2}
    with pytest.raises(DataError, match=r"none of 3 samples .* 0.vec is cut short"):
        encode(modality, samples, encoder, device=CPU)
    samples.usable = torch.empty(0, dtype=torch.int64)
    with pytest.raises(DataError, match="no usable sample"):
        encode(modality, samples, encoder, device=CPU)


def test_features_that_are_not_finite_name_the_sample(modality, encoder):
    samples = blobs(10)
    samples.vectors[7] = float("nan")
    with pytest.raises(NonFiniteError, match=r"encoder output for sample 7 \(7.vec\)") as caught:
        encode(modality, samples, encoder, device=CPU, batch_size=4)
    assert caught.value.position == 3


def test_modes_gradients_and_random_state_stay_as_they_were(modality, encoder, objective):
    encoder.train()
    objective.train()
    encoder.body["layer1"].eval()
    modes = [part.training for part in (*encoder.modules(), *objective.modules())]
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    state = torch.get_rng_state()
    encoded = encode(modality, blobs(9), encoder, device=CPU, objective=objective)
    assert torch.equal(torch.get_rng_state(), state)
    assert [part.training for part in (*encoder.modules(), *objective.modules())] == modes
    assert all(torch.equal(before[name], value) for name, value in encoder.state_dict().items())
    assert not encoded.features["encoder"].requires_grad


def test_modes_are_restored_after_an_error(modality, encoder):
    encoder.train()
    samples = blobs(4)
    samples.vectors[0] = float("inf")
    with pytest.raises(NonFiniteError):
        encode(modality, samples, encoder, device=CPU)
    assert all(part.training for part in encoder.modules())
    assert torch.is_grad_enabled()


def test_progress_counts_up_to_all_samples(modality, encoder):
    told = []
    encode(
        modality, blobs(10), encoder,
        device=CPU, batch_size=4, progress=lambda done, total: told.append((done, total)),
    )  # fmt: skip
    assert told == [(4, 10), (8, 10), (10, 10)]


def test_workers_give_the_same_features(modality, encoder):
    samples = blobs(10)
    alone = encode(modality, samples, encoder, device=CPU, batch_size=4)
    samples.in_memory = False
    helped = encode(modality, samples, encoder, device=CPU, batch_size=4, workers=1)
    assert torch.equal(alone.features["encoder"], helped.features["encoder"])


class TestRandomEncoder:
    def build(self, seed=0, samples: BlobSamples | None = None, **options):
        samples = blobs(60) if samples is None else samples
        return random_encoder(
            RECIPE, GaussianBlobs(), samples, samples.usable, seed=seed, device=CPU, **options
        )

    def test_weights_depend_on_the_seed_alone(self):
        torch.manual_seed(5)
        first = self.build()
        torch.manual_seed(6)
        state = torch.get_rng_state()
        second, other = self.build(), self.build(seed=1)
        assert torch.equal(torch.get_rng_state(), state)
        for name, value in first.state_dict().items():
            assert torch.equal(value, second.state_dict()[name])
        assert not torch.equal(*(e.body["layer1"][0].weight for e in (first, other)))

    def test_weights_are_those_that_the_recipe_initialises(self):
        torch.manual_seed(3)
        expected = RECIPE.build((FEATURES,))
        assert torch.equal(self.build(seed=3).body["layer2"][0].weight,
                           expected.body["layer2"][0].weight)  # fmt: skip

    def test_batch_norms_normalise_the_data(self):
        samples = blobs(60)
        samples.vectors = samples.vectors * 100 + 50
        encoder = self.build(samples=samples)
        assert not encoder.training
        before_norm = encoder.body["layer1"][0](samples.vectors)
        norm = encoder.body["layer1"][1]
        assert torch.allclose(norm.running_mean, before_norm.mean(0), rtol=1e-4)
        assert torch.allclose(norm.running_var, before_norm.var(0), rtol=1e-4)
        with torch.no_grad():
            normalised = norm(before_norm)
        assert torch.allclose(normalised.mean(0), torch.zeros(16), atol=1e-4)

    def test_only_readable_samples_count(self):
        samples = blobs(60)
        samples.broken = set(range(30, 60))
        encoder = self.build(samples=samples)
        before_norm = encoder.body["layer1"][0](samples.vectors[:30])
        assert torch.allclose(
            encoder.body["layer1"][1].running_mean, before_norm.mean(0), atol=1e-5
        )


def test_estimating_averages_over_batches_and_keeps_settings():
    network = nn.Sequential(nn.BatchNorm1d(2, momentum=0.3), nn.Dropout(0.9)).train()
    batches = [torch.tensor([[0.0, 1.0], [2.0, 1.0]]), torch.tensor([[10.0, 5.0], [20.0, 5.0]])]
    network(torch.full((3, 2), 99.0))
    estimate_batch_norm(network, batches)
    assert network[0].running_mean.tolist() == [8.0, 3.0]
    assert network[0].running_var.tolist() == [26.0, 0.0]
    assert network[0].momentum == 0.3
    assert network[0].training
