chmod 700 dir; chmod 750 dir/sub
