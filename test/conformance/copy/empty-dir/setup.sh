mkdir d/empty
mkdir -m 700 d/private
