"""Real programs: those that end, hang, do not listen, start others, and those whose starter is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import psutil
import pytest

from mixpeek_dagster.processes.child import ChildProcess, run_to_end, wait_until
from mixpeek_dagster.processes.identity import ProcessIdentity
from mixpeek_dagster.processes.owner import OWNER, inherited_owner
from tests.processes.conftest import FORKING, HANG, STUBBORN, Run, first_line, python
from tests.waiting import wait_until as eventually

STARTER = """
import sys
from pathlib import Path
from mixpeek_dagster.processes.child import ChildProcess
from mixpeek_dagster.processes.identity import ProcessIdentity

child = ChildProcess.start([sys.executable, "-c", sys.argv[1]], output=Path(sys.argv[2]), **eval(sys.argv[3]))
print(child.identity, flush=True)
sys.stdin.read()
"""
OWNED = "from mixpeek_dagster.processes.owner import end_with_owner\nend_with_owner()\n" + HANG


def start_elsewhere(code: str, log: Path, options: str) -> tuple[subprocess.Popen[bytes], ProcessIdentity]:
    """Another process that starts a program, and the program."""
    starter = subprocess.Popen(
        python(STARTER, code, log, options), stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=_environment()
    )
    assert starter.stdout is not None
    return starter, ProcessIdentity.from_text(starter.stdout.readline().decode().strip())


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


def test_a_program_that_ends_tells_its_status_and_its_last_words(run: Run) -> None:
    child = run("import sys\nprint('one')\nsys.exit('two')")
    assert child.wait(30)
    assert (child.status, child.alive) == (1, False)
    assert child.last_words() == "one | two"
    assert child.last_words(1) == "two"


def test_a_program_that_a_signal_ended_tells_which(run: Run) -> None:
    child = run("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)")
    assert child.wait(30)
    assert child.status == -signal.SIGKILL


def test_it_gets_its_own_variables_folder_and_group(run: Run, log: Path, tmp_path: Path) -> None:
    said = "import os\nprint(sorted(os.environ.get(name, '') for name in ('A', 'HOME')), os.getcwd(), os.getpgrp())"
    child = run(said, environment={"A": "1"}, folder=tmp_path)
    assert child.wait(30)
    assert first_line(log) == f"['', '1'] {tmp_path} {child.pid}"
    assert os.getpgrp() != child.pid


def test_what_cannot_be_run_is_an_os_error(log: Path) -> None:
    with pytest.raises(FileNotFoundError):
        ChildProcess.start(["/no/such/program"], output=log)


def test_it_hangs_until_it_is_stopped(run: Run, log: Path) -> None:
    child = run(HANG)
    assert first_line(log) == "up"
    assert (child.wait(0), child.alive, child.status) == (False, True, None)
    child.stop()
    assert (child.alive, child.status) == (False, -signal.SIGTERM)
    child.stop()


def test_it_may_finish_what_it_works_on(run: Run, log: Path) -> None:
    tidy = "import signal, sys\nsignal.signal(signal.SIGINT, lambda *_: sys.exit('tidied up'))\n"
    child = run(tidy + HANG)
    first_line(log)
    child.stop(signal.SIGINT)
    assert (child.status, child.last_words(1)) == (1, "tidied up")


def test_one_that_does_not_listen_is_killed(run: Run, log: Path) -> None:
    child = run(STUBBORN)
    first_line(log)
    child.stop(seconds=0.2)
    assert child.status == -signal.SIGKILL


@pytest.mark.parametrize("lives", [True, False])
def test_what_it_has_started_is_ended_with_it(run: Run, log: Path, lives: bool) -> None:
    child = run(FORKING + (HANG if lives else ""))
    grandchild = ProcessIdentity.of(int(first_line(log)))
    assert lives or child.wait(30)
    assert grandchild.is_running
    child.stop()
    eventually(lambda: grandchild.is_gone)
    assert not child.alive


def test_a_block_kills_it_also_when_it_is_left_by_an_error(log: Path) -> None:
    started: list[ChildProcess] = []

    def work() -> None:
        with ChildProcess.start(python(STUBBORN), output=log) as child:
            started.append(child)
            first_line(log)
            raise LookupError

    with pytest.raises(LookupError):
        work()
    assert started[0].status == -signal.SIGKILL


def test_it_is_waited_for_until_it_is_ready(run: Run, log: Path) -> None:
    child = run(HANG)
    assert child.wait_ready(lambda: log.read_text() == "up\n", 30)
    assert not child.wait_ready(lambda: False, 0.1)
    assert child.alive


def test_one_that_ends_is_not_waited_for(run: Run) -> None:
    child = run("print('no licence')")
    assert not child.wait_ready(lambda: False, 600)
    assert (child.status, child.last_words()) == (0, "no licence")


def test_it_dies_with_the_process_that_started_it(log: Path) -> None:
    starter, child = start_elsewhere(STUBBORN, log, "{}")
    first_line(log)
    assert child.is_running
    starter.kill()
    starter.communicate()
    eventually(lambda: child.is_gone)


def test_one_that_may_outlives_its_starter_and_is_stopped_by_whoever_finds_it(log: Path) -> None:
    starter, child = start_elsewhere(FORKING + HANG, log, "{'outlives_us': True}")
    grandchild = ProcessIdentity.of(int(first_line(log)))
    starter.kill()
    starter.communicate()
    found = ChildProcess(child, log)
    assert (found.alive, found.status, found.wait(0)) == (True, None, False)
    assert found.last_words(1) == "up"
    found.stop()
    assert not found.alive
    eventually(lambda: grandchild.is_gone)


def test_it_outlives_its_starter_and_ends_with_its_owner(log: Path) -> None:
    with subprocess.Popen(python("input()"), stdin=subprocess.PIPE) as owner:
        named = ProcessIdentity.of(owner.pid)
        starter, child = start_elsewhere(OWNED, log, f"{{'owner': ProcessIdentity.from_text({str(named)!r})}}")
        first_line(log)
        starter.kill()
        starter.communicate()
        assert child.is_running
        owner.kill()
    eventually(lambda: child.is_gone)


def test_an_owner_is_passed_on(run: Run, log: Path) -> None:
    owner = ProcessIdentity.own()
    run(f"import os\nprint(os.environ[{OWNER!r}])", owner=owner)
    assert inherited_owner({OWNER: first_line(log)}) == owner
    assert inherited_owner({}) == owner


def test_a_process_that_has_its_number_now_gets_no_signal(run: Run, log: Path) -> None:
    child = run(HANG)
    first_line(log)
    earlier = ProcessIdentity(child.identity.host, child.pid, child.identity.started - 100)
    ChildProcess(earlier).stop()
    assert child.alive
    assert psutil.Process(child.pid).status() != psutil.STATUS_ZOMBIE


def test_output_and_errors_go_where_they_are_sent() -> None:
    code = "import sys\nprint('said')\nprint('wrong', file=sys.stderr)"
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        every: tuple[dict[str, Any], ...] = (
            {"output": output, "errors": errors},
            {"errors": errors},
            {"output": output},
        )
        for streams in every:
            with ChildProcess.start(python(code), **streams) as child:
                assert child.wait(30)
        output.seek(0)
        errors.seek(0)
        assert sorted(output.read().split()) == [b"said", b"said", b"wrong"]
        assert errors.read().split() == [b"wrong", b"wrong"]
    assert child.last_words() == ""


def test_it_inherits_the_descriptors_that_are_named(run: Run, log: Path) -> None:
    reading, writing = os.pipe()
    try:
        child = run("import os, sys\nos.write(int(sys.argv[1]), b'through')", writing, pass_fds=[writing])
        assert child.wait(30)
        assert child.status == 0
        assert os.read(reading, 100) == b"through"
    finally:
        os.close(reading)
        os.close(writing)


def test_a_program_is_run_to_its_end() -> None:
    code = "import sys\nprint('x' * 1_000_000)\nprint('wrong', file=sys.stderr)\nsys.exit(4)"
    done = run_to_end(python(code), 60)
    assert (done.status, len(done.output), done.errors) == (4, 1_000_001, b"wrong\n")


def test_one_that_does_not_end_in_time_is_killed_with_what_it_started(tmp_path: Path) -> None:
    note = tmp_path / "note"
    code = "import os, pathlib, sys\nif os.fork():\n    pathlib.Path(sys.argv[1]).write_text(str(os.getpid()))\n"
    with pytest.raises(TimeoutError, match=r"it did not end within 2 s"):
        run_to_end(python(code + STUBBORN, note), 2)
    assert note.exists()
    group = int(note.read_text())
    eventually(lambda: not [each for each in psutil.pids() if _group_of(each) == group])


def _group_of(pid: int) -> int | None:
    try:
        ended = psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
        return None if ended else os.getpgid(pid)
    except (psutil.NoSuchProcess, ProcessLookupError):
        return None


def test_a_condition_is_asked_at_least_once() -> None:
    assert wait_until(lambda: True, 0)
    assert not wait_until(lambda: False, 0)
