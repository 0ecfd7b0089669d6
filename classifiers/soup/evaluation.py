"""Mixes members of a checkpoint pool into one network, and answers given pictures with it."""

from collections.abc import Mapping, Sequence

import numpy as np
from torch import Tensor

from enrich.classifiers.neural.networks import ImageNetwork
from enrich.classifiers.neural.optimisation import pick_device
from enrich.classifiers.soup.averaging import average, renew_statistics
from enrich.classifiers.soup.pictures import PictureSet
from enrich.classifiers.soup.pool import CheckpointPool, Member, Weights
from enrich.classifiers.soup.scores import Score, log_odds, probabilities, score
from enrich.classifiers.soup.trajectory import build, run

KEPT = 1024**3
"""Bytes of members' weights that an evaluator keeps in memory."""


class Evaluator:
    """One network that takes the weights of members and soups in turn.

    `learn` are training pictures, for batch norm's statistics. The logits of single members are kept, and
    their weights up to KEPT bytes; beyond that they are read again when they are mixed.
    """

    def __init__(self, pool: CheckpointPool, learn: PictureSet, device: str = "auto") -> None:
        self.pool, self.learn = pool, learn
        self.network: ImageNetwork = build(pool.settings, pool.properties)[0].to(pick_device(device))
        self._weights: dict[str, Weights] = {}
        self._logits: dict[tuple[str, int], tuple[PictureSet, Tensor]] = {}

    def weights(self, member: Member) -> Weights:
        """A member's weights."""
        if member.sha256 in self._weights:
            return self._weights[member.sha256]
        found = member.weights()
        size = sum(t.nbytes for t in found.values())
        if (len(self._weights) + 1) * size <= KEPT:
            self._weights[member.sha256] = found
        return found

    def mix(self, members: Sequence[Member], shares: Sequence[float] | None = None) -> Weights:
        """The average of members, with batch norm's statistics taken anew.

        One member alone stays as it is, statistics and all. The order of the members does not matter.
        """
        weighed = [(m, s) for m, s in zip(members, shares or [1.0] * len(members), strict=True) if s != 0]
        weighed.sort(key=lambda pair: pair[0].sha256)
        if len({m.sha256 for m, _ in weighed}) == 1:
            return dict(self.weights(weighed[0][0]))
        return self.renewed(average((self.weights(m), share) for m, share in weighed))

    def renewed(self, weights: Mapping[str, Tensor]) -> Weights:
        """The weights with batch norm's statistics taken anew."""
        self.network.load_state_dict(dict(weights))
        renew_statistics(self.network, self.learn, self.pool.size)
        return {k: v.detach().cpu().clone() for k, v in self.network.state_dict().items()}

    def run(self, weights: Mapping[str, Tensor], pictures: PictureSet) -> Tensor:
        """Logits (n, ΣK) of pictures by these weights."""
        self.network.load_state_dict(dict(weights))
        return run(self.network, pictures, self.pool.size)

    def score(self, members: Sequence[Member], pictures: PictureSet) -> Score:
        """How good the average of members is."""
        return score(self.run(self.mix(members), pictures), pictures)

    def member_logits(self, member: Member, pictures: PictureSet) -> Tensor:
        """Logits of pictures by one member, kept."""
        key = (member.sha256, id(pictures))
        if key not in self._logits:
            self._logits[key] = pictures, self.run(self.weights(member), pictures)
        return self._logits[key][1]

    def vote(self, pictures: PictureSet) -> Tensor:
        """Soft voting of all members: logits (n, ΣK) of their mean probabilities. It costs an inference per member."""
        answers = [probabilities(self.member_logits(m, pictures), pictures) for m in self.pool.members]
        return log_odds(np.mean(answers, axis=0), pictures)
