mkdir t t/sub; echo in > t/f; echo deep > t/sub/g; ln -s f t/l; chmod 640 t/f; tar --sort=name --owner=3 --group=4 --mtime=@0 -C t -cf a.tar $(ls t) ; rm -r t
