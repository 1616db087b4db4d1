"""The fixed first layer of the 2017 paper: gradients in place of colours."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["Sobel"]


class Sobel(nn.Module):
    """Horizontal and vertical gradient of the mean of the three channels; not trained.

    Tensor[b, 3, h, w] to Tensor[b, 2, h, w]. The paper found that this loses little, and it keeps
    the network from relying on colour.
    """

    kernel: Tensor

    def __init__(self) -> None:
        super().__init__()
        across = torch.tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]]) / 3
        both = torch.stack([across, across.T])
        self.register_buffer("kernel", both[:, None].repeat(1, 3, 1, 1))

    def forward(self, inputs: Tensor) -> Tensor:
        return F.conv2d(inputs, self.kernel, padding=1)
