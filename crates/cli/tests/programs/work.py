# What Python programs do with the system. Everything printed is the same on every run.
import asyncio, concurrent.futures, ctypes, fcntl, glob, hashlib, json, mmap, multiprocessing, os, pathlib, pickle, platform
import queue, random, resource, select, selectors, shutil, signal, socket, socketserver, sqlite3, ssl, stat, struct, subprocess, sys
import tempfile, threading, time, urllib.request, uuid, xml.etree.ElementTree, zipfile, zlib, locale, getpass, pwd, errno

def threads():
    results = queue.Queue()
    def work(n):
        path = f"thread{n}"
        for _ in range(20):
            with open(path, "a") as f:
                f.write(str(n))
        results.put((n, os.path.getsize(path)))
    all = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    [t.start() for t in all]; [t.join() for t in all]
    print(sorted(results.queue))

def subprocesses():
    print(subprocess.run(["tr", "a-z", "A-Z"], input="text", capture_output=True, text=True).stdout)
    print(subprocess.call("exit 3", shell=True), subprocess.getoutput("echo $((1+1))"))
    child = subprocess.Popen(["sleep", "60"]); child.terminate(); print(child.wait())
    child = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd="/usr", start_new_session=True)
    print(child.communicate(b"in")[0])
    try:
        subprocess.run(["no-such-program"])
    except FileNotFoundError as e:
        print("no such program", e.errno)
    try:
        subprocess.run(["sleep", "60"], timeout=0.1)
    except subprocess.TimeoutExpired:
        print("timeout")

def database():
    with sqlite3.connect("data.db") as db:
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("CREATE TABLE t (n INTEGER PRIMARY KEY, s TEXT)")
        db.executemany("INSERT INTO t VALUES (?, ?)", [(n, "x" * n) for n in range(500)])
        db.commit()
        other = sqlite3.connect("data.db")
        print(other.execute("SELECT count(*), sum(length(s)) FROM t").fetchone())
        other.close()
    db.close()
    with sqlite3.connect("journal.db") as db:
        db.execute("CREATE TABLE t (n)")
        db.execute("INSERT INTO t VALUES (1)")
        db.commit()
        db.execute("INSERT INTO t VALUES (2)")
        db.rollback()
        print(db.execute("SELECT * FROM t").fetchall())
    db.close()

def locks():
    with open("lock", "w") as f:
        fcntl.flock(f, fcntl.LOCK_EX)
        code = "import fcntl; f = open('lock', 'w')\ntry: fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)\nexcept OSError as e: print('flock', e.errno)"
        print(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout)
    with open("lock", "w") as f:
        fcntl.lockf(f, fcntl.LOCK_EX)
        code = code.replace("flock(", "lockf(")
        print(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout)
    # A lock that has to be waited for.
    ready, start = threading.Event(), time.time()
    code = "import fcntl, time; f = open('lock', 'w'); fcntl.lockf(f, fcntl.LOCK_EX); print('have', flush=True); time.sleep(0.2)"
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    child.stdout.readline()
    with open("lock", "w") as f:
        fcntl.lockf(f, fcntl.LOCK_EX)
        print("waited", time.time() - start > 0.1)
    child.wait(); child.stdout.close()

