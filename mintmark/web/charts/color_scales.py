"""Colour scales as CSS classes: a strict content policy refuses colours in style attributes.

Scores take `q0` … `q16` (cividis; Nuñez, Anderton and Renslow, PLoS ONE 2018, in the polynomial fit that
d3-scale-chromatic publishes), lifts around zero take `d0` … `d16` (ochre to teal, `d8` is zero). Each class sets
its own text colour, black or white, whichever has the higher contrast (at least 4.5 : 1 on every step).
"""

from collections.abc import Sequence

STEPS = 17

type Colour = tuple[int, int, int]

_RED = (-4.54, -35.34, 2381.73, -6402.7, 7024.72, -2710.57)
_GREEN = (32.49, 170.73, 52.82, -131.46, 176.58, -67.37)
_BLUE = (81.24, 442.36, -2482.43, 6167.24, -6614.94, 2475.67)
_BELOW, _ZERO, _ABOVE = (140, 76, 8), (243, 240, 232), (0, 92, 104)


def get_sequential_class(score: float) -> str:
    """The class of a score in [0,1]; scores outside take the end of the scale."""
    return f"q{_get_step(score)}"


def get_diverging_class(lift: float, *, max_lift: float) -> str:
    """The class of a lift in [−most, most]; lifts outside take the end of the scale."""
    return f"d{_get_step((lift / max_lift + 1.0) / 2.0)}"


def render_stylesheet() -> str:
    """The text of `static/mintmark/scales.css`."""
    rules = [
        _format_rule(f"q{step}", _get_cividis_colour(step / (STEPS - 1))) for step in range(STEPS)
    ]
    rules += [
        _format_rule(f"d{step}", _get_lift_colour(2.0 * step / (STEPS - 1) - 1.0))
        for step in range(STEPS)
    ]
    return (
        "/* Written by mintmark.web.charts.color_scales.render_stylesheet(); a test compares. */\n"
        + "".join(rules)
    )


def _get_step(share: float) -> int:
    return round(min(1.0, max(0.0, share)) * (STEPS - 1))


def _format_rule(name: str, colour: Colour) -> str:
    ink = (
        "#000"
        if get_contrast(colour, (0, 0, 0)) >= get_contrast(colour, (255, 255, 255))
        else "#fff"
    )
    paint = "#{:02x}{:02x}{:02x}".format(*colour)
    return f".{name} {{ background: {paint}; fill: {paint}; color: {ink}; }}\n"


def _get_cividis_colour(t: float) -> Colour:
    red, green, blue = (
        min(255, max(0, round(_evaluate_polynomial(curve, t)))) for curve in (_RED, _GREEN, _BLUE)
    )
    return red, green, blue


def _evaluate_polynomial(coefficients: Sequence[float], t: float) -> float:
    return float(sum(coefficient * t**power for power, coefficient in enumerate(coefficients)))


def _get_lift_colour(t: float) -> Colour:
    end = _ABOVE if t > 0 else _BELOW
    red, green, blue = (
        round(zero + abs(t) * (far - zero)) for zero, far in zip(_ZERO, end, strict=True)
    )
    return red, green, blue


def get_contrast(first: Colour, second: Colour) -> float:
    """The contrast ratio of two colours, 1 to 21 (WCAG 2.2, relative luminance)."""
    dark, light = sorted((_get_luminance(first), _get_luminance(second)))
    return (light + 0.05) / (dark + 0.05)


def _get_luminance(colour: Colour) -> float:
    linear = [
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4
        for c in (channel / 255.0 for channel in colour)
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
