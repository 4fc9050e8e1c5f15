"""The hour of the demo: terminals, what counts as good, and a short run of the real thing."""

import re
import sys

import pytest

from deploy.benchmarks import endurance
from deploy.benchmarks.terminal import Terminal
from deploy.runtime.errors import InputError

WAITS = """
import time
print("ready at 7")
try:
    time.sleep(60)
except KeyboardInterrupt:
    raise SystemExit(5)
"""


@pytest.fixture
def terminal(request):
    found = Terminal([sys.executable, "-c", request.param], "the program")
    yield found
    found.kill()


@pytest.mark.parametrize("terminal", [WAITS], indirect=True)
def test_a_typed_ctrl_c_interrupts(terminal):
    assert terminal.wait_for(re.compile(rb"ready at (\d)"), 30) == b"7"
    resident, peak = terminal.memory()
    # Python alone takes some megabytes; none of its programs of two lines takes a hundred.
    assert 2 < resident <= peak < 100
    assert terminal.poll() is None
    terminal.type(b"\x03")
    assert terminal.wait(30) == 5
    with pytest.raises(InputError, match="the program ended"):
        terminal.memory()


@pytest.mark.parametrize("terminal", ["raise SystemExit('no camera')"], indirect=True)
def test_a_command_that_gives_up_is_told_with_its_last_words(terminal):
    with pytest.raises(InputError, match="the program did not get ready: no camera"):
        terminal.wait_for(re.compile(rb"(ready)"), 30)


@pytest.mark.parametrize("terminal", [WAITS], indirect=True)
def test_waiting_ends(terminal):
    with pytest.raises(InputError, match="did not get ready: ready at 7"):
        terminal.wait_for(re.compile(rb"(steady)"), 2)
    with pytest.raises(InputError, match="did not end within 0.1 s"):
        terminal.wait(0.1)


def test_what_cannot_be_started_ends_at_once():
    terminal = Terminal(["/nowhere/python"])
    assert terminal.wait(30) == 127
    terminal.kill()


@pytest.mark.parametrize(
    ("change", "good"), [({}, True), ({"moved_mb": 5.1}, False), ({"exit_code": -9}, False)]
)
def test_memory_that_moves_and_an_end_by_force_are_not_good(change, good):
    assert endurance.good({"endurance": {"moved_mb": 4.9, "exit_code": 130, **change}}) is good


@pytest.mark.slow
def test_a_short_run_of_the_real_thing(tmp_path):
    said = []
    found = endurance.measure(tmp_path, said.append, minutes=0.3, settled=5)
    figures = found["endurance"]
    assert figures["exit_code"] == 130
    # 18 seconds of 4 frames a second on a machine that may be busy, some kilobytes each.
    assert 10 <= figures["frames"] <= 18 * endurance.RATE + 12
    assert figures["client_bytes"] > 10_000 * figures["frames"] / 2
    rows = (tmp_path / "demo_memory.csv").read_text().splitlines()
    assert rows[0] == "seconds,resident_mb,peak_mb" and len(rows) == 5
    after = [float(row.split(",")[1]) for row in rows[1:] if int(row.split(",")[0]) >= 5]
    # Of a tenth of a megabyte each.
    assert figures["moved_mb"] == pytest.approx(max(after) - min(after), abs=0.11)
    assert f"{figures['frames']} frames in 0.3 minutes" in endurance.line(found)
