"""Somebody who sits at a shell: waits for its prompt, types a line, and waits for what it leads to.

typist.py PROMPT LINE ANSWER SHELL ARG...   LINE as Python writes a string: \\t is TAB, \\r is Enter
0 when ANSWER has come; else 1, and everything that the shell showed.
"""
import ast
import fcntl
import os
import pty
import select
import signal
import struct
import sys
import termios

prompt, line, answer, shell = sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4:]
PATIENCE = 60  # seconds without anything shown

pid, terminal = pty.fork()
if pid == 0:
    os.execvp(shell[0], shell)
fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
shown = b""


def wait_for(text):
    global shown
    while text.encode() not in shown:
        try:
            piece = select.select([terminal], [], [], PATIENCE)[0] and os.read(terminal, 65536)
        except OSError:  # EIO: nobody has the terminal open any more
            piece = b""
        if not piece:
            sys.exit("waited for {!r}, and the terminal showed {!r}".format(text, shown))
        shown += piece


try:
    wait_for(prompt)
    os.write(terminal, ast.literal_eval('"' + line + '"').encode())
    wait_for(answer)
finally:
    os.kill(pid, signal.SIGKILL)
