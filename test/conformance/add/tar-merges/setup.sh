mkdir t; echo new > t/file; echo more > t/more; chmod 600 t/file; chmod 1700 t; tar --sort=name --owner=3 --group=4 --mtime=@0 -C t -cf a.tar . ; rm -r t
