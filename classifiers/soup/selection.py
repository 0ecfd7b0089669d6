"""Makes a soup: which members are averaged, in which shares, chosen on the selection pictures only.

Uniform and greedy soups: Wortsman et al. 2022, section 2. Pruned: from the uniform soup, members leave as
long as it gets no worse. Window: the last checkpoints, as many as score best (Izmailov et al. 2018; Kaddour
2022). Learned: see `learned`.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from enrich.classifiers.base import ClassifierError, Progress, no_progress
from enrich.classifiers.soup.evaluation import Evaluator
from enrich.classifiers.soup.learned import learned_shares
from enrich.classifiers.soup.notes import Ranked, notes_on
from enrich.classifiers.soup.pictures import PictureSet
from enrich.classifiers.soup.pool import CheckpointPool, Member, Weights
from enrich.classifiers.soup.scores import Metric, Score, score

Method = Literal["uniform", "greedy", "pruned", "window", "learned"]
METHODS: tuple[Method, ...] = ("uniform", "greedy", "pruned", "window", "learned")
WINDOWS = tuple(sorted({1, *(2**i for i in range(1, 12)), *(3 * 2**i for i in range(12))}))
Members = list[Member]
Steps = list[dict[str, Any]]


@dataclass(frozen=True)
class Soup:
    """A soup: its weights, whom it was made of and in which shares, and its score on selection.

    `steps` tells each decision on the way, `notes` what a person should know, in whole sentences.
    """

    method: str
    metric: Metric
    weights: Weights
    members: tuple[Member, ...]
    shares: tuple[float, ...]
    score: Score
    best: Member
    best_score: Score
    steps: tuple[dict[str, Any], ...] = ()
    notes: tuple[str, ...] = field(default=())

    def ingredients(self) -> list[dict[str, Any]]:
        """What a model folder says of the members: digest, name and share."""
        return [
            {"sha256": m.sha256, "name": m.name, "share": s}
            for m, s in zip(self.members, self.shares, strict=True)
        ]


def make_soup(
    evaluator: Evaluator,
    selection: PictureSet,
    method: Method,
    *,
    metric: Metric = "macro_f1",
    progress: Progress = no_progress,
) -> Soup:
    """Average members of the evaluator's pool. ClassifierError for a method there is not, or no member."""
    if method not in METHODS:
        raise ClassifierError(f"there is no soup called {method!r}; there are: {', '.join(METHODS)}")
    if not evaluator.pool.members or not len(selection):
        raise ClassifierError("a soup needs at least one member and pictures to select on")
    ranked = rank(evaluator, selection, metric, progress)
    members, shares, steps = [m for m, _ in ranked], [1.0] * len(ranked), Steps()
    if method == "learned":
        shares, steps = learned_shares(evaluator, selection, members, progress)
    elif method != "uniform":
        members, steps = _Climb(evaluator, selection, metric, progress).by(method, ranked)
        shares = [1.0] * len(members)
    weights = evaluator.mix(members, shares)  # the very call that was scored: no other rounding
    found = score(evaluator.run(weights, selection), selection)
    best, best_score = ranked[0]
    return Soup(
        method=method,
        metric=metric,
        weights=weights,
        members=tuple(members),
        shares=tuple(s / sum(shares) for s in shares),
        score=found,
        best=best,
        best_score=best_score,
        steps=tuple(steps),
        notes=tuple(notes_on(evaluator.pool, metric, ranked, method, members, found, steps)),
    )


def rank(
    evaluator: Evaluator, selection: PictureSet, metric: Metric, progress: Progress = no_progress
) -> Ranked:
    """The members with their scores on selection, best first; ties go to the later epoch, then by digest."""
    found = []
    for done, member in enumerate(evaluator.pool.members, start=1):
        found.append((member, score(evaluator.member_logits(member, selection), selection)))
        progress("scoring members", done, len(evaluator.pool.members))
    return sorted(found, key=lambda pair: (-pair[1].by(metric), -pair[0].epoch, pair[0].sha256))


@dataclass(frozen=True)
class _Climb:
    """Goes from one set of members to another as long as the score on selection gets no worse."""

    evaluator: Evaluator
    selection: PictureSet
    metric: Metric
    progress: Progress

    def by(self, method: Method, ranked: Ranked) -> tuple[Members, Steps]:
        """Greedy: from the best member on, add the next. Pruned: from all on, leave out the worst first.

        Window: the best of the windows, or the best member alone where each is worse; of equals the later.
        """
        (best, top), members = ranked[0], [m for m, _ in ranked]
        start = (best.name, [best], top.by(self.metric))
        if method == "greedy":
            added = [(m.name, lambda now, m=m: [*now, m]) for m in members[1:]]
            return self._climb(start, added, "greedy soup")
        if method == "pruned":
            less = [(m.name, lambda now, m=m: [o for o in now if o is not m]) for m in reversed(members)]
            return self._climb(("all", members, self._score(members)), less, "pruned soup", leaving=True)
        other = [(name, lambda _now, w=w: w) for name, w in windows(self.evaluator.pool) if w != [best]]
        return self._climb(start, other, "windows")

    def _score(self, members: Sequence[Member]) -> float:
        return self.evaluator.score(members, self.selection).by(self.metric)

    def _climb(
        self,
        start: tuple[str, Members, float],
        changes: Sequence[tuple[str, Callable[[Members], Members]]],
        stage: str,
        *,
        leaving: bool = False,
    ) -> tuple[Members, Steps]:
        name, chosen, now = start
        steps: Steps = [{"member": name, "score": now, "kept": True, "tie": False}]
        for done, (name, change) in enumerate(changes, start=1):
            tried = change(chosen)
            if not tried:
                break
            found = self._score(tried)
            taken = found >= now
            steps.append({"member": name, "score": found, "kept": taken != leaving, "tie": found == now})
            if taken:
                chosen, now = tried, found
            self.progress(stage, done, len(changes))
        return chosen, steps


def windows(pool: CheckpointPool) -> list[tuple[str, Members]]:
    """The last k checkpoints of each training, and the ends of its last k cycles under restarts; with names.

    k is 1, 2, 3, 4, 6, 8, 12 and so on, and all there are: few, since many would fit the selection pictures
    by luck. Each set once, the shorter ones first.
    """
    ends = [m for m in pool.members if _ends_a_cycle(pool, m)]
    found: dict[frozenset[str], tuple[str, Members]] = {}
    for name, members in (("last {}", pool.members), ("ends of the last {} cycles", ends)):
        runs = _by_trajectory(members)
        longest = max(map(len, runs), default=0)
        for k in [*(s for s in WINDOWS if s < longest), *([longest] if longest else [])]:
            chosen = [m for run in runs for m in run[-k:]]
            found.setdefault(frozenset(m.sha256 for m in chosen), (name.format(k), chosen))
    return list(found.values())


def _by_trajectory(members: Iterable[Member]) -> list[Members]:
    runs: dict[str, Members] = {}
    for member in sorted(members, key=lambda m: m.epoch):
        runs.setdefault(member.trajectory, []).append(member)
    return list(runs.values())


def _ends_a_cycle(pool: CheckpointPool, member: Member) -> bool:
    """Whether the learning rate was at its lowest after this epoch, just before a restart."""
    recipe = next(t.settings.training for t in pool.trajectories if t.name == member.trajectory)
    ends = (member.epoch + 1) % recipe.restart_every == 0
    return recipe.schedule == "restarts" and not recipe.warmup and ends
