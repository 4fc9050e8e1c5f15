"""`cen completion bash|zsh`: a script that completes commands, recipes, options and files.

Options are read from the command's own --help, so they are always those of the installed version.
"""

import argparse
import importlib.util
import sys
from pathlib import Path

from cen.commands import COMMANDS, OWN

OPTIONS = "--help 2>/dev/null | grep -oE -e '--[a-z][a-z-]+' | sort -u"

BASH = """\
# source <(cen completion bash)
_cen() {{
    local command="${{COMP_WORDS[1]}}" words=""
    if [ "$COMP_CWORD" -eq 1 ]; then
        words="{commands} --help --version"
    elif [[ "$2" == -* ]]; then
        words="$(cen "$command" {options})"
    elif [ "$command" = train ] && [ "$COMP_CWORD" -eq 2 ]; then
        words="{recipes}"
    elif [ "$command" = completion ]; then
        words="bash zsh"
    fi
    COMPREPLY=($(compgen -W "$words" -- "$2"))
    if [ "$COMP_CWORD" -gt 1 ] && [[ "$2" != -* ]]; then
        local IFS=$'\\n'  # a file's name may have spaces
        COMPREPLY+=($(compgen -f -- "$2"))
    fi
}}
complete -o filenames -F _cen cen
"""

ZSH = """\
#compdef cen
_cen() {{
    if (( CURRENT == 2 )); then
        compadd -- {commands} --help --version
    elif [[ "$PREFIX" == -* ]]; then
        compadd -- $(cen "$words[2]" {options})
    else
        [[ "$words[2]" == train ]] && (( CURRENT == 3 )) && compadd -- {recipes}
        [[ "$words[2]" == completion ]] && compadd -- bash zsh
        _files
    fi
}}
if [[ "$funcstack[1]" == _cen ]]; then _cen "$@"; else compdef _cen cen; fi
"""

SCRIPTS = {"bash": BASH, "zsh": ZSH}


def recipes() -> list[str]:
    """Returns the names of the recipes, from the names of their files."""
    found = importlib.util.find_spec("recipes")
    folders = found.submodule_search_locations if found else ()
    files = [path for folder in folders or () for path in Path(folder).glob("*ation/*.py")]
    return sorted(path.stem for path in files if path.stem != "__init__")


def script(shell: str) -> str:
    """Returns the completion of a shell, "bash" or "zsh"."""
    return SCRIPTS[shell].format(
        commands=" ".join([*COMMANDS, *OWN]), options=OPTIONS, recipes=" ".join(recipes())
    )


def main(arguments: list[str] | None = None) -> int:
    """Prints the script and returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="cen completion",
        description="Print the shell's completion.",
        epilog='bash: source <(cen completion bash). zsh: cen completion zsh > "${fpath[1]}/_cen".',
    )
    parser.add_argument("shell", choices=sorted(SCRIPTS))
    sys.stdout.write(script(parser.parse_args(arguments).shell))
    return 0
