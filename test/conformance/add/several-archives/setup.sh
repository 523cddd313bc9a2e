for n in a b; do mkdir t; echo $n > t/$n; tar --sort=name --owner=3 --group=4 --mtime=@0 -C t -cf $n.tar $n; rm -r t; done
