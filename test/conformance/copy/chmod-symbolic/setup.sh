chmod 600 dir/plain; chmod 711 dir/sub/x
