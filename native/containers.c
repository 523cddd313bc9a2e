#include "message.h"

const struct request_type CONTAINER_REQUESTS[] = {{0, NULL}};
