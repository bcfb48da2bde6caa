"""What is drawn of a graph, where it stands, and the SVG that is made of it."""

import re
from pathlib import Path
from xml.etree import ElementTree

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsmkit import ANY, END, Done, Flow, Returned, State, StatesGroup, Timeout
from fsmkit.graph import graph_of
from fsmkit.graph.drawing import Seen, drawing_of, label_of, short
from fsmkit.graph.layout import LayoutError, find_graphviz, lay_out, width_of
from fsmkit.graph.svg import png, svg
from fsmkit.telegram import button, command
from fsmkit.testing.loading import load

ROOT = Path(__file__).parent.parent.parent
EXAMPLES = sorted(path for path in (ROOT / "examples").rglob("*.py"))
SVG = "{http://www.w3.org/2000/svg}"


@attrs.frozen
class Paid:
    amount: int


def wizard(states: int = 5) -> Flow:
    """A flow of several states, each with a text that leads on."""
    flow = Flow("wizard")
    names = [f"s{number}" for number in range(states)]
    for name in names:
        flow.state(name)
    for name, goal in zip(names, [*names[1:], None], strict=True):
        flow.defstate(name, to=goal or END)(never)
    flow.defstate(None, on=command("start"), to="s0")(never)
    return flow


def never(event, ctx):
    raise NotImplementedError


def drawn(*flows):
    return drawing_of(graph_of(*flows))


class TestChips:
    def test_what_was_declared_for_any_state_is_a_chip_and_no_arrow(self):
        flow = wizard()
        flow.defstate(ANY, on=command("cancel"), to=END)(never)
        drawing = drawn(flow)
        assert [chip.text for chip in drawing.chips] == ["/cancel → ●"]
        assert not any("/cancel" in arrow.labels for arrow in drawing.arrows)

    def test_what_most_states_have_alike_is_a_chip_that_names_the_others(self):
        flow = wizard()
        flow.defstate("s0", "s1", "s2", on=command("help"), to="s4")(never)
        assert [chip.text for chip in drawn(flow).chips] == ["/help → s4 (not s3, s4)"]

    def test_what_few_states_have_stays_arrows(self):
        flow = wizard(7)
        flow.defstate("s0", "s1", "s2", on=command("help"), to="s4")(never)
        assert drawn(flow).chips == ()

    def test_of_many_exceptions_some_are_counted(self):
        flow = wizard(12)
        flow.defstate(*(f"s{n}" for n in range(6)), on=command("help"), to="s4")(never)
        assert [chip.text for chip in drawn(flow).chips] == ["/help → s4 (not s6, s7, s8 and 3 more)"]

    def test_a_group_has_chips_of_its_own(self):
        class Form(StatesGroup):
            name = State()

            class Address(StatesGroup):
                street, city = State(), State()

        flow = Flow("form", states=Form)
        flow.defstate(Form.Address, on=command("skip"), to=Form.name)(never)
        assert [chip.text for chip in drawn(flow).chips] == ["in Form.Address: /skip → Form:name"]

    def test_going_back_everywhere_is_a_chip_and_else_a_badge(self):
        flow = wizard()
        flow.defstate("s3", on=command("back"))(lambda event, ctx: ("back",))
        drawing = drawn(flow)
        assert [spot.badges for spot in drawing.spots if spot.state == "s3"] == [("/back",)]
        other = wizard()
        other.defstate(ANY, on=command("back"))(lambda event, ctx: ("back",))
        assert [chip.text for chip in drawn(other).chips] == ["/back → ↩"]


