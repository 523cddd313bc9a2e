// Build contexts of the benchmark, made anew each time: nothing is fetched.
import { randomBytes } from 'node:crypto';
import { copyFileSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const BUSYBOX = '/bin/busybox';

/** 20 RUN steps on a busybox base. */
export function runContext(directory) {
  mkdirSync(join(directory, 'bin'), { recursive: true });
  copyFileSync(BUSYBOX, join(directory, 'bin/busybox'));
  for (const name of ['sh', 'echo', 'cat', 'ls'])
    symlinkSync('busybox', join(directory, 'bin', name));
  const steps = Array.from({ length: 20 }, (_, index) => `RUN echo ${index} > /file${index}`);
  writeFileSync(
    join(directory, 'Dockerfile'),
    ['FROM scratch', 'COPY bin /bin', ...steps, ''].join('\n'),
  );
}

/** Files of 4 KiB, 100 in a folder; 200 folders are 20,000 files and 80 MB. */
export function filesContext(directory, folders = 200) {
  for (let folder = 0; folder < folders; folder++) {
    const path = join(directory, 'src', `folder${folder}`);
    mkdirSync(path, { recursive: true });
    for (let file = 0; file < 100; file++) {
      writeFileSync(
        join(path, `file${file}.txt`),
        `${folder} ${file}\n`.repeat(1024).slice(0, 4096),
      );
    }
  }
  writeFileSync(join(directory, 'Dockerfile'), 'FROM scratch\nCOPY src /src\n');
}

/** 100 files of 1 MB: half text of few words, as programs and documents are, half incompressible. */
export function largeContext(directory) {
  mkdirSync(join(directory, 'src'));
  const words = Array.from({ length: 3000 }, () => randomBytes(4).toString('hex').slice(0, 7));
  const text = () =>
    Array.from({ length: 62_500 }, () => words[Math.floor(Math.random() ** 3 * 3000)]).join(' ');
  for (let file = 0; file < 100; file++) {
    writeFileSync(join(directory, `src/file${file}`), file % 2 ? randomBytes(1 << 20) : text());
  }
  writeFileSync(join(directory, 'Dockerfile'), 'FROM scratch\nCOPY src /src\n');
}
