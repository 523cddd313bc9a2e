#!/bin/sh
':' //; [ -r "$NODE_EXTRA_CA_CERTS" ] && [ -z "$NODE_OPTIONS" ] && export WIAC_UNREAD_CA_CERTS="$NODE_EXTRA_CA_CERTS" && unset NODE_EXTRA_CA_CERTS; exec node "$0" "$@"
