"""The report's section with the pictures of a network's fabrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from posenas import Section
from posenas.charts import render

_TEMPLATE = """\
<p>The network of genotype <code>{{ id }}</code>, as space <code>cnf</code> draws it: {{ names | join(", ") }}.</p>
{% for name in names %}
<figure>
<img src="architecture-{{ name }}.png" alt="{{ name }} of the network: what is connected to what, and how much it weighs.">
</figure>
{% endfor %}
"""  # noqa: E501


def architecture_sections(genotype_id: str, pictures: Mapping[str, bytes]) -> Sequence[Section]:
    """Return the one section; none where there is nothing to draw.

    Args:
        genotype_id: names the network.
        pictures: PNG files by the names of the fabrics.
    """
    if not pictures:
        return []
    html = render(_TEMPLATE, id=genotype_id, names=list(pictures))
    return [
        Section("Architecture", html, {f"architecture-{name}.png": each for name, each in pictures.items()})
    ]