class TestArrows:
    def test_each_state_that_ends_has_an_end_of_its_own(self):
        flow = wizard(3)
        flow.defstate("s0", on=command("quit"), to=END)(never)
        assert [spot.id for spot in drawn(flow).spots if spot.kind == "end"] == ["wizard/s0●", "wizard/s2●"]

    def test_steps_between_two_states_are_one_arrow_for_each_cause(self):
        flow = wizard(2)
        flow.defstate("s0", on=button("Next"), to="s1")(never)
        flow.defstate("s0", on=Timeout, to="s1")(never)
        flow.defstate("s0", on=Paid, to="s1")(never)
        flow.defstate("s0", on=Done, to="s1")(never)
        found = {arrow.cause: arrow for arrow in drawn(flow).arrows if arrow.source == "wizard/s0"}
        assert {*found} == {"person", "timeout", "outside", "job"}
        assert found["person"].labels == ("text", "[Next]")
        assert label_of(found["timeout"].labels, "timeout") == "◷ timeout"
        assert len({arrow.id for arrow in found.values()}) == 4

    def test_a_call_leads_into_the_called_flow_and_its_return_is_one_of_the_caller(self):
        called, flow = Flow("called"), Flow("caller")
        called.defstate("ask", to=END)(never)
        flow.state("menu")
        flow.defstate("menu", on=button("Go"), to=called)(never)
        flow.defstate("menu", on=Returned, to=END)(never)
        arrows = {arrow.cause: arrow for arrow in drawn(flow).arrows if arrow.source == "caller/menu"}
        assert (arrows["person"].goal, arrows["person"].kind) == ("called/ask", "call")
        assert label_of(arrows["returned"].labels, "returned") == "↩ returned"

    def test_a_button_that_says_a_command_is_named_once(self):
        flow = wizard(1)
        flow.defstate("s0", on=command("skip") | button("/skip"), to=END)(never)
        [arrow] = [arrow for arrow in drawn(flow).arrows if arrow.kind == "end"]
        assert arrow.labels == ("text", "/skip")

    def test_every_edge_that_moves_is_part_of_something_that_is_drawn(self):
        for path in EXAMPLES:
            graph = graph_of(*load(str(path)).flows)
            moving = [edge for edge in graph.edges if edge.kind in ("transition", "call", "end")]
            assert [edge for edge in moving if edge not in drawing_of(graph).by_edge] == []


@pytest.mark.parametrize(
    ("label", "said"),
    [
        ("text /[0-9]{1,3}/", "text /[0-9]{1,3}/"),
        ("text /[a-z]+@[a-z]+\\.[a-z]+/", "text /[a-z]+@[a-z]+\\…"),
        ("text /[\\u061c\\u200e]*/", "text /…/"),
        ("[A button with a very long text on it]", "[A button with a very long …"),
    ],
)
def test_a_long_label_is_cut(label, said):
    assert short(label) == said


def test_of_many_labels_the_last_counts_the_rest():
    assert label_of(["a", "b", "c", "d", "e"], "person") == "a\nb\n+3"


class TestLayout:
    def test_a_flow_reads_from_top_to_bottom_as_it_was_declared(self):
        flow = wizard(6)
        flow.defstate("s4", on=command("again"), to="s1")(never)
        layout = lay_out(drawn(flow))
        heights = [layout.spots[f"wizard/s{number}"].y for number in range(6)]
        assert heights == sorted(heights)
        back = layout.arrows["wizard/s4>wizard/s1"].points
        assert back[0][1] > back[-1][1]  # it begins at s4, and its tip is at s1

    def test_nothing_stands_outside_the_drawing(self):
        for path in EXAMPLES:
            layout = lay_out(drawing_of(graph_of(*load(str(path)).flows)))
            for box in (*layout.spots.values(), *layout.chips.values(), *layout.flows.values()):
                assert 0 <= box.x - box.width / 2 <= box.x + box.width / 2 <= layout.width + 0.5
                assert 0 <= box.y - box.height / 2 <= box.y + box.height / 2 <= layout.height + 0.5

    def test_without_graphviz_it_says_what_to_install(self, monkeypatch):
        monkeypatch.setattr("shutil.which", lambda *args, **options: None)
        with pytest.raises(LayoutError, match=r"pip install 'fsmkit\[diagrams\]'"):
            find_graphviz()

    def test_a_program_that_fails_is_named(self, monkeypatch):
        monkeypatch.setattr("fsmkit.graph.layout.find_graphviz", lambda: "/bin/false")
        with pytest.raises(LayoutError, match="/bin/false"):
            lay_out(drawn(wizard()))

    def test_letters_have_widths(self):
        assert width_of("il", 12) < width_of("MW", 12) < width_of("漢字", 12)


