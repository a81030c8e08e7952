//! `pimento ps` and `pimento fds`: what they tell of real processes, to whom, and whom they believe.

mod support;

use pimento::telling::asker;
use pimento::{FcntlRights, Limits, Right, Rights};
use rustix::net::{
    AddressFamily, SendFlags, SocketAddrUnix, SocketFlags, SocketType, accept, bind, connect, listen, send,
    socket_with,
};
use rustix::process::Signal;
use serde_json::Value;
use std::fs::{self, File, Permissions};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};
use support::{Run, Running, Scratch, User, eventually, finish, is_root, pimento, run_under, users};

/// What a process of ours is to do.
const PART: &str = "PIMENTO_SEEN_PART";
const WORD: &str = "PIMENTO_SEEN_WORD";

/// Rights of the file that a stage limits.
const FILE: Rights = Rights::of(&[Right::READ, Right::FSTAT]);

/// A process that plays a part: this test's executable, started anew. It says that it is ready with a line, and ends with its
/// standard input.
struct Player {
    running: Running,
    pid: u32,
    stdin: Option<ChildStdin>,
    out: BufReader<ChildStdout>,
    /// What it has said.
    said: String,
}

impl Player {
    fn start(scratch: &Scratch, user: User, part: &str, word: &str) -> Player {
        let copy: PathBuf = scratch.outside().join("player");
        if !copy.exists() {
            // Not by this process, of which a child that is forked now would have it open for writing, and it not be executed.
            let copied = Command::new("cp").arg(std::env::current_exe().unwrap()).arg(&copy).status();
            assert!(copied.unwrap().success());
            fs::set_permissions(&copy, Permissions::from_mode(0o755)).unwrap();
        }
        let mut command = user.command(copy);
        command.args(["--exact", "plays", "--ignored", "--nocapture", "--test-threads=1", "-q"]);
        command.env(PART, part).env(WORD, word);
        scratch.settle(&mut command);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut running = Running::start(command);
        let stdin = running.0.stdin.take();
        let mut out = BufReader::new(running.0.stdout.take().unwrap());
        let said = loop {
            let mut line = String::new();
            assert!(out.read_line(&mut line).unwrap() > 0, "{part} has ended");
            if let Some(said) = line.strip_prefix("seen: ") {
                break said.trim_end().to_owned();
            }
        };
        let pid = running.0.id();
        if !["asks", "lies"].contains(&part) {
            // Its monitor serves it before it tells of it.
            eventually("that it is told of", || row(user, pid).is_some());
        }
        Player { running, pid, stdin, out, said }
    }

    fn ends(&mut self) {
        drop(self.stdin.take());
        self.running.wait();
    }

    /// The next thing that it says.
    fn next(&mut self) -> String {
        self.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
        loop {
            let mut line = String::new();
            assert!(self.out.read_line(&mut line).unwrap() > 0, "it has ended");
            if let Some(said) = line.trim_end().strip_prefix("seen: ") {
                return said.to_owned();
            }
        }
    }
}

fn say(what: impl std::fmt::Display) {
    println!("\nseen: {what}");
    std::io::stdout().flush().unwrap();
}

/// Waits for a line. False: there comes none any more.
fn heard() -> bool {
    std::io::stdin().read(&mut [0]).unwrap_or(0) > 0
}

