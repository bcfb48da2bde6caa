"""Curves of what was measured, as SVG without a background, in colours that are readable on light and on dark."""

from pathlib import Path
from typing import Any

from matplotlib import pyplot

from tests.benchmarks.measuring import Kind, Spread
from tests.benchmarks.results import Results

INK = "#7d8590"
"""A grey with a contrast of about 4 to 1 to white, and to near black."""
COLOURS = ("#2f81f7", "#d97706", "#2ea043", "#a371f7")


def plot(results: Results, directory: Path) -> list[Path]:
    """Draw how the cost grows, for each comparison that is about that; return the files."""
    directory.mkdir(parents=True, exist_ok=True)
    pyplot.switch_backend("Agg")
    files = []
    for name, comparison in results.comparisons.items():
        if comparison["kind"] == Kind.GROWTH.value:
            files.append(directory / f"{name}.svg")
            _draw(comparison, files[-1])
    return files


def _draw(comparison: dict[str, Any], file: Path) -> None:
    style = {
        "svg.hashsalt": file.stem,
        "svg.fonttype": "none",
        **dict.fromkeys(
            ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"), INK
        ),
    }
    with pyplot.rc_context(style):
        figure, axes = pyplot.subplots(figsize=(6.4, 3.6), layout="constrained")
        for (name, by_size), colour in zip(comparison["values"].items(), COLOURS, strict=False):
            sizes = [int(size) for size in by_size]
            spreads = [Spread.of(found) for found in by_size.values()]
            axes.plot(sizes, [each.median for each in spreads], marker="o", color=colour, label=name)
            low, high = [each.low for each in spreads], [each.high for each in spreads]
            axes.fill_between(sizes, low, high, color=colour, alpha=0.2, linewidth=0)
        axes.set_xscale("log", base=2 if max(sizes) <= 1024 else 10)
        axes.set_xticks(sizes, [f"{size:,}" for size in sizes])
        axes.minorticks_off()
        axes.set_ylim(bottom=0)
        axes.set(title=comparison["title"], xlabel=comparison["axis"], ylabel=comparison["unit"])
        axes.grid(color=INK, alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, labelcolor=INK)
        figure.savefig(file, transparent=True, metadata={"Date": None})
        pyplot.close(figure)
