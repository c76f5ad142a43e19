"""Charts as geometry: pure functions from figures to positions, drawn as SVG by the templates.

Horizontal positions are percentages of the chart's width, so that a chart fills its column without
a script and its text keeps its size on a phone; vertical positions are pixels.
"""
