# What is run at a terminal of its own: what it says, what is typed, and what runs in the foreground.
import os, pty, re, select, sys, time

PATIENCE = 60
seen = b""

def start(line):
    global pid, terminal
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(line[0], line)

def until(pattern):
    global seen
    end = time.time() + PATIENCE
    while not (found := re.search(pattern, seen)):
        if time.time() > end or not select.select([terminal], [], [], PATIENCE)[0]:
            sys.exit(f"no {pattern!r} in {seen!r}")
        try:
            seen += os.read(terminal, 4096)
        except OSError:
            sys.exit(f"ended without {pattern!r}: {seen!r}")
    seen = seen[found.end():]
    return found

def say(text):
    os.write(terminal, text if isinstance(text, bytes) else text.encode())

def process(pid):
    """Its name, its state and its group."""
    try:
        with open(f"/proc/{pid}/stat") as f:
            name, rest = f.read().split(" (", 1)[1].rsplit(") ", 1)
    except (OSError, IndexError):
        return None, None, None
    return name, rest.split()[0], int(rest.split()[2])

def eventually(what, so):
    end = time.time() + PATIENCE
    while not so():
        if time.time() > end:
            sys.exit(f"never: {what}; {seen!r}")
        time.sleep(0.01)

def foreground(*names):
    """Until these programs are in the foreground, and wait for something."""
    def so():
        group = os.tcgetpgrp(terminal)
        there = [process(pid) for pid in os.listdir("/proc") if pid.isdigit()]
        return all((name, "S", group) in there for name in names)
    eventually(f"{names} in the foreground", so)

def stopped(pid):
    """Until it is stopped, and its parent has been told."""
    eventually(f"{pid} stopped", lambda: process(pid)[1] == "T")
    time.sleep(0.2)

