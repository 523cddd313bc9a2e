// Ends all writing to the files of a container that has ended.
#ifndef SEAL_H
#define SEAL_H

#include <stdbool.h>

// In a container: passes the root of a mount to wiac's side, with the socket for its status.
bool hand_over(int socket, int root);

// Makes a file system read-only for everybody, whatever mount, directory or file of it a process has.
// root: of one of its mounts
// False with EBUSY while somebody has a file open for writing.
bool seal(int root);

#endif
