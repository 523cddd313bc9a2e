cd d; touch a b c e; chmod 755 a; chmod 4711 b; chmod 2750 c; chmod 000 e; mkdir s; chmod 1777 s
