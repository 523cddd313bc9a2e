echo text | gzip -n > f.gz
