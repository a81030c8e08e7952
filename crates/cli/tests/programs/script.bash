# What shells are used for. Bash runs it; everything that it prints is the same on every run.
echo "$0 $# $1 $2"
read -r line; echo "read: $line"
seq 10 | grep -v 5 | sort -rn | head -3 > top; cat top
{ echo out; echo err >&2; } 2> errors 1> outs; cat errors outs
echo more >> outs; wc -l < outs
cat <<HERE
here $((6 * 7)) $(echo nested $(echo deeper))
HERE
tr a-z A-Z <<< "a here-string"
diff <(seq 3) <(seq 2 4); echo "diff: $?"
seq 3 | tee >(wc -l > counted) > /dev/null; until [ -s counted ]; do sleep 0.01; done; cat counted
exec 5<> both; echo five >&5; exec 5>&-; cat both
exec 6< top; read -r -u 6 first; echo "$first"; exec 6<&-
set -o noclobber; (echo x > top) 2> clobbered || echo "kept"; set +o noclobber; wc -l < clobbered
for job in 1 2 3; do (sleep 0.0$job; echo "job $job" > job.$job) & done; wait; cat job.*
sleep 60 & kill $!; wait $!; echo "killed: $?"
sleep 60 & sleep=$!; kill -STOP $sleep; kill -CONT $sleep; kill -TERM $sleep; wait $sleep; echo "then: $?"
(exit 9) & wait $!; echo "exited: $?"
coproc tac; exec 7<&"${COPROC[0]}"; echo up >&"${COPROC[1]}"; echo down >&"${COPROC[1]}"; exec {COPROC[1]}>&-; cat <&7; exec 7<&-; wait
trap 'echo usr1' USR1; kill -USR1 $$; trap 'echo "in trap"' EXIT
(trap 'echo sub term; exit 3' TERM; kill -TERM $BASHPID; sleep 1); echo "sub: $?"
cd tree; pwd; echo *; echo .h* d*/; cd deep/deeper; echo "$OLDPWD $PWD"; cd - ; cd ..; shopt -s globstar; echo **/*; shopt -u globstar
pushd tree/deep > /dev/null; dirs -p | wc -l; popd > /dev/null
cd -P tree/dirlink; pwd -P; cd ../..; pwd
[ -f tree/one ] && [ -L tree/link ] && [ -p tree/fifo ] && [ ! -e tree/none ] && [ tree/one -ef tree/hard ] && echo tests
[ -r tree/one ] && [ -w tree/one ] && [ ! -x tree/one ] && echo permissions
umask 077; echo private > private; umask; stat -c %A private
(ulimit -n 64; ulimit -n)
cat no-such-file; echo "cat: $?"
command -v sort > /dev/null && type -t cd
mapfile -t lines < top; echo "${#lines[@]} ${lines[-1]}"
printf '%s\n' "$(< top)" | paste -sd+ | bc 2> /dev/null || true
echo "${BASH_VERSION%%.*}" > version
(echo through fifo > tree/fifo) & cat tree/fifo; wait
(sleep 0.05; cat tree/fifo > got) & echo "the other order" > tree/fifo; wait; cat got
timeout 0.1 sleep 5; echo "timeout: $?"
timeout 0.2 cat tree/fifo; echo "blocked open: $?"
{ bash -c 'kill -SEGV $$'; } 2> /dev/null; echo "segv: $?"
bash -c 'exec sh -c "exec echo \$0 chained"'
mkdir made made/in; mv made moved; cp -a tree copy; rm -r moved; ln -s copy/one short; cat short; rm short
cp top top2; cmp top top2 && echo same; dd if=top of=dd bs=1 count=3 status=none; cat dd; echo
touch -d '2001-01-01 UTC' top2; stat -c %Y top2; chmod 600 top2; stat -c %a top2; truncate -s 100 top2; stat -c %s top2
ls -d tree/n*; file=$(mktemp ./tmp.XXXXXX); [ -f "$file" ] && rm "$file" && echo mktemp
xargs -P 4 -n 1 sh -c 'echo "x $0"' < <(seq 4) | sort
flock lock echo locked
nice -n 5 nice; nohup echo nohup 2> /dev/null; setsid -w echo setsid; env -i /usr/bin/env | wc -l
id -u > uid; uname -s; nproc > /dev/null && echo nproc; date -u -d @0 +%F
echo "last: $$" | sed 's/[0-9][0-9]*/PID/'
{ echo named | tee /dev/stderr > /dev/null; } 2>&1 | cat
trap - EXIT; echo the end
exit 7
