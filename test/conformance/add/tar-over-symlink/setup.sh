mkdir -p t/dir; echo 1 > t/dir/added; tar --sort=name --owner=3 --group=4 --mtime=@0 -C t -cf a.tar $(ls t) ; rm -r t
