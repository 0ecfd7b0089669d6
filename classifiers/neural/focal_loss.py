"""The focal loss on tensors (Lin et al. 2017, *Focal Loss for Dense Object Detection*, section 3)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def focal_loss(
    logits: Tensor, target: Tensor, many: bool, gamma: float, weight: Tensor | float = 1.0
) -> Tensor:
    """Loss of each record (n,), in nats: Σ_k w_k · t_k · (1 − p_k)^γ · (−log p_k).

    `logits` and `target` are (n, K), the target may be soft; `weight` (K,). p is the softmax of the logits;
    of a property with many values each class's sigmoid, to which the same term for "not this class" is
    added, unweighted.
    """
    if not many:
        log_p = F.log_softmax(logits, dim=1)
        return -(weight * target * _focus(log_p, gamma) * log_p).sum(dim=1)
    yes, no = F.logsigmoid(logits), F.logsigmoid(-logits)
    terms = weight * target * _focus(yes, gamma) * yes + (1 - target) * _focus(no, gamma) * no
    return -terms.sum(dim=1)


def _focus(log_p: Tensor, gamma: float) -> Tensor:
    """(1 − p)^γ; the floor keeps the gradient of a fractional γ finite where p is 1."""
    if gamma == 0:
        return torch.ones_like(log_p)
    return (-torch.expm1(log_p)).clamp(min=1e-7).pow(gamma)
