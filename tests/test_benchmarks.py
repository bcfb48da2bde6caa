"""The program that measures runs, and what it writes can be read and drawn."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.benchmarks.__main__ import MODULES
from tests.benchmarks.measuring import Comparison, Kind, Load, Runner, cost_of
from tests.benchmarks.page import PAGES, PLACE, filled
from tests.benchmarks.results import Results

ROOT = Path(__file__).parent.parent
KNOWN = {each.name: (each, module.__name__) for module in MODULES for each in module.COMPARISONS}


@pytest.mark.thorough
def test_a_quick_run_measures_prints_writes_and_draws(tmp_path):
    options = ["--quick", "--repetitions", "1", "--json", tmp_path / "figures.json", "--plots", tmp_path]
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "tests.benchmarks", *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert set(figures["comparisons"]) == {name for name, (each, _) in KNOWN.items() if not each.alone}
    assert list(figures["comparisons"]["text"]["values"]) == [
        "fsmkit",
        "ConversationHandler",
        "aiogram",
        "PTB alone",
    ]
    assert "fsmkit / ConversationHandler" in done.stdout
    assert sum(figures["where"].values()) == pytest.approx(100)
    assert "<svg" in (tmp_path / "states.svg").read_text()


def test_each_contender_runs_in_a_process_of_its_own():
    comparison, module = KNOWN["memory-store"]
    values = Runner().measure(comparison, module, 1)
    assert {size: len(found) for size, found in values["fsmkit"].items()} == {1: 1, 64: 1}


def test_a_contender_that_fails_is_reported_with_what_it_said():
    with pytest.raises(RuntimeError, match="KeyError: 'nobody'"):
        Runner().measure(Comparison("nobody", "", "µs", {"fsmkit": len}), "tests.benchmarks.starting", 1)


def test_a_contender_hands_on_the_turn_before_each_slice():
    done, turns = [], []

    async def work(item):
        done.append(item)

    load = Load(turn=lambda: turns.append(len(done)))
    asyncio.run(cost_of(range(1000), work, load, warm=100))
    assert turns == [100 + 90 * number for number in range(10)]
    assert done == list(range(1000))


def test_ratios_are_taken_within_a_repetition():
    comparison = Comparison("it", "It", "µs", {"mine": len, "theirs": len})
    figures = comparison.figures({"mine": {0: [10.0, 40.0]}, "theirs": {0: [5.0, 10.0]}})
    assert figures == {"mine / theirs": [2.0, 4.0]}


def test_growth_is_the_last_size_by_the_first_and_comes_first():
    comparison = Comparison(
        "it", "It", "µs", {"mine": len, "theirs": len}, kind=Kind.GROWTH, axis="states", sizes=(1, 8)
    )
    values = {"mine": {1: [10.0], 8: [20.0]}, "theirs": {1: [5.0], 8: [40.0]}}
    assert comparison.figures(values) == {
        "mine: 8 by 1 states": [2.0],
        "theirs: 8 by 1 states": [8.0],
        "mine / theirs": [0.5],
    }


def test_a_difference_is_taken_within_a_repetition():
    comparison = Comparison("it", "It", "ms", {"mine": len, "theirs": len}, kind=Kind.DIFFERENCE)
    figures = comparison.figures({"mine": {0: [10.0, 40.0]}, "theirs": {0: [5.0, 10.0]}})
    assert figures == {"mine - theirs": [5.0, 30.0]}


def test_tables_are_written_where_a_page_asks_for_them_and_written_anew():
    results = Results(versions={"Python": "3.11"}, where={"the bot's handlers": 10.0})
    comparison = Comparison("text", "A text", "µs of processor time", {"fsmkit": len, "peer": len}, goal=1.6)
    results.add(comparison, {"fsmkit": {0: [20.0, 30.0]}, "peer": {0: [10.0, 10.0]}})
    page = (
        "Before.\n<!-- figures: peers -->\nold\n<!-- end -->\n<!-- figures: where -->\n<!-- end -->\nAfter.\n"
    )
    once = filled(page, results)
    assert once.splitlines()[:2] == ["Before.", "<!-- figures: peers -->"]
    assert once.splitlines()[4] == (
        "| A text | 25.0 µs | peer: 10.0 µs | **2.50** (2.00 to 3.00) | 1.60 at most: not reached |"
    )
    assert "| the bot's handlers | 10 % | 2.5 |" in once
    assert "old" not in once
    assert filled(once, results) == once


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_pages_hold_figures(page):
    tables = [found[0] for found in PLACE.finditer(page.read_text())]
    assert tables
    assert all(len(table.splitlines()) > 2 for table in tables), (
        "python -m tests.benchmarks.page FIGURES.json"
    )
