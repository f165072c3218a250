"""Builds the documentation: `sphinx-build -W --keep-going docs build/docs`.

The reference is generated from the plug-ins themselves into docs/generated, and the notebooks are executed.
"""

import importlib.metadata
import importlib.util
import os
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "docs")]
# Kernels of notebooks import the checkout too.
os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
os.environ.setdefault("JAX_PLATFORMS", "cpu")

from generate import pages  # noqa: E402

project = "actjax"
author = "The actjax authors"
copyright = "2026, the actjax authors"
release = importlib.metadata.version("actjax") if importlib.util.find_spec("actjax") else ""
extensions = ["myst_nb"]
source_suffix = {".md": "myst-nb"}
exclude_patterns = ["generate", "**/.ipynb_checkpoints", "pytorch_activations.md"]
root_doc = "index"

html_theme = "furo"
html_title = "actjax"
html_static_path = ["generated/static"]
html_theme_options = {"sidebar_hide_name": False, "navigation_with_keys": True}
html_show_sphinx = False
smartquotes = False

myst_enable_extensions = ["colon_fence", "attrs_inline"]
myst_heading_anchors = 4
nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 300
nb_merge_streams = True

pages.write(ROOT / "docs" / "generated")
