mkdir t; echo 1 > t/a; chmod 4755 t/a; tar --sort=name --owner=3 --group=4 --mtime=@0 -C t -cf a.tar $(ls t) ; rm -r t
