int plan(void) { return 0; }
