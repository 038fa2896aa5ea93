"""Persons at terminals side by side, who do what a session in the README shows, from its top to its bottom.

session.py < SESSION   a column a terminal, at whose shell it begins; cells are two spaces apart or more
A cell that begins with `$ ` is typed at the prompt; ^C and ^D are pressed; of equal cells in several columns the first
is typed, as what the other terminals then show. All else has to be shown. 0 if in the end each terminal looked as its
column does.
"""
import os
import pty
import re
import select
import sys

PATIENCE = 60  # seconds without anything shown
KEYS = {"^C": b"\x03", "^D": b"\x04"}


class Terminal:
    def __init__(self):
        self.shown, self.seen = "", 0
        pid, self.file = pty.fork()
        if pid == 0:
            shell = ["bash", "--norc", "--noprofile", "--noediting"]
            os.execvpe(shell[0], shell, {**os.environ, "PS1": "$ ", "TERM": "dumb"})

    def wait_for(self, text):
        while (at := self.shown.find(text, self.seen)) < 0:
            piece = select.select([self.file], [], [], PATIENCE)[0] and os.read(self.file, 65536)
            if not piece:
                sys.exit("waited for {!r}, and the terminal showed {!r}".format(text, self.shown))
            self.shown += piece.decode().replace("\r\n", "\n")
        self.seen = at + len(text)

    def type(self, line):
        os.write(self.file, line.encode() + b"\n")
        self.wait_for(line + "\n")

    def do(self, cell, is_typed):
        if cell in KEYS:
            os.write(self.file, KEYS[cell])
        elif cell.startswith("$"):
            self.wait_for("$ ")
            if cell != "$":
                self.type(cell[2:])
        elif is_typed:
            self.type(cell)
        else:
            self.wait_for(cell + "\n")


rows = sys.stdin.read().splitlines()
starts = [cell.start() for cell in re.finditer(r"(?:^|(?<=  ))\$ ", rows[0])]
columns = list(zip(starts, starts[1:] + [None]))
cells = [(column, row[start:end].strip()) for row in rows for column, (start, end) in enumerate(columns)]
terminals = [Terminal() for _ in columns]
done = set()
for column, cell in cells:
    elsewhere = any(other == cell for at, other in cells if at != column)
    if cell:
        terminals[column].do(cell, is_typed=elsewhere and cell not in done)
    done.add(cell)

for column, terminal in enumerate(terminals):
    # Ctrl-D leaves no trace; and a machine that is busy may have let a client wait for so long that it said so.
    expected = [cell for at, cell in cells if at == column and cell not in ("", "^D")]
    lines = [line.strip() for line in terminal.shown.splitlines() if "waiting for" not in line]
    # The last prompt may have come by now, whether it is in the picture or not.
    if lines[:len(expected)] != expected or lines[len(expected):] not in ([], ["$"]):
        sys.exit("a terminal showed {!r}, not {!r}".format(lines, expected))
