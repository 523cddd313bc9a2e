import { execFileSync } from 'node:child_process';
import { lstatSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from '@jest/globals';
import { unpackLayer } from '../../../src/fs/archive/unpack-layer.js';
import { openBelow } from '../../support/open-below.js';
import {
  describeTree,
  EVERYTHING,
  getArchive,
  gnuTar,
  inPieces,
  made,
  names,
  run,
  scratch,
  sha256,
  unpack,
} from './helpers.js';

const XATTRS = ['--format=pax', '--xattrs', '--xattrs-include=*'];
/** Bytes of zeros. */
const END_OF_ARCHIVE = 1024;

describe('archives of GNU tar', () => {
  test('pax: every type, owner, mode, time to the nanosecond, xattr and hard link', async () => {
    const source = made(EVERYTHING);
    const archive = gnuTar(source, ...XATTRS);
    const target = scratch();
    const result = await unpack(archive, target);
    expect(describeTree(target)).toEqual(describeTree(source));
    expect(run('getcap', ['capable'], target)).toContain('cap_setgid,cap_setuid,cap_net_raw=ep');
    expect(result.diffId).toBe(sha256(archive));
    expect(result.files).toBe(describeTree(source).length);
    expect(result.opaque).toEqual([]);
  });

  test.each([0o000, 0o022, 0o077])(
    'modes are those of the archive under umask %o',
    async (umask) => {
      const source = made(`
      for mode in 000 400 644 666 755 777 1644 2755 4755 6777; do
        touch a$mode b$mode; chmod $mode a$mode b$mode
        touch c$mode; chown 7:8 c$mode; chmod $mode c$mode
      done`);
      const target = scratch();
      const former = process.umask(umask);
      try {
        await unpack(gnuTar(source), target);
      } finally {
        process.umask(former);
      }
      const modes = (root: string) =>
        run('find', ['.', '-type', 'f', '-printf', '%P %m %U\n'], root).split('\n').sort();
      expect(modes(target)).toEqual(modes(source));
      expect(modes(target)).toHaveLength(31);
    },
  );

  test('modes are those of the archive in a directory that hands down an ACL', async () => {
    const source = made('umask 0; touch a b; chmod 644 a b');
    const target = scratch();
    // setfacl -d -m u::rwx,g::r-x,o::-: new files get nothing for others.
    const entries = [
      [1, 7],
      [4, 5],
      [32, 0],
    ].map(([tag = 0, permissions = 0]) =>
      Buffer.from([tag, 0, permissions, 0, 255, 255, 255, 255]).toString('hex'),
    );
    const acl = `0x02000000${entries.join('')}`;
    run('setfattr', ['-n', 'system.posix_acl_default', '-v', acl, target]);
    await unpack(gnuTar(source), target);
    expect(run('stat', ['-c', '%a', 'a', 'b'], target)).toBe('644\n644\n');
  });

  test('the old GNU format: long names, and owners beyond 2^21 in base 256', async () => {
    const source = made(`${EVERYTHING}
      find . -depth -exec touch -h -d @1600000000 {} +
      find . -type f -exec setfattr -x user.binary {} + 2>/dev/null || true`);
    const target = scratch();
    await unpack(gnuTar(source, '--format=gnu'), target);
    const plain = (root: string) =>
      describeTree(root).map((line) => line.replace(/ (user|trusted|security)\..*$/, ''));
    expect(plain(target)).toEqual(plain(source));
  });

  test.each([
    ['--format=gnu'],
    ['--format=pax', '--sparse-version=0.0'],
    ['--format=pax', '--sparse-version=0.1'],
    ['--format=pax', '--sparse-version=1.0'],
  ])('sparse files: %s %s', async (...flags) => {
    const source = made(`
      truncate -s 20M holes
      for i in {1..40}; do echo "data $i" | dd of=holes bs=4096 seek=$((i * 100)) conv=notrunc status=none; done
      truncate -s 3M empty
      touch -d @5 holes empty .`);
    const target = scratch();
    const archive = gnuTar(source, '-S', ...flags);
    expect(archive.length).toBeLessThan(1 << 20);
    await unpackLayer(inPieces(archive, 700), target, { rootless: false });
    for (const name of ['holes', 'empty']) {
      expect(readFileSync(join(target, name)).equals(readFileSync(join(source, name)))).toBe(true);
      expect(lstatSync(join(target, name)).blocks * 512).toBeLessThan(1 << 20);
    }
    expect(lstatSync(join(target, 'holes')).mtimeMs).toBe(5000);
  });

  test.each([['--format=gnu'], ['--format=pax']])('times before 1970: %s', async (format) => {
    const source = made('echo x > f; ln -s f s; mkdir d; touch -hd @-315619200 f s d');
    const target = scratch();
    await unpackLayer(inPieces(gnuTar(source, format)), target, { rootless: false });
    for (const name of ['f', 's', 'd'])
      expect(lstatSync(join(target, name)).mtimeMs).toBe(-315_619_200_000);
  });

  test('names that are not UTF-8 keep their bytes', async () => {
    const source = made(
      `echo x > $'caf\\xe9'; ln -s $'t\\xff' $'l\\xfe'; ln $'caf\\xe9' $'h\\xe9'`,
    );
    const target = scratch();
    await unpack(gnuTar(source, '--format=gnu'), target);
    const listed = (root: string) => readdirSync(root, 'latin1').sort();
    expect(listed(target)).toEqual(['café', 'hé', 'lþ']);
    expect(run('find', ['.', '-type', 'l', '-printf', '%l'], target)).toBe(
      run('find', ['.', '-type', 'l', '-printf', '%l'], source),
    );
  });
});

describe('streams', () => {
  test('gzip, gzip in members, zstd and plain are told apart, and have one diffID', async () => {
    const source = made('for i in {1..50}; do seq $((i * 100)) > f$i; done');
    const archive = gnuTar(source, '--format=pax');
    const zstd = execFileSync('zstd', ['-q', '-c'], { input: archive });
    const skippable = Buffer.from([0x50, 0x2a, 0x4d, 0x18, 2, 0, 0, 0, 7, 7]);
    const half = archive.length / 2;
    const forms = [
      archive,
      gzipSync(archive),
      Buffer.concat([gzipSync(archive.subarray(0, half)), gzipSync(archive.subarray(half))]),
      zstd,
      Buffer.concat([skippable, zstd]),
    ];
    for (const form of forms) {
      const target = scratch();
      const { diffId } = await unpack(form, target);
      expect(diffId).toBe(sha256(archive));
      expect(describeTree(target)).toEqual(describeTree(source));
    }
  });

  test.each([1, 511, 513, 1000])('pieces of %i bytes make no difference', async (size) => {
    const source = made('mkdir d; seq 3000 > d/f; echo x > g; ln -s g h; touch -d @1.5 g; : > e');
    const target = scratch();
    const archive = gnuTar(source, '--format=pax');
    await unpackLayer(inPieces(archive, size), target, { rootless: false });
    expect(describeTree(target)).toEqual(describeTree(source));
  });

  test('bytes behind the end mark count for the diffID', async () => {
    const archive = Buffer.concat([await getArchive([{ name: 'f' }]), Buffer.alloc(4096)]);
    expect((await unpack(archive, scratch())).diffId).toBe(sha256(archive));
  });

  test('a cut or damaged archive is an ImageError', async () => {
    const archive = gnuTar(made('seq 5000 > f'), '--format=pax');
    const flipped = Buffer.from(archive);
    flipped[3] = 0x41;
    const packed = gzipSync(archive);
    const zstd = execFileSync('zstd', ['-q', '-c'], { input: archive });
    const noise = Buffer.alloc(2048, 'noise');
    const cases = [
      archive.subarray(0, 3000),
      archive.subarray(0, 100),
      flipped,
      noise,
      packed.subarray(0, packed.length - 20),
      zstd.subarray(0, zstd.length - 20),
    ];
    for (const broken of cases) {
      await expect(unpack(broken, scratch())).rejects.toMatchObject({ code: 'IMAGE' });
    }
  });

  test.each(['plain', 'gzip', 'zstd'])(
    'an error of a %s source comes out as it is',
    async (form) => {
      const archive = gnuTar(made('head -c 300000 /dev/urandom > f'));
      const encode = {
        plain: (data: Buffer) => data,
        gzip: (data: Buffer) => gzipSync(data),
        zstd: (data: Buffer) => execFileSync('zstd', ['-q', '-c'], { input: data }),
      }[form];
      const data = encode?.(archive) ?? archive;
      const lost = new Error('connection lost');
      function* source() {
        yield data.subarray(0, 100_000);
        throw lost;
      }
      const target = scratch();
      const unpacking = unpackLayer(Readable.from(source()), target, { rootless: false });
      await expect(unpacking).rejects.toBe(lost);
      expect(openBelow(target)).toEqual([]);
    },
  );
});

describe('whiteouts', () => {
  test('become devices 0/0 and opaque marks, as overlayfs wants them', async () => {
    const target = scratch();
    const { opaque, files } = await unpack(
      await getArchive([
        { name: 'a/', type: 'directory', mode: 0o755 },
        { name: 'a/.wh.gone' },
        { name: 'implied/.wh.gone' },
        { name: 'o/.wh..wh..opq' },
        { name: 'o/new', data: 'new' },
        { name: '.wh..wh.plnk/' },
        { name: '.wh..wh.plnk/1.2', data: 'aufs' },
      ]),
      target,
    );
    for (const path of ['a/gone', 'implied/gone']) {
      const stats = lstatSync(join(target, path));
      expect([stats.isCharacterDevice(), stats.rdev]).toEqual([true, 0]);
    }
    expect(opaque).toEqual(['o']);
    expect(files).toBe(7);
    expect(names(target)).toEqual(['a', 'implied', 'o']);
    const marks = run('getfattr', ['-R', '-d', '-m', 'overlay', '.'], target);
    expect(marks).toBe('# file: o\ntrusted.overlay.opaque="y"\n\n');
  });

  test('only hide what is below: a file or directory of the same layer stays', async () => {
    const target = scratch();
    const { opaque } = await unpack(
      await getArchive([
        { name: 'file', data: 'mine' },
        { name: '.wh.file' },
        { name: '.wh.dir' },
        { name: 'dir/', type: 'directory' },
        { name: 'dir/inner', data: 'mine' },
      ]),
      target,
    );
    expect(readFileSync(join(target, 'file'), 'utf8')).toBe('mine');
    expect(names(join(target, 'dir'))).toEqual(['inner']);
    expect(opaque).toEqual(['dir']);
  });

  test('more of them than one inode may have links', async () => {
    const target = scratch();
    // tar-stream takes a time for them that is quadratic.
    const parts: Buffer[] = [];
    for (let part = 0; part < 66; part++) {
      const members = Array.from({ length: 1000 }, (_, at) => ({ name: `.wh.f${part}-${at}` }));
      parts.push((await getArchive(members)).subarray(0, -END_OF_ARCHIVE));
    }
    await unpack(Buffer.concat([...parts, Buffer.alloc(END_OF_ARCHIVE)]), target);
    const count = run('find', ['.', '-type', 'c', '-printf', '.'], target).length;
    expect(count).toBe(66_000);
  });

  test('rootless: marked in user., without device nodes but whiteouts', async () => {
    const target = scratch();
    const archive = await getArchive([
      { name: '.wh..wh..opq' },
      { name: '.wh.gone' },
      { name: 'f', pax: { 'SCHILY.xattr.trusted.x': '1', 'SCHILY.xattr.user.x': '2' } },
    ]);
    expect((await unpack(archive, target, { rootless: true })).opaque).toEqual(['']);
    expect(lstatSync(join(target, 'gone')).rdev).toBe(0);
    const dump = run('getfattr', ['-R', '-d', '-m', '-', '.'], target);
    expect(dump).toBe('# file: .\nuser.overlay.opaque="y"\n\n# file: f\nuser.x="2"\n\n');
  });

  test('two layers mounted are what umoci unpacks', async () => {
    const lower = made(`mkdir -p keep opq sub; echo 1 > keep/a; echo 2 > keep/b; echo 3 > opq/old
      echo 4 > sub/f; ln -s a keep/l; mkdir swap; echo 5 > swap/below; touch -d @9 keep/a .`);
    const upper =
      made(`mkdir -p keep opq swap; : > keep/.wh.b; : > opq/.wh..wh..opq; echo n > opq/new
      : > .wh.sub; : > .wh.swap; echo s > swap/above; touch -d @9 .`);
    const [one, two] = [gnuTar(lower), gnuTar(upper)];
    const work = scratch();
    writeFileSync(join(work, '1.tar'), one);
    writeFileSync(join(work, '2.tar'), two);
    run('umoci', ['init', '--layout', 'oci'], work);
    run('umoci', ['new', '--image', 'oci:t'], work);
    for (const tar of ['1.tar', '2.tar']) {
      run('umoci', ['raw', 'add-layer', '--image', 'oci:t', tar], work);
    }
    run('umoci', ['unpack', '--image', 'oci:t', 'bundle'], work);
    const dirs = [scratch(), scratch()] as const;
    await unpack(one, dirs[0]);
    await unpack(two, dirs[1]);
    const merged = join(work, 'merged');
    mkdirSync(merged);
    const options = `ro,lowerdir=${dirs[1]}:${dirs[0]}`;
    run('mount', ['-t', 'overlay', 'overlay', '-o', options, merged]);
    try {
      const files = (root: string) =>
        describeTree(root, { rootTime: false }).map((line) =>
          line
            .replace(/ (user|trusted)\..*$/, '')
            // umoci removes what an opaque mark hides after it has set the directory's time.
            .replace(/( \| d \|.*) \| [0-9.]+ \|/, '$1 |'),
        );
      expect(files(merged)).toEqual(files(join(work, 'bundle/rootfs')));
    } finally {
      run('umount', [merged]);
    }
  });
});

describe('entries that come twice', () => {
  test('the later one wins, whatever the types', async () => {
    const target = scratch();
    const xattr = { 'SCHILY.xattr.user.a': '1' };
    await unpack(
      await getArchive([
        { name: 'f', data: 'first, and longer', pax: xattr },
        { name: 'kept', type: 'link', linkname: 'f' },
        { name: 'f', data: 'second' },
        { name: 'bare', data: 'x', pax: { ...xattr, mtime: '3.5' } },
        { name: 'bare', data: 'y' },
        { name: 'd/', type: 'directory', mode: 0o700 },
        { name: 'd/in', data: 'x', pax: xattr },
        { name: 'd/', type: 'directory', mode: 0o750 },
        { name: 'gone/', type: 'directory' },
        { name: 'gone/in', data: 'x', pax: { mtime: '1.5' } },
        { name: 'gone', data: 'a file now' },
        { name: 's', type: 'symlink', linkname: 'd' },
        { name: 's/', type: 'directory', mode: 0o711 },
        { name: 's/own', data: 'x' },
        { name: 'p', type: 'fifo' },
        { name: 'p2', type: 'link', linkname: 'p' },
        { name: 'p', data: 'no pipe' },
      ]),
      target,
    );
    const text = (name: string) => readFileSync(join(target, name), 'utf8');
    expect([text('f'), text('kept'), text('gone'), text('p')]).toEqual([
      'second',
      'first, and longer',
      'a file now',
      'no pipe',
    ]);
    expect(lstatSync(join(target, 'bare')).mtimeMs).toBe(0);
    expect(lstatSync(join(target, 'd')).mode & 0o7777).toBe(0o750);
    expect(names(join(target, 'd'))).toEqual(['in']);
    expect(names(join(target, 's'))).toEqual(['own']);
    expect(lstatSync(join(target, 'p2')).isFIFO()).toBe(true);
    const dump = run('getfattr', ['-R', '-d', '-m', 'user', '.'], target);
    expect(dump.split('\n\n').sort()).toEqual([
      '',
      '# file: d/in\nuser.a="1"',
      '# file: kept\nuser.a="1"',
    ]);
  });

  test('directories without an entry are 0755, of root, at the epoch', async () => {
    const target = scratch();
    await unpack(await getArchive([{ name: './/x/./y//f', data: '1' }]), target);
    const stats = lstatSync(join(target, 'x/y'));
    expect([stats.mode & 0o7777, stats.uid, stats.gid, stats.mtimeMs]).toEqual([0o755, 0, 0, 0]);
  });

  test('in a directory that gives its group away, files still belong to whom they should', async () => {
    const target = scratch();
    run('chown', ['0:77', target]);
    run('chmod', ['2755', target]);
    await unpack(await getArchive([{ name: 'f' }, { name: 'd/g' }]), target);
    expect([lstatSync(join(target, 'f')).gid, lstatSync(join(target, 'd/g')).gid]).toEqual([0, 0]);
  });
});
