"""The documentation as a site: `python -m sphinx -W docs OUT`, with the extra `docs` installed.

The pages are written for a reader of the repository; what differs on the site is put right here. The index's
lists of links are the site's navigation, so that no page stands in two lists.
"""

import importlib
import inspect
import re
from pathlib import Path

import fsmkit

project = "fsmkit"
author = "the authors of fsmkit"
release = version = fsmkit.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
root_doc = "README"
html_theme = "furo"
html_title = f"fsmkit {release}"
html_show_copyright = False
html_show_sphinx = False

myst_heading_anchors = 4
suppress_warnings = ["myst.header"]  # pages begin with the heading that suits them

default_role = "code"  # docstrings write `names` so
napoleon_use_rtype = False
napoleon_use_ivar = True
autodoc_typehints = "none"  # signatures have them
autodoc_default_options = {"members": True, "show-inheritance": True}

MODULES = ("fsmkit", "fsmkit.telegram", "fsmkit.stores", "fsmkit.jobs", "fsmkit.sources", "fsmkit.testing")
README = Path(__file__).parent.parent / "README.md"
LINK = re.compile(r"\]\(([\w./-]+)\.md\)")
ON_TOP = "examples|CHANGELOG|CONTRIBUTING|SECURITY|LICENSE|pictures"
OUTSIDE = re.compile(rf"(?<!!)\[([^\]]+)\]\((?:\.\./)*((?:{ON_TOP})[\w./#-]*)\)")


def setup(app):
    """Register what differs on the site."""
    app.connect("source-read", _read)


def _read(_app, name, source):
    text = source[0]
    if name == "overview":  # of which the page itself has only a link to the README
        text = README.read_text(encoding="utf-8").replace("](docs/", "](")
    if name == "reference/docstrings":
        text += "".join(_docstrings(module) for module in MODULES)
    if name.startswith("cookbook/"):  # a reader of the repository has a link instead
        text += (
            f"\n## The whole file\n\n```{{literalinclude}} ../../examples/{name}.py\n:language: python\n```\n"
        )
    if name == root_doc:
        text += "".join(_navigation(section) for section in text.split("\n## "))
    source[0] = OUTSIDE.sub(
        r"\1 (`\2` in the repository)", text.replace("](../../README.md", "](../overview.md")
    )


def _navigation(section):
    """Return what Sphinx calls a table of contents, of the links of a section of the index."""
    caption, pages = section.split("\n", 1)[0].strip("# "), "\n".join(LINK.findall(section))
    return f"\n```{{toctree}}\n:hidden:\n:caption: {caption}\n\n{pages}\n```\n"


def _docstrings(name):
    """Return what documents each public name of a module."""
    module, lines = importlib.import_module(name), [f"\n## `{name}`\n", "```{eval-rst}"]
    for each in module.__all__:
        found = getattr(module, each)
        if inspect.isclass(found) or callable(found):
            kind = "class" if inspect.isclass(found) else "function"
            lines.append(f".. auto{kind}:: {name}.{each}\n")
    return "\n".join([*lines, "```\n"])
