"""What the site's build adds to the folder docs: the reference, pages that lie elsewhere, the table of presets.

Links are written as they hold in the repository; here they become those of the site. A link to a file that is no page
of it, as source code, becomes its text.
"""

import functools
import posixpath
import re
import sys
from pathlib import Path

from mkdocs.structure.files import File

sys.path.insert(0, str(Path(__file__).parent))

import make_reference

ROOT = make_reference.ROOT
ELSEWHERE = (
    "recipes/results/*.md",
    "recipes/results/*.png",
    "recipes/results/*.csv",
    "recipes/results/*.json",
    "recipes/results/nyudv2/*.*",
    "deploy/jetson/README.md",
    "deploy/ros/README.md",
    "cen_keras/models/weights/*.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
)
"""Pages and their pictures outside docs; on the site they have the path that they have here."""
REFERENCE = "reference"
CARDS = "cen_keras/models/weights"
LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^()\s]+)\)")


def on_config(config):
    """Fills in the entries of the navigation that stand for several pages."""
    pages = [f"{REFERENCE}/{name}" for name in _reference()]
    cards = [path.relative_to(ROOT).as_posix() for path in sorted((ROOT / CARDS).glob("*.md"))]
    filled = {
        REFERENCE: [{_title(page): page} if page != pages[0] else page for page in pages],
        "cards": [{Path(card).stem: card} for card in cards],
    }
    config.nav = _fill(config.nav, filled)
    return config


def on_files(files, config):
    """Adds the pages that are not in docs."""
    for pattern in ELSEWHERE:
        for path in sorted(ROOT.glob(pattern)):
            name = path.relative_to(ROOT).as_posix()
            files.append(File(name, str(ROOT), config.site_dir, config.use_directory_urls))
    for name, text in _reference().items():
        files.append(File.generated(config, f"{REFERENCE}/{name}", content=text))
    return files


def on_page_markdown(markdown, page, config, files):
    """Makes links those of the site."""
    here = page.file.src_uri
    if here.startswith(f"{REFERENCE}/"):
        return markdown
    known = {file.src_uri for file in files}
    in_docs = (Path(config.docs_dir) / here).exists()
    folder = posixpath.dirname(f"docs/{here}" if in_docs else here)

    def changed(match):
        mark, text, target = match.groups()
        path, _, anchor = target.partition("#")
        if not path or ":" in path:
            return match[0]
        full = posixpath.normpath(posixpath.join(folder, path))
        for found in (full.removeprefix("docs/"), full.removeprefix("docs/") + "/README.md"):
            if found in known:
                link = posixpath.relpath(found, posixpath.dirname(here) or ".")
                return f"{mark}[{text}]({link}{'#' + anchor if anchor else ''})"
        return text if (ROOT / full).exists() else match[0]

    return LINK.sub(changed, markdown)


@functools.cache
def _reference():
    return make_reference.pages()


def _title(page):
    return Path(page).name.removesuffix(".md") if "commands" not in page else "Commands"


def _fill(entries, filled):
    def one(value):
        return filled.get(value, value) if isinstance(value, str) else _fill(value, filled)

    return [
        {title: one(value) for title, value in entry.items()} if isinstance(entry, dict) else entry
        for entry in entries
    ]
