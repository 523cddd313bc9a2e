mkdir -p d/sub; chmod 700 d/sub; setfattr -n user.old -v 1 d/sub
mkdir -p e/sub; echo 2 > e/sub/f; tar --sort=name --owner=3 --group=4 --mtime=@0 -C e -cf implied.tar sub/f; rm -r e