#[test]
#[ignore = "is started by the others"]
fn plays() {
    let Ok(part) = std::env::var(PART) else { return };
    let word = std::env::var(WORD).unwrap_or_default();
    let file = File::open("/etc/passwd").unwrap();
    let dir = File::open("/usr").unwrap();
    let limits =
        || Limits::new().stdio().fd(&file, FILE).fd(&dir, Right::LOOKUP).fcntls(&file, FcntlRights::NONE);
    match &part[..] {
        "enters" => {
            limits().enter().unwrap();
            say(format!("{} {}", file.as_raw_fd(), dir.as_raw_fd()));
        }
        "enters and closes" => {
            let late = File::open("/etc/hosts").unwrap();
            pimento::enter().unwrap();
            pimento::limit(&late, FILE).unwrap();
            say(late.as_raw_fd());
            heard();
            drop(late);
            // Whatever that takes is over with the next call that is asked about.
            let _ = File::open("/");
            say("closed");
        }
        "limits" => {
            limits().limit().unwrap();
            let told = || asker::descriptors(std::process::id()).unwrap().found;
            eventually("that it is told of itself", || told().is_some());
            let own = told().unwrap();
            assert_eq!(own.limits[&file.as_raw_fd()].rights(), FILE);
            let all = asker::processes().unwrap().found;
            let seen = all.iter().any(|process| process.pid == std::process::id());
            say(if seen { "itself" } else { "nothing" });
            // A process that it starts sees nothing of it: what it has limited might be what confines that.
            let mut child = Command::new(word);
            child.args(["fds", &std::process::id().to_string()]).stdin(Stdio::null());
            let told = child.output().unwrap();
            heard();
            say(String::from_utf8_lossy(&told.stderr).trim_end().replace('\n', "; "));
        }
        "limits many" => {
            let files: Vec<File> =
                (0..word.parse().unwrap()).map(|_| File::open("/dev/null").unwrap()).collect();
            let limits = files.iter().fold(Limits::new(), |limits, file| limits.fd(file, Right::READ));
            limits.enter().unwrap();
            say(files.len());
            heard();
        }
        "reads its fdinfo" => {
            let proc = File::open("/proc").unwrap();
            limits().enter().unwrap();
            let path = std::ffi::CString::new(format!("self/fdinfo/{}", file.as_raw_fd())).unwrap();
            let info = rustix::fs::openat(
                &proc,
                &path,
                rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::CLOEXEC,
                rustix::fs::Mode::empty(),
            );
            let info = info.unwrap();
            assert!(rustix::io::write(&info, b"x").is_err());
            let mut text = [0; 4096];
            let len = rustix::io::read(&info, &mut text).unwrap();
            say(String::from_utf8_lossy(&text[..len]).replace('\n', ";"));
        }
        "asks" => {
            let sight = asker::descriptors(word.parse().unwrap()).unwrap();
            say(format!("{:?}", sight.found));
        }
        "lies" => lies(&word),
        other => panic!("there is no such part: {other}"),
    }
    while heard() {}
}

/// Takes a name like a monitor's, and tells whoever comes that everything is in order.
fn lies(name: &str) {
    rustix::thread::set_name(c"pimento-monitor").unwrap();
    fs::write("/proc/self/comm", "pimento-monitor").unwrap();
    let name = name.replace("OWN", &std::process::id().to_string());
    let socket = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap();
    bind(&socket, &SocketAddrUnix::new_abstract_name(name.as_bytes()).unwrap()).unwrap();
    listen(&socket, 64).unwrap();
    std::thread::spawn(move || {
        let mut kept = Vec::new();
        loop {
            let asker = accept(&socket).unwrap();
            let _ = send(&asker, b"descriptors hosted\n", SendFlags::NOSIGNAL);
            kept.push(asker);
        }
    });
    say(name);
}

/// `pimento` with these words, by a user.
fn tells(user: User, words: &[&str]) -> Run {
    let mut command = user.command(pimento());
    command.args(words);
    finish(command, b"")
}

fn json(user: User, words: &[&str]) -> Value {
    let run = tells(user, words);
    serde_json::from_str(&run.good().stdout).unwrap_or_else(|error| panic!("{error}: {run}"))
}

fn processes(user: User) -> Vec<Value> {
    // Those of other tests may be at their end, or stopped.
    let run = tells(user, &["ps", "--json"]);
    let all: Value = serde_json::from_str(&run.stdout).unwrap_or_else(|error| panic!("{error}: {run}"));
    all["processes"].as_array().unwrap().clone()
}

fn row(user: User, pid: u32) -> Option<Value> {
    processes(user).into_iter().find(|row| row["pid"] == pid)
}

