int store(void) { return 0; }
