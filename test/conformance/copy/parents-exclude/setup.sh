mkdir -p p/a/dist p/a/src p/b/dist p/b/src; for d in p/*/*; do echo $d > $d/x; done; echo k > p/a/keep; echo y > p/b/src/y
