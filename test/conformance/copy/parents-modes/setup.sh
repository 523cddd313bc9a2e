mkdir -p a/b a/c there/a; echo 1 > a/b/f; echo 2 > a/c/g; chmod 750 a/b; chmod 1777 a; chmod 700 there/a a/c
