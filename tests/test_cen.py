"""The console command `cen`: what it dispatches to, what it imports, what it says."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from cen import doctor
from cen.__main__ import main
from cen.commands import COMMANDS, OWN
from cen.completion import recipes, script

ROOT = Path(__file__).parents[1]
NAMES = (
    "new train evaluate predict export verify sensitivity qat bench lint engine demo report "
    "doctor completion"
).split()


def test_it_has_the_commands_and_imports_nothing_for_its_help():
    assert [*COMMANDS, *OWN] == NAMES
    code = (
        "import sys\nfrom cen.__main__ import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit as end:\n    assert not end.code\n"
        "ours = {'cen_keras', 'recipes', 'deploy', 'numpy', 'keras', 'tensorflow'}\n"
        "assert not ours & set(sys.modules), ours & set(sys.modules)\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert ran.returncode == 0, ran.stderr
    for name in NAMES:
        assert f"\n  {name} " in ran.stdout


@pytest.mark.parametrize("name", list(COMMANDS))
def test_a_command_says_its_own_help_without_a_framework(name):
    code = (
        "import sys\nfrom cen.__main__ import console\n"
        f"sys.argv = ['x', {name!r}, '--help']\n"
        "try:\n    console()\nexcept SystemExit as end:\n    assert not end.code\n"
        "assert not {'keras', 'tensorflow'} & set(sys.modules)\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.startswith(f"usage: cen {name} ")


def test_arguments_and_exit_codes_are_the_command_s(monkeypatch):
    import recipes.train
    from deploy import __main__ as deploy

    given = []
    monkeypatch.setattr(recipes.train, "main", lambda words: given.append(words) or 1)
    monkeypatch.setattr(deploy, "main", lambda words: given.append(words) or 130)
    assert main(["train", "rooms_tiny", "--set", "epochs=1"]) == 1
    assert main(["export", "RUN", "--scheme", "fp16", "--help"]) == 130
    assert given == [
        ["rooms_tiny", "--set", "epochs=1"],
        ["export", "RUN", "--scheme", "fp16", "--help"],
    ]


def test_bad_input_is_one_line(capsys, monkeypatch):
    assert main(["trian"]) == 2
    assert capsys.readouterr().err == (
        "error: command 'trian' is unknown; did you mean 'train'? `cen --help` lists all.\n"
    )
    assert main(["train", "no_such_recipe"]) == 2
    assert capsys.readouterr().err.startswith("error: recipe 'no_such_recipe' is unknown")
    assert main([]) == 2 and "usage: cen" in capsys.readouterr().out
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("cen-keras ")


def test_a_missing_package_names_the_line_that_installs_it(capsys, monkeypatch):
    import recipes.train

    def lacking(words):
        raise ModuleNotFoundError("No module named 'rich'", name="rich.table")

    monkeypatch.setattr(recipes.train, "main", lacking)
    assert main(["train", "rooms_tiny"]) == 2
    assert "needs rich" in (error := capsys.readouterr().err)
    assert "pip install -e '.[train]'" in error and error.count("\n") == 1


def test_doctor_says_what_is_there_and_what_is_missing(capsys, tmp_path, monkeypatch):
    assert main(["doctor"]) == 0
    printed = capsys.readouterr().out
    assert "tensorflow" in printed and "ai-edge-litert" in printed
    assert main(["doctor", "--json", "-"]) == 0
    assert json.loads(capsys.readouterr().out)["packages"]["train"]["keras"]["good"]
    assert main(["doctor", "--json", str(tmp_path / "no/such.json")]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: --json ") and error.count("\n") == 1
    assert "no/such.json: cannot be written (No such file or directory)" in error
    # Nothing installed, a camera plugged in.
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev/video0").touch()
    name = tmp_path / "sys/class/video4linux/video0/name"
    name.parent.mkdir(parents=True)
    name.write_text("Depth Camera 435\n")
    monkeypatch.setattr(doctor, "version_of", lambda distribution, module="": None)
    found = doctor.examine(tmp_path)
    assert found["cameras"] == [{"device": "/dev/video0", "name": "Depth Camera 435"}]
    assert not doctor.usable(found)
    lines = doctor.lines_of(found)
    assert "      pip install -e '.[train]'" in lines and "Nothing can run" in lines[-1]
    assert "  /dev/video0                      Depth Camera 435" in lines


@pytest.mark.parametrize(
    ("version", "wanted", "good"),
    [
        ("2.21.0", "tensorflow>=2.18", True),
        ("3.9", "keras>=3.12", False),
        ("0.11.0", "litert-quantizer==0.11.0", True),
        ("2.0", "ai-edge-litert>=2.0.0", True),
        ("found", "tensorrt>=8.5", True),
        (None, "numpy>=1.26", False),
        ("1.0", "numpy", True),
    ],
)
def test_versions_are_compared_by_numbers(version, wanted, good):
    assert doctor.fits(version, wanted) is good


def test_every_extra_that_a_user_installs_is_examined():
    assert set(doctor.requirements()) - {"", "dev", "docs"} == set(doctor.USES)


def test_completion_of_bash(tmp_path):
    assert "rooms_tiny" in recipes() and "rooms_translation_tiny" in recipes()
    ask = "\nCOMP_WORDS=({words})\nCOMP_CWORD={at}\n_cen cen '{part}'\n"
    ask += "printf '%s\\n' \"${{COMPREPLY[@]}}\"\n"
    (tmp_path / "my run").mkdir()

    def completed(words, part, folder=ROOT / "cen"):
        text = script("bash") + ask.format(words=words, at=len(words.split()) - 1, part=part)
        ran = subprocess.run(["bash", "-c", text], capture_output=True, text=True, cwd=folder)
        assert ran.returncode == 0 and not ran.stderr
        return ran.stdout.splitlines()

    assert completed("cen e", "e") == ["evaluate", "export", "engine"]
    assert completed("cen train rooms_tr", "rooms_tr")[0].startswith("rooms_translation")
    assert completed("cen report comp", "comp") == ["completion.py"]
    assert completed("cen report my", "my", tmp_path) == ["my run"]
    assert script("zsh").startswith("#compdef cen\n")
