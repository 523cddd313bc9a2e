touch -d @0 old
