export GIT_AUTHOR_NAME=A GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=A GIT_COMMITTER_EMAIL=a@b
export GIT_AUTHOR_DATE='1600000000 +0000' GIT_COMMITTER_DATE='1600000000 +0000' GIT_PAGER=cat
git config --global init.defaultBranch main
git init -q one; cd one
mkdir dir; echo hello > file; seq 1000 > dir/numbers; ln -s file link; printf '#!/bin/sh\necho run\n' > tool; chmod +x tool
git add .; git status --short; git commit -qm first
sed -i s/500/five/ dir/numbers; git diff --stat; git commit -qam second
git switch -qc side HEAD~; echo side > side; git add side; git commit -qm side; git switch -q main
git merge -q -m merged side; git log --oneline --graph --all; git tag v1
git rm -q file; git stash -q; git stash pop -q; git reset -q --hard; git grep -n five; git blame -s side
git gc -q; git fsck --strict --no-progress; git clean -nd; git rev-parse HEAD; git show --stat HEAD | cat
cd ..
git clone -q one two; git -C two log --format='%h %s' | head -2; diff -r -x .git one two
git clone -q --no-hardlinks --bare one three.git; git -C two remote -v | sed "s|$HOME||"
cd two; echo more >> side; git commit -qam more; git push -q ../three.git HEAD:refs/heads/new; git -C ../three.git for-each-ref --format='%(refname)'
git fetch -q ../three.git new; git archive HEAD | tar -t; git worktree add -q ../tree v1; ls ../tree
git bundle create -q ../bundle HEAD; git ls-remote ../three.git | wc -l
# These have the times and places of their making in them.
cd ..; find . -path '*/.git/*' -name index -delete; rm -rf one/.git/logs two/.git/logs three.git/logs bundle tree
find . -name '*.bitmap' -delete; find . -name ORIG_HEAD -delete; rm -rf two/.git/worktrees
echo the end