names = st.text(min_size=1, max_size=12).filter(lambda name: "/" not in name)


class TestSvg:
    @given(st.lists(names, min_size=1, max_size=4, unique=True), names)
    def test_it_is_well_formed_whatever_the_names(self, states, word):
        flow = Flow("f")
        for state in states:
            flow.state(state)
        flow.defstate(states[0], on=button(word), to=END)(never)
        root = ElementTree.fromstring(svg(drawn(flow)))
        found = [each.get("data-state") for each in root.iter(f"{SVG}g") if each.get("class") == "state "]
        assert len(found) == len(states)

    def test_what_a_bot_says_is_no_markup(self):
        flow = Flow("f")
        flow.state('<script>alert("1")</script>')
        flow.defstate(ANY, on=button("<b onclick='x'>"), to=END)(never)
        assert not {each.tag for each in ElementTree.fromstring(svg(drawn(flow))).iter()} & {
            f"{SVG}script",
            f"{SVG}b",
        }

    def test_states_and_edges_have_ids_for_a_page(self):
        root = ElementTree.fromstring(svg(drawn(wizard(2))))
        assert {each.get("data-edge") for each in root.iter()} - {None} == {
            "wizard/>wizard/s0",
            "wizard/s0>wizard/s1",
            "wizard/s1>wizard/s1●",
        }

    def test_counts_stand_in_the_states_without_colouring_the_arrows(self):
        drawing = drawn(wizard(2))
        said = svg(drawing, seen=Seen(counts={("wizard", "s1"): 1204}))
        assert ">1204</text>" in said
        assert not re.search(r'class="(arrow|state)[^"]* (met|unmet)"', said)

    def test_it_has_colours_for_light_and_dark_and_none_as_variables_where_they_are_written_out(self):
        assert "prefers-color-scheme:dark" in svg(drawn(wizard(1)))
        assert "var(" not in svg(drawn(wizard(1)), plain=True)

    def test_two_hundred_states_are_drawn(self):
        assert svg(drawn(wizard(200))).count('class="state ') == 200


def test_a_flow_shows_itself_in_a_notebook():
    assert wizard(2)._repr_svg_() == svg(drawn(wizard(2)))


def test_a_picture_needs_a_font_and_says_so(monkeypatch):
    resvg_py = pytest.importorskip("resvg_py")
    monkeypatch.setattr(resvg_py, "svg_to_bytes", lambda **options: b"blank")
    with pytest.raises(LayoutError, match="needs a font"):
        png(svg(drawn(wizard(1)), plain=True))
    monkeypatch.setattr(resvg_py, "svg_to_bytes", lambda svg_string, **options: svg_string[-60:].encode())
    assert png("drawn") == b"drawn"


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_drawings_of_the_examples_are_those_of_the_docs(path):
    kept = ROOT / "docs" / "pictures" / f"{path.stem}.svg"
    assert svg(drawing_of(graph_of(*load(str(path)).flows))) == kept.read_text()


def test_the_readme_shows_the_example_that_it_names_and_its_drawing():
    readme, example = (ROOT / "README.md").read_text(), (ROOT / "examples" / "signup.py").read_text()
    assert readme.partition("```python\n")[2].partition("```")[0] == example.partition('"""\n\n')[2]
    assert "docs/pictures/signup.svg" in readme


def test_what_two_groups_have_alike_are_two_chips_of_their_own():
    class Form(StatesGroup):
        class Name(StatesGroup):
            first, last = State(), State()

        class Place(StatesGroup):
            street, city = State(), State()

    flow = Flow("form", states=Form)
    flow.defstate(Form.Name, on=command("stop"), to=END)(never)
    flow.defstate(Form.Place, on=command("stop"), to=END)(never)
    chips = drawn(flow).chips
    assert [chip.text for chip in chips] == ["in Form.Name: /stop → ●", "in Form.Place: /stop → ●"]
    assert len({chip.id for chip in chips}) == 2
