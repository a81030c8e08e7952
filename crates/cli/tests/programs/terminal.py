# An interactive shell (argv): jobs are stopped, listed, resumed and interrupted. See at_terminal.py.
start(sys.argv[1:])
say(b"PS1='prompt''> '\n"); until(b"prompt> ")
say(b"echo $((6 * 7))\n"); until(b"42\r\n"); until(b"prompt> ")
say(b"echo ready; cat\n"); until(b"ready\r\n"); foreground("cat"); say(b"typed\n"); until(b"typed\r\ntyped\r\n"); say(b"\x04"); until(b"prompt> ")
say(b"sleep 300\n"); foreground("sleep"); say(b"\x03"); until(b"prompt> "); say(b"echo status $?\n"); until(b"status 130\r\n")
say(b"sleep 300\n"); foreground("sleep"); say(b"\x1a"); until(rb"\[1\]\+  Stopped +sleep 300"); until(b"prompt> ")
say(b"jobs\n"); until(rb"\[1\]\+  Stopped"); until(b"prompt> ")
say(b"bg\n"); until(rb"\[1\]\+ sleep 300 &"); until(b"prompt> ")
say(b"jobs\n"); until(rb"\[1\]\+  Running"); until(b"prompt> ")
say(b"fg\n"); until(b"sleep 300\r\n"); foreground("sleep"); say(b"\x03"); until(b"prompt> ")
say(b"cat > written &\n"); job = until(rb"\[1\] (\d+)\r\n")[1]; stopped(int(job)); say(b"\n"); until(rb"\[1\]\+  Stopped +cat"); until(b"prompt> ")
say(b"fg\n"); until(b"cat > written\r\n"); foreground("cat"); say(b"to the file\n\x04"); until(b"prompt> ")
say(b"cat written\n"); until(b"to the file\r\n"); until(b"prompt> ")
say(b"stty size; tty > tty-name; echo x > /dev/tty\n"); until(b"x\r\n"); until(b"prompt> ")
say(b"python3 -c 'import getpass; print(len(getpass.getpass(\"secret: \")))'\n"); until(b"\r\nsecret: "); say(b"four\n"); until(b"4\r\n"); until(b"prompt> ")
say(b"sleep 300 | cat\n"); foreground("sleep", "cat"); say(b"\x1a"); until(b"Stopped"); until(b"prompt> "); say(b"kill -KILL %1; wait\n"); until(b"prompt> ");
say(b"exec sh -c 'exit 9'\n")
try:
    while select.select([terminal], [], [], 20)[0] and os.read(terminal, 4096):
        pass
except OSError:
    pass
status = os.waitpid(pid, 0)[1]
print("done" if os.waitstatus_to_exitcode(status) == 9 else status)
