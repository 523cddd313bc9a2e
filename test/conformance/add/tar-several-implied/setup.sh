mkdir -p e/sub; echo 1 > e/sub/f; chmod 700 e/sub; echo 2 > e/sub/g
tar --sort=name --owner=3 --group=4 --mtime=@0 --no-recursion -C e -cf named.tar sub sub/f
tar --sort=name --owner=5 --group=6 --mtime=@0 -C e -cf implied.tar sub/g; rm -r e
