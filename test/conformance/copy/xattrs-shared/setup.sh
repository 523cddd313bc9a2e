mkdir -p d/sub/deep e/sub/deep; setfattr -n user.old -v 1 d/sub; setfattr -n user.both -v 1 d/sub; setfattr -n user.deep -v 1 d/sub/deep
setfattr -n user.both -v 2 e/sub; setfattr -n user.new -v 2 e/sub; echo 2 > e/sub/deep/f
