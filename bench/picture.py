"""The ratios to nginx as an SVG picture: a bar for each contender, its spread as a line."""
import html

from report import rows, spread

COLOURS = {"nginx": "#5b8c5a", "haproxy": "#4a7fb5", "h2o": "#b58f4a", "caddy": "#7a6bb0", "node": "#8aa64f",
           "relay": "#999999", "banyan": "#c8553d"}
# Readable on light and dark pages.
STYLE = """<style>
text { fill: #222 } .note { fill: #666 } .paper { fill: white } .grid { stroke: #ddd } .spread { stroke: #222 }
@media (prefers-color-scheme: dark) {
text { fill: #ddd } .note { fill: #999 } .paper { fill: #161616 } .grid { stroke: #3a3a3a } .spread { stroke: #ddd }
}
</style>"""
LEFT, WIDTH, BAR, GAP, MOST = 230, 560, 13, 14, 2.5


def place(ratio):
    return LEFT + WIDTH * min(ratio, MOST) / MOST


def bar(name, found, y):
    middle, low, high = found
    parts = [f'<rect x="{LEFT}" y="{y}" width="{place(middle) - LEFT:.1f}" height="{BAR - 2}" '
             f'fill="{COLOURS.get(name, "#555")}"/>',
             f'<text x="{LEFT - 6}" y="{y + 9}" text-anchor="end">{html.escape(name)}</text>',
             f'<text x="{max(place(middle), place(high)) + 5:.1f}" y="{y + 9}">{middle:.2f}</text>']
    if low < MOST:
        parts.append(f'<path d="M{place(low):.1f} {y + 5.5}H{place(high):.1f}" class="spread" stroke-width="1.5"/>')
    return parts


def as_svg(results):
    parts, y = [], 48
    for title, case in results["cases"].items():
        bars = [(name, spread(case, name)) for name, *_ in rows(case)]
        bars = [(name, found) for name, found in bars if found]
        if not bars:
            continue
        parts.append(f'<text x="8" y="{y + 9}" font-weight="bold">{html.escape(title)}</text>')
        for name, found in bars:
            parts += bar(name, found, y)
            y += BAR
        y += GAP
    machine = results["machine"]
    foot = f"{machine['date']}, {machine['processor']}, {machine['rounds']} rounds of {machine['seconds']:g} s"
    head = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{LEFT + WIDTH + 60}" height="{y + 20}" '
            'font-family="sans-serif" font-size="11">', STYLE, '<rect class="paper" width="100%" height="100%"/>',
            '<text x="8" y="20" font-size="14">CPU time per request, as a ratio to nginx (less is better)</text>',
            f'<path d="M{place(1):.1f} 36V{y}" stroke="#5b8c5a" stroke-dasharray="3 3"/>',
            f'<text x="8" y="{y + 10}" class="note">{html.escape(foot)}</text>']
    return "\n".join([*head, *parts, "</svg>", ""])
