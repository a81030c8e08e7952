# `pimento run` (argv) as a job of an ordinary interactive shell: Ctrl-Z, fg and Ctrl-C work on it as on any other. See
# at_terminal.py.
import fcntl, struct, termios

pimento = sys.argv[1]
start(["/usr/bin/bash", "--norc", "--noprofile", "-i"])
run = f"{pimento} run --exec /usr --read /etc -- "
say("PS1='prompt''> '\n"); until(b"prompt> ")
say(run + "sleep 300\n"); foreground("sleep"); say(b"\x1a"); until(b"Stopped"); until(b"prompt> ")
say("fg\n"); until(b"sleep 300\r\n"); foreground("sleep"); say(b"\x03"); until(b"prompt> ")
say("echo status $?\n"); until(b"status 130\r\n"); until(b"prompt> ")
say(run + "cat | " + run + "tr a-z A-Z\n"); foreground("cat", "tr"); say("typed\n"); until(b"typed\r\nTYPED\r\n")
say(b"\x1a"); until(b"Stopped"); until(b"prompt> "); say("fg\n"); until(b"tr a-z A-Z\r\n"); foreground("cat", "tr"); say(b"more\n\x04"); until(b"MORE\r\n"); until(b"prompt> ")
# In the background it may not read from the terminal, and goes on when it may.
say(run + "cat &\n"); job = until(rb"\[1\] (\d+)\r\n")[1]; stopped(int(job)); say("\n"); until(b"Stopped"); until(b"prompt> ")
say("fg\n"); until(b"cat\r\n"); foreground("cat"); say("echoed\n"); until(b"echoed\r\nechoed\r\n"); say(b"\x04"); until(b"prompt> ")
say(run + "bash -c 'trap \"echo winch; exit 7\" WINCH; echo ready; while :; do sleep 0.02; done'\n"); until(b"ready\r\n")
fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0)); until(b"winch\r\n"); until(b"prompt> ")
say("echo status $?\n"); until(b"status 7\r\n"); until(b"prompt> ")
say("exit\n")
os.waitpid(pid, 0)
print("done")
