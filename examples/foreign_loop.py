"""NAT in a training loop of your own, in plain PyTorch: a few seconds on one core.

The data are made up: a machine is in one of ten states, and 64 sensors see the state
through a lot of disturbance that has nothing to do with it. Two readings of one moment
are two views.
"""

import torch
from torch import Tensor, nn

from natlib import NAT, MlpHead, Stream, UniformSphere
from natlib.evaluation import knn_predict

MOMENTS, EPOCHS, BATCH = 2_000, 30, 100


def main() -> None:
    torch.manual_seed(0)
    state = torch.randint(10, (MOMENTS,))  # the labels: for evaluation only
    signal = 0.6 * torch.randn(10, 64)[state]
    disturbance = torch.randn(12, 64)

    def reading(moment: Tensor) -> Tensor:
        """A reading Tensor[b, 64] of each moment, disturbed anew every time."""
        disturbed = signal[moment] + 1.5 * torch.randn(len(moment), 12) @ disturbance
        return disturbed + torch.randn_like(disturbed)

    # Any module that turns a batch into features [b, f] will do.
    encoder = nn.Sequential(
        nn.Linear(64, 256), nn.BatchNorm1d(256), nn.ReLU(),
        nn.Linear(256, 128), nn.BatchNorm1d(128), nn.ReLU(),
    )  # fmt: skip
    # The recipe is a value; the module that it builds holds the head and counts used slots.
    targets, head = UniformSphere(dim=16), MlpHead(widths=(256,))
    recipe = NAT(targets=targets, head=head, views=2, assignment=Stream(slots=8))
    objective = recipe.build(feature_dim=128)
    weights = [*encoder.parameters(), *objective.parameters()]
    optimizer = torch.optim.AdamW(weights, lr=2e-3)

    seen, unseen = torch.arange(0, 1_500), torch.arange(1_500, MOMENTS)
    one_reading = reading(torch.arange(MOMENTS))

    def accuracy(features: Tensor) -> float:
        """Percent of unseen moments whose state the nearest neighbours tell."""
        predicted = knn_predict(features[seen], state[seen], features[unseen], 10)
        return 100 * float((predicted == state[unseen]).float().mean())

    @torch.no_grad()
    def features_now() -> Tensor:
        encoder.eval()
        features = encoder(one_reading)
        encoder.train()
        return features

    print(f"kNN accuracy on raw readings     {accuracy(one_reading):5.1f} %")
    print(f"kNN accuracy, untrained encoder  {accuracy(features_now()):5.1f} %")
    for epoch in range(EPOCHS):
        for index in seen[torch.randperm(len(seen))].split(BATCH):
            features = [encoder(reading(index)) for _ in range(recipe.views)]
            output = objective(features, index, epoch=epoch, health=True)
            optimizer.zero_grad()
            output.loss.backward()
            optimizer.step()
        if (epoch + 1) % 10 == 0:
            print(
                f"epoch {epoch + 1}: loss {output.loss:.3f}, "
                f"distance between views {output.parts['alignment']:.3f}, "
                f"matched cosine {output.health['matched_cosine']:.3f} "
                f"(random {output.health['random_cosine']:.3f})"
            )
    print(f"kNN accuracy, trained encoder    {accuracy(features_now()):5.1f} %")


if __name__ == "__main__":
    main()
