ln -s d link; ln -s link/f other
