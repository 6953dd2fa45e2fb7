"""What makes the documentation site of the repository: pages from docstrings, notebooks and source files (mkdocs.yml)."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SRC = ROOT / "src"
