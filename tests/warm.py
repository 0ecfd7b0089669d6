"""A Python that has read the heavy libraries already: commands are forked from it, so that hundreds of them do not each
spend seconds of the processor on importing torch and its like. That a command starts by itself, tests/cli/test_starting.py
tries.

    python -I -S tests/warm.py SOCKET -m enrich WORD ...
    python -I -S tests/warm.py SOCKET SCRIPT WORD ...

ask it as `python -m enrich` and `python SCRIPT` are called: with the caller's folder, environment and streams.
"""

import contextlib
import functools
import os
import socket
import sys

LIBRARIES = (
    "torch", "transformers", "xgboost", "sklearn.linear_model", "scipy.stats", "matplotlib.pyplot", "pyoxigraph",
    "enrich.learn.training", "enrich.classifiers.neural.image", "enrich.classifiers.neural.text",
)  # fmt: skip
"""What is read before the first command comes."""


@functools.cache
def python() -> tuple[str, ...]:
    """How such a command line begins. The server is started by the first who asks, and ends with this process."""
    import atexit
    import subprocess
    from pathlib import Path
    from tempfile import mkdtemp

    path, root = Path(mkdtemp(prefix="warm-")) / "socket", Path(__file__).resolve().parent.parent
    command = [sys.executable, "-c", f"from tests.warm import serve; serve({str(path)!r})"]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    server = subprocess.Popen(command, cwd=root, env=environment, stdin=-1, stdout=-1)
    atexit.register(server.communicate)
    assert server.stdout
    assert server.stdout.readline() == b"ready\n"
    return sys.executable, "-I", "-S", __file__, str(path)


def ask(path: str, words: list[str]) -> int:
    """Have a command done; its exit code, 1 when the process died."""
    import json

    request = json.dumps({"words": words, "folder": os.getcwd(), "environment": dict(os.environ)}).encode()  # noqa: PTH109
    with socket.socket(socket.AF_UNIX) as server:
        server.connect(path)
        socket.send_fds(server, [len(request).to_bytes(4, "big")], [0, 1, 2])
        server.sendall(request)
        answer = server.recv(1)
    return answer[0] if answer else 1


def serve(path: str) -> None:
    """Fork a process for each command, until this one's stdin ends."""
    import gc
    import importlib
    import select
    import shutil

    for name in LIBRARIES:
        importlib.import_module(name)
    from enrich.classifiers.neural import libraries

    libraries.timm()
    gc.collect()
    gc.freeze()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen()
        os.write(1, b"ready\n")
        while sys.stdin not in (found := select.select([server, sys.stdin], [], [])[0]) and found:
            asker, _ = server.accept()
            if os.fork() == 0:
                server.close()
                os._exit(_answered(asker))
            asker.close()
            with contextlib.suppress(ChildProcessError):
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
    shutil.rmtree(os.path.dirname(path))  # noqa: PTH120


def _answered(asker: socket.socket) -> int:
    """Do what is asked as a process of its own would; its exit code, which is also sent."""
    import json

    size, files, _, _ = socket.recv_fds(asker, 4, 3)
    request = json.loads(asker.makefile("rb").read(int.from_bytes(size, "big")))
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    sys.stdin, sys.stdout, sys.stderr = (
        open(number, mode, 1 if number == 2 else -1, closefd=False)  # noqa: SIM115
        for number, mode in enumerate("rww")
    )
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    code = _exit_code(request["words"])
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    asker.sendall(bytes([code]))
    return code


def _exit_code(words: list[str]) -> int:
    """Run a module or a script as Python's own command line does; the exit code that it ends with."""
    import atexit
    import runpy
    import traceback

    code: str | int | None = 0
    try:
        if words[0] == "-m":
            sys.argv, sys.path[0] = words[1:], ""
            runpy.run_module(words[1], run_name="__main__", alter_sys=True)
        else:
            sys.argv, sys.path[0] = words, os.path.dirname(os.path.abspath(words[0]))  # noqa: PTH100, PTH120
            runpy.run_path(words[0], run_name="__main__")
    except SystemExit as end:
        code = end.code
    except BaseException:  # noqa: BLE001
        traceback.print_exc()
        code = 1
    atexit._run_exitfuncs()
    if isinstance(code, str):
        sys.stderr.write(f"{code}\n")
        return 1
    return int(code or 0) & 0xFF


if __name__ == "__main__":
    sys.exit(ask(sys.argv[1], sys.argv[2:]))
