# `pimento run` (argv) as a job of an ordinary interactive shell: Ctrl-Z, fg and Ctrl-C work on it as on any other.
import os, pty, re, select, sys, time

pimento = sys.argv[1]
pid, terminal = pty.fork()
if pid == 0:
    os.execv("/usr/bin/bash", ["bash", "--norc", "--noprofile", "-i"])
seen = b""

def until(pattern):
    global seen
    while not re.search(pattern, seen):
        if not select.select([terminal], [], [], 20)[0]:
            sys.exit(f"no {pattern!r} in {seen!r}")
        try:
            seen += os.read(terminal, 4096)
        except OSError:
            sys.exit(f"ended without {pattern!r}: {seen!r}")
    seen = seen[re.search(pattern, seen).end():]

def say(text):
    os.write(terminal, text if isinstance(text, bytes) else text.encode())

run = f"{pimento} run --exec /usr --read /etc -- "
say("PS1='prompt''> '\n"); until(b"prompt> ")
say(run + "sleep 300\n"); time.sleep(0.3); say(b"\x1a"); until(b"Stopped"); until(b"prompt> ")
say("fg\n"); until(b"sleep 300\r\n"); time.sleep(0.1); say(b"\x03"); until(b"prompt> ")
say("echo status $?\n"); until(b"status 130\r\n"); until(b"prompt> ")
say(run + "cat | " + run + "tr a-z A-Z\n"); time.sleep(0.3); say("typed\n"); until(b"typed\r\nTYPED\r\n")
say(b"\x1a"); until(b"Stopped"); until(b"prompt> "); say("fg\n"); until(b"tr a-z A-Z\r\n"); time.sleep(0.1); say(b"more\n\x04"); until(b"MORE\r\n"); until(b"prompt> ")
# In the background it may not read from the terminal, and goes on when it may.
say(run + "cat &\n"); until(rb"\[1\] \d+"); time.sleep(0.3); say("\n"); until(b"Stopped"); until(b"prompt> ")
say("fg\n"); until(b"cat\r\n"); time.sleep(0.1); say("echoed\n"); until(b"echoed\r\nechoed\r\n"); say(b"\x04"); until(b"prompt> ")
say(run + "bash -c 'trap \"echo winch\" WINCH; echo ready; for i in {1..100}; do sleep 0.02; done; exit 7'\n"); until(b"ready\r\n")
import fcntl, struct, termios
fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0)); until(b"winch\r\n"); until(b"prompt> ")
say("echo status $?\n"); until(b"status 7\r\n"); until(b"prompt> ")
say("exit\n")
os.waitpid(pid, 0)
print("done")
