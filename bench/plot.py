#!/usr/bin/python3 -B
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Draws how latency and memory go with the number of tokens, from what `dev/bench --series FILE` measured.
#
#     plot.py FILE >docs/speed.svg
import json
import math
import sys

WIDTH, HEIGHT = 420, 340  # of one panel
LEFT, RIGHT, TOP, BOTTOM = 76, 92, 40, 44
COLOURS = ("#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e", "#17becf", "#8c564b", "#7f7f7f")
DRAWN = ("Verify on the socket", "Describe", "List, a page", "Retrieve", "Create", "Rotate", "Revoke", "Delete")


class Panel:
    """Logarithmic both ways, whole decades."""

    def __init__(self, x, title, unit, lines):
        self.x, self.title, self.unit, self.lines = x, title, unit, lines
        points = [point for _, line in lines for point in line]
        self.across = self.decades(tokens for tokens, _ in points)
        self.up = self.decades(value for _, value in points)

    @staticmethod
    def decades(values):
        values = list(values)
        low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
        return low, max(high, low + 1)

    def at(self, tokens, value):
        def share(number, decades):
            return (math.log10(number) - decades[0]) / (decades[1] - decades[0])
        return (self.x + LEFT + share(tokens, self.across) * (WIDTH - LEFT - RIGHT),
                HEIGHT - BOTTOM - share(value, self.up) * (HEIGHT - TOP - BOTTOM))

    def draw(self):
        yield f'<text x="{self.x + LEFT}" y="22" class="title">{self.title}</text>'
        for decade in range(self.across[0], self.across[1] + 1):
            x, _ = self.at(10 ** decade, 10 ** self.up[0])
            yield f'<path class="grid" d="M{x:.1f} {TOP}V{HEIGHT - BOTTOM}"/>'
            yield f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{10 ** decade:,}</text>'
        for decade in range(self.up[0], self.up[1] + 1):
            _, y = self.at(10 ** self.across[0], 10 ** decade)
            yield f'<path class="grid" d="M{self.x + LEFT} {y:.1f}H{self.x + WIDTH - RIGHT}"/>'
            yield f'<text x="{self.x + LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{10.0 ** decade:,.10g} {self.unit}</text>'
        yield (f'<text x="{self.x + (LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 8}" text-anchor="middle">tokens</text>')
        yield from self.draw_lines()

    def draw_lines(self):
        labels = []  # from the top down, each clear of the one above it
        for number, (_, line) in enumerate(self.lines):
            places = " ".join("{:.1f},{:.1f}".format(*self.at(*point)) for point in line)
            yield f'<polyline points="{places}" fill="none" stroke="{COLOURS[number]}" stroke-width="1.8"/>'
            for point in line:
                x, y = self.at(*point)
                yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.4" fill="{COLOURS[number]}"/>'
            labels.append((self.at(*line[-1])[1], number))
        below = TOP
        for y, number in sorted(labels):
            below = max(y + 4, below + 13)
            yield f'<text x="{self.x + WIDTH - RIGHT + 7}" y="{below:.1f}" fill="{COLOURS[number]}">{self.lines[number][0]}</text>'


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        points = json.load(file)
    panels = [
        Panel(0, "latency over the Unix socket, median", "us",
              [(verb, [(point["tokens"], point["latency"][verb]) for point in points]) for verb in DRAWN]),
        Panel(WIDTH, "memory of hwvaultd", "MB", [("in use", [(point["tokens"], point["memory"] / 1e6) for point in points])]),
        Panel(2 * WIDTH, "start, until it serves", "s", [("start", [(point["tokens"], point["start"]) for point in points])]),
    ]
    print(f'<svg xmlns="http{"://"}www.w3.org/2000/svg" viewBox="0 0 {3 * WIDTH} {HEIGHT}" font-family="sans-serif" font-size="11">')
    print("<style>.grid{stroke:#ccc;stroke-width:.6}.title{font-size:13px;font-weight:bold}</style>")
    print(f'<rect width="{3 * WIDTH}" height="{HEIGHT}" fill="#fff"/>')
    for panel in panels:
        print("\n".join(panel.draw()))
    print("</svg>")


if __name__ == "__main__":
    main()
