#!/usr/bin/env python3
"""Draws the figures of the guide as SVG files in src/figures. Run it after a change: python3 figures.py

Every figure has its own light background, so that it is readable in light and dark themes.
"""

import math
from pathlib import Path

INK, GRAY, LIGHT = "#22272e", "#6b7280", "#c4c8ce"
FORWARD, BACKWARD, FILL = "#1f6feb", "#c2410c", "#dbe7fb"
HEAD = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {w} {h}" width="{w}" height="{h}" role="img" \
font-family="sans-serif" font-size="15" fill="{ink}">
<title>{title}</title>
<defs>
<marker id="f" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">\
<path d="M0 0 8 4 0 8z" fill="{f}"/></marker>
<marker id="b" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">\
<path d="M0 0 8 4 0 8z" fill="{b}"/></marker>
</defs>
<rect width="{w}" height="{h}" rx="8" fill="#f7f8fa"/>
"""


class Figure:
    """The elements of one picture."""

    def __init__(self, name, width, height, title):
        self.name = name
        head = HEAD.format(w=width, h=height, title=title, ink=INK, f=FORWARD, b=BACKWARD)
        self.parts = [head]

    def text(self, x, y, text, anchor="middle", color=INK, size=15, weight="normal"):
        self.parts.append(
            f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}" fill="{color}" font-size="{size}" '
            f'font-weight="{weight}">{text}</text>\n'
        )

    def line(self, a, b, color=LIGHT, width=1.5, arrow=None, dash=None):
        (x1, y1), (x2, y2) = a, b
        end = f' marker-end="url(#{arrow})"' if arrow else ""
        dashes = f' stroke-dasharray="{dash}"' if dash else ""
        self.parts.append(
            f'<line x1="{x1:g}" y1="{y1:g}" x2="{x2:g}" y2="{y2:g}" stroke="{color}" '
            f'stroke-width="{width}"{end}{dashes}/>\n'
        )

    def between(self, a, b, gap_a, gap_b, **style):
        """A line from a to b that leaves a gap at both ends."""
        (x1, y1), (x2, y2) = a, b
        length = math.hypot(x2 - x1, y2 - y1)
        dx, dy = (x2 - x1) / length, (y2 - y1) / length
        self.line((x1 + gap_a * dx, y1 + gap_a * dy), (x2 - gap_b * dx, y2 - gap_b * dy), **style)

    def circle(self, x, y, radius, text="", fill="#ffffff", stroke=FORWARD, size=15):
        self.parts.append(
            f'<circle cx="{x:g}" cy="{y:g}" r="{radius:g}" fill="{fill}" stroke="{stroke}" stroke-width="1.5"/>\n'
        )
        if text:
            self.text(x, y + size / 3, text, size=size)

    def box(self, x, y, width, height, lines, fill="#ffffff", stroke=FORWARD, size=15):
        self.parts.append(
            f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="6" fill="{fill}" '
            f'stroke="{stroke}" stroke-width="1.5"/>\n'
        )
        top = y + height / 2 + size / 3 - (len(lines) - 1) * (size + 4) / 2
        for number, line in enumerate(lines):
            bold = "bold" if number == 0 and len(lines) > 1 else "normal"
            self.text(x + width / 2, top + number * (size + 4), line, size=size, weight=bold)

    def curve(self, points, color=FORWARD):
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self.parts.append(f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="2.5"/>\n')

    def write(self):
        folder = Path(__file__).parent / "src" / "figures"
        folder.mkdir(exist_ok=True)
        (folder / f"{self.name}.svg").write_text("".join(self.parts) + "</svg>\n", encoding="utf-8")


def neuron():
    """The neuron of examples/neuron.rs, with its numbers."""
    f = Figure("neuron", 720, 230, "One neuron: inputs times weights, plus a bias, through a sigmoid")
    x1, x2, total, sigmoid = (70, 60), (70, 170), (310, 115), (490, 115)
    for place, number, weight, y in [(x1, "2", "w₁ = 0", 70), (x2, "3", "w₂ = 1", 175)]:
        f.circle(*place, 24, number)
        f.between(place, total, 26, 38, color=FORWARD, arrow="f")
        f.text(185, y, weight, color=GRAY)
    f.text(70, 24, "inputs", color=GRAY)
    f.circle(*total, 36, "Σ", size=22)
    f.text(310, 205, "bias b = 4", color=GRAY)
    f.line((310, 188), (310, 155), color=FORWARD, arrow="f")
    f.between(total, sigmoid, 38, 38, color=FORWARD, arrow="f")
    f.text(400, 100, "z = 7", color=GRAY)
    f.circle(*sigmoid, 36, "σ(z)", size=17)
    f.line((528, 115), (600, 115), color=FORWARD, arrow="f")
    f.text(610, 120, "y = 0.9991", anchor="start")
    f.text(310, 24, "weighted sum", color=GRAY)
    f.text(490, 24, "activation", color=GRAY)
    f.write()


def activations():
    """Three activations as curves."""
    f = Figure("activations", 720, 220, "The activations ReLU, sigmoid and tanh as curves")
    curves = [
        ("ReLU: max(0, z)", lambda z: max(0.0, z), 0.0, 3.0),
        ("sigmoid: 1 / (1 + e⁻ᶻ)", lambda z: 1 / (1 + math.exp(-z)), 0.0, 1.0),
        ("tanh z", math.tanh, -1.0, 1.0),
    ]
    for number, (name, function, low, high) in enumerate(curves):
        left, top, width, height = 50 + 230 * number, 45, 170, 130
        x = lambda z: left + (z + 3) / 6 * width
        y = lambda v: top + (high - v) / (high - low) * height
        f.text(left + width / 2, 25, name)
        f.line((left, y(0)), (left + width, y(0)))
        f.line((x(0), top), (x(0), top + height))
        f.curve([(x(z / 20), y(function(z / 20))) for z in range(-60, 61)])
        for value in (low, high):
            f.text(left - 8, y(value) + 5, f"{value:g}".replace("-", "−"), anchor="end", color=GRAY, size=13)
        for z in (-3, 3):
            f.text(x(z), top + height + 22, f"{z}".replace("-", "−"), color=GRAY, size=13)
    f.write()


def layer():
    """The layer of examples/layer.rs: three neurons, and its table of weights."""
    f = Figure("layer", 720, 260, "A layer of three neurons that read two inputs, with its weights as a table")
    inputs = [(60, 100, "2"), (60, 190, "3")]
    neurons = [(240, 70, "3.5"), (240, 145, "1.5"), (240, 220, "0")]
    for x, y, _ in inputs:
        for u, v, _ in neurons:
            f.between((x, y), (u, v), 26, 30, color=FORWARD, arrow="f")
    for x, y, number in inputs:
        f.circle(x, y, 24, number)
    for x, y, number in neurons:
        f.circle(x, y, 28, number, fill=FILL)
    f.text(60, 25, "inputs [2]", color=GRAY)
    f.text(240, 25, "outputs [3]", color=GRAY)
    rows = [("", ["neuron 1", "neuron 2", "neuron 3"]), ("input 1", ["1", "−1", "0.5"]),
            ("input 2", ["0.5", "1", "−1"]), ("bias", ["0", "0.5", "1"])]
    f.text(530, 25, "weights [2, 3] and biases [3]", color=GRAY)
    for r, (name, cells) in enumerate(rows):
        y = 80 + 45 * r
        f.text(400, y, name, anchor="end", color=GRAY)
        for c, cell in enumerate(cells):
            f.text(455 + 85 * c, y, cell, color=GRAY if r == 0 else INK)
        if r:
            f.line((335, y - 28), (675, y - 28))
    f.write()


def backpropagation():
    """The network of examples/backpropagation.rs, with both passes."""
    f = Figure("backpropagation", 720, 330, "The forward pass from the inputs to the loss, and the backward pass")
    columns = [(70, 2), (220, 3), (370, 3), (520, 1)]
    places = [[(x, 130 + 62 * (i - (n - 1) / 2)) for i in range(n)] for x, n in columns]
    for left, right in zip(places, places[1:]):
        for a in left:
            for b in right:
                f.between(a, b, 20, 20)
    for number, column in enumerate(places):
        for x, y in column:
            f.circle(x, y, 20, fill="#ffffff" if number == 0 else FILL)
    names = ["inputs x", "tanh", "tanh", "output y"]
    for (x, _), name in zip(columns, names):
        f.text(x, 30, name, color=GRAY)
    f.box(600, 105, 105, 50, ["loss", "(y − t)²"], stroke=INK, size=14)
    f.line((541, 130), (598, 130), color=FORWARD, arrow="f")
    f.line((70, 255), (650, 255), color=FORWARD, width=2.5, arrow="f")
    f.text(360, 244, "forward: keep the outputs of every layer", color=FORWARD, size=14)
    f.line((650, 285), (70, 285), color=BACKWARD, width=2.5, arrow="b")
    deltas = [(520, "δ₃ = 2(y − t)"), (370, "δ₂ = (W₃δ₃)·f′"), (220, "δ₁ = (W₂δ₂)·f′")]
    for x, name in deltas:
        f.text(x, 310, name, color=BACKWARD, size=14)
    f.text(650, 310, "backward", color=BACKWARD, size=14)
    f.write()


def network():
    """Ten layers of 100 neurons."""
    f = Figure("network", 720, 300, "A network of 2 inputs, ten hidden layers of 100 neurons and 3 outputs")
    middle = 150
    inputs = [(55, middle - 35, "x"), (55, middle + 35, "y")]
    outputs = [(665, middle + 55 * i, name) for i, name in [(-1, "r"), (0, "g"), (1, "b")]]
    columns = [130 + 51 * i for i in range(10)]
    rows = [middle + dy for dy in (-90, -60, -30, 30, 60, 90)]
    for x, y, _ in inputs:
        for row in rows:
            f.between((x, y), (columns[0], row), 18, 8, width=0.8)
    for left, right in zip(columns, columns[1:]):
        for a in rows:
            for b in rows:
                f.between((left, a), (right, b), 9, 9, width=0.4)
    for x, y, _ in outputs:
        for row in rows:
            f.between((columns[-1], row), (x, y), 8, 18, width=0.8)
    for column in columns:
        for row in rows:
            f.circle(column, row, 8, fill=FILL)
        f.text(column, middle + 7, "⋮", color=GRAY, size=20)
    for x, y, name in inputs + outputs:
        f.circle(x, y, 17, name)
    f.text(55, 30, "place", color=GRAY)
    f.text(360, 30, "ten hidden layers of 100 neurons, ReLU", color=GRAY)
    f.text(665, 30, "color", color=GRAY)
    f.text(360, 280, "90,500 weights and 1,003 biases", color=GRAY)
    f.write()


def step():
    """One training step, and how steps make epochs."""
    f = Figure("step", 720, 250, "A training step: batch, forward pass, loss, backward pass, update")
    boxes = [("batch", "200 samples"), ("forward", "outputs"), ("loss", "one number"),
             ("backward", "gradient"), ("update", "new parameters")]
    for number, lines in enumerate(boxes):
        x = 18 + 140 * number
        stroke = BACKWARD if number == 3 else FORWARD
        f.box(x, 60, 122, 60, lines, stroke=stroke, size=13)
        if number:
            f.line((x - 18, 90), (x - 1, 90), color=FORWARD, arrow="f")
    f.text(360, 35, "one step", color=GRAY)
    f.line((639, 120), (639, 150), color=FORWARD, width=2)
    f.line((639, 150), (79, 150), color=FORWARD, width=2)
    f.line((79, 150), (79, 123), color=FORWARD, width=2, arrow="f")
    f.text(360, 170, "the next batch", color=FORWARD, size=14)
    f.text(360, 205, "An epoch ends when every sample was in one batch:", color=GRAY)
    f.text(360, 228, "10,000 samples in batches of 200 are 50 steps.", color=GRAY)
    f.write()


def engine():
    """The types of a run."""
    f = Figure("engine", 720, 300, "Trainer, engine and session: what decides, what computes, what is kept on the device")
    f.box(20, 30, 150, 60, ["Dataset", "samples"], size=14)
    f.box(20, 210, 150, 60, ["Network", "layers, parameters"], size=14)
    f.box(225, 110, 160, 80, ["Trainer", "epochs, learning rate,", "stopping rules"], size=13)
    f.line((170, 75), (232, 108), color=FORWARD, arrow="f")
    f.line((170, 225), (232, 192), color=FORWARD, arrow="f")
    f.box(455, 30, 245, 80, ["Engine", "gpu: f32, WGSL kernels", "cpu: f32, SIMD · reference: f64"], size=14)
    f.box(455, 190, 245, 80, ["Session", "parameters, optimizer state", "and samples on the device"], size=14)
    f.line((577, 110), (577, 187), color=FORWARD, arrow="f")
    f.text(588, 153, "starts", anchor="start", color=GRAY, size=14)
    f.line((385, 160), (453, 205), color=FORWARD, arrow="f")
    f.text(412, 160, "steps", anchor="start", color=FORWARD, size=14)
    f.line((453, 245), (320, 193), color=BACKWARD, arrow="b")
    f.text(385, 250, "losses", anchor="end", color=BACKWARD, size=14)
    f.write()


for draw in (neuron, activations, layer, backpropagation, network, step, engine):
    draw()
