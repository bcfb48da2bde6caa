"""What needs an extra that is not installed says which."""

import subprocess
import sys

import pytest

NEEDED = {
    "fsmkit.stores.redis": ("redis", "redis"),
    "fsmkit.stores.postgres": ("asyncpg", "postgres"),
    "fsmkit.stores.mongo": ("bson", "mongo"),
    "fsmkit.stores.encrypted": ("cryptography", "crypto"),
    "fsmkit.sources.redis_stream": ("redis", "redis"),
    "fsmkit.sources.schedule": ("cronsim", "schedule"),
    "fsmkit.sources.webhook": ("starlette", "webhook"),
    "fsmkit.telegram.send_limits": ("aiolimiter", "limits"),
    "fsmkit.telegram.receiver.webhook": ("uvicorn", "webhook"),
}
WITHOUT = """
import importlib, sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == sys.argv[1]:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Missing())
importlib.import_module(sys.argv[2])
"""


@pytest.mark.parametrize("module", NEEDED)
def test_it_is_named_with_the_command_that_installs_it(module):
    missing, extra = NEEDED[module]
    done = subprocess.run([sys.executable, "-c", WITHOUT, missing, module], capture_output=True, text=True)
    said = done.stderr.splitlines()[-1]
    assert said.startswith(f"fsmkit.errors.MissingExtra: No module named '{missing}")
    assert said.endswith(f". pip install 'fsmkit[{extra}]'")


@pytest.mark.parametrize("words", [["test", "bot.py"], ["chat", "bot.py", "--store", "redis://localhost"]])
def test_a_command_says_it_in_one_line_and_does_nothing(tmp_path, words):
    (tmp_path / "bot.py").write_text("from fsmkit import Flow\nflow = Flow('f')\nflow.state('on')\n")
    missing = "hypothesis" if words[0] == "test" else "redis"
    code = WITHOUT.replace("sys.argv[2])", "'fsmkit.cli').main(sys.argv[2:])")
    done = subprocess.run(
        [sys.executable, "-c", code, missing, *words], capture_output=True, text=True, cwd=tmp_path
    )
    extra = "test" if missing == "hypothesis" else "redis"
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert missing in done.stderr
    assert done.stderr.endswith(f"pip install 'fsmkit[{extra}]'\n")
