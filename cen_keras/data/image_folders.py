"""Folders of views: which files belong together, the same for training and for a board.

Understood are a folder for each modality, `rgb/NAME.*` and `depth/NAME.*`, sub-folders and links
included; or files beside each other, `NAME_rgb.*` and `NAME_depth.*`. Usual other names of the
folders the kinds of images say (`aliases`): color/ and images/ are rgb/, masks/ are label/.

`deploy/runtime/image_folders.py` is a link to this file, for boards, which have no other part of the
project: it is written in the syntax of Python 3.8, and imports relative to itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from .errors import InputError
from .image_files import SUFFIXES

LABEL = "label"
LABEL_NAMES = ("labels", "mask", "masks", "annotation", "annotations", "segmentation", "semantic")
SHOWN = 5

Files = "dict[str, Path]"


def located(path: str | Path) -> str:
    """Returns a path for a message: a relative one with the folder that it was looked for in."""
    return str(path) if Path(path).is_absolute() else f"{path} (looked for in {Path.cwd()})"


def find_views(
    root: Any,
    kinds: Mapping[str, Any],
    folders: Mapping[str, str] | None = None,
    label: bool = True,
) -> list[tuple[str, dict[str, Path]]]:
    """Finds the views in a folder.

    Args:
        root: the folder.
        kinds: of the modalities wanted, by name; each has `aliases`.
        folders: names of folders, or endings of files ("_rgb"), that differ from the usual ones.
        label: whether labels are wanted where there are some.

    Returns:
        (name, file by modality, and "label" where there are labels), sorted by name.

    Raises:
        InputError: there is no folder, a modality has no files or two folders, or views lack a
            file.
    """
    root = Path(root)
    if not root.is_dir():
        raise InputError(f"{located(root)}: is not a folder; give one that holds {_wanted(kinds)}")
    if folders is not None and not isinstance(folders, Mapping):
        raise InputError(f'{root}: folders is {folders!r}; wanted {{"rgb": "color"}}')
    names = {name: _names(name, kinds[name].aliases, folders) for name in kinds}
    if label:
        names[LABEL] = _names(LABEL, LABEL_NAMES, folders)
    inside = {path.name.lower(): path for path in sorted(root.iterdir()) if path.is_dir()}
    places = {name: _folder(name, words, inside, root) for name, words in names.items()}
    if any(places.get(name) for name in kinds):
        files = {name: _in_folder(place) if place else {} for name, place in places.items()}
        found = _partners(files, names) if any(files.values()) else files
    else:
        found = {name: _beside(root, words) for name, words in names.items()}
    if not any(found[name] for name in kinds):
        raise InputError(f"{root}: holds no views; wanted {_wanted(kinds)}{held(root)}")
    for name in kinds:
        if not found[name]:
            raise InputError(
                f"{root}: holds no {name} ({', '.join(w + '/' for w in names[name])} or NAME_{name}.*)"
                f"{held(root)}; add it, or leave {name} out of the modalities"
            )
    if not found.get(LABEL):
        found.pop(LABEL, None)
    _check_partners(found, root)
    return [
        (name, {kind: files[name] for kind, files in found.items()})
        for name in sorted(found[next(iter(found))])
    ]


def _names(
    name: str, aliases: tuple[str, ...], folders: Mapping[str, str] | None
) -> tuple[str, ...]:
    """What the files of a modality may be called; only what is said where something is."""
    if folders and name in folders:
        return (str(folders[name]).strip("/"),)
    return tuple(dict.fromkeys((name, *aliases, name + "s")))


def _folder(
    name: str, words: tuple[str, ...], inside: Mapping[str, Path], root: Path
) -> Path | None:
    """The folder of a modality, None where there is none."""
    found = [inside[word.lower()] for word in words if word.lower() in inside]
    if len(words) == 1 and not found and (root / words[0]).is_dir():
        found = [root / words[0]]  # a path of several folders
    # An empty one beside a full one is no choice.
    if len(found) > 1:
        full = [path for path in found if any(True for _ in _images(path, True, ()))]
        found = full or found
    if len(found) > 1:
        raise InputError(
            f"{root}: {' and '.join(path.name + '/' for path in found)} may both be {name}; say "
            f'which: folders {{"{name}": "{found[0].name}"}}'
        )
    return found[0] if found else None


def images_in(folder: Path, deep: bool = True) -> list[Path]:
    """The images of a folder, sorted, of its sub-folders too where wanted; links are followed.

    Hidden files and folders are left out. A link to nowhere counts: who reads it says so.
    """
    return sorted(_images(folder, deep, ()))


def _images(folder: Path, deep: bool, above: tuple[Path, ...]) -> Iterator[Path]:
    here = folder.resolve()
    if here in above:  # a link to a folder that holds it
        return
    for path in folder.iterdir():
        if path.name.startswith("."):
            continue
        if path.is_dir():
            if deep:
                yield from _images(path, deep, (*above, here))
        elif path.suffix.lower() in SUFFIXES and (path.is_file() or path.is_symlink()):
            yield path


def _in_folder(folder: Path) -> dict[str, Path]:
    """Name -> file."""
    # Not with_suffix(): a name may hold dots itself, as time stamps do.
    return _unique({p: str(p.relative_to(folder))[: -len(p.suffix)] for p in images_in(folder)})


def _without_ending(files: dict[str, Path], words: tuple[str, ...]) -> dict[str, Path]:
    """The files by their names without an ending that all have, as `_depth`; else as they are."""
    for ending in (mark + word for word in words for mark in "_-"):
        if all(name.lower().endswith(ending.lower()) for name in files):
            short = {name[: -len(ending)]: path for name, path in files.items()}
            return short if len(short) == len(files) else files
    return files


def _partners(
    files: Mapping[str, dict[str, Path]], words: Mapping[str, tuple[str, ...]]
) -> dict[str, dict[str, Path]]:
    """The files of each modality by whole names, or without an ending where more fit then."""
    first = next(kind for kind in files if files[kind])
    best: dict[str, dict[str, Path]] = {}
    most = -1
    for lead in (files[first], _without_ending(files[first], words[first])):
        found = {kind: _like(lead, named, words[kind]) for kind, named in files.items()}
        found[first] = lead
        complete = len(set.intersection(*(set(named) for named in found.values() if named)))
        if complete > most:
            best, most = found, complete
    return best


def _like(
    lead: Mapping[str, Path], named: dict[str, Path], words: tuple[str, ...]
) -> dict[str, Path]:
    """The files by whole names, or without an ending where more are called as in `lead` then."""
    short = _without_ending(named, words)
    return short if len(short.keys() & lead.keys()) > len(named.keys() & lead.keys()) else named


def _beside(root: Path, words: tuple[str, ...]) -> dict[str, Path]:
    """Name -> file of those that end with a modality's name."""
    paths = {}
    for path in images_in(root, deep=False):
        stem = path.name[: -len(path.suffix)]
        for word in words:
            ending = word if word[:1] in "_-." else "_" + word
            if stem.lower().endswith(ending.lower()):
                paths[path] = stem[: -len(ending)]
                break
    return _unique(paths)


