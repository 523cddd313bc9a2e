setfattr -n user.note -v hello d/x