/// The descriptors of a process, which is under a monitor.
fn descriptors(user: User, pid: u32) -> Vec<Value> {
    let all = json(user, &["fds", "--json", &pid.to_string()]);
    assert_eq!(all["processes"].as_array().unwrap().len(), 1, "{all}");
    let mut all = all["processes"][0]["descriptors"].as_array().unwrap().clone();
    for stream in all.iter_mut().filter(|one| one["fd"].as_i64().is_some_and(|fd| fd <= 2)) {
        // It may be a file that other tests write to as well.
        stream["position"] = Value::Null;
    }
    all
}

fn descriptor(all: &[Value], number: i32) -> &Value {
    all.iter().find(|one| one["fd"] == number).unwrap_or_else(|| panic!("{number}: {all:?}"))
}

fn words(rights: Rights) -> Value {
    rights.words().map(|word| format!("{word:#018x}")).to_vec().into()
}

fn monitor_of(user: User, pid: u32) -> u32 {
    row(user, pid).unwrap()["monitor"].as_u64().unwrap() as u32
}

/// The name of a monitor's socket, without what is behind the number.
fn socket_of(monitor: u32) -> String {
    let namespace = fs::metadata("/proc/self/ns/pid").unwrap().ino();
    format!("pimento/monitor/{namespace}/{monitor}")
}

#[test]
fn a_process_that_has_entered_is_seen_with_what_is_left_of_its_descriptors() {
    for &user in users() {
        let scratch = Scratch::new(user);
        let player = Player::start(&scratch, user, "enters", "");
        let numbers: Vec<i32> = player.said.split(' ').map(|word| word.parse().unwrap()).collect();
        let row = row(user, player.pid).unwrap();
        assert_eq!((&row["mode"], &row["limited"]), (&"capability".into(), &5.into()), "{row}");
        assert!(row["command"].as_str().unwrap().contains("player"), "{row}");
        let all = descriptors(user, player.pid);
        let file = descriptor(&all, numbers[0]);
        assert_eq!((&file["type"], &file["name"]), (&"file".into(), &"/etc/passwd".into()), "{file}");
        assert_eq!(file["flags"], serde_json::json!(["read", "close-on-exec"]));
        assert_eq!(
            (&file["rights"], &file["rights_words"]),
            (&serde_json::json!(["read", "fstat"]), &words(FILE))
        );
        assert_eq!((&file["ioctls"], &file["fcntls"]), (&serde_json::json!([]), &serde_json::json!([])));
        let dir = descriptor(&all, numbers[1]);
        assert_eq!((&dir["type"], &dir["rights"]), (&"dir".into(), &serde_json::json!(["lookup"])), "{dir}");
        let input = descriptor(&all, 0);
        assert_eq!((&input["type"], &input["limited"]), (&"pipe".into(), &true.into()), "{input}");
        assert_eq!(input["fcntls"], serde_json::json!(["getfl"]));
        let names: Vec<&Value> = input["ioctls"].as_array().unwrap().iter().map(|one| &one["name"]).collect();
        assert_eq!(names, ["TCGETS", "TCGETS2", "TIOCGWINSZ"]);
        // The same in words.
        let told = tells(user, &["fds", &player.pid.to_string()]);
        let line = told.good().stdout.lines().find(|line| line.contains("/etc/passwd")).unwrap();
        assert!(line.ends_with("  read,fstat") && line.contains(" r-------c- "), "{line}");
        assert!(told.stdout.contains("event,ioctl ioctls=TCGETS,TCGETS2,TIOCGWINSZ fcntls=getfl"), "{told}");
    }
}

#[test]
fn a_process_with_limits_in_ordinary_mode_is_seen_and_sees_itself_alone() {
    for &user in users() {
        let scratch = Scratch::new(user);
        let mut player = Player::start(&scratch, user, "limits", pimento().to_str().unwrap());
        assert_eq!(player.said, "itself");
        let row = row(user, player.pid).unwrap();
        assert_eq!((&row["mode"], &row["limited"]), (&"ordinary".into(), &5.into()), "{row}");
        let told = player.next();
        // Monitors of other tests may be stopped, which is told too.
        assert!(told.contains(&format!("pimento: no monitor answers for process {}", player.pid)), "{told}");
    }
}

