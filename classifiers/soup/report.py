"""One self-contained HTML page of an analysis or a comparison, with the figures as PNG and the numbers as JSON."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined

from classifiers.model.folder import write_json
from classifiers.soup.analysis import Analysis
from classifiers.soup.figures import save_comparison, save_figures

HEAD = """<!doctype html><html lang="en"><meta charset="utf-8"><title>{{ title }}</title>
<style>body{font:15px/1.5 system-ui,sans-serif;max-width:62em;margin:2em auto;padding:0 1em;color:#222}
table{border-collapse:collapse;margin:1em 0}td,th{padding:.2em .7em;text-align:right;border-bottom:1px solid #ddd}
td:first-child,th:first-child{text-align:left}img{max-width:100%}.note{color:#8a3b12}</style>
<h1>{{ title }}</h1>
{% macro n(value, digits=3) %}{{ '–' if value is none or value != value else ('%.' ~ digits ~ 'f') % value }}{% endmacro %}
{% macro within(v, digits=3) %}{{ n(v[0], digits) }} [{{ n(v[1], digits) }}, {{ n(v[2], digits) }}]{% endmacro %}
"""

ANALYSIS = (
    HEAD
    + """<p>{{ d.members|length }} members; property {{ d.property }}, {{ d.classes|length }} classes. Soups were chosen by
{{ d.metric }} on {{ d.pictures.selection }} pictures; every figure here is of the {{ d.pictures.scoring }} scoring pictures,
which chose nothing.</p>
<table><tr><th>answer</th><th>members</th><th>inferences</th><th>accuracy [95 %]</th><th>macro-F1</th><th>cross-entropy</th>
<th>on selection: {{ d.metric }}</th></tr>
{% for x in d.dishes %}<tr><td>{{ x.name }}</td><td>{{ x.members|length }}</td><td>{{ x.inferences }}</td>
<td>{{ n(x.scoring.accuracy) }} [{{ n(x.accuracy_interval[0]) }}, {{ n(x.accuracy_interval[1]) }}]</td>
<td>{{ n(x.scoring.macro_f1) }}</td><td>{{ n(x.scoring.loss) }}</td><td>{{ n(x.selection[d.metric]) }}</td></tr>{% endfor %}
</table>
{% for x in d.dishes %}{% for note in x.notes %}<p class="note">{{ x.name }}: {{ note }}</p>{% endfor %}{% endfor %}
{% for a, b in d.duplicates %}<p class="note">{{ a }} has the very weights of {{ b }} and counts once.</p>{% endfor %}
{% for heading, picture in pictures.items() %}<h2>{{ heading }}</h2><img alt="{{ heading }}" src="{{ picture }}">{% endfor %}
<h2>Bias and variance in numbers</h2>
<p>0–1 loss by Domingos (2000): loss = bias + variance that adds − variance that takes off. Cross-entropy by Heskes (1998):
loss = bias + variance. Head replicates: the linear head fitted anew on bootstrap samples of the training pictures, the body
kept.</p>
<table><tr><th>over</th><th>0–1 loss</th><th>bias</th><th>adds</th><th>takes off</th><th>cross-entropy</th><th>bias</th><th>variance</th></tr>
{% for name, x in d.bias_variance.items() %}<tr><td>{{ name }}</td><td>{{ within(x.zero_one.loss) }}</td><td>{{ within(x.zero_one.bias) }}</td>
<td>{{ n(x.zero_one.variance_unbiased[0]) }}</td><td>{{ n(x.zero_one.variance_biased[0]) }}</td><td>{{ within(x.cross_entropy.loss) }}</td>
<td>{{ n(x.cross_entropy.bias[0]) }}</td><td>{{ n(x.cross_entropy.variance[0]) }}</td></tr>{% endfor %}</table>
<h2>Lines</h2>
<table><tr><th>pair</th><th>from</th><th>to</th><th>barrier, nats</th></tr>
{% for x in d.lines %}<tr><td>{{ x.pair }}</td><td>{{ x.from }}</td><td>{{ x.to }}</td><td>{{ n(x.barrier) }}</td></tr>{% endfor %}</table>
<h2>Cost of an answer</h2>
<p>{{ '{:,}'.format(d.cost.parameters|int) }} parameters, {{ n(d.cost.member_flops / 1e6, 1) }} million operations a
picture (soup {{ n(d.cost.soup_flops / 1e6, 1) }}, vote {{ n(d.cost.vote_flops / 1e6, 1) }}). Processor time per picture: one member {{ n(d.cost.member_ms, 2) }} ms, soup
{{ n(d.cost.soup_ms, 2) }} ms (ratio {{ n(d.cost.soup_ratio, 2) }}), vote of {{ d.cost.voters|int }} {{ n(d.cost.vote_ms, 2) }} ms
(ratio {{ n(d.cost.vote_ratio, 1) }}).</p>
<h2>Distances</h2>
<table><tr><th>distance</th><th>stress, classical</th><th>stress, SMACOF</th><th>share of two dimensions</th></tr>
{% for name, x in d.distances.items() %}<tr><td>{{ name }}</td><td>{{ n(x.stress.classical) }}</td><td>{{ n(x.stress.SMACOF) }}</td>
<td>{{ n(x.share_of_two_dimensions) }}</td></tr>{% endfor %}</table>
<p>Symmetric cross-entropy holds the members' own entropies, so unsure members lie far out; its diagonal is taken as 0 for
the maps. Jensen–Shannon does not.</p></html>
"""
)

COMPARISON = (
    HEAD
    + """<p>Property {{ d.property }}. Soups were chosen by {{ d.metric }} on {{ d.pictures.selection }} pictures and scored on
{{ d.pictures.scoring }} others. Intervals draw seeds and pictures anew; tests are paired over seeds.</p>
{% for heading, picture in pictures.items() %}<h2>{{ heading }}</h2><img alt="{{ heading }}" src="{{ picture }}">{% endfor %}
{% for name, x in d.networks.items() %}<h2>{{ name }}</h2>
<p>{{ '{:,}'.format(x.parameters|int) }} parameters, {{ x.seeds|length }} seeds, {{ x.checkpoints|join(', ') }} checkpoints, trained in
{{ x.training_seconds|join(', ') }} s. Per picture {{ n(x.cost.member_flops / 1e6, 1) }} million operations (soup
{{ n(x.cost.soup_flops / 1e6, 1) }}, vote {{ n(x.cost.vote_flops / 1e6, 1) }}) and processor time: member {{ n(x.cost.member_ms, 2) }} ms, soup ratio
{{ n(x.cost.soup_ratio, 2) }}, vote ratio {{ n(x.cost.vote_ratio, 1) }}.</p>
<table><tr><th>answer</th><th>members</th><th>accuracy [95 %]</th><th>macro-F1</th><th>cross-entropy</th><th>ECE, calibrated</th>
<th>against the best member [95 %]</th><th>p</th><th>seeds won</th></tr>
{% for dish, s in x.dishes.items() %}<tr><td>{{ dish }}</td><td>{{ s.members|join(', ') }}</td><td>{{ within(s.accuracy) }}</td>
<td>{{ n(s.macro_f1) }}</td><td>{{ n(s.loss) }}</td><td>{{ n(s.ece) }}, {{ n(s.ece_calibrated) }}</td>
{% if s.against_best %}<td>{{ within(s.against_best.difference) }}</td><td>{{ n(s.against_best.p) }}</td>
<td>{{ s.against_best.wins }} of {{ s.against_best.seeds }}</td>{% else %}<td>–</td><td>–</td><td>–</td>{% endif %}</tr>{% endfor %}</table>
{% endfor %}
{% if d.against_first %}<h2>Between networks</h2><table><tr><th>one</th><th>other</th><th>difference in accuracy [95 %]</th><th>p</th></tr>
{% for x in d.against_first %}<tr><td>{{ x.one }}</td><td>{{ x.other }}</td><td>{{ within(x.difference) }}</td><td>{{ n(x.p) }}</td></tr>
{% endfor %}</table>{% endif %}</html>
"""
)


def write_analysis(analysis: Analysis, folder: Path, title: str = "Soup analysis") -> Path:
    """Write report.html, numbers.json and the figures into `folder`; returns the page."""
    return _write(ANALYSIS, analysis.numbers, save_figures(analysis, folder), folder, title)


def write_comparison(numbers: Mapping[str, Any], folder: Path, title: str = "Soup comparison") -> Path:
    """Write report.html, numbers.json and the figure into `folder`; returns the page."""
    return _write(COMPARISON, numbers, save_comparison(numbers, folder), folder, title)


def _write(
    template: str, numbers: Mapping[str, Any], pictures: Mapping[str, Path], folder: Path, title: str
) -> Path:
    environment = Environment(autoescape=True, undefined=StrictUndefined)
    page = environment.from_string(template).render(
        d=numbers, title=title, pictures={heading: _inline(path) for heading, path in pictures.items()}
    )
    write_json(folder / "numbers.json", numbers)
    target = folder / "report.html"
    target.write_text(page, encoding="utf-8")
    return target


def _inline(path: Path) -> str:
    return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode()
