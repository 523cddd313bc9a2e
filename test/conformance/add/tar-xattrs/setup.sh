mkdir -p d/sub/deep; chmod 700 d/sub; setfattr -n user.old -v 1 d/sub; setfattr -n user.both -v 1 d/sub; setfattr -n user.deep -v 1 d/sub/deep
mkdir -p e/sub/deep; setfattr -n user.both -v 2 e/sub; setfattr -n user.new -v 2 e/sub; echo 2 > e/sub/deep/f; chmod 750 e/sub
tar --sort=name --owner=3 --group=4 --mtime=@0 --xattrs -C e -cf named.tar sub; tar --sort=name --owner=3 --group=4 --mtime=@0 -C e -cf implied.tar sub/deep/f; rm -r e
