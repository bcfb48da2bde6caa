"""`sources` in a file: where the events of `fsmkit run` come from."""

import pytest

from fsmkit.testing.loading import LoadError, load

FLOW = """
from fsmkit import Flow
from fsmkit.sources import QueueSource
signup = Flow("signup")
signup.defstate(None)(lambda event, ctx: None)
"""


@pytest.mark.parametrize(
    ("declared", "names"),
    [
        ("", []),
        ("sources = [QueueSource('a'), QueueSource('b')]", ["a", "b"]),
        ("def sources():\n    return [QueueSource('a')]", ["a"]),
        ("def sources():\n    yield QueueSource('a')", ["a"]),
    ],
)
def test_a_file_names_its_sources_in_a_list_or_a_function(write, declared, names):
    loaded = load(write(FLOW + declared))
    assert [source.name for source in loaded.sources()] == names


def test_a_function_is_not_called_by_those_who_only_look(write):
    load(write(FLOW + "def sources():\n    raise SystemError"))


@pytest.mark.parametrize(
    ("declared", "said"),
    [
        ("sources = ['a stream']", "sources has 'a stream', which is not a source"),
        ("sources = 5", "sources has 5, which is not a source"),
        ("import os\ndef sources():\n    return [os.environ['NO_SUCH_SECRET']]", "NO_SUCH_SECRET"),
    ],
)
def test_what_is_no_source_or_cannot_be_made_is_refused_with_its_place(write, declared, said):
    with pytest.raises(LoadError) as refused:
        load(write(FLOW + declared)).sources()
    assert said in str(refused.value)
    assert "bot.py" in str(refused.value)
