"""Bootstrap replicates of the training data: the linear head is fitted anew on each, the body stays as it is.

Training the whole network on every replicate would cost as many trajectories; this measures the variance
that the last layer owes to the sample of training pictures, and says so.
"""

import numpy as np
import torch
from torch import Tensor

from enrich.classifiers.base import Progress, no_progress
from enrich.classifiers.kinds import FloatArray
from enrich.classifiers.neural.networks import ImageNetwork
from enrich.classifiers.soup.pictures import PictureSplit, PropertyView
from enrich.classifiers.soup.trajectory import run

RIDGE = 1e-3


def head_replicates(
    network: ImageNetwork,
    split: PictureSplit,
    size: int,
    *,
    prop: str,
    replicates: int = 10,
    progress: Progress = no_progress,
) -> FloatArray:
    """Probabilities (replicates, n, K) of the scoring pictures, by a head fitted on each bootstrap sample."""
    view, target = PropertyView.of(split.learn, prop), PropertyView.of(split.scoring, prop)
    x = run(network, split.learn, size, features=True)[torch.from_numpy(view.rows)]
    z = run(network, split.scoring, size, features=True)[torch.from_numpy(target.rows)]
    mean, spread = x.mean(dim=0), x.std(dim=0).clamp(min=1e-6)
    x, z = (x - mean) / spread, (z - mean) / spread
    truth = torch.from_numpy(view.truth)
    random = np.random.default_rng(0)
    found = []
    for done in range(replicates):
        rows = torch.from_numpy(random.integers(0, len(x), len(x)))
        found.append(_fit(x[rows], truth[rows], len(view.prop.classes), z))
        progress("bootstrap replicates", done + 1, replicates)
    return np.stack(found)


def _fit(x: Tensor, truth: Tensor, classes: int, z: Tensor) -> FloatArray:
    """Multinomial logistic regression with a small ridge; probabilities of z (n, K)."""
    weight = torch.zeros(x.shape[1], classes, requires_grad=True)
    bias = torch.zeros(classes, requires_grad=True)
    optimiser = torch.optim.LBFGS([weight, bias], max_iter=60, history_size=10, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimiser.zero_grad()
        loss = torch.nn.functional.cross_entropy(x @ weight + bias, truth) + RIDGE * (weight**2).sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimiser.step(closure)  # type: ignore[no-untyped-call]
    with torch.no_grad():
        p: FloatArray = torch.softmax((z @ weight + bias).double(), dim=1).numpy()
    return p
