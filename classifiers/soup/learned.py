"""Mixing shares by gradient descent on the selection pictures (Wortsman et al. 2022, appendix I)."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.func import functional_call

from enrich.classifiers.base import Progress
from enrich.classifiers.neural.heads import CROSS_ENTROPY, FocalLoss
from enrich.classifiers.soup.averaging import batch_norms
from enrich.classifiers.soup.evaluation import Evaluator
from enrich.classifiers.soup.pictures import PictureSet
from enrich.classifiers.soup.pool import Member

STEPS, RATE, BATCH = 60, 0.1, 128


def learned_shares(
    evaluator: Evaluator, selection: PictureSet, members: Sequence[Member], progress: Progress
) -> tuple[list[float], list[dict[str, Any]]]:
    """Shares α = softmax(a) of the members by Adam on the cross-entropy of the selection pictures; the steps.

    Batch norm uses the batch's own statistics on the way, since those of the mix are not known before it
    is made. The slope of the loss along a share is that along the weights times the member's weights, so the
    members are read one after another, twice a step, and never held together (but see evaluation.KEPT).
    """
    network = evaluator.network
    device = next(network.parameters()).device
    names = [k for k, _ in network.named_parameters()]
    network.load_state_dict(evaluator.weights(members[0]))
    buffers = {k: v.clone() for k, v in network.state_dict().items() if k not in names}
    a = torch.zeros(len(members), requires_grad=True)
    optimiser = torch.optim.Adam([a], lr=RATE)
    loss_of = FocalLoss(selection.properties, CROSS_ENTROPY)
    generator = torch.Generator().manual_seed(0)
    steps: list[dict[str, Any]] = []
    network.eval()
    for layer in batch_norms(network):
        layer.train()
    for step in range(STEPS):
        rows = torch.randperm(len(selection), generator=generator)[:BATCH]
        shares = torch.softmax(a, dim=0)
        mixed = _mixture(evaluator, members, shares.detach(), names)
        state = {k: v.to(device) for k, v in mixed.items()} | {k: v.clone() for k, v in buffers.items()}
        pixels = selection.middle(rows, evaluator.pool.size)
        logits = functional_call(network, state, (pixels.to(device),))[0].float().cpu()
        loss = loss_of(logits, selection.target[rows], selection.named[rows])
        slopes = torch.autograd.grad(loss, [mixed[k] for k in names])
        optimiser.zero_grad()
        shares.backward(_along(evaluator, members, names, slopes))  # type: ignore[no-untyped-call]
        optimiser.step()
        if step % 10 == 0:
            steps.append({"step": step, "loss": float(loss.detach())})
        progress("learned soup", step + 1, STEPS)
    network.eval()
    return [float(s) for s in torch.softmax(a.detach().double(), dim=0)], steps


def _mixture(
    evaluator: Evaluator, members: Sequence[Member], shares: Tensor, names: Sequence[str]
) -> dict[str, Tensor]:
    """The members' weights of these names in these shares, as leaves that gradients are asked of."""
    mixed: dict[str, Tensor] = {}
    for member, share in zip(members, shares.tolist(), strict=True):
        weights = evaluator.weights(member)
        for name in names:
            part = weights[name] * share
            mixed[name] = mixed[name].add_(part) if name in mixed else part
    return {name: tensor.requires_grad_() for name, tensor in mixed.items()}


def _along(
    evaluator: Evaluator, members: Sequence[Member], names: Sequence[str], slopes: Sequence[Tensor]
) -> Tensor:
    """The slope of the loss along each member's share, from its slopes along the weights of these names."""
    found = []
    for weights in map(evaluator.weights, members):
        parts = [torch.sum(slope * weights[k]) for k, slope in zip(names, slopes, strict=True)]
        found.append(torch.stack(parts).sum())
    return torch.stack(found)
