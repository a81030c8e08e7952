import os, subprocess, sys, threading

# Four processes with four threads each, all making, renaming, reading and removing files at once.
WORK = '''
import os, sys, threading
errors = []
def work(n):
    try:
        mine = f"{sys.argv[1]}.{n}"
        os.mkdir(mine)
        for i in range(60):
            path = f"{mine}/{i}"
            with open(path, "w") as f:
                f.write(path)
            os.rename(path, path + ".new")
            os.chmod(path + ".new", 0o600)
            with open(path + ".new") as f:
                assert f.read() == path
            os.symlink(f"{i}.new", path)
            assert os.stat(path).st_ino == os.stat(path + ".new").st_ino
            assert len(os.listdir(mine)) == 2
            os.unlink(path)
            os.unlink(path + ".new")
        os.rmdir(mine)
    except BaseException as e:
        errors.append(e)
threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
[t.start() for t in threads]
[t.join() for t in threads]
sys.exit(repr(errors) if errors else 0)
'''
children = [subprocess.Popen([sys.executable, "-c", WORK, str(n)]) for n in range(4)]
good = sum(child.wait() == 0 for child in children)
print("ok", good)
assert os.listdir(".") == []
