# The same, briefly, in another language: prints the errno of each attempt.
use strict; use warnings; use Socket; use POSIX;
my ($out, $victim, $port) = @ARGV;
sub attempt { my ($what, $done) = @_; print "$what ", $done ? "done" : $! + 0, "\n" }
attempt("open", open(my $a, '<', "$out/secret"));
attempt("append", open(my $b, '>>', "$out/secret"));
attempt("up", open(my $c, '<', "sub/../../out/secret"));
attempt("link", open(my $d, '<', "link"));
attempt("unlink", unlink("$out/secret"));
attempt("rename", rename("$out/secret", "stolen"));
attempt("mkdir", mkdir("$out/new"));
attempt("chmod", chmod(0777, "$out/secret"));
attempt("utime", utime(1, 1, "$out/secret"));
attempt("opendir", opendir(my $e, $out));
attempt("chdir", chdir($out));
attempt("environ", open(my $f, '<', "/proc/1/environ"));
attempt("mem", open(my $g, '+<', "/proc/$victim/mem"));
attempt("kill", kill('KILL', $victim));
attempt("setpriority", eval { setpriority(0, $victim, 19) });
socket(my $s, PF_INET, SOCK_STREAM, 0) or die;
attempt("connect", connect($s, pack_sockaddr_in($port, INADDR_LOOPBACK)));
attempt("ptrace", syscall(101, 16, $victim, 0, 0) != -1);
{ no warnings; attempt("exec", exec({"$out/tool"} "tool")); attempt("exec own", exec({"./tool"} "tool")); }
