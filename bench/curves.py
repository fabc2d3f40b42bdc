"""What a request costs against how many there are of something, as a table and as an SVG picture: a panel for each axis.

Results are {"machine": …, "axes": {axis: [{number: {contender: measurement}} for each round]}}.
"""
import html
import math
import statistics

from picture import COLOURS, STYLE

PANEL_WIDTH, PANEL_HEIGHT, COLUMNS = 225, 175, 4
PLOT = (36, 26, 150, 110)  # left, top, width and height in a panel


def medians(rounds, name, key="cpu_us"):
    """[(number, median over the rounds)], where there is one."""
    found = []
    for number in rounds[0]:
        values = [one[number][name][key] for one in rounds if one[number].get(name)]
        if values:
            found.append((int(number), statistics.median(values)))
    return found


def names(rounds):
    return list(dict.fromkeys(name for one in rounds for seen in one.values() for name in seen))


def short(number):
    return f"{number // 1000}k" if number >= 1000 and number % 1000 == 0 else f"{number:,}"


def growth(line):
    return line[-1][1] / line[0][1]


def as_markdown(results):
    machine = results["machine"]
    lines = [f"{machine['date']}, {machine['cores']} cores ({machine['processor']}), Linux {machine['kernel']}, load "
             f"{machine['load_before']:.2f} before; CPU microseconds for a request, medians of {machine['rounds']} rounds "
             f"of {machine['seconds']:g} s. " + ", ".join(machine["versions"].values()) + ".", "",
             "| number of | who | CPU us | last to first |", "|---|---|---|---:|"]
    for axis, rounds in results["axes"].items():
        for name in names(rounds):
            line = medians(rounds, name)
            if line:
                points = ", ".join(f"{number:,}: {value:.1f}" for number, value in line)
                lines.append(f"| {axis} | {name} | {points} | {growth(line):.2f} |")
    return "\n".join(lines)


class Scale:
    """Places in a panel: the logarithm of the number to the right, microseconds upward from 0."""

    def __init__(self, lines):
        self.numbers = [number for number, _ in max(lines.values(), key=len)]
        self.step = next(step for step in (5, 10, 15, 20, 25, 30, 40, 50, 100, 1000, 10_000)
                         if max(value for line in lines.values() for _, value in line) <= 4 * step)
        self.top = 4 * self.step

    def x(self, number):
        first, last = math.log(self.numbers[0]), math.log(self.numbers[-1])
        return PLOT[0] + PLOT[2] * (math.log(number) - first) / (last - first)

    def y(self, value):
        return PLOT[1] + PLOT[3] * (1 - value / self.top)


def axes(title, scale):
    parts = [f'<text x="{PLOT[0]}" y="14" font-weight="bold">{html.escape(title)}</text>']
    for i in range(5):
        y = scale.y(i * scale.step)
        parts.append(f'<path class="grid" d="M{PLOT[0]} {y:.1f}h{PLOT[2]}"/>')
        parts.append(f'<text x="{PLOT[0] - 5}" y="{y + 3.5:.1f}" text-anchor="end">{i * scale.step}</text>')
    for number in scale.numbers:
        parts.append(f'<text x="{scale.x(number):.1f}" y="{PLOT[1] + PLOT[3] + 14}" text-anchor="middle">'
                     f'{short(number)}</text>')
    return parts


def curve(name, line, scale, label_y):
    places = [f"{scale.x(number):.1f} {scale.y(value):.1f}" for number, value in line]
    colour = COLOURS[name]
    return [f'<path d="M{"L".join(places)}" fill="none" stroke="{colour}" stroke-width="2"/>',
            *[f'<circle cx="{place.split()[0]}" cy="{place.split()[1]}" r="2.5" fill="{colour}"/>' for place in places],
            f'<text x="{PLOT[0] + PLOT[2] + 5}" y="{label_y + 3.5:.1f}" style="fill:{colour}">{html.escape(name)}</text>']


def label_places(lines, scale):
    """Beside the ends of the lines, and not upon each other."""
    places, last = {}, -math.inf
    for name in sorted(lines, key=lambda name: -lines[name][-1][1]):
        places[name] = last = max(scale.y(lines[name][-1][1]), last + 12)
    return places


def panel(title, rounds):
    lines = {name: line for name in names(rounds) if (line := medians(rounds, name))}
    if not lines:
        return []
    scale = Scale(lines)
    places = label_places(lines, scale)
    return axes(title, scale) + [part for name, line in lines.items()
                                 for part in curve(name, line, scale, places[name])]


def as_svg(results):
    machine, parts = results["machine"], []
    for i, (title, rounds) in enumerate(results["axes"].items()):
        x, y = 6 + i % COLUMNS * PANEL_WIDTH, 34 + i // COLUMNS * PANEL_HEIGHT
        parts += [f'<g transform="translate({x} {y})">', *panel(title, rounds), "</g>"]
    height = 34 + math.ceil(len(results["axes"]) / COLUMNS) * PANEL_HEIGHT + 12
    foot = (f"{machine['date']}, {machine['processor']}, medians of {machine['rounds']} rounds of "
            f"{machine['seconds']:g} s; the lower axis is logarithmic")
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{20 + COLUMNS * PANEL_WIDTH}" height="{height}" '
        'font-family="sans-serif" font-size="11">', STYLE, '<rect class="paper" width="100%" height="100%"/>',
        '<text x="8" y="20" font-size="14">CPU microseconds for a request against the number of …</text>', *parts,
        f'<text x="8" y="{height - 6}" class="note">{html.escape(foot)}</text>', "</svg>", ""])
