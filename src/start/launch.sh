#!/bin/sh
':' //; export WIAC_UNREAD_CA_CERTS="$NODE_EXTRA_CA_CERTS"; unset NODE_EXTRA_CA_CERTS
':' //; exec node -- "$0" "$@"
