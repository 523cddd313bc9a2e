#ifndef CONTAINERS_H
#define CONTAINERS_H

// From now on none is begun, for a reason that is what a failed one would tell.
void refuse_containers(const char *reason);

// Ends all of them.
void kill_containers(void);

#endif
