"""Programs in processes of their own that need not import fsmkit first: they are forked from one that has.

`run` does what `subprocess.run([sys.executable, "-m", module, …])` does, in a tenth of the time. What a bot's
process does at its very beginning is tested by real ones.
"""

import gc
import multiprocessing
import os
import runpy
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

_server = multiprocessing.get_context("forkserver")
_server.set_forkserver_preload(
    ["pytest", "fsmkit.cli", "fsmkit.telegram", "fsmkit.testing.explore.concurrent", "fsmkit.testing.chat"]
)


def run(
    module: str, *arguments: str, cwd: Path, env: Mapping[str, str] = {}
) -> subprocess.CompletedProcess[str]:
    """Return what `python -P -m module arguments` has said, and with which status it ended.

    Args:
        module: What is run as `__main__`.
        arguments: Its arguments.
        cwd: Where it runs.
        env: Variables that it has besides ours.
    """
    with TemporaryDirectory() as folder:
        out, err = Path(folder, "out"), Path(folder, "err")
        process = _server.Process(
            target=_begin, args=(module, arguments, cwd, {**os.environ, **env}, out, err)
        )
        process.start()
        process.join()
        status = process.exitcode
        process.close()
        assert status is not None
        return subprocess.CompletedProcess((module, *arguments), status, out.read_text(), err.read_text())


def _begin(
    module: str, arguments: tuple[str, ...], cwd: Path, env: dict[str, str], out: Path, err: Path
) -> None:
    gc.freeze()  # what was imported before the fork need not be looked through
    for file, descriptor in ((out, 1), (err, 2)):
        opened = os.open(file, os.O_WRONLY | os.O_CREAT)
        os.dup2(opened, descriptor)
        os.close(opened)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
