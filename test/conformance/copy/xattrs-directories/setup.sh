setfattr -n user.note -v hello d/sub
setfattr -n system.posix_acl_default -v 0x0200000001000700ffffffff04000500ffffffff20000500ffffffff d/sub
