chown -R 1234:4321 d
