ln -s d l
ln -s sub d/s
