// wiac-sys makes the system calls that Node can't. It decides nothing: wiac says what to do.
//
//   wiac-sys serve      many containers, for wiac's build; requests come over descriptor 3
//   wiac-sys --version
#include <stdio.h>
#include <string.h>

#include "loop.h"
#include "message.h"

int main(int argc, char **argv) {
    if (argc == 2 && strcmp(argv[1], "--version") == 0) {
        printf("wiac-sys " PROTOCOL "\n");
        return 0;
    }
    if (argc >= 2 && strcmp(argv[1], "serve") == 0) {
        serve(SOCKET);
        return 0;
    }
    fprintf(stderr, "wiac-sys is started by wiac\n");
    return 2;
}
