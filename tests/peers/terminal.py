"""Runs a program on a terminal of its own, whose user types nothing.

terminal.py foreground PROGRAM ARG...   in the foreground; what it writes goes to stdout
terminal.py background PROGRAM ARG...   as a background job whose stdin alone is the terminal
The exit code is the program's; 99 where the terminal stopped it.
"""
import os
import pty
import sys

mode, command = sys.argv[1], sys.argv[2:]


def ended(status):
    return 99 if os.WIFSTOPPED(status) else os.waitstatus_to_exitcode(status)


if mode == "foreground":
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvp(command[0], command)
    while True:
        try:
            piece = os.read(terminal, 65536)
        except OSError:  # EIO: nobody has the terminal open any more
            break
        sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()
    sys.exit(ended(os.waitpid(pid, 0)[1]) & 255)

out, err = os.dup(1), os.dup(2)
pid, terminal = pty.fork()
if pid == 0:
    job = os.fork()
    if job == 0:
        os.setpgid(0, 0)
        os.dup2(out, 1)
        os.dup2(err, 2)
        os.execvp(command[0], command)
    os._exit(ended(os.waitpid(job, os.WUNTRACED)[1]) & 255)
os.write(terminal, b"typed for the shell\n")
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