#[test]
fn programs_under_run_are_seen_with_all_that_they_start() {
    for &user in users() {
        let scratch = Scratch::new(user);
        scratch.script("mkdir held; echo y > held/file");
        let script = "exec 7<held/file 8< <(exec sleep 60); sleep 60 & echo $! $$; wait";
        let line = ["/usr/bin/bash", "-c", script];
        let mut command = run_under(user, &["--exec", "/usr", "--read", "held"], &line);
        scratch.settle(command.stdin(Stdio::null()).stdout(Stdio::piped()));
        let mut running = Running::start(command);
        let mut out = BufReader::new(running.0.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        let pids: Vec<u32> = line.split_whitespace().map(|word| word.parse().unwrap()).collect();
        let [child, bash] = pids[..] else { panic!("{line:?}") };
        let rows = processes(user);
        let of = |pid| rows.iter().find(|row| row["pid"] == pid).unwrap_or_else(|| panic!("{pid}: {rows:?}"));
        assert_eq!((&of(bash)["mode"], &of(child)["mode"]), (&"hosted".into(), &"hosted".into()));
        assert_eq!(of(bash)["monitor"], of(child)["monitor"]);
        let all = descriptors(user, bash);
        let (file, pipe) = (descriptor(&all, 7), descriptor(&all, 8));
        let has = |name: &str| file["rights"].as_array().unwrap().iter().any(|right| right == name);
        assert!(has("mmap_rx") && !has("fexecve") && !has("write"), "{file}");
        assert_eq!((&file["limited"], &pipe["limited"]), (&true.into(), &false.into()), "{all:?}");
        assert_eq!(pipe["rights_words"], words(Rights::ALL));
        assert!(of(bash)["limited"].as_u64().unwrap() >= 1);
        running.signal(Signal::TERM);
        running.wait();
        eventually("that it is not told any more", || row(user, bash).is_none());
    }
}

#[test]
fn more_descriptors_than_fit_into_an_answer_are_all_told() {
    let scratch = Scratch::new(User::Own);
    let player = Player::start(&scratch, User::Own, "limits many", "600");
    let all = descriptors(User::Own, player.pid);
    let limited = all.iter().filter(|one| one["rights"] == serde_json::json!(["read"])).count();
    assert_eq!(limited, 600);
    assert_eq!(row(User::Own, player.pid).unwrap()["limited"], 600);
}

#[test]
fn a_number_that_the_monitor_keeps_from_use_is_not_told() {
    let scratch = Scratch::new(User::Own);
    let mut player = Player::start(&scratch, User::Own, "enters and closes", "");
    let number: i32 = player.said.parse().unwrap();
    let all = descriptors(User::Own, player.pid);
    assert_eq!(descriptor(&all, number)["rights_words"], words(FILE));
    assert_eq!(player.next(), "closed");
    let all = descriptors(User::Own, player.pid);
    assert!(all.iter().all(|one| one["fd"] != number), "{all:?}");
}

#[test]
fn another_user_is_told_nothing_and_root_everything() {
    if !is_root() {
        return;
    }
    let scratch = Scratch::new(User::Own);
    let player = Player::start(&scratch, User::Own, "enters", "");
    let pid = player.pid.to_string();
    assert!(row(User::Nobody, player.pid).is_none());
    let run = tells(User::Nobody, &["fds", &pid]);
    assert_eq!((run.code(), &*run.stdout), (Some(1), ""), "{run}");
    assert!(run.stderr.contains("Permission denied") && run.stderr.lines().count() == 1, "{run}");
    // Nor is whoever asks the monitor without asking the kernel.
    let mut asks = Player::start(&scratch, User::Nobody, "asks", &pid);
    assert_eq!(asks.said, "None");
    asks.ends();
    let asks = Player::start(&scratch, User::Own, "asks", &pid);
    assert!(asks.said.starts_with("Some("), "{}", asks.said);
    let theirs = Scratch::new(User::Nobody);
    let player = Player::start(&theirs, User::Nobody, "enters", "");
    assert_eq!(row(User::Own, player.pid).unwrap()["uid"], 65534);
    assert!(!descriptors(User::Own, player.pid).is_empty());
}

#[test]
fn a_process_without_a_monitor_has_no_rights_to_tell_of() {
    let pid = std::process::id().to_string();
    let run = tells(User::Own, &["fds", &pid]);
    assert_eq!(run.code(), Some(1), "{run}");
    assert!(run.stdout.lines().skip(1).all(|line| line.ends_with("  -")), "{run}");
    assert!(run.stdout.lines().count() > 3, "{run}");
    assert!(run.stderr.contains(&format!("pimento: no monitor answers for process {pid} (")), "{run}");
    let run = tells(User::Own, &["fds", "--json", &pid]);
    let all: Value = serde_json::from_str(&run.stdout).unwrap();
    assert!(
        all["processes"][0]["mode"].is_null() && all["processes"][0]["descriptors"][0]["rights"].is_null()
    );
    assert!(row(User::Own, std::process::id()).is_none());
}

#[test]
fn what_is_no_process_is_one_line() {
    let run = tells(User::Own, &["fds", "2147483647"]);
    assert_eq!((run.code(), &*run.stdout), (Some(1), ""), "{run}");
    assert_eq!(run.stderr, "pimento: there is no process 2147483647\n");
    let run = tells(User::Own, &["fds", "--json", "2147483647"]);
    assert_eq!(serde_json::from_str::<Value>(&run.stdout).unwrap(), serde_json::json!({ "processes": [] }));
    let all = fs::read_dir("/proc/self/task").unwrap().flatten();
    let own = std::process::id().to_string();
    let thread = all.map(|task| task.file_name().into_string().unwrap()).find(|tid| *tid != own).unwrap();
    let run = tells(User::Own, &["fds", &thread]);
    assert_eq!(run.stderr, format!("pimento: {thread} is a thread of process {own}\n"));
    for word in ["0", "-1", "x", "4294967296"] {
        assert_eq!(tells(User::Own, &["fds", "--", word]).code(), Some(2));
    }
}

#[test]
fn a_strangers_socket_with_a_monitors_name_is_not_believed() {
    for &user in users() {
        let scratch = Scratch::new(user);
        let player = Player::start(&scratch, user, "enters", "");
        let expected = descriptors(user, player.pid);
        // One that says to be that monitor, in the kernel's list before it and behind it.
        let monitor = socket_of(monitor_of(user, player.pid));
        let before = Player::start(&scratch, user, "lies", &format!("{monitor}.0"));
        let behind = Player::start(&scratch, user, "lies", &format!("{monitor}.zzzz"));
        // One that says to be itself, as it is; but another user's. (Of processes of its own user it is believed.)
        let itself = socket_of(0).replace("/0", "/OWN");
        let other = (is_root() && user == User::Own)
            .then(|| Player::start(&Scratch::new(User::Nobody), User::Nobody, "lies", &itself));
        assert_eq!(descriptors(user, player.pid), expected);
        assert_eq!(row(user, player.pid).unwrap()["mode"], "capability");
        // Nor does a process come to have a monitor by it.
        let pid = before.pid.to_string();
        let run = tells(user, &["fds", &pid]);
        assert_eq!(run.code(), Some(1), "{run}");
        assert!(run.stderr.contains("no monitor answers"), "{run}");
        drop((before, behind, other));
    }
}

/// Connections to a monitor, bound to this address of ours if there is one.
fn connection(monitor: &str, own: Option<&str>) -> Result<OwnedFd, rustix::io::Errno> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
    if let Some(own) = own {
        bind(&socket, &SocketAddrUnix::new_abstract_name(own.as_bytes())?)?;
    }
    // Until there is room.
    for _ in 0..10_000 {
        match connect(&socket, &SocketAddrUnix::new_abstract_name(monitor.as_bytes())?) {
            Err(rustix::io::Errno::AGAIN) => std::thread::sleep(Duration::from_micros(200)),
            result => return result.map(|()| socket),
        }
    }
    Err(rustix::io::Errno::AGAIN)
}

