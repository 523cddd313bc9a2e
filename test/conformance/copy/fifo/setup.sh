mkfifo d/pipe