def files():
    for n in range(3):
        pathlib.Path(f"walk/{n}/deep").mkdir(parents=True)
        pathlib.Path(f"walk/{n}/deep/file").write_text(str(n))
    for directory, names, files in sorted(os.walk("walk")):
        print(directory, sorted(names), files)
    print(sorted(glob.glob("walk/**/file", recursive=True)))
    shutil.copytree("walk", "copy"); shutil.rmtree("walk"); shutil.move("copy", "moved")
    with tempfile.NamedTemporaryFile() as f:
        f.write(b"temporary"); f.flush(); print(os.path.dirname(f.name) == os.environ["TMPDIR"], os.path.getsize(f.name))
    with tempfile.TemporaryDirectory() as d:
        print(os.listdir(d))
    with tempfile.TemporaryFile() as f:
        f.write(b"x"); print(os.fstat(f.fileno()).st_nlink)
    with tempfile.SpooledTemporaryFile(max_size=1) as f:
        f.write(b"rolls over")
    with open("mapped", "w+b") as f:
        f.truncate(4096)
        with mmap.mmap(f.fileno(), 4096) as m:
            m[:6] = b"mapped"; m.flush()
        f.seek(0); print(f.read(6))
    fd = os.open("moved", os.O_RDONLY | os.O_DIRECTORY)
    inner = os.open("0/deep/file", os.O_RDWR, dir_fd=fd); os.pwrite(inner, b"by fd", 0); os.fchmod(inner, 0o600); os.futimens = None
    os.utime(inner, (1, 2)); s = os.fstat(inner); print(oct(s.st_mode), s.st_size, s.st_mtime); os.close(inner)
    os.rename("1", "one", src_dir_fd=fd, dst_dir_fd=fd); os.mkdir("new", dir_fd=fd); os.symlink("one", "sym", dir_fd=fd)
    print(os.readlink("sym", dir_fd=fd), sorted(os.listdir(fd)), os.stat("sym", dir_fd=fd, follow_symlinks=False).st_size)
    os.link("2/deep/file", "hard", src_dir_fd=fd, dst_dir_fd=fd); os.unlink("sym", dir_fd=fd); os.rmdir("new", dir_fd=fd)
    os.chmod("hard", 0o640, dir_fd=fd); print(os.access("hard", os.W_OK, dir_fd=fd)); os.fchdir(fd); print(os.path.basename(os.getcwd())); os.chdir("..")
    os.setxattr("lock", "user.x", b"v"); print(os.listxattr("lock"), os.getxattr("lock", "user.x")); os.removexattr("lock", "user.x")
    print(os.statvfs(".").f_namemax, os.pathconf(".", "PC_NAME_MAX"), os.path.realpath("moved/../lock") == os.getcwd() + "/lock")
    os.close(fd); os.truncate("mapped", 10); os.mkfifo("fifo"); print(stat.S_ISFIFO(os.stat("fifo").st_mode))
    print(open("/proc/self/comm").read().strip(), os.readlink("/proc/self/exe").startswith("/usr/bin/python3"))
    print(open("/dev/null").read() == "", len(open("/dev/urandom", "rb").read(5)), [n for n in sorted(os.listdir("/dev/fd")) if n in "012"])
    print(os.path.exists("/proc/self/fd/0"), len(os.listdir("/proc/self/task")))
    with zipfile.ZipFile("z.zip", "w") as z:
        z.writestr(zipfile.ZipInfo("name"), "data")

def sockets():
    a, b = socket.socketpair()
    a.sendmsg([b"one", b"two"]); print(b.recvmsg(10)[0])
    r, w = os.pipe()
    socket.send_fds(a, [b"fd"], [w]); _, fds, _, _ = socket.recv_fds(b, 10, 1); os.write(fds[0], b"passed"); print(os.read(r, 10))
    print(select.select([r], [w], [], 0)[1] == [w])

def pool_job(n):
    return n * n

def pools():
    with multiprocessing.Pool(3) as pool:
        print(pool.map(pool_job, range(10)))
    with concurrent.futures.ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        print(list(pool.map(pool_job, range(4))))
    q = multiprocessing.Queue(); p = multiprocessing.Process(target=q.put, args=("from a process",)); p.start(); print(q.get()); p.join()

async def main():
    child = await asyncio.create_subprocess_exec("echo", "async", stdout=subprocess.PIPE)
    print((await child.communicate())[0], await asyncio.to_thread(os.path.exists, "lock"))

def signals():
    got = []
    signal.signal(signal.SIGALRM, lambda *_: got.append("alarm")); signal.setitimer(signal.ITIMER_REAL, 0.05); time.sleep(0.2)
    signal.signal(signal.SIGUSR1, lambda *_: got.append("usr1")); os.kill(os.getpid(), signal.SIGUSR1)
    def stop(*_): raise TimeoutError
    signal.signal(signal.SIGALRM, stop)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.1); open("fifo")
    except TimeoutError:
        got.append("open of a fifo interrupted")
    signal.signal(signal.SIGALRM, lambda *_: got.append("restarted")); signal.setitimer(signal.ITIMER_REAL, 0.1)
    threading.Thread(target=lambda: (time.sleep(0.3), open("fifo", "w").close())).start()
    got.append(open("fifo").read() == "")
    pid = os.fork()
    if pid == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    print(got, os.waitpid(pid, 0)[1], os.getpgid(0) == os.getpgrp())

if __name__ == "__main__":
    for part in (threads, subprocesses, database, locks, files, sockets, pools, signals):
        print("==", part.__name__)
        part()
    asyncio.run(main())
    if os.geteuid() != 0:
        print(pwd.getpwuid(0).pw_name)
    print(resource.getrlimit(resource.RLIMIT_CORE)[0] >= -1, platform.system(), locale.setlocale(locale.LC_ALL, ""))
    print("the end")
