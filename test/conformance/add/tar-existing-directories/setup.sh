mkdir t; echo in > t/f; tar --sort=name --owner=3 --group=4 --mtime=@0 -C t -cf a.tar f ; rm -r t
