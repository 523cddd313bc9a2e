mkdir -p there/a a/b g; setfattr -n user.old -v 1 there/a; chmod 700 there/a; echo 1 > a/b/f; echo 2 > g/f
