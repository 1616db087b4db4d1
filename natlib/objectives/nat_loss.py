"""What samples lose: how far they are from their targets and other views, how near to others.

Shapes: v views, b samples in the batch, d target dimensions.
"""

from torch import Tensor

from natlib.objectives.distances import log_density_of_others, teacher_distance, view_distance
from natlib.objectives.nat import NAT

__all__ = ["sample_losses"]


def sample_losses(
    config: NAT, z_VBD: Tensor, centroid_BD: Tensor, taught_VBD: Tensor | None
) -> tuple[Tensor, dict[str, Tensor]]:
    """The formula of :class:`NAT`; a collective call where there is repulsion.

    Args:
        config: weights of the terms.
        z_VBD: embeddings of the views.
        centroid_BD: the mean of each sample's targets.
        taught_VBD: what a teacher makes of the views, if there is one.

    Returns:
        Tensor[b], and the terms without their weights, each a mean over samples without gradient.
    """
    aim_BD = config.aim(centroid_BD)
    terms = {"target": (z_VBD - aim_BD).square().sum(-1).mean(0)}
    if taught_VBD is not None and config.teacher_aligns:
        terms["alignment"] = teacher_distance(z_VBD, taught_VBD)
    else:
        terms["alignment"] = view_distance(z_VBD)
    losses_B = config.attraction * terms["target"] + config.alignment * terms["alignment"]
    if config.repulsion:
        terms["repulsion"] = log_density_of_others(z_VBD, aim_BD, config.temperature)
        losses_B = losses_B + config.repulsion * terms["repulsion"]
    return losses_B, {name: term.mean().detach() for name, term in terms.items()}