def _unique(paths: Mapping[Path, str]) -> dict[str, Path]:
    files: dict[str, Path] = {}
    for path, name in paths.items():
        if name in files:
            raise InputError(f"{path}: {files[name].name} is the same frame; keep one of them")
        files[name] = path
    return files


def _check_partners(found: Mapping[str, Mapping[str, Path]], root: Path) -> None:
    names = sorted(set().union(*(found[kind] for kind in found)))
    lacking = [
        f"{name} has no {kind}" for name in names for kind in found if name not in found[kind]
    ]
    if not lacking:
        return
    more = f"; and {len(lacking) - SHOWN} more" if len(lacking) > SHOWN else ""
    raise InputError(
        f"{root}: {len(lacking)} of {len(names) * len(found)} files have no partner: "
        f"{'; '.join(lacking[:SHOWN])}{more}; add them, or take the others away"
    )


def _wanted(kinds: Mapping[str, Any]) -> str:
    return (
        " with ".join(f"{name}/NAME.png" for name in kinds)
        + ", or "
        + " with ".join(f"NAME_{name}.png" for name in kinds)
    )


def held(root: Path) -> str:
    """What a folder holds, for a message."""
    inside = sorted(path.name + ("/" if path.is_dir() else "") for path in root.iterdir())
    if not inside:
        return "; it is empty"
    more = ", ..." if len(inside) > SHOWN + 3 else ""
    return f"; it holds {', '.join(inside[: SHOWN + 3])}{more}"
