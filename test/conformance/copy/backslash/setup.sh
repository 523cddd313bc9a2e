echo unit > 'a\x2db.mount'; echo other > other; mkdir 'sub\dir'; echo f > 'sub\dir/f'; echo star > 'x*y'; echo two > xzy
