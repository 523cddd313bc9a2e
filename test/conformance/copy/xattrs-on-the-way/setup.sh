mkdir -p d/sub; setfattr -n user.outer -v 1 d/sub; setfattr -n user.inner -v 2 d/sub
echo 1 > f; echo 2 > g; tar --owner=0 --group=0 -cf a.tar g
