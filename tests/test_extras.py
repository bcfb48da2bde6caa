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
    assert said.startswith(f"ModuleNotFoundError: No module named '{missing}")
    assert said.endswith(f". pip install 'fsmkit[{extra}]'")