fn memory(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn askers_that_make_no_sense_do_not_hurt_a_monitor() {
    for &user in users() {
        let scratch = Scratch::new(user);
        let mut player = Player::start(&scratch, user, "enters", "");
        let expected = descriptors(user, player.pid);
        let monitor = monitor_of(user, player.pid);
        let name = socket_of(monitor);
        let before = memory(monitor);
        let own = std::process::id();
        let mut kept = Vec::new();
        for nth in 0..1000 {
            let nonsense = [
                None,
                Some(format!("pimento/asker/{own}.{nth}/")),
                Some(format!("pimento/asker/{own}.{nth}/descriptors/{}", player.pid)),
                Some(format!("\u{1}\n{own}.{nth}")),
                Some(format!("pimento/asker/{own}.{nth}/processes/99999999999999999999")),
                // These are answered, and nobody reads that.
                Some(format!("pimento/asker/{own}.{nth}/processes/0")),
                Some(format!("pimento/asker/{own}.{nth}/descriptors/{}/0", player.pid)),
            ];
            let socket = connection(&name, nonsense[nth % nonsense.len()].as_deref()).unwrap();
            let _ = send(&socket, &[0xff; 4096][..nth * 4], SendFlags::NOSIGNAL);
            if nth % 3 > 0 && kept.len() < 600 {
                kept.push(socket);
            }
        }
        assert_eq!(descriptors(user, player.pid), expected);
        let after = memory(monitor);
        assert!(after < before + 256, "the monitor has grown from {before} to {after} KiB");
        let threads = fs::read_dir(format!("/proc/{monitor}/task")).unwrap().count();
        assert!(threads <= 4, "{threads}");
        // Its end comes when it is due.
        let start = Instant::now();
        player.ends();
        eventually("the monitor's end", || !PathBuf::from(format!("/proc/{monitor}")).exists());
        assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
        drop(kept);
    }
}

#[test]
fn a_monitor_that_is_stopped_is_told_of_and_waited_for_no_longer_than_can_be_borne() {
    let scratch = Scratch::new(User::Own);
    let player = Player::start(&scratch, User::Own, "enters", "");
    let monitor = monitor_of(User::Own, player.pid);
    let pid = rustix::process::Pid::from_raw(monitor as i32).unwrap();
    rustix::process::kill_process(pid, Signal::STOP).unwrap();
    let start = Instant::now();
    let run = tells(User::Own, &["fds", &player.pid.to_string()]);
    rustix::process::kill_process(pid, Signal::CONT).unwrap();
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    assert_eq!(run.code(), Some(1), "{run}");
    assert!(run.stderr.contains(&monitor.to_string()), "{run}");
    eventually("that it answers again", || row(User::Own, player.pid).is_some());
}

#[test]
fn fdinfo_tells_a_process_its_rights() {
    for &user in users() {
        let scratch = Scratch::new(user);
        let player = Player::start(&scratch, user, "reads its fdinfo", "");
        let [first, second] = FILE.words();
        let line = format!("rights:\t{first:#018x} {second:#018x};");
        assert!(player.said.contains("flags:\t") && player.said.ends_with(&line), "{}", player.said);
        // Of what it has made itself a program under `run` has all.
        let [first, second] = Rights::ALL.words();
        let script = "exec 5< <(:); cat /proc/self/fdinfo/5";
        let run = scratch.under(&["--exec", "/usr"], &["/usr/bin/bash", "-c", script], b"");
        assert!(run.good().stdout.ends_with(&format!("rights:\t{first:#018x} {second:#018x}\n")), "{run}");
    }
}
